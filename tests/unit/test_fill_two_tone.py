"""Small holes across the border of two flat colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.fill.flat import fill_flat
from backend.fill.two_tone import fill_two_tone, spline
from backend.values import Control

PINK, YELLOW = (225, 190, 185), (255, 215, 10)


def badge() -> np.ndarray:
    picture = np.full((160, 200, 3), PINK, np.uint8)
    cv2.circle(picture, (100, 80), 36, YELLOW, -1, cv2.LINE_AA)
    noise = np.random.default_rng(2).integers(-2, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def strip(x0: int, x1: int, y0: int = 70, y1: int = 90) -> np.ndarray:
    hole = np.zeros((160, 200), np.uint8)
    hole[y0:y1, x0:x1] = 255
    return hole


def off(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b).max(2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_word_across_a_badge_leaves_the_badge(dtype):
    picture = badge().astype(dtype) * (257 if dtype == np.uint16 else 1)
    hole = strip(55, 145)
    written = picture.copy()
    written[hole > 0] = 0
    plate, done = fill_flat(written, hole, Control())
    assert np.array_equal(done, hole)
    wrong = off(plate, picture) > 12 * (257 if dtype == np.uint16 else 1)
    assert wrong[hole > 0].mean() < 0.06  # the edge bulges a little less than the circle
    assert np.array_equal(plate[hole == 0], picture[hole == 0])
    again, _ = fill_flat(written, hole, Control())
    assert np.array_equal(again, plate)


@pytest.mark.parametrize("turn", [0.0, 0.4, 1.0])
def test_a_straight_border_goes_on_straight(turn):
    y, x = np.mgrid[0:160, 0:200]
    right = (x - 100) * np.cos(turn) + (y - 80) * np.sin(turn) > 0
    picture = np.where(right[..., None], YELLOW, PINK).astype(np.uint8)
    hole = strip(60, 140)
    plate, done = fill_flat(picture, hole, Control())
    assert done.any()
    assert (off(plate, picture) > 90).sum() < 12  # to the pixel along 20 to 37 px of border


def test_a_border_along_the_hole_is_not_bent_to_its_middle():
    picture = np.full((160, 200, 3), PINK, np.uint8)
    picture[74:] = YELLOW
    hole = strip(30, 170, 70, 110)
    plate, done = fill_flat(picture, hole, Control())
    assert done.any() and not off(plate[:73], picture[:73]).any()
    assert not off(plate[75:], picture[75:]).any()


def test_a_pattern_of_two_colours_is_left_to_the_model():
    y, x = np.mgrid[0:160, 0:200]
    picture = np.where(((x // 4 + y // 4) % 2 > 0)[..., None], YELLOW, PINK).astype(np.uint8)
    assert not fill_flat(picture, strip(60, 140), Control())[1].any()


def test_texture_is_left_to_the_model():
    noise = np.random.default_rng(1).normal(0, 25, (160, 200, 3))
    assert not fill_flat(
        np.clip(badge() + noise, 0, 255).astype(np.uint8), strip(60, 140), Control())[1].any()


def test_the_spline_passes_between_its_points():
    places = np.array([(x, y) for y in (0, 20) for x in range(0, 60, 2)])
    second = places[:, 0] > 30
    field = spline(places, second, (21, 60))
    assert field.shape == (21, 60) and field.dtype == np.float32
    assert (field[:, :28] < 0.5).all() and (field[:, 34:] > 0.5).all()


@pytest.mark.parametrize("slope", [0.0, 0.015])
def test_a_narrow_strip_tells_no_colour_far_from_it(slope: float) -> None:
    rgb = np.full((40, 80, 3), 0.8, np.float32)
    x = np.arange(80, dtype=np.float32)
    rgb[:, :40] = (0.15 + slope * x[:40])[:, None] * np.array([0.2, 1, 1], np.float32)
    part, ring = np.zeros((40, 80), np.uint8), np.zeros((40, 80), bool)
    part[:, 8:72] = 255
    ring[part == 0] = True
    rgb[part > 0] = (1, 0, 1)
    filled = fill_two_tone(rgb, part, ring, np.random.default_rng(0), Control())
    if slope:  # carried on, it would be much brighter in the middle than anything seen
        assert filled is None
    else:
        assert filled is not None and np.abs(filled[:, 20, 1] - 0.15).max() < 0.02
