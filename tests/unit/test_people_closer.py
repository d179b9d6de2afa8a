"""The closer look at found people: where it looks, how it is sewn in, and what it leaves alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.masks import people_closer
from backend.masks.people_closer import FINE, MOST, closer, windows
from backend.values import Cancelled, Control


def scene(height: int = 600, width: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """A picture with a white figure, and a coarse map that knows it roughly."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[200:400, 300:360] = 255
    coarse = cv2.resize(rgb[..., 0].astype(np.float32) / 255, (96, 64))
    return rgb, cv2.GaussianBlur(coarse, (0, 0), 2)


def bright(crop: np.ndarray) -> np.ndarray:
    """A look that sees what is white, at half the crop's size."""
    half = (crop.shape[1] // 2, crop.shape[0] // 2)
    return cv2.resize(crop[..., 0].astype(np.float32) / 255, half, interpolation=cv2.INTER_AREA)


def test_nobody_there_means_no_second_look() -> None:
    coarse = np.full((64, 96), 0.1, np.float32)

    def never(crop: np.ndarray) -> np.ndarray:
        raise AssertionError(f"looked at {crop.shape}")

    rgb = np.zeros((600, 900, 3), np.uint8)
    assert closer(rgb, coarse, never, Control()) is coarse


def test_the_outline_gets_sharper() -> None:
    rgb, coarse = scene()
    truth = rgb[..., 0] > 0

    def iou(seen: np.ndarray) -> float:
        mask = cv2.resize(seen, (900, 600)) > 0.5
        return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)

    fine = closer(rgb, coarse, bright, Control())
    assert fine.dtype == np.float32 and fine.shape == (600, 900)
    assert fine.min() >= 0 and fine.max() <= 1
    assert iou(fine) > 0.95 > iou(coarse) + 0.05


def test_far_from_the_window_the_first_look_stays() -> None:
    rgb, coarse = scene()
    fine = closer(rgb, coarse, lambda crop: np.ones(crop.shape[:2], np.float32), Control())
    base = cv2.resize(coarse, (900, 600))
    (box,) = windows(coarse)
    outside = np.ones((600, 900), bool)
    scale = 600 / 64
    outside[
        int(box.y0 * scale) : int(np.ceil(box.y1 * scale)),
        int(box.x0 * scale) : int(np.ceil(box.x1 * scale)),
    ] = False
    assert np.array_equal(fine[outside], base[outside])
    step = np.abs(np.diff(fine - base, axis=1)).max()
    assert step < 0.2, "a seam at the window's rim"


def test_a_window_at_the_border_does_not_fade_there() -> None:
    coarse = np.zeros((64, 96), np.float32)
    coarse[50:, :12] = 0.8
    rgb = np.zeros((600, 900, 3), np.uint8)
    fine = closer(rgb, coarse, lambda crop: np.zeros(crop.shape[:2], np.float32), Control())
    assert fine[-1, 0] == pytest.approx(0.3 * 0.8, abs=0.02)


def test_large_regions_and_too_many_are_left() -> None:
    coarse = np.zeros((64, 96), np.float32)
    coarse[4:60, 10:86] = 0.9
    assert windows(coarse) == []
    coarse[:] = 0
    for index in range(24):
        y, x = 12 * (index // 8) + 4, 12 * (index % 8) + 2
        coarse[y : y + 6, x : x + 6] = 0.9
    assert len(windows(coarse)) == MOST


def test_the_map_stays_small_for_a_large_picture() -> None:
    rgb = np.zeros((3000, 4500, 3), np.uint8)
    coarse = np.zeros((64, 96), np.float32)
    coarse[30:50, 30:40] = 0.9
    fine = closer(rgb, coarse, bright, Control())
    assert max(fine.shape) == FINE


def test_cancel_is_heard_between_windows() -> None:
    coarse = np.zeros((64, 96), np.float32)
    coarse[5:15, 5:15] = coarse[40:50, 60:70] = 0.9
    looks: list[tuple[int, ...]] = []
    control = Control(cancelled=lambda: bool(looks))

    def look(crop: np.ndarray) -> np.ndarray:
        looks.append(crop.shape)
        return bright(crop)

    with pytest.raises(Cancelled):
        closer(np.zeros((600, 900, 3), np.uint8), coarse, look, control)
    assert len(looks) == 1


def test_one_pixel_wide_pictures() -> None:
    coarse = np.full((32, 64), 0.9, np.float32)
    coarse[:, 20:] = 0
    seen = people_closer.closer(np.zeros((16, 900, 3), np.uint8), coarse, bright, Control())
    assert seen.shape[1] >= seen.shape[0] and np.isfinite(seen).all()
