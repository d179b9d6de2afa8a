"""Filling again from edited masks: only what follows from the edit changes."""

from __future__ import annotations

import numpy as np
import pytest
from pipeline_doubles import BLUE, RED, Store, scene

from backend.masks import combine
from backend.pipeline.clean import clean, text_hole
from backend.pipeline.refill import refill
from backend.values import BadInput, CleanOptions, Control

DEPTHS = [np.uint8, np.uint16, np.float32]


def picture(dtype: type, channels: int = 3) -> np.ndarray:
    """The scene in any depth; float goes beyond white."""
    rgb = scene()
    if dtype == np.uint16:
        rgb = rgb.astype(np.uint16) * 257 + 3
    elif dtype == np.float32:
        rgb = rgb.astype(np.float32) / 255
        rgb[:10] *= 5
    if channels == 4:
        top = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
        rgb = np.dstack([rgb, np.full(rgb.shape[:2], top, rgb.dtype)])
        rgb[100:, :50, 3] = top // 3 if top > 1 else 0.3
    return np.ascontiguousarray(rgb)


def mask_of(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(scene().shape[:2], np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 255
    return mask


LEFT, RIGHT, WORD = (20, 30, 40, 90), (70, 30, 90, 90), (110, 60, 180, 80)


def same(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> bool:
    return a[where].tobytes() == b[where].tobytes()


@pytest.mark.parametrize("grow", [None, 0, 7])
def test_a_first_fill_makes_the_hole_of_the_one_click(grow):
    source, store = picture(np.uint8), Store()
    options = CleanOptions(grow=grow)
    clicked = clean(source, options, store, Control())
    done = refill(source, clicked.object_mask, clicked.text_mask, options, store, Control())
    assert clicked.hole.any() and np.array_equal(done.result.hole, clicked.hole)
    assert np.array_equal(done.result.plate, clicked.plate)
    assert not done.restored.any()


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [3, 4])
def test_painting_fills_there_and_keeps_hand_work_elsewhere(dtype, channels):
    source, store, options = picture(dtype, channels), Store(), CleanOptions()
    plate = refill(source, mask_of(LEFT), None, options, store, Control()).result.plate
    plate[5:9, 150:190] = plate[50, 60]  # by hand, far from the masks
    plate[50:60, 25:35, 0] //= 2 if dtype != np.float32 else 1  # by hand, in the old hole
    plate[60:64, 25:35, 1] = plate[0, 0, 1]
    before = plate.copy()
    done = refill(plate, mask_of(LEFT, RIGHT), None, options, store, Control(),
                  changed=mask_of(RIGHT), original=source)
    hole, result = done.result.hole > 0, done.result.plate
    grown = combine.object_hole(mask_of(RIGHT))[0] > 0
    assert np.array_equal(hole, grown) and not done.restored.any()
    assert same(result, before, ~hole), "hand work was lost"
    assert plate.tobytes() == before.tobytes(), "the input was written to"
    red = np.asarray(source[60, 80, :3], float)
    assert np.abs(result[31:89, 71:89, :3].astype(float) - red).max(2).min() > 0
    if channels == 4:
        assert np.array_equal(result[..., 3], source[..., 3])


@pytest.mark.parametrize("dtype", DEPTHS)
def test_taking_a_mask_away_brings_the_original_back(dtype):
    source, store, options = picture(dtype, 4), Store(), CleanOptions()
    first = refill(source, mask_of(LEFT, RIGHT), mask_of(WORD), options, store, Control())
    plate = first.result.plate
    plate[10:14, 5:15] = plate[50, 60]  # by hand
    done = refill(plate, mask_of(LEFT), mask_of(WORD), options, store, Control(),
                  changed=mask_of(RIGHT), original=source)
    result = done.result.plate
    old = combine.object_hole(mask_of(RIGHT))[0] > 0
    assert same(result, source, old), "the person is not wholly back"
    assert same(result, plate, ~old), "something else changed"
    assert not done.result.hole.any()
    assert done.result.report["found"] and done.result.report["pixels"]["restored"] > 1000


def test_without_the_original_nothing_comes_back():
    source, store, options = picture(np.uint8), Store(), CleanOptions()
    plate = refill(source, mask_of(LEFT, RIGHT), None, options, store, Control()).result.plate
    done = refill(plate, mask_of(LEFT), None, options, store, Control(), changed=mask_of(RIGHT))
    assert np.array_equal(done.result.plate, plate)
    assert not done.result.hole.any() and not done.restored.any()


def test_erasing_half_of_a_mask_makes_its_rim_anew():
    source, store, options = picture(np.uint8), Store(), CleanOptions(grow=6)
    whole, half = (20, 30, 90, 90), (20, 30, 50, 90)
    plate = refill(source, mask_of(whole), None, options, store, Control()).result.plate
    done = refill(plate, mask_of(half), None, options, store, Control(),
                  changed=mask_of((50, 30, 90, 90)), original=source)
    kept = combine.object_hole(mask_of(half), 6)[0] > 0
    result = done.result.plate
    back = (combine.object_hole(mask_of(whole), 6)[0] > 0) & ~kept
    assert same(result, source, back), "the person on the right is not back"
    assert same(result, plate, kept & (done.result.hole == 0))
    assert (done.result.hole > 0)[kept].any(), "no new rim"
    assert not (done.result.hole > 0)[~kept].any()
    inside = result[40:80, 25:38].astype(int)
    assert np.abs(inside - RED).max(2).min() > 60, "the person on the left is back as well"


def test_a_small_dab_of_the_brush_is_no_speck():
    """Masks that were found are cleaned of specks; what the user paints is not."""
    source, store = np.repeat(picture(np.uint8), 12, 1).repeat(12, 0), Store()
    source[100:106, 900:906] = BLUE
    dab = np.zeros(source.shape[:2], np.uint8)
    dab[100:106, 900:906] = 255
    assert dab.sum() // 255 < combine.SPECK * dab.size
    found = refill(source, dab, None, CleanOptions(), store, Control())
    assert not found.result.hole.any()
    painted = refill(source, dab, None, CleanOptions(), store, Control(), changed=dab)
    assert (painted.result.hole[100:106, 900:906] > 0).all()
    assert np.abs(painted.result.plate[103, 903].astype(int) - BLUE).max() > 60


def test_an_erased_dot_inside_a_mask_stays_erased():
    source, store, options = picture(np.uint8), Store(), CleanOptions(grow=0)
    plate = refill(source, mask_of(LEFT), None, options, store, Control()).result.plate
    dot = mask_of((28, 50, 30, 52))
    done = refill(plate, mask_of(LEFT) & ~dot, None, options, store, Control(), changed=dot,
                  original=source)
    assert same(done.result.plate, source, dot > 0)


def test_everything_anew_puts_the_plate_back_outside_the_hole():
    source, store, options = picture(np.uint8), Store(), CleanOptions()
    plate = refill(source, mask_of(LEFT, RIGHT), None, options, store, Control()).result.plate
    done = refill(plate, None, mask_of(WORD), options, store, Control(), original=source)
    hole = done.result.hole > 0
    assert same(done.result.plate, source, ~hole)
    whole, _ = text_hole(source, mask_of(WORD), None, Control())
    assert np.array_equal(hole, whole > 0)


def test_wrong_arguments_are_told():
    source, store = picture(np.uint8), Store()
    with pytest.raises(BadInput, match="object mask is 3×2"):
        refill(source, np.zeros((2, 3), np.uint8), None, CleanOptions(), store, Control())
    with pytest.raises(BadInput, match="changed region"):
        refill(source, None, None, CleanOptions(), store, Control(),
               changed=np.zeros((2, 3), np.uint8))
    with pytest.raises(BadInput, match="same size and depth"):
        refill(source, None, None, CleanOptions(), store, Control(), original=source[1:])
    with pytest.raises(BadInput, match="whole picture"):
        refill(source, mask_of((0, 0, 200, 120)), None, CleanOptions(), store, Control())


def test_a_bar_before_people_stays_in_a_first_fill_and_goes_where_it_was_painted():
    source, store, options = picture(np.uint8), Store(), CleanOptions()
    source[93:110] = (20, 120, 40)
    clicked = clean(source, options, store, Control())
    assert clicked.hole[91, 25:35].all() and not clicked.hole[93:110, :100].any()
    done = refill(source, clicked.object_mask, clicked.text_mask, options, store, Control())
    assert np.array_equal(done.result.hole, clicked.hole)
    painted = mask_of((20, 80, 40, 100))
    done = refill(source, np.maximum(clicked.object_mask, painted), None, options, store,
                  Control(), changed=painted, original=source)
    assert done.result.hole[93:100, 20:40].all()


def test_a_frame_stays_unless_the_mask_takes_most_of_it():
    source, store, options = picture(np.uint8), Store(), CleanOptions()
    source[:2], source[-2:], source[:, :2], source[:, -2:] = 4 * ((250, 215, 0),)
    low = mask_of((20, 30, 40, 120))
    done = refill(source, low, None, options, store, Control())
    assert done.result.hole[117, 25:35].all() and not done.result.hole[118:].any()
    with pytest.raises(BadInput, match="whole picture"):
        refill(source, np.full_like(low, 255), None, options, store, Control())
