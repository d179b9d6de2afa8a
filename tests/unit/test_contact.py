"""The soft shade around an object on a plain wall goes with it, and nothing but that."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pipeline_doubles import RED, Store

from backend.masks import combine
from backend.masks.contact import contact_shadow
from backend.pipeline.clean import clean
from backend.pipeline.refill import refill
from backend.values import CleanOptions, Control

FIGURE = (120, 60, 200, 260)  # x0, y0, x1, y1


def wall(depth: float, texture: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(picture, figure, shade): a red figure before a lit wall; `depth`: share of the light that
    its shade takes at most."""
    y, x = np.mgrid[0:320, 0:320].astype(np.float32) / 320
    plain = np.stack([170 + 20 * y, 175 + 15 * x, 190 + 10 * x * y], -1)
    figure = np.zeros((320, 320), np.uint8)
    x0, y0, x1, y1 = FIGURE
    figure[y0:y1, x0:x1] = 255
    away = cv2.distanceTransform((figure == 0).astype(np.uint8), cv2.DIST_L2, 5)
    lost = depth * np.exp(-((away / 9) ** 2))
    rng = np.random.default_rng(3)
    picture = plain * (1 - lost[..., None]) + rng.normal(0, 1 + texture, plain.shape)
    picture[figure > 0] = RED
    return picture.clip(0, 255).astype(np.uint8), figure, (lost > 0.06) & (figure == 0)


def test_the_shade_on_a_plain_wall_is_found():
    picture, figure, shade = wall(0.35)
    hole = combine.grow(figure, 5)
    found = contact_shadow(picture, hole, Control()) > 0
    assert not (found & (hole > 0)).any()
    assert found[shade & (hole == 0)].mean() > 0.98
    assert not (found & (combine.grow(figure, 20) == 0)).any()  # 14 px of shade


@pytest.mark.parametrize("depth, texture", [(0.0, 0.0), (0.35, 12.0)])
def test_a_lit_wall_and_a_pattern_stay(depth, texture):
    picture, figure, _ = wall(depth, texture)
    assert not contact_shadow(picture, combine.grow(figure, 5), Control()).any()


def test_a_dark_thing_beside_the_figure_is_no_shade():
    picture, figure, _ = wall(0.0)
    picture[60:260, 205:230] = 40
    assert not contact_shadow(picture, combine.grow(figure, 5), Control()).any()


def test_small_and_cut_objects_are_no_trouble():
    picture, figure, _ = wall(0.35)
    for mask in (np.zeros_like(figure), np.full_like(figure, 255), figure[:, ::-1].copy()):
        assert contact_shadow(picture, mask, Control()).shape == figure.shape
    dot = np.zeros_like(figure)
    dot[5:9, 5:9] = 255
    assert not contact_shadow(picture, dot, Control()).any()


def test_no_ghost_is_left_and_growing_by_hand_means_only_that():
    picture, figure, shade = wall(0.35)
    store = Store()
    done = clean(picture, CleanOptions(text=False), store, Control())
    assert done.hole[shade].mean() > 250
    assert np.array_equal(done.plate[done.hole == 0], picture[done.hole == 0])
    lit = wall(0.0)[0].astype(int)
    beside = (cv2.dilate(figure, np.ones((31, 31), np.uint8)) > 0) & (figure == 0)
    assert np.abs(done.plate.astype(int) - lit)[beside].mean() < 6
    by_hand = clean(picture, CleanOptions(text=False, grow=5), store, Control())
    assert np.array_equal(by_hand.hole, combine.grow(by_hand.object_mask, 5))


def test_who_comes_back_brings_the_shade_back():
    picture, figure, _ = wall(0.35)
    store, options = Store(), CleanOptions(text=False)
    done = clean(picture, options, store, Control())
    empty = np.zeros_like(figure)
    again = refill(
        done.plate, empty, empty, options, store, Control(),
        original=picture, changed=done.object_mask,
    )
    assert np.array_equal(again.result.plate, picture)


def test_a_first_fill_from_masks_takes_the_same_shade():
    picture, _, _ = wall(0.35)
    store, options = Store(), CleanOptions(text=False)
    done = clean(picture, options, store, Control())
    again = refill(picture, done.object_mask, None, options, store, Control())
    assert np.array_equal(again.result.hole, done.hole)
