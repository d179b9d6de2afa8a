"""Lines that the hues show more clearly than the picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import strokes, text_decide, text_hues
from backend.masks.text_lines import EVEN, HUES, Region
from backend.models.store import ModelStore
from backend.values import Control

RGB = np.full((200, 600, 3), 180, np.uint8)
LINE = Region(300, 100, 400, 60, 0.0, 0.9)


def item(region: Region, text: float) -> strokes.Strokes:
    """An item whose map says `text` all over its box: 1 is crisp, 0.5 is not at all."""
    crop = strokes.cut(RGB, region)
    return strokes.Strokes(crop, crop.hint * text, crop.hint * 0, crop.hint * 0)


def clearer(
    region: Region, plain: float, hued: float, said: str = "SALE", sure: tuple[float, float] = (
        0.9, 0.95)
) -> Region:
    """The region of one item afterwards; `sure` is the certainty of its words in the picture and
    in its hues."""
    def find(regions: list[Region]) -> list[strokes.Strokes]:
        assert all(r.view == HUES for r in regions)
        return [item(r, hued) for r in regions]

    def words(r: Region) -> tuple[str, float]:
        return said, sure[r.view]

    (found,) = text_hues.clearer([item(region, plain)], find, words)
    return found.crop.region


def test_crispness_is_how_far_a_map_is_from_undecided():
    assert text_hues.crispness(item(LINE, 1.0)) == pytest.approx(1)
    assert text_hues.crispness(item(LINE, 0.5)) == pytest.approx(0)
    assert text_hues.crispness(item(LINE, 0.2)) == pytest.approx(0.6)


def test_a_line_is_taken_as_the_hues_show_it_where_they_are_clearer():
    assert clearer(LINE, 0.7, 0.95) == replace(LINE, view=HUES)


@pytest.mark.parametrize("case", [
    {"plain": 0.95, "hued": 1.0},  # clear enough
    {"plain": 0.8, "hued": 0.82},  # hardly clearer
    {"plain": 0.7, "hued": 0.95, "sure": (0.4, 0.7)},  # not legible
    {"plain": 0.7, "hued": 0.95, "sure": (0.99, 0.9)},  # less legible
    {"plain": 0.7, "hued": 0.95, "said": "I"},
    {"plain": 0.7, "hued": 0.95, "region": replace(LINE, height=30)},
    {"plain": 0.7, "hued": 0.95, "region": replace(LINE, view=EVEN)},
    {"plain": 0.7, "hued": 0.95, "region": replace(LINE, length=60 * 60.0)},  # in several parts
])
def test_other_lines_stay_as_they_are(case: dict):
    case = {"region": LINE, **case}
    assert clearer(**case) == case["region"]


def test_nothing_is_looked_for_without_an_unclear_line():
    def find(regions: list[Region]) -> list[strokes.Strokes]:
        raise AssertionError("no region is unclear")

    sure = [item(LINE, 1.0)]
    assert text_hues.clearer(sure, find, lambda r: ("", 0.0)) == sure
    assert text_hues.clearer([], find, lambda r: ("", 0.0)) == []


def watermarked(
    word: str, size: int, bold: int, alpha: float, dark: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A blue watermark across white paper and dark goods with thin legs: the picture, and where
    its letters are."""
    sheet = Image.new("RGB", (700, 400), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for x in (180, 330):
        draw.rectangle((x, 60, x + 90, 230), dark)
        for leg in (12, 40, 68):
            draw.rectangle((x + leg, 230, x + leg + 8, 350), (110, 105, 100))
    ink = Image.new("L", sheet.size, 0)
    ImageDraw.Draw(ink).text((350, 200), word, 255, ImageFont.load_default(size), anchor="mm",
                             stroke_width=bold)
    rgb, letters = np.asarray(sheet, np.float32), np.asarray(ink, np.float32)[..., None] / 255
    mixed = rgb + (np.array([60, 120, 235], np.float32) - rgb) * alpha * letters
    noise = np.random.default_rng(0).normal(0, 2, rgb.shape)
    return np.clip(mixed + noise, 0, 255).astype(np.uint8), np.asarray(ink) > 127


@pytest.mark.parametrize(("word", "size", "bold", "alpha", "dark", "near"), [
    ("SAMPLE", 130, 3, 0.35, (28, 27, 27), 0.93),  # without the hues 0.90 lies near a letter
    ("Photo", 160, 7, 0.22, (70, 60, 50), 0.85),  # ... and 0.36 of the letters is found
])
def test_a_tinted_watermark_goes_and_dark_goods_under_it_stay(
    word: str, size: int, bold: int, alpha: float, dark: tuple[int, int, int], near: float
):
    """Real nets."""
    picture, letters = watermarked(word, size, bold, alpha, dark)
    mask = ModelStore("cpu").get("text", None, Control()).find(picture, Control()).mask > 0
    around = cv2.dilate(letters.astype(np.uint8), np.ones((9, 9))) > 0
    assert mask[letters].mean() > 0.97
    assert around[mask].mean() > near


def test_what_the_picture_shows_around_letters_in_hues_is_marked_too(
    monkeypatch: pytest.MonkeyPatch,
):
    """Real nets: an outline beside the letters reaches the mask."""
    picture, letters = watermarked("SAMPLE", 130, 3, 0.35, (28, 27, 27))
    model = ModelStore("cpu").get("text", None, Control())
    calls = []

    def everything(hued: text_decide.Decided, plain: text_decide.Decided) -> text_decide.Decided:
        calls.append(plain.crop.region.view)
        return replace(hued, text=np.ones_like(hued.text))

    monkeypatch.setattr(text_hues, "outlined", everything)
    mask = model.find(picture, Control()).mask > 0
    assert calls and set(calls) == {0}
    assert mask[letters].all() and mask.mean() > 0.3


def test_in_hues_the_map_is_not_taken_for_more_than_it_says():
    plain, hued = item(LINE, 0.5), item(replace(LINE, view=HUES), 0.5)
    inside = np.s_[40:60, 80:300]
    seen = [text_decide.decided(RGB, x).text[inside].mean() for x in (plain, hued)]
    assert seen[0] > 0.6 and seen[1] < 0.55


def test_a_grey_outline_is_taken_from_the_picture_and_nothing_further_off():
    region = replace(LINE, view=HUES)
    hued = text_decide.decided(RGB, item(region, 0.9))
    h, w = hued.text.shape
    letter, outline, goods = (np.zeros((h, w), np.float32) for _ in range(3))
    letter[40:60, 200:210] = 0.9
    outline[39:61, 199:211] = 0.8
    goods[:, 211:300] = 0.8
    both = text_hues.outlined(replace(hued, text=letter),
                              replace(hued, text=np.maximum(outline, goods))).text
    assert (both[40:60, 200:210] == np.float32(0.9)).all() and both[39, 205] == np.float32(0.8)
    assert not both[:, 216:].any() and not both[30].any()
