"""Whether a box is text: what each sign counts, when it is read, and how the weights are fitted."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import strokes, text_judge
from backend.masks.text_judge import BOTH, PIECE, TAKEN, Answers, Judge, dot, logit
from backend.masks.text_lines import EVEN, HUES, Region
from backend.models.store import ModelStore
from backend.training import text_judge as training
from backend.values import Control

RGB = np.full((400, 600, 3), 180, np.uint8)


def item(region: Region, strength: float = 0.7) -> strokes.Strokes:
    crop = strokes.cut(RGB, region)
    return strokes.Strokes(crop, crop.hint * strength, crop.hint * 0, crop.hint * 0)


class Reads:
    """A recogniser that gives the same answer for every region, and keeps what it was asked."""

    def __init__(self, words: str, sure: float) -> None:
        self.answer, self.asked = (words, sure), []

    def __call__(self, region: Region) -> tuple[str, float]:
        self.asked.append(region)
        return self.answer


def judge(words: Reads, seen: float | None = 0.7) -> Judge:
    return Judge(RGB.shape, None if seen is None else lambda region: seen, words)


def line(score: float, height: float = 24, length: float = 150, view: int = 0) -> Region:
    return Region(300, 200, length, height, 0.0, score, view)


def test_it_reads_only_where_that_decides():
    sure, hopeless, open_one = line(0.99, length=36), line(0.1, height=300), line(0.75)
    read = Reads("WORD", 0.95)
    chances = judge(read).chances([item(sure, 0.95), item(hopeless, 0.2), item(open_one)])
    assert [r.score for r in read.asked] == [0.75]
    assert chances[0] >= TAKEN and chances[1] < PIECE and chances[2] > TAKEN
    assert judge(Reads("", 0.0)).chances([item(open_one)])[0] < chances[2]


def test_of_a_long_line_the_start_is_read():
    read = Reads("WORD", 0.95)
    judge(read).chances([item(line(0.7, length=400))])
    assert read.asked[0].length == text_judge.ENOUGH * 24


def test_no_more_than_some_are_read_the_likeliest_first():
    read = Reads("", 0.0)
    items = [item(line(0.6 + n / 1000)) for n in range(text_judge.MOST_READ + 5)]
    judge(read).chances(items)
    scores = [r.score for r in read.asked]
    assert len(scores) == text_judge.MOST_READ
    assert scores == sorted(scores, reverse=True) and scores[0] == items[-1].crop.region.score


def test_the_lines_that_are_not_read_count_as_those_that_are():
    """A page of text: what the read ones say holds for the others."""
    items = [item(line(0.7 + n / 1000)) for n in range(text_judge.MOST_READ + 9)]
    assert min(judge(Reads("WORD", 0.9)).chances(items)) > TAKEN
    assert max(judge(Reads("", 0.0)).chances(items)) < TAKEN


@pytest.mark.parametrize(("change", "more"), [
    ({"score": 0.9}, True), ({"strength": 0.9}, True), ({"second": 0.9}, True),
    ({"word": 0.9}, True), ({"letter": 0.9}, True), ({"height": -1.0}, False),
])
def test_every_sign_counts_and_large_boxes_must_prove_more(change: dict, more: bool):
    base = {"score": 0.7, "strength": 0.6, "second": 0.5, "height": -3.0, "length": 1.0}
    assert (dot(BOTH, Answers(**{**base, **change})) > dot(BOTH, Answers(**base))) == more


def test_a_headline_of_half_the_page_counts_when_it_is_surely_read():
    box = item(line(0.88, height=260, length=460), 0.8)
    assert judge(Reads("", 0.0), seen=0.1).chances([box])[0] < TAKEN
    assert judge(Reads("Neu", 0.85), seen=0.0).chances([box])[0] < TAKEN
    assert judge(Reads("Neu", 0.95), seen=0.0).chances([box])[0] > TAKEN
    unlike = item(line(0.7, height=260, length=460), 0.8)
    assert judge(Reads("Neu", 0.95), seen=0.0).chances([unlike])[0] < TAKEN


def test_what_nobody_read_counts_half_of_nothing():
    read = judge(Reads("A", 0.9)).read(line(0.7))
    assert (read.word, read.letter) == (0.0, 0.9)
    assert judge(Reads("A1", 0.9)).read(line(0.7)).word == 0.9
    assert judge(Reads("·–", 0.9)).read(line(0.7)) == Answers()


def test_without_a_second_opinion_the_rest_decides():
    alone = judge(Reads("WORD", 0.95), seen=None)
    assert alone.answers(item(line(0.8))).second == 0.0
    assert alone.chances([item(line(0.9))])[0] > TAKEN
    assert alone.chances([item(line(0.4, height=200))])[0] < PIECE


def test_a_piece_beside_a_line_needs_less():
    sure = line(0.97, height=30, length=50)
    piece = Region(300 + 25 + 30, 200, 40, 30, 0.0, 0.7)
    far = Region(300, 380, 40, 30, 0.0, 0.7)
    items = [item(sure, 0.9), item(piece, 0.6), item(far, 0.6)]
    unread = judge(Reads("", 0.0))
    low, high = unread.chances(items)[1:]
    assert PIECE <= low < TAKEN and low == high
    assert text_judge.accepted(items, 400, unread, lambda region: False) == items[:2]


@pytest.mark.parametrize(("view", "score", "legible", "taken"), [
    (HUES, 0.9, False, True),
    (HUES, 0.6, False, False),
    (HUES, 0.6, True, True),
    (EVEN, 0.9, False, False),
    (EVEN, 0.9, True, True),
])
def test_what_other_views_show_is_not_judged(
    view: int, score: float, legible: bool, taken: bool
):
    read = Reads("", 0.0)
    found = text_judge.accepted(
        [item(line(score, view=view), 0.8)], 400, judge(read), lambda region: legible)
    assert bool(found) == taken and not read.asked


def test_a_box_around_several_lines_is_none():
    """Three lines and a box around all of them that looks like one line of large letters."""
    rows = [Region(300, y, 60, 30, 0.0, 0.95) for y in (150, 190, 230)]
    around = Region(300, 190, 80, 120, 0.0, 0.98)
    items = [item(r, 0.9) for r in (around, *rows)]
    read = judge(Reads("", 0.0), seen=0.9)
    chances = read.chances(items)
    assert min(chances) >= TAKEN and chances[0] < chances[1]
    assert text_judge.accepted(items, 400, read, lambda region: False) == items[1:]
    assert text_judge.accepted(items[:2], 400, read, lambda region: False) == items[:2]


def test_logit_is_the_logarithm_of_the_odds():
    assert logit(0.5) == 0 and logit(0.9) == pytest.approx(np.log(9))


def test_the_fit_finds_what_tells_text_apart():
    rng = np.random.default_rng(1)
    answers = rng.random((400, 7))
    text = answers[:, 0] + 0.5 * answers[:, 3] + rng.normal(0, 0.1, 400) > 0.8
    weights = training.fit(answers, text)
    assert weights.score > weights.word > 3 and abs(weights.height) < 1.5
    sums = weights.bias + answers @ np.array([getattr(weights, f) for f in (
        "score", "strength", "second", "word", "letter", "height", "length")])
    assert ((sums > 0) == text).mean() > 0.9
    assert training.fit(answers, text, ("word",)).word == 0.0


def test_examples_come_from_labelled_photos_and_composed_adverts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Real nets on one photo with a sign, whose label fits, and another of no label."""
    sheet = Image.new("RGB", (640, 480), (235, 200, 40))
    ImageDraw.Draw(sheet).text((180, 200), "CAUTION", (20, 20, 20), ImageFont.load_default(56))
    (tmp_path / "photos").mkdir()
    sheet.save(tmp_path / "photos" / "000.jpg")
    model = ModelStore("cpu").get("text", "text-ppocr", Control())
    (box,) = [r for r, _ in training.answered(model, np.asarray(sheet))]
    labels = tmp_path / "labels.json"
    monkeypatch.setattr(training, "LABELS", labels)
    args = Namespace(data=tmp_path, photos=None)
    known = [box.cx, box.cy, box.length, box.height, np.rad2deg(box.angle)]
    labels.write_text(json.dumps({"photos/000.jpg": [[*known, 1]]}), "utf-8")
    (example,) = training.from_photos(model, args)
    assert example.text and example.answers.word > 0.9 and example.answers.score > 0.7
    labels.write_text(json.dumps({"photos/000.jpg": [[50, 50, *known[2:], 1]]}), "utf-8")
    assert not list(training.from_photos(model, args))

    training.report([
        training.Example(f"p{n}", Answers(score=0.9 if n % 2 else 0.5, word=n % 2), bool(n % 2))
        for n in range(40)
    ])
    said = capsys.readouterr().out
    assert "BOTH = Weights(" in said and "ALONE = Weights(" in said
    assert "20 of 20 found, 0 of 20 others taken" in said


def test_labels_name_boxes_of_photos():
    labels = json.loads(training.LABELS.read_text("utf-8"))
    boxes = [box for some in labels.values() for box in some]
    assert len(labels) > 300 and len(boxes) > 800
    assert all(len(box) == 6 and box[5] in (0, 1) and box[2] > 0 < box[3] for box in boxes)
    assert 0.2 < np.mean([box[5] for box in boxes]) < 0.6
