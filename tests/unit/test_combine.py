"""Cleaning and growing of masks, and which text goes."""

from __future__ import annotations

import numpy as np
import pytest

from backend.masks import combine
from backend.values import BadInput, Box, TextLine


def disk(radius: int, size: int = 400) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    return (x * x + y * y <= radius * radius).astype(np.uint8) * 255


def reach(hole: np.ndarray, mask: np.ndarray) -> int:
    """How far the hole goes beyond the mask along the middle row, to the right."""
    row = mask.shape[0] // 2
    return int(np.nonzero(hole[row])[0].max() - np.nonzero(mask[row])[0].max())


@pytest.mark.parametrize(("radius", "growth"), [(20, 5), (180, 6), (10, 5)])
def test_objects_grow_with_their_size(radius: int, growth: int) -> None:
    mask = disk(radius)
    hole, core = combine.object_hole(mask)
    assert reach(hole, mask) == growth
    assert (core == mask).all()
    assert (hole >= mask).all()


def test_growth_of_an_object_is_at_most_25_px() -> None:
    mask = np.zeros((3000, 3000), np.uint8)
    mask[200:2800, 200:2700] = 255
    assert reach(combine.object_hole(mask)[0], mask) == 25


def test_each_component_has_its_own_growth() -> None:
    mask = np.zeros((1000, 1400), np.uint8)
    mask[100:900, 100:900] = 255
    mask[450:550, 1100:1150] = 255
    hole, _ = combine.object_hole(mask)
    assert not hole[500, 1100 - 6] and hole[500, 1100 - 5]
    assert hole[500, 900 + 12] and not hole[500, 900 + 15]


def test_grow_zero_is_exactly_the_mask_with_specks_and_pinholes() -> None:
    mask = disk(60)
    mask[200, 200] = 0
    mask[3, 3] = 255
    for make in (combine.object_hole, combine.text_hole):
        hole, core = make(mask, 0)
        assert (hole == mask).all() and (core == mask).all()


def test_given_growth_is_exact() -> None:
    mask = disk(60)
    assert reach(combine.object_hole(mask, 9)[0], mask) == 9
    assert reach(combine.text_hole(mask, 9)[0], mask) == 9


def test_specks_go_and_pinholes_close_but_gaps_stay() -> None:
    mask = disk(100)
    mask[200:202, 200:202] = 0  # pin-hole
    mask[160:180, 160:180] = 0  # a real gap, an arm on a hip
    mask[3:5, 3] = 255  # speck: 2 px of 160,000
    _, core = combine.object_hole(mask)
    assert not core[:10, :10].any()
    assert core[200:202, 200:202].all()
    assert not core[165:175, 165:175].any()


def test_what_growth_leaves_of_a_narrow_gap_goes_too() -> None:
    mask = disk(100)  # grows by 5 px
    mask[150:250, 170:182] = 0  # between an arm and a side: 2 px stay open of 12
    mask[150:250, 220:240] = 0  # 10 px stay open of 20
    hole, core = combine.object_hole(mask)
    assert not core[160:240, 172:180].any()
    assert hole[150:250, 170:182].all()
    assert not hole[160:240, 227:233].any()
    mask[:, :] = 255
    mask[:40, 200:206] = 0  # open at the picture's border: the outside
    assert not combine.without_slivers(mask, 5)[:40, 200:206].any()


def test_text_grows_two_to_four_pixels_and_keeps_its_dots() -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[200:203, 30:32] = 255  # the dot of an i
    mask[150:300, 100:390] = 255
    hole, core = combine.text_hole(mask)
    assert core[200:203, 30:32].all()
    assert hole[201, 30 - 2] and not hole[201, 30 - 3]
    assert hole[200, 100 - 4] and not hole[200, 100 - 5]


def line(x0: int, y0: int, x1: int, y1: int) -> TextLine:
    polygon = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)
    return TextLine(polygon, float(y1 - y0))


def test_lines_are_chosen_by_height_and_box() -> None:
    lines = [line(10, 10, 100, 20), line(10, 40, 100, 80), line(60, 100, 160, 140)]
    assert combine.chosen_lines(lines, keep_below=15) == [False, True, True]
    assert combine.chosen_lines(lines, only_in=Box(0, 0, 90, 200)) == [True, True, False]


def test_filter_drops_the_strokes_of_lines_that_stay() -> None:
    lines = [line(10, 10, 100, 20), line(10, 40, 100, 80)]
    mask = np.zeros((120, 120), np.uint8)
    mask[12:23, 12:98] = 255  # reaches 3 px below its polygon, like a shadow
    mask[38:80, 12:98] = 255
    result = combine.filter_text(mask, lines, [False, True])
    assert not result[:24].any()
    assert (result[38:80, 12:98] == 255).all()
    assert (combine.filter_text(mask, lines, [True, True]) == mask).all()


def test_strokes_without_a_line_go_only_inside_the_box() -> None:
    mask = np.zeros((120, 120), np.uint8)
    mask[100:110, 10:20] = 255
    mask[100:110, 90:100] = 255
    result = combine.filter_text(mask, [], [], Box(0, 90, 50, 120))
    assert result[105, 15] and not result[105, 95]


@pytest.mark.parametrize("mask", [np.zeros((5, 7), np.uint8), np.zeros((7, 5, 3), np.uint8),
                                  np.zeros((7, 5), np.float32)])
def test_wrong_masks_are_refused(mask: np.ndarray) -> None:
    with pytest.raises(BadInput):
        combine.check_mask(mask, (7, 5))


def test_empty_masks_stay_empty() -> None:
    empty = np.zeros((50, 60), np.uint8)
    assert not combine.object_hole(empty)[0].any()
    assert not combine.text_hole(empty)[0].any()
    assert combine.split_instances(empty) == []


def test_instances_are_split_within_a_memory_budget() -> None:
    mask = np.zeros((100, 100), np.uint8)
    for number, size in enumerate((30, 20, 10, 5)):
        mask[:size, number * 25 : number * 25 + 15] = 255
    parts = combine.split_instances(mask)
    assert [int(np.count_nonzero(p)) for p in parts] == [450, 300, 150, 75]
    shared = combine.split_instances(mask, budget=2 * mask.size)
    assert [int(np.count_nonzero(p)) for p in shared] == [450, 525]
    assert (np.maximum(*shared) == mask).all()
