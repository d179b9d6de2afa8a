"""Held and worn things that the mask cut in two go with the person; the background's own stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.masks.people_held import SURE, with_held
from backend.values import Cancelled, Control

SEA, SUIT, FIN, DARK = (170, 200, 190), (180, 30, 40), (240, 200, 20), (110, 130, 123)
BODY = (slice(60, 260), slice(160, 220))
INNER, OUTER = (slice(200, 240), slice(206, 220)), (slice(212, 226), slice(220, 242))


def picture(scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(picture, map): a person in red before the sea, in the hand a fin of which the mask holds
    the inner part only."""
    rng = np.random.default_rng(5)
    rgb = np.tile(np.array(SEA, np.float32), (320, 400, 1)) + rng.normal(0, 3, (320, 400, 3))
    rgb[BODY] = SUIT
    rgb[INNER] = FIN
    sure = np.zeros((320, 400), np.float32)
    sure[BODY] = 1
    rgb, sure = (np.kron(a, np.ones((scale, scale, 1))) for a in (rgb, sure[..., None]))
    return rgb.clip(0, 255).astype(np.uint8), sure[..., 0].astype(np.float32)


def added(rgb: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Which pixels the map gains; nothing else changes in it."""
    new = with_held(rgb, sure.copy(), Control())
    more = new != sure
    assert new.shape == sure.shape and new.dtype == np.float32
    assert (new[more] == np.float32(SURE)).all() and (sure[more] < SURE).all()
    return more


@pytest.mark.parametrize("scale", [1, 3])
def test_the_rest_of_a_thing_in_the_hand_is_found(scale: int) -> None:
    rgb, sure = picture(scale)
    fin = np.zeros(sure.shape, bool)
    fin[tuple(slice(s.start * scale, s.stop * scale) for s in OUTER)] = True
    rgb[fin] = FIN
    more = added(rgb, sure)
    assert more[fin].mean() > 0.95
    assert not (more & ~cv2.dilate(fin.astype(np.uint8), np.ones((9, 9))).astype(bool)).any()


def test_a_plain_background_gains_nothing() -> None:
    assert not added(*picture()).any()


def test_a_thing_of_another_colour_counts_where_the_net_suspects_it() -> None:
    rgb, sure = picture()
    rgb[OUTER] = (30, 60, 200)
    assert not added(rgb, sure).any()
    sure[OUTER] = 0.25
    assert added(rgb, sure)[OUTER].mean() > 0.95


def test_a_shadow_stays() -> None:
    rgb, sure = picture()
    rgb[OUTER] = DARK
    sure[OUTER] = 0.25
    assert not added(rgb, sure).any()


def test_what_goes_on_or_stands_apart_is_none_of_theirs() -> None:
    rgb, sure = picture()
    rgb[212:226, 220:400] = FIN  # a wall of that colour behind
    assert not added(rgb, sure).any()
    rgb, sure = picture()
    rgb[212:226, 228:250] = FIN
    assert not added(rgb, sure).any()


def test_a_restless_background_gains_nothing() -> None:
    rgb, sure = picture()
    rng = np.random.default_rng(6)
    noisy = rng.integers(0, 256, rgb.shape).astype(np.uint8)
    body = sure > 0
    noisy[body] = rgb[body]
    noisy[OUTER] = FIN
    assert not added(noisy, sure).any()


def test_maps_without_people_and_tiny_ones_come_back() -> None:
    for shape in ((320, 400), (8, 9), (1, 60)):
        rgb, sure = np.full((*shape, 3), 90, np.uint8), np.zeros(shape, np.float32)
        assert with_held(rgb, sure, Control()) is sure
        full = np.ones(shape, np.float32)
        assert (with_held(rgb, full, Control()) == 1).all()


def test_it_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        with_held(*picture(), Control(cancelled=lambda: True))
