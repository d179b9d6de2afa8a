"""Bars, badges and buttons before a person keep their edge, walls and bands behind do not count."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.masks import panels
from backend.masks.combine import grow
from backend.pipeline.bystanders import with_panels
from backend.values import Cancelled, Control

GREEN, RED = (126, 165, 58), (200, 10, 20)
SIZE = (300, 400)


def photo(seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(60, 200, (75, 100, 3)).astype(np.uint8)
    return cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def body(box: tuple[slice, slice] = (slice(60, 300), slice(150, 220))) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[box] = 255
    return cv2.erode(cv2.GaussianBlur(mask, (0, 0), 6), np.ones((3, 3), np.uint8)) // 128 * 255


def before(
    rgb: np.ndarray, person: np.ndarray, text: np.ndarray | None = None, by: int = 6
) -> np.ndarray:
    text = np.zeros(SIZE, np.uint8) if text is None else text
    return panels.in_front(rgb, person, grow(person, by), text, Control()) > 0


def test_a_bar_that_hides_the_feet_keeps_its_edge() -> None:
    rgb, person = photo(), body((slice(60, 246), slice(150, 220)))
    rgb[person > 0] = (90, 60, 50)
    rgb[240:] = GREEN
    found = before(rgb, person)
    assert found[240:, 100:280].all(), "also where the mask is wrong by some px"
    assert not found[:238].any()


def test_letters_on_the_bar_belong_to_it() -> None:
    rgb, person = photo(), body((slice(60, 246), slice(150, 220)))
    rgb[240:] = GREEN
    text = np.zeros(SIZE, np.uint8)
    for x in range(20, 380, 24):
        text[242:290, x : x + 16] = 255
    rgb[text > 0] = 255
    text = grow(text, 3)
    assert before(rgb, person, text)[241:299, 100:280].all()


def test_a_badge_with_a_line_around_it() -> None:
    rgb, person = photo(), body()
    cv2.circle(rgb, (110, 200), 45, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(rgb, (110, 200), 41, GREEN, -1, cv2.LINE_AA)
    found = before(rgb, person)
    disc = np.zeros(SIZE, np.uint8)
    cv2.circle(disc, (110, 200), 43, (1,), -1)
    assert found[disc > 0].all()
    cv2.circle(disc, (110, 200), 48, (1,), -1)
    assert not found[disc == 0].any()


def test_a_button_on_somebody() -> None:
    rgb, person = photo(), body((slice(60, 300), slice(100, 300)))
    rgb[person > 0] = (90, 60, 50)
    rgb[150:190, 120:280] = RED
    text = np.zeros(SIZE, np.uint8)
    text[160:180, 135:265:3] = 255
    rgb[text > 0] = 255
    assert before(rgb, person, text)[151:189, 121:279].all()


def test_a_button_that_was_clicked_goes() -> None:
    rgb, button = photo(), np.zeros(SIZE, np.uint8)
    rgb[150:190, 120:280] = RED
    button[148:191, 119:281] = 255
    text = np.zeros(SIZE, np.uint8)
    text[160:180, 135:265:3] = 255
    rgb[text > 0] = 255
    assert not before(rgb, button, text).any()


@pytest.mark.parametrize("what", ["wall", "band behind", "flat clothes", "photo"])
def test_what_lies_behind_or_belongs_to_somebody_is_none(what: str) -> None:
    rgb, person = photo(), body()
    if what == "wall":
        rgb[:] = (150, 152, 155)
    elif what == "band behind":
        rgb[200:260] = RED
    rgb[person > 0] = RED if what == "flat clothes" else (90, 60, 50)
    assert not before(rgb, person).any()


def test_a_frame_around_the_picture_stays_whole() -> None:
    rgb = photo()
    rgb[body() > 0] = (90, 60, 50)
    cv2.rectangle(rgb, (0, 0), (SIZE[1] - 1, SIZE[0] - 1), (250, 215, 0), 5)
    truth = np.ones(SIZE, bool)
    truth[3:-3, 3:-3] = False
    found = panels.frame(rgb) > 0
    assert found[truth].all() and not found[6:-6, 6:-6].any()


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (60, 60)])
def test_flat_and_tiny_pictures_have_no_frame(shape: tuple[int, int]) -> None:
    assert not panels.frame(np.full((*shape, 3), 200, np.uint8)).any()


def test_nothing_of_a_panel_is_sampled_where_enough_else_is() -> None:
    person = body((slice(60, 246), slice(150, 220)))
    hole = grow(person, 6)
    front = np.zeros(SIZE, np.uint8)
    front[240:] = 255
    hole[front > 0] = 0
    spared = with_panels(None, front, hole)
    assert spared is not None and (spared[242:] == 255).all() and not spared[:230].any()
    assert not spared[hole > 0].any()
    everything = np.where(hole > 0, 0, 255).astype(np.uint8)
    assert with_panels(None, everything, hole) is None
    assert with_panels(front, np.zeros_like(front), hole) is front


def test_it_can_be_cancelled() -> None:
    control = Control(cancelled=lambda: True)
    with pytest.raises(Cancelled):
        panels.in_front(photo(), body(), body(), np.zeros(SIZE, np.uint8), control)
