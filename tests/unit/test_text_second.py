"""What a second detector adds: where nothing is known, surely seen or read; and small letters."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import psenet, strokes, text_marks, text_second
from backend.masks.text_lines import Region
from backend.models.store import ModelStore
from backend.values import Control

RGB = np.full((200, 300, 3), 180, np.uint8)


class Maps(psenet.Detector):
    """A PSENet that sees text in one box of RGB, and lines where it is told."""

    def __init__(self, *lines: Region) -> None:
        super().__init__(None, "cpu", 300, 0.7, sizes=(300,))
        self.told = list(lines)

    def maps(self, rgb: np.ndarray, scale: float, control: Control) -> np.ndarray:
        seen = np.zeros((7, 100, 150), np.float32)
        seen[:, 40:60, 20:70] = 0.9
        return seen

    def lines(
        self, maps: np.ndarray, shape: tuple[int, ...], least_score: float | None = None
    ) -> list[Region]:
        return self.told


def item(region: Region, strength: float) -> strokes.Strokes:
    crop = strokes.cut(RGB, region)
    return strokes.Strokes(crop, crop.hint * strength, crop.hint * 0, crop.hint * 0)


def test_only_what_is_not_known_is_overlooked_and_gets_room_around():
    known, new = Region(80, 50, 90, 20, 0.0, 0.9), Region(200, 150, 60, 20, 0.0, 0.9)
    seen = text_second.opinion(Maps(known, new), RGB, Control())
    assert seen.text.shape == RGB.shape[:2] and seen.text.max() == pytest.approx(0.9)
    (found,) = text_second.overlooked(seen, [known])
    assert (found.cx, found.cy) == (200, 150)
    assert (found.length, found.height) == (66, 26)


def test_small_print_in_the_box_of_a_watermark_is_overlooked_all_the_same():
    new = Region(150, 100, 60, 20, 0.0, 0.9)
    seen = text_second.opinion(Maps(new), RGB, Control())
    assert len(text_second.overlooked(seen, [Region(150, 100, 280, 120, 0.0, 0.9)])) == 1
    assert not text_second.overlooked(seen, [Region(150, 100, 100, 30, 0.0, 0.9)])


def test_the_overlooked_are_read_without_the_room_around_them():
    own, asked = Region(200, 150, 60, 20, 0.3, 0.9), []

    def legible(region: Region, least: float) -> bool:
        asked.append(region)
        return True

    seen = text_second.opinion(Maps(own), RGB, Control())
    (found,) = text_second.overlooked(seen, [])
    (taken,) = text_second.accepted([item(found, 0.6)], 300, legible)
    assert (taken.crop.region.length, taken.crop.region.height) == (66, 26)
    assert (asked[0].length, asked[0].height) == pytest.approx((60, 20))


def test_an_opinion_says_how_likely_a_region_is_text():
    seen = text_second.opinion(Maps(), RGB, Control())
    assert seen.certainty(Region(90, 100, 80, 24, 0.0)) == pytest.approx(0.9, abs=0.02)
    assert seen.certainty(Region(240, 100, 80, 24, 0.0)) == 0.0
    assert seen.certainty(Region(900, 900, 40, 20, 0.0)) == 1.0


@pytest.mark.parametrize(("length", "height", "score", "strength", "read", "taken"), [
    (80, 24, 0.75, 0.6, True, True),
    (80, 24, 0.9, 0.6, False, False),
    (80, 24, 0.9, 0.2, True, False),
    (13, 13, 0.75, 0.6, True, True),
    (40, 40, 0.75, 0.6, True, False),  # may be a window
    (40, 40, 0.9, 0.6, True, True),  # a letter of a logo
])
def test_a_line_with_strokes_must_be_read_and_be_no_lattice(
    length: float, height: float, score: float, strength: float, read: bool, taken: bool
):
    region = Region(150, 100, length, height, 0.0, score)
    found = text_second.accepted([item(region, strength)], 200, lambda r, least: read)
    assert bool(found) == taken


class Near(Maps):
    """A PSENet that sees two lines, one above the other, in a part of a picture of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[tuple[tuple[int, ...], float]] = []

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
        self.looks.append((rgb.shape, scale))
        h, w = rgb.shape[:2]
        return [Region(w / 2, h / 2 + dy, 16, 8, 0.0, 0.9) for dy in (-5, 5)] + [
            Region(w / 2, 2, 16, 4, 0.0, 0.9)]


def test_small_print_of_several_lines_is_looked_at_alone_and_enlarged():
    net, own = Near(), Region(120, 90, 20, 18, 0.0, 0.9)
    high = Region(150, 100, 280, 120, 0.0, 0.9)
    lines = text_second.nearer(net, RGB, [text_second.roomy(own)], [high], Control())
    assert [(round(r.cx), round(r.cy)) for r in lines] == [(120, 85), (120, 95)]
    assert [r.height for r in lines] == pytest.approx([8 * (1 + text_second.AROUND)] * 2)
    ((shape, scale),) = net.looks
    assert shape[0] < 60 and scale == pytest.approx(text_second.NEAR / 18)
    known = [Region(120, 85, 20, 9, 0.0, 0.9)]
    assert len(text_second.nearer(net, RGB, [text_second.roomy(own)], known, Control())) == 1


def test_what_is_looked_at_alone_must_be_a_word():
    from backend.masks import text_read

    assert text_second.READ_NEAR + text_read.ALONE > 1
    asked = []

    def legible(region: Region, least: float) -> bool:
        asked.append(least)
        return least < 0.9

    line = item(Region(150, 100, 80, 24, 0.0, 0.9), 0.6)
    assert text_second.accepted([line], 200, legible, text_second.READ_NEAR) == [line]
    assert asked == [text_second.READ_NEAR]


def test_no_more_than_some_are_looked_at_alone_and_none_outside_the_picture():
    net = Near()
    boxes = [Region(30 + 25 * n, 90, 20, 18, 0.0, n / 10) for n in range(10)]
    text_second.nearer(net, RGB, boxes, [], Control())
    assert len(net.looks) == text_second.MOST_READ
    assert not text_second.nearer(net, RGB, [Region(900, 900, 20, 18, 0.0)], [], Control())
    large = Region(150, 100, 280, 160, 0.0, 0.9)
    text_second.nearer(net, np.zeros((900, 900, 3), np.uint8), [large], [], Control())
    assert net.looks[-1][1] == 1.0  # never larger than the print needs


def test_no_more_than_some_are_read():
    asked = []

    def legible(region: Region, least: float) -> bool:
        assert least == text_second.READ_SURELY
        asked.append(region.score)
        return True

    items = [item(Region(150, 100, 80, 24, 0.0, 0.71 + n / 100), 0.5) for n in range(12)]
    assert len(text_second.accepted(items, 200, legible)) == text_second.MOST_READ
    assert asked == sorted(asked, reverse=True) and asked[0] == pytest.approx(0.82)


def test_small_letters_do_not_become_blocks_where_the_line_has_gaps():
    """Letters 12 px high that the net sees as blobs, far apart: each is thinned for itself."""
    text = np.zeros((60, 200), np.float32)
    for x in range(21, 180, 32):
        text[22:38, x - 2 : x + 16] = 0.2
        text[24:36, x : x + 14] = 0.45
        text[28:32, x : x + 14] = 0.9
    box = Region(100, 30, 160, 16, 0.0, 0.9)
    mask = text_marks.mask_of(np.full((60, 200, 3), 90, np.uint8), text, text * 0, [box])
    letter = mask[22:38, 20:36] > 0
    assert letter[8].any() and letter.mean() < 0.75
    assert [round(c.cx) for c in text_marks.cells(box)] == list(range(28, 180, 16))
    high = text_marks.mask_of(np.full((60, 200, 3), 90, np.uint8), text, text * 0,
                              [Region(100, 30, 160, 30, 0.0, 0.9)])
    assert (high[22:38, 20:36] > 0).mean() > 0.85


class Blind:
    coarse, in_hues, sizes = 1024, False, ()

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
        return []


def test_goods_with_two_lines_of_dim_print_are_read_line_by_line():
    """Real nets: what PSENet sees as one box from afar."""
    sheet = Image.new("RGB", (600, 600), (250, 250, 250))
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((200, 200, 330, 330), (38, 38, 36))
    for row, words in enumerate(("210", "K6")):
        draw.text((230, 240 + 10 * row), words, (70, 70, 66), ImageFont.load_default(10))
    noise = np.random.default_rng(0).normal(0, 2, (600, 600, 3))
    goods = np.clip(np.asarray(sheet) + noise, 0, 255).astype(np.uint8)
    mask = ModelStore("cpu").get("text", None, Control()).find(goods, Control()).mask > 0
    for row in range(2):
        assert 0.15 < mask[242 + 10 * row : 252 + 10 * row, 230:242].mean() < 0.85


def test_the_default_model_asks_psenet_and_the_recogniser(monkeypatch: pytest.MonkeyPatch):
    """Real nets: a sign that the detector overlooks is found, what nobody else sees goes."""
    sheet = Image.new("RGB", (640, 480), (235, 200, 40))
    ImageDraw.Draw(sheet).text((180, 200), "CAUTION", (20, 20, 20), ImageFont.load_default(56))
    rgb = np.asarray(sheet)
    model = ModelStore("cpu").get("text", "text-ppocr", Control())
    with monkeypatch.context() as patch:
        patch.setattr(model, "_detector", Blind())
        found = model.find(rgb, Control())
        assert len(found.lines) == 1 and found.mask[200:260, 180:440].mean() > 20
        patch.setattr(model, "second", None)
        assert not model.find(rgb, Control()).lines
    assert model.find(rgb, Control()).lines
    nothing = Maps()
    monkeypatch.setattr(model, "second", nothing)
    monkeypatch.setattr(nothing, "maps", lambda *_: np.zeros((7, 100, 150), np.float32))
    assert model.find(rgb, Control()).lines, "it can be read"
    monkeypatch.setattr(model, "_reader", lambda: None)
    assert not model.find(rgb, Control()).mask.any()
