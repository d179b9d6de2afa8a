"""Plates behind text and cast shadows: taken when asked for, and only those."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pipeline_doubles import Store, scene

from backend.masks.backplates import backplate_mask
from backend.masks.shadows import shadow_mask
from backend.pipeline.clean import clean
from backend.values import CleanOptions, Control, TextLine

LINE = TextLine(np.array([(100, 80), (300, 80), (300, 110), (100, 110)], np.float32), 30.0)


def wall() -> np.ndarray:
    rng = np.random.default_rng(5)
    picture = cv2.resize(rng.integers(60, 200, (20, 40, 3)).astype(np.uint8), (400, 200))
    return cv2.add(picture, rng.integers(0, 12, picture.shape).astype(np.uint8))


def write(picture: np.ndarray) -> None:
    cv2.putText(picture, "SALE NOW", (105, 108), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (250, 250, 250), 4)


@pytest.mark.parametrize("radius", [0, 20])
def test_a_plate_is_taken_whole(radius: int) -> None:
    picture = wall()
    plate = np.zeros((200, 400), np.uint8)
    cv2.rectangle(plate, (85 + radius, 65), (315 - radius, 125), 255, -1)
    cv2.rectangle(plate, (85, 65 + radius), (315, 125 - radius), 255, -1)
    for x in (85 + radius, 315 - radius):
        for y in (65 + radius, 125 - radius):
            cv2.circle(plate, (x, y), radius, 255, -1)
    picture[plate > 0] = (200, 30, 40)
    write(picture)
    found = backplate_mask(picture, [LINE], Control())
    assert (found[plate > 0] == 255).mean() > 0.99
    assert np.count_nonzero(found) < 1.15 * np.count_nonzero(plate)


def test_text_on_a_wall_or_a_flat_ground_has_no_plate() -> None:
    for ground in (wall(), np.full((200, 400, 3), 120, np.uint8)):
        write(ground)
        assert not backplate_mask(ground, [LINE], Control()).any()


def street(shade: float, wide: int = 70) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(picture, person, shadow at the feet) on a noisy pavement."""
    rng = np.random.default_rng(2)
    picture = rng.normal(150, 5, (300, 300, 3))
    person, shadow = np.zeros((300, 300), np.uint8), np.zeros((300, 300), np.uint8)
    cv2.ellipse(shadow, (150, 262), (wide, 14), 0, 0, 360, (255,), -1)
    picture[shadow > 0] *= shade
    cv2.rectangle(person, (130, 60), (170, 265), (255,), -1)
    picture[person > 0] = (40, 60, 160)
    return np.clip(picture, 0, 255).astype(np.uint8), person, cv2.subtract(shadow, person)


def test_a_shadow_at_the_feet_is_found() -> None:
    picture, person, shadow = street(0.6)
    found = shadow_mask(picture, person, Control())
    assert (found[shadow > 0] > 0).mean() > 0.9
    assert np.count_nonzero(found) < 1.5 * np.count_nonzero(shadow)
    assert not found[person > 0].any()


def test_a_lit_ground_has_no_shadow_and_a_coloured_thing_is_none() -> None:
    picture, person, shadow = street(1.0)
    assert np.count_nonzero(shadow_mask(picture, person, Control())) < 50
    picture[shadow > 0] = (150, 30, 30)
    assert np.count_nonzero(shadow_mask(picture, person, Control())) < 50


def test_a_kerb_behind_the_feet_is_no_shadow_but_one_that_leaves_the_picture_is() -> None:
    picture, person, shadow = street(1.0)
    picture[259:265, 150:] = picture[259:265, 150:] * 0.6
    picture[person > 0] = (40, 60, 160)
    assert not shadow_mask(picture, person, Control()).any()
    picture, person, shadow = (np.ascontiguousarray(a[:, 91:]) for a in street(0.6, 60))
    assert shadow[:, 0].any()
    found = shadow_mask(picture, person, Control())
    assert (found[shadow > 0] > 0).mean() > 0.8


def test_options_switch_them_on() -> None:
    picture = scene()
    picture[84:90, 95:110] = 60  # touches nobody's mask but the person's foot at x = 90
    picture[84:96, 60:110] = (picture[84:96, 60:110] * 0.6).astype(np.uint8)
    picture[30:90, 70:90] = (220, 20, 20)
    plain = clean(picture, CleanOptions(), Store(), Control())
    shaded = clean(picture, CleanOptions(shadows=True), Store(), Control())
    assert (shaded.hole >= plain.hole).all()
    assert (shaded.object_mask == plain.object_mask).all()
    plated = clean(picture, CleanOptions(with_backplates=True), Store(), Control())
    assert (plated.text_mask >= plain.text_mask).all()
