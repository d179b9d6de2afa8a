"""Hairlines of letters are followed from their strokes, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from backend.masks.text_hairlines import continued
from backend.masks.text_lines import Region

LINE = Region(150, 100, 160, 80, 0.0)
GROUND, LETTER = (150, 165, 185), (235, 130, 40)


def letter(ground: tuple[int, int, int] = GROUND) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rgb 200×300×3, its strokes as found, its hairlines): a stem with two thin bars."""
    rgb = np.full((200, 300, 3), ground, np.uint8)
    stem, thin = np.zeros((200, 300), bool), np.zeros((200, 300), bool)
    stem[65:135, 140:154] = True
    thin[80:82, 110:140] = thin[110:112, 154:190] = True
    rgb[stem | thin] = LETTER
    return rgb, stem.astype(np.uint8), thin


def test_thin_bars_of_a_letter_are_found() -> None:
    rgb, solid, thin = letter()
    found = continued(rgb, solid, [LINE]) > 0
    assert found[thin].mean() > 0.95
    assert not (found & ~thin).any()


def test_a_slope_of_light_in_the_ground_does_not_matter() -> None:
    rgb, solid, thin = letter()
    light = np.linspace(-40, 40, 300)[None, :, None]
    found = continued(np.clip(rgb + light, 0, 255).astype(np.uint8), solid, [LINE]) > 0
    assert found[thin].mean() > 0.9 and not (found & ~thin).any()


@pytest.mark.parametrize("colour", [(30, 60, 200), (150, 172, 190)], ids=["other", "faint"])
def test_what_has_another_colour_is_left_alone(colour: tuple[int, int, int]) -> None:
    rgb, solid, thin = letter()
    rgb[thin] = colour
    assert not continued(rgb, solid, [LINE]).any()


def test_a_line_that_goes_on_belongs_to_the_picture() -> None:
    rgb, solid, thin = letter(GROUND)
    rgb[thin] = GROUND
    rgb[100:102] = LETTER  # a horizon behind the letter
    rgb[solid > 0] = LETTER
    assert not continued(rgb, solid, [LINE]).any()


def test_a_ground_of_the_same_colour_proves_nothing() -> None:
    rgb, solid, _ = letter()
    leaves = np.random.default_rng(1).integers(0, 200, (60, 2))
    for y, x in leaves:
        rgb[y : y + 3, x + 60 : x + 72] = LETTER
    assert not continued(rgb, solid, [LINE]).any()


def test_what_has_that_colour_further_off_says_nothing() -> None:
    rgb, solid, thin = letter()
    rgb[70:130:4, 215:240] = LETTER  # a sleeve behind the line's other end
    found = continued(rgb, solid, [LINE]) > 0
    assert found[thin].mean() > 0.95 and not found[:, 200:].any()


def test_small_lines_and_pictures_without_strokes_give_nothing() -> None:
    rgb, solid, _ = letter()
    assert not continued(rgb, np.zeros_like(solid), [LINE]).any()
    assert not continued(rgb, np.ones_like(solid), [LINE]).any()
    assert not continued(rgb, solid, [Region(150, 100, 160, 20, 0.0)]).any()
    assert not continued(rgb, solid, [Region(-500, 900, 160, 80, 0.0)]).any()
    assert continued(rgb[:, :1], solid[:, :1], [LINE]).shape == (200, 1)
