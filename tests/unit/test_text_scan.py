"""Lines that only the recogniser sees, beside faint ones, and what hues tell of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import strokes, text_accept, text_decide, text_read, text_scan
from backend.masks.text import Look
from backend.masks.text_lines import HUES, Region, merge, overlap
from backend.masks.text_read import Letter
from backend.models.store import ModelStore
from backend.values import Control


def written(*lines: tuple[str, int, int, int]) -> np.ndarray:
    """Translucent grey (text, x, y, px) on a pattern of light and dark bars: H×W×3 uint8."""
    rng = np.random.default_rng(2)
    bars = rng.integers(60, 230, (20, 45, 1)).repeat(20, 0).repeat(20, 1).repeat(3, 2)
    ground = cv2.GaussianBlur(bars.astype(np.float32), (0, 0), 2.0)
    sheet = Image.new("L", (900, 400))
    for text, x, y, size in lines:
        ImageDraw.Draw(sheet).text((x, y), text, 255, ImageFont.load_default(size))
    cover = np.asarray(sheet, np.float32)[..., None] / 255
    return (ground + (np.array([250, 120, 60]) - ground) * 0.4 * cover).round().astype(np.uint8)


@pytest.fixture(scope="module")
def reader() -> text_read.Reader:
    pytest.importorskip("rapidocr")
    return text_read.Reader()


def test_a_line_below_a_faint_one_is_read_and_a_pattern_is_not(reader: text_read.Reader):
    known = Region(300, 125, 480, 70, 0.0, 0.9)
    (found,) = text_scan.lines(
        written(("Summer market", 70, 95, 64), ("From Sunday", 70, 200, 56)), [known], [known],
        reader, Control())  # fmt: skip
    words = Region(70 + 165, 233, 330, 60, 0.0)
    assert "Sunday" in found.words and min(overlap(found.region, words)) > 0.5
    empty = written(("Summer market", 70, 95, 64))
    assert text_scan.lines(empty, [known], [known], reader, Control()) == []


def test_beside_what_nobody_can_read_no_line_is_looked_for(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("rapidocr")
    model = ModelStore("cpu").get("text", "text-ppocr", Control())
    monkeypatch.setattr("backend.masks.text_faint.faint", lambda item: True)
    known = Region(300, 125, 480, 70, 0.0, 0.9)

    def beside(*lines: tuple[str, int, int, int]) -> int:
        rgb = written(*lines)
        (item,) = model.finder.find(lambda _: rgb, [known], Control())
        done = [(known, item, text_decide.decided(rgb, item))]
        return len(model._read_beside(rgb, done, Look(rgb), 2, Control()))

    below = ("From Sunday", 70, 200, 56)
    assert beside(("Summer market", 70, 95, 64), below) == 1
    assert beside(below) == 0  # the box above holds the pattern alone, as a row of windows


def test_the_line_itself_is_not_read_a_second_time(reader: text_read.Reader):
    picture = written(("Summer market", 70, 95, 64), ("From Sunday", 70, 200, 56))
    known = [Region(300, 125, 480, 70, 0.0, 0.9), Region(235, 233, 340, 64, 0.0, 0.9)]
    assert text_scan.lines(picture, known, known, reader, Control()) == []


def test_letters_in_a_row_that_differ_and_are_sure_make_a_line():
    def letters(word: str, sure: float, step: int = 5) -> list[Letter]:
        return [Letter(sign, sure, n * step) for n, sign in enumerate(word)]

    assert "".join(x.sign for x in text_scan.row(letters("Sale", 0.9))) == "Sale"
    assert text_scan.row(letters("Sale", 0.7)) == []  # too unsure
    assert text_scan.row(letters("lIlIlI", 0.95)) == []  # bars
    assert text_scan.row(letters("Sale", 0.9, step=20)) == []  # here and there
    noise = [Letter("W", 0.9, 0), *(x._replace(at=x.at + 40) for x in letters("Sale", 0.9))]
    assert "".join(x.sign for x in text_scan.row(noise)) == "Sale"


def test_a_reading_lies_where_its_letters_are():
    box = Region(200, 100, 400, 48, 0.0)
    letters = [Letter(sign, 0.9, 10 + 3 * n) for n, sign in enumerate("Sale")]
    read = text_scan.reading(box, letters, 400)
    assert read.pitch == pytest.approx(24)
    left, right = (f(read.region.corners()[:, 0]) for f in (np.min, np.max))
    assert left == pytest.approx(84 - 29, abs=1) and right == pytest.approx(156 + 29, abs=1)
    assert read.region.cy == 100
    # letters so close to each other are not three times as high as their distance
    assert max(r.height for r in text_scan.fits(read)) <= text_scan.HIGHEST * 24
    turned = text_scan.reading(Region(200, 100, 400, 48, np.pi / 2), letters, 400)
    assert turned.region.cx == pytest.approx(200) and turned.region.cy == pytest.approx(20)


def test_strips_lie_above_and_below_and_on_no_known_line():
    known = Region(400, 200, 300, 50, 0.0, 0.9)
    boxes = [box for some, _ in text_scan.zones(known) for box in some]
    assert {box.cy < 200 for box in boxes} == {True, False}
    assert all(overlap(box, known)[0] < 0.01 for box in boxes)
    below = Region(400, 260, 300, 50, 0.0, 0.9)
    left = text_scan.free(boxes, [known, below], (230, 800))
    assert left and all(box.cy < 200 for box in left)  # the picture ends below


def item(region: Region, strongest: float) -> strokes.Strokes:
    crop = strokes.cut(np.zeros((300, 900, 3), np.uint8), region)
    return strokes.Strokes(crop, crop.hint * strongest, crop.hint * 0, crop.hint * 0)


def test_a_line_stays_where_what_would_replace_it_is_not_taken():
    faint, above = item(Region(300, 150, 200, 60, 0.0, 0.9, 4), 0.6), item(
        Region(300, 90, 200, 40, 0.0, 0.9), 0.9)
    high = item(Region(300, 130, 200, 110, 0.0, 0.9, 5), 0.8)  # reaches into the line above
    assert text_accept.instead([faint, above], [high], lambda x: x is faint) == [faint, above]


def test_a_line_in_hues_replaces_a_part_that_was_seen_in_the_picture():
    part, whole = Region(420, 100, 150, 45, 0.0, 0.85), Region(350, 100, 400, 50, 0.0, 0.9, HUES)
    assert merge([whole, part]) == [part, whole]
    sure = Region(350, 100, 390, 50, 0.0, 0.9)
    assert merge([whole, sure]) == [sure]  # seen as well in the picture: once is enough
    seen = [item(part, 0.6), item(whole, 0.8)]
    assert text_accept.accepted(seen, 300) == [seen[1]]
    seen = [item(part, 0.9), item(whole, 0.5)]
    assert text_accept.accepted(seen, 300) == [seen[0]]
    seen = [item(part, 0.6), item(whole, 0.8)]
    assert text_accept.accepted(seen, 190) == [seen[0]]  # too high for what hues tell


def test_what_is_hardly_seen_in_hues_must_be_legible():
    seen = [item(Region(300, 100, 200, 40, 0.0, 0.6, HUES), 0.9)]
    assert text_accept.accepted(seen, 300) == []
    assert text_accept.accepted(seen, 300, legible=lambda region: True) == seen


def test_a_long_line_is_read_on_to_its_end(reader: text_read.Reader):
    picture = written(("Summer", 70, 95, 64), ("From Sunday to Friday noon", 70, 200, 56))
    known = Region(190, 125, 260, 70, 0.0, 0.9)
    (found,) = text_scan.lines(picture, [known], [known], reader, Control())
    right = found.region.corners()[:, 0].max()
    assert right > 600  # more than the eight heights that are read at once
    boxes, _ = text_scan.ends(found.region)
    assert [np.sign(b.cx - found.region.cx) for b in boxes] == [-1, 1]
    assert not text_scan.joins(Region(800, 350, 100, 50, 0.0), found.region)
