"""A hem that the net is sure is none goes with its dress; what the background has too does not."""

from __future__ import annotations

import numpy as np
import pytest

from backend.masks.people_held import with_held
from backend.values import Control

WALL, DRESS = (150, 152, 155), (215, 170, 110)
BODY, HEM = (slice(40, 240), slice(160, 230)), (slice(212, 240), slice(202, 230))


def picture() -> tuple[np.ndarray, np.ndarray]:
    """(picture, map): somebody in a light brown dress whose hem's corner is not in the map."""
    rng = np.random.default_rng(3)
    rgb = np.tile(np.array(WALL, np.float32), (320, 400, 1)) + rng.normal(0, 6, (320, 400, 3))
    rgb[BODY] = DRESS + rng.normal(0, 4, (200, 70, 3))
    sure = np.zeros((320, 400), np.float32)
    sure[BODY] = 1
    sure[HEM] = 0.02
    return rgb.clip(0, 255).astype(np.uint8), sure


def gained(rgb: np.ndarray, sure: np.ndarray) -> np.ndarray:
    return with_held(rgb, sure, Control()) > np.maximum(sure, 0.5)


def test_the_rest_of_the_dress_goes() -> None:
    rgb, sure = picture()
    more = gained(rgb, sure)
    assert more[HEM].mean() > 0.9
    more[HEM] = False
    assert not more.any()


def test_what_goes_on_in_the_background_stays() -> None:
    rgb, sure = picture()
    rgb[190:240, 230:380] = DRESS  # a table in the same colour
    assert not gained(rgb, sure).any()


def test_what_a_visible_edge_parts_from_the_person_stays() -> None:
    rgb, sure = picture()
    body = np.zeros(sure.shape, bool)
    body[BODY] = True
    body[HEM] = False
    rgb[body] = (190, 140, 80)
    rgb[60:110, 170:220] = DRESS  # the colour is somewhere on the person
    assert not gained(rgb, sure).any()


@pytest.mark.parametrize("size", [(1, 1), (12, 300)])
def test_small_pictures_gain_nothing(size: tuple[int, int]) -> None:
    rgb = np.full((*size, 3), 120, np.uint8)
    sure = np.zeros(size, np.float32)
    sure[0, 0] = 1
    assert (with_held(rgb, sure, Control()) == sure).all()
