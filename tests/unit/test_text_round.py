"""Text around a centre: circles, their strips, and real nets on a rendered badge."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import strokes, text_round
from backend.masks.text_lines import Region
from backend.masks.text_round import Ring
from backend.values import Control


def badge(words: str, size: int = 30, side: int = 360) -> tuple[np.ndarray, np.ndarray]:
    """A disc on a photo-like ground with words around its centre: the picture and the letters'
    bool map. Letters are turned one by one, as a designer's program does."""
    rng = np.random.default_rng(3)
    ground = cv2.resize(rng.integers(60, 200, (9, 12, 3)).astype(np.uint8), (side * 4 // 3, side),
                        interpolation=cv2.INTER_CUBIC)  # fmt: skip
    cx, cy, r = ground.shape[1] * 0.45, side * 0.52, side * 0.36
    cv2.circle(ground, (round(cx), round(cy)), round(r), (250, 235, 120), -1, cv2.LINE_AA)
    ink = np.zeros(ground.shape[:2], np.float32)
    font = ImageFont.load_default(size)
    for n, letter in enumerate(words):
        sheet = Image.new("L", (2 * size, 2 * size))
        ImageDraw.Draw(sheet).text((size, size), letter, 255, font, anchor="mm")
        turn = n / len(words) * 2 * np.pi - np.pi
        x, y = cx + 0.8 * r * np.sin(turn), cy - 0.8 * r * np.cos(turn)
        matrix = cv2.getRotationMatrix2D((size, size), -np.rad2deg(turn), 1)
        matrix[:, 2] += (x - size, y - size)
        drawn = cv2.warpAffine(np.asarray(sheet, np.float32) / 255, matrix, ink.shape[::-1])
        ink = np.maximum(ink, drawn)
    picture = ground + (np.array([40, 30, 90]) - ground) * ink[..., None]
    return picture.round().astype(np.uint8), ink > 0.5


def test_the_clearest_circle_is_found_to_a_pixel():
    picture, _ = badge("")
    first = text_round.circles(picture)[0]
    assert (first.cx, first.cy) == pytest.approx((480 * 0.45, 360 * 0.52), abs=1.5)
    assert first.radius == pytest.approx(360 * 0.36, abs=2.5)


@pytest.mark.parametrize("side", [20, 200])
def test_where_there_is_no_circle_none_is_seen(side: int):
    plain = np.full((side, 2 * side, 3), 120, np.uint8)
    plain[side // 4 : side // 2, side // 4 : side] = 250
    assert text_round.circles(plain) == []


@pytest.mark.parametrize(
    "ring", [Ring(200, 150, 40), Ring(190.5, 160.2, 120), Ring(30, 20, 90), Ring(900, 700, 600)]
)
def test_what_is_unrolled_comes_back_to_its_place(ring: Ring):
    """Small circles are enlarged, large ones reduced, and the picture's border may cut them."""
    shape = (320, 420) if ring.radius < 500 else (1300, 1700)
    rng = np.random.default_rng(2)
    picture = cv2.GaussianBlur(rng.random(shape, np.float32), (0, 0), 0.04 * ring.radius)
    picture = (picture - picture.min()) / np.ptp(picture)
    strip = text_round.unrolled(picture, ring)
    assert strip.shape[1] == ring.size[0] + round(0.15 * ring.size[0])
    part = ring.part(shape)
    back = text_round.rolled(strip, ring, part)
    y, x = np.mgrid[part]
    away = np.hypot(x - ring.cx, y - ring.cy) / ring.radius
    inside = (away > 0.42) & (away < 1.02)
    off = np.abs(back - picture[part])
    assert off[inside].mean() < 0.02 and np.quantile(off[inside], 0.99) < 0.08
    assert back[(away < 0.3) | (away > 1.12)].max(initial=0) == 0


def test_the_pieces_of_a_line_follow_the_circle():
    ring = Ring(200, 150, 100)
    turn, height = ring.size
    # from the right over the bottom to the left, halfway out
    line = Region(turn / 4, height / 2, turn / 2, 40, 0.0, 0.9)
    boxes = text_round.pieces(line, ring)
    assert len(boxes) == int(np.ceil(np.pi / text_round.ARC))
    for box in boxes:
        out = np.array([box.cx - ring.cx, box.cy - ring.cy])
        assert np.hypot(*out) == pytest.approx(70, abs=5) and out[1] > 0
        assert abs(out @ box.axes[0]) < 1 and box.score == 0.9
    whole = text_round.pieces(Region(turn / 2, height / 2, 2 * turn, 40, 0.0, 0.9), ring)
    assert sum(box.length for box in whole) < 2.3 * np.pi * 80


def test_a_line_that_is_known_already_is_left_alone():
    strip = np.zeros((200, 800, 3), np.uint8)
    crop = strokes.cut(strip, Region(400, 100, 300, 50, 0.0, 0.9))
    item = strokes.Strokes(crop, crop.hint * 0.9, crop.hint * 0, crop.hint * 0)
    seen = np.zeros((200, 800), bool)
    assert not text_round.marked(seen, item)
    seen[60:140, 200:400] = True  # half of it
    assert not text_round.marked(seen, item)
    seen[60:140, 200:600] = True
    assert text_round.marked(seen, item)


def small_badge(words: str, size: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A badge at .3 of its size in a larger picture: letters of 6 to 7 px."""
    picture, letters = badge(words, size, side)
    picture = cv2.resize(picture, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(letters.astype(np.float32), picture.shape[1::-1],
                       interpolation=cv2.INTER_AREA)  # fmt: skip
    whole, ink = np.full((320, 480, 3), 150, np.uint8), np.zeros((320, 480), bool)
    place = np.s_[90 : 90 + picture.shape[0], 150 : 150 + picture.shape[1]]
    whole[place], ink[place] = picture, cover > 0.3
    return whole, ink


@pytest.mark.parametrize(
    ("words", "size", "side"),
    [("STATES OF AMERICA * ONE DOLLAR * UNITED ", 20, 460), ("SHARED READING ", 30, 360)],
)
def test_small_words_around_a_badge_are_found(
    words: str, size: int, side: int, monkeypatch: pytest.MonkeyPatch
):
    """The default model, real nets: without the strip, and the look at parts of the circle alone
    (text_second.nearer), two fifths of the letters stay."""
    from backend.masks import text
    from backend.models.store import ModelStore

    picture, letters = small_badge(words, size, side)
    model = ModelStore("cpu").get("text", "text-ppocr", Control())
    found = model.find(picture, Control())
    assert found.mask[letters].astype(bool).mean() > 0.95
    near = cv2.dilate(letters.astype(np.uint8), np.ones((9, 9))) > 0
    assert (found.mask[~near] > 0).mean() < 0.01
    assert all(line.polygon.shape == (4, 2) for line in found.lines)
    monkeypatch.setattr(text.text_round, "circles", lambda rgb: [])
    monkeypatch.setattr(text.text_second, "nearer", lambda *args: [])
    straight = model.find(picture, Control())
    assert straight.mask[letters].astype(bool).mean() < 0.65
