"""From the stroke net's maps to the mask."""

from __future__ import annotations

import numpy as np
import pytest

from backend.masks import text_marks
from backend.masks.text_lines import Region

GREY = np.full((160, 400, 3), 90, np.uint8)


def marked(height: float) -> np.ndarray:
    """A stroke that is seen for sure between rows 60 and 66, with rims of 4 px that are not and a
    hint of it around; a block of which nothing is sure."""
    text = np.zeros(GREY.shape[:2], np.float32)
    text[50:76, 60:200] = 0.2
    text[56:70, 60:200] = 0.4
    text[60:66, 60:200] = 0.9
    text[50:90, 260:330] = 0.45
    box = Region(200, 75, 300, height, 0.0, 0.9)
    return text_marks.mask_of(GREY, text, text * 0, [box]) > 0


@pytest.mark.parametrize("height", [50, 90])
def test_high_lines_keep_the_soft_rim_of_a_stroke_and_nothing_that_is_nowhere_sure(height: float):
    mask = marked(height)
    assert mask[56:70, 60:200].all()
    assert not mask[45:95, 255:335].any()


def test_in_small_print_a_stroke_may_be_unsure_as_a_whole():
    mask = marked(30)
    assert mask[56:70, 60:200].all() and mask[60:80, 260:330].mean() > 0.9


def test_the_higher_a_line_the_wider_its_strokes_are_marked():
    assert marked(40)[:, 100].sum() == 16 and marked(90)[:, 100].sum() == 18


@pytest.mark.parametrize("height", [30, 60, 90])
def test_strokes_are_widened_over_their_soft_edges_not_over_clear_ground(height: float):
    """Narrow gaps between letters stay open: on one side of a stroke its edge is soft."""
    text = np.zeros(GREY.shape[:2], np.float32)
    text[60:66, 60:200] = 0.9
    text[66:72, 60:200] = 0.2
    box = Region(200, 75, 300, height, 0.0, 0.9)
    column = text_marks.mask_of(GREY, text, text * 0, [box])[:, 100] > 0
    wide = 2 if height > 80 else 1
    assert np.flatnonzero(column).tolist() == list(range(60, 66 + wide))


@pytest.mark.parametrize(("height", "wide"), [(12, 0), (20, 1)])
def test_in_the_smallest_print_soft_edges_must_be_surer(height: float, wide: int):
    text = np.zeros(GREY.shape[:2], np.float32)
    text[73:76, 60:200] = 0.9
    text[76:78, 60:200] = 0.15
    box = Region(200, 75, 300, height, 0.0, 0.9)
    column = text_marks.mask_of(GREY, text, text * 0, [box])[:, 100] > 0
    assert column.sum() == 3 + wide


@pytest.mark.parametrize(("wide", "line", "block"), [(9, 20, True), (3, 20, False), (9, 40, False)])
def test_a_small_letter_that_would_be_a_block_is_marked_where_it_is_sure(
    wide: int, line: float, block: bool
):
    """A blurred letter of 9 columns, of which the middle is sure; not an l, not a high letter."""
    text = np.zeros(GREY.shape[:2], np.float32)
    text[68:82, 100 : 100 + wide] = 0.6
    text[70:80, 101 : 99 + wide] = 0.8
    text[70:80, 160:162] = 0.8
    mask = text_marks.mask_of(GREY, text, text * 0, [Region(150, 75, 140, line, 0.0, 0.9)]) > 0
    seen = (mask[68:82, 100 : 100 + wide] > 0).mean()
    assert seen < 0.65 if block else seen == 1
    assert mask[70:80, 160:162].all()


@pytest.mark.parametrize(("level", "marked"), [(90, False), (110, False), (160, True)])
def test_what_the_net_overlooks_beside_a_stroke_is_marked_where_its_colour_says_so(
    level: int, marked: bool
):
    """The last row of a shadow on a grey plate, below white letters."""
    text, rgb = np.zeros(GREY.shape[:2], np.float32), GREY.copy()
    text[60:66, 60:200] = 0.9
    rgb[60:66, 60:200] = 220
    rgb[66, 60:200] = level
    mask = text_marks.mask_of(rgb, text, text * 0, [Region(200, 75, 300, 40, 0.0, 0.9)]) > 0
    assert mask[66, 70:190].all() == marked and not mask[67].any() and not mask[59].any()


def test_a_shadow_is_marked_a_pixel_wider_than_it_is_seen():
    effect = np.zeros(GREY.shape[:2], np.float32)
    effect[60:66, 60:200] = 0.9
    mask = text_marks.mask_of(GREY, effect * 0, effect, [Region(200, 75, 300, 40, 0.0, 0.9)]) > 0
    assert np.flatnonzero(mask[:, 100]).tolist() == list(range(59, 67))


def test_an_unsure_part_far_from_what_is_sure_is_left_out():
    text = np.zeros(GREY.shape[:2], np.float32)
    text[60:66, 60:100] = 0.9
    text[60:66, 100:200] = 0.4
    box = Region(200, 75, 300, 60, 0.0, 0.9)
    row = text_marks.mask_of(GREY, text, text * 0, [box])[63] > 0
    assert row[60:104].all() and not row[110:].any()


def test_a_small_line_on_a_large_one_is_treated_as_small():
    large, small = Region(200, 80, 380, 120, 0.0, 0.9), Region(200, 80, 100, 30, 0.0, 0.9)
    kinds = text_marks.kinds_of([small, large], (160, 400))
    assert kinds[80, 200] == 1 and kinds[80, 60] == 3
    assert text_marks.kinds_of([], (160, 400)).min() == len(text_marks.KINDS) - 1
