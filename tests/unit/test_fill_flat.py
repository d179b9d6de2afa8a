"""Holes in flat colour are filled with it, all others are left to a model."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.fill.flat import fill_flat
from backend.values import Control


def word(height: int = 200, width: int = 360) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    cv2.putText(hole, "SALE", (90, 125), cv2.FONT_HERSHEY_SIMPLEX, 2, (255,), 12)
    return (hole > 127).astype(np.uint8) * np.uint8(255)


def gradient(height: int = 200, width: int = 360) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    base = np.stack([60 + x / 5, 90 + y / 4, 200 - x / 6], 2)
    return base + np.random.default_rng(1).normal(0, 1.2, base.shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_gradient_is_continued_with_its_grain(dtype: type) -> None:
    scale = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[dtype]
    truth = (gradient() * scale).astype(dtype)
    hole, source = word(), truth.copy()
    source[hole > 0] = 0
    plate, done = fill_flat(source, hole, Control())
    assert (done == hole).all() and plate.dtype == dtype
    assert (plate[hole == 0] == source[hole == 0]).all()
    error = (plate[hole > 0].astype(float) - truth[hole > 0]) / scale
    assert np.abs(error).mean() < 2.5 and np.abs(error.mean(0)).max() < 0.6
    assert 0.6 < error.std() / (1.2 * np.sqrt(2)) < 1.5


def test_a_plate_is_filled_with_its_own_colour_not_with_the_wall() -> None:
    rng = np.random.default_rng(2)
    source = rng.integers(0, 256, (200, 360, 3)).astype(np.uint8)
    source[60:145, 75:260] = (200, 20, 30)
    hole = word()
    source[hole > 0] = 255
    plate, done = fill_flat(source, hole, Control())
    assert (done == hole).all()
    assert np.abs(plate[hole > 0].astype(int) - (200, 20, 30)).max() <= 3


def test_texture_and_edges_are_left_to_a_model() -> None:
    rng = np.random.default_rng(3)
    for source in (rng.integers(0, 256, (200, 360, 3)).astype(np.uint8),
                   np.repeat(np.where(np.arange(360) // 9 % 2, 40, 210)[None, :, None], 200, 0)
                   .repeat(3, 2).astype(np.uint8)):
        plate, done = fill_flat(source, word(), Control())
        assert not done.any() and (plate == source).all()


def test_a_colour_on_one_side_only_is_not_drawn_across() -> None:
    source = np.full((200, 360, 3), 30, np.uint8)
    source[:, 180:] = np.random.default_rng(4).integers(0, 256, (200, 180, 3))
    hole = np.zeros((200, 360), np.uint8)
    hole[95:105, 60:190] = 255
    assert not fill_flat(source, hole, Control())[1].any()


def test_what_is_avoided_or_transparent_is_not_asked() -> None:
    source = np.dstack([np.full((200, 360, 3), 120, np.uint8), np.full((200, 360), 255, np.uint8)])
    hole, avoid = word(), np.zeros((200, 360), np.uint8)
    source[:70, :, :3], source[:70, :, 3] = 255, 0
    avoid[130:] = 255
    source[130:, :, :3] = 10
    plate, done = fill_flat(source, hole, Control(), avoid=avoid)
    assert (plate[done > 0][:, :3] == 120).all() and done.any()
    assert (plate[..., 3] == source[..., 3]).all()


def test_the_same_seed_gives_the_same_plate() -> None:
    source = gradient().astype(np.uint8)
    first, second, other = (fill_flat(source, word(), Control(), seed=s)[0] for s in (1, 1, 2))
    assert (first == second).all() and (first != other).any()


def test_a_gradient_is_never_drawn_out_beyond_the_colours_around_the_hole() -> None:
    # The hole fills the picture's lower right: along its rim the slopes reach 170, their sum
    # would reach 260 in the corner.
    y, x = np.mgrid[:300, :400]
    base = np.stack([60 + x / 4 + y / 3, 40 + y / 10, 50 + 0 * x], 2)
    source = np.clip(base, 0, 255).astype(np.uint8)
    hole = np.zeros((300, 400), np.uint8)
    hole[40:, 60:] = 255
    near = cv2.dilate(hole, np.ones((17, 17), np.uint8)) > 0
    rim = source[near & (hole == 0)].astype(int)
    source[hole > 0] = (20, 255, 20)
    plate, done = fill_flat(source, hole, Control())
    assert (done == hole).all()
    made = plate[hole > 0].astype(int)
    assert (made >= rim.min(0) - 5).all() and (made <= rim.max(0) + 5).all()
