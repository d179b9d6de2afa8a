"""A click on odd pictures, through the whole pipeline with the built-in click model."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from backend.models.store import ModelStore  # noqa: E402
from backend.pipeline.clean import clean  # noqa: E402
from backend.values import BadInput, CleanOptions, Control, Point  # noqa: E402


def clicked(pixels: np.ndarray, point: Point):
    options = CleanOptions(
        text=False, people=False, clicks=(point,), click_model="click-builtin",
        fill_model="fill-telea", device="cpu",
    )
    return clean(pixels, options, ModelStore("cpu"), Control())


def disk(value: int, back: int) -> np.ndarray:
    rgb = np.full((90, 120, 3), back, np.uint8)
    ys, xs = np.mgrid[:90, :120]
    rgb[np.hypot(ys - 45, xs - 60) < 20] = value
    return rgb


def test_a_grey_picture() -> None:
    result = clicked(disk(40, 200), Point(60, 45))
    assert result.object_mask[45, 60] == 255 and result.object_mask[5, 5] == 0
    assert (result.plate[45, 60, :3] > 150).all()


def test_a_fully_transparent_layer_keeps_its_pixels() -> None:
    pixels = np.dstack([disk(40, 200), np.zeros((90, 120), np.uint8)])
    result = clicked(pixels, Point(60, 45))
    assert np.array_equal(result.plate[..., 3], pixels[..., 3])
    assert not result.hole.any()


def test_one_pixel() -> None:
    result = clicked(np.full((1, 1, 3), 90, np.uint8), Point(0, 0))
    assert result.plate.shape == (1, 1, 3)


def test_outside_names_the_size() -> None:
    with pytest.raises(BadInput, match="120"):
        clicked(disk(40, 200), Point(120, 10))
