"""Where a line ends, and what of it runs on beyond its rows."""

from __future__ import annotations

import numpy as np
import pytest

from backend.masks import strokes, text_decide, text_round
from backend.masks.text import part_of
from backend.masks.text_decide import Decided
from backend.masks.text_lines import Region

HEIGHT = strokes.BOX  # so that a crop has the picture's scale


def line(columns: list[tuple[int, int]]) -> tuple[strokes.Strokes, Decided]:
    """A line whose box covers x 100–300 of a picture; `columns` (from, to) are its letters."""
    picture = np.full((200, 500, 3), 255, np.uint8)
    crop = strokes.cut(picture, Region(200.0, 100.0, 200.0, float(HEIGHT), 0.0, 0.9))
    text = np.zeros(crop.hint.shape, np.float32)
    left = int(np.nonzero(crop.hint.any(0))[0][0]) - 100
    top = int(np.nonzero(crop.hint.any(1))[0][0])
    for start, end in columns:
        text[top + 8 : top + 36, start + left : end + left] = 1
    item = strokes.Strokes(crop, text, text * 0, text * 0)
    return item, Decided(crop, text)


@pytest.mark.parametrize(("beyond", "goes_on"), [(4, False), (18, False), (26, True)])
def test_a_line_is_looked_at_anew_where_it_reaches_far_beyond_its_box(beyond: int, goes_on: bool):
    item, decision = line([(105, 180), (200, 300 + beyond)])
    box, further = text_decide.followed(item, decision)
    assert further == goes_on
    assert box.cx + box.length / 2 == pytest.approx(300 + beyond, abs=3)
    assert box.cx - box.length / 2 == pytest.approx(104, abs=3)


def test_a_line_ends_before_a_wide_gap():
    item, decision = line([(105, 180), (200, 260), (310, 330)])
    box, further = text_decide.followed(item, decision)
    assert not further and box.cx + box.length / 2 == pytest.approx(261, abs=3)


def test_ticks_that_run_on_beyond_a_lines_rows_are_no_letters():
    _, decision = line([(110, 140), (160, 190)])
    rows = np.nonzero(decision.crop.hint.any(1))[0]
    left = int(np.nonzero(decision.crop.hint.any(0))[0][0]) - 100
    ticked = decision.text.copy()
    ticked[: rows[0] + 10, 200 + left : 203 + left] = 1
    found = text_round.of_line(Decided(decision.crop, ticked))
    assert np.array_equal(found, decision.text)


def test_a_shorter_box_of_the_same_line_is_a_part_of_it():
    whole = Region(200.0, 50.0, 200.0, 30.0, 0.0)
    part = Region(150.0, 52.0, 80.0, 28.0, 0.0)
    assert part_of(part, whole) and not part_of(whole, part)
    assert not part_of(Region(150.0, 90.0, 80.0, 28.0, 0.0), whole)
