"""Small print on a plate: what of its hole is the plate itself, and the inside of its letters."""

from __future__ import annotations

import cv2
import numpy as np

from backend.fill.flat import fill_flat
from backend.masks import combine, ground
from backend.values import Control

PLATE, INK, AROUND = (190, 195, 200), (15, 12, 10), (30, 34, 30)


def number_plate() -> tuple[np.ndarray, np.ndarray]:
    """(picture, mask of the letters a little wide): a low plate on dark noise."""
    rng = np.random.default_rng(4)
    picture = np.empty((80, 200, 3), np.uint8)
    picture[:] = AROUND
    picture += rng.integers(0, 60, picture.shape, np.uint8)
    picture[26:54, 30:170] = PLATE
    letters = np.zeros(picture.shape[:2], np.uint8)
    cv2.putText(letters, "MBU350", (40, 47), cv2.FONT_HERSHEY_SIMPLEX, 0.62, (255,), 2)
    picture[letters > 0] = INK
    mask = cv2.dilate(letters, np.ones((5, 5), np.uint8))
    return picture, mask


def test_the_plate_between_small_letters_is_not_in_the_hole() -> None:
    picture, mask = number_plate()
    hole, core = combine.text_hole(mask)
    left = ground.spared(picture, hole, core, Control())
    assert np.count_nonzero(left) < 0.85 * np.count_nonzero(hole)
    ink = (picture == INK).all(2)
    assert (left[ink] > 0).all(), "every pixel of a letter is still in the hole"
    beside = cv2.dilate(ink.astype(np.uint8), ground.CROSS) > 0
    assert (left[beside] > 0).all(), "and the pixel beside it, which may hold its edge"
    taken = (hole > 0) & (left == 0)
    assert (picture[taken] == PLATE).all()


def test_large_letters_watermarks_and_busy_ground_keep_their_hole() -> None:
    picture, mask = number_plate()
    hole, core = combine.text_hole(mask)
    three = [cv2.resize(x, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
             for x in (picture, hole, core)]
    assert np.array_equal(ground.spared(*three, Control()), three[1])
    faint = np.where((picture == INK).all(2)[..., None], np.uint8(180), picture)
    assert np.array_equal(ground.spared(faint, hole, core, Control()), hole)
    busy = np.random.default_rng(5).integers(0, 255, picture.shape, np.uint8)
    busy[(picture == INK).all(2)] = INK
    left = ground.spared(busy, hole, core, Control())
    assert np.count_nonzero(left) > 0.9 * np.count_nonzero(hole)


def test_letters_whose_insides_were_missed_are_not_taken_for_the_ground() -> None:
    picture = np.empty((60, 200, 3), np.uint8)
    picture[:] = np.linspace(90, 250, 200)[None, :, None]  # no shade of it is seen often
    strokes = np.zeros(picture.shape[:2], np.uint8)
    strokes[20:40, 20:180] = 255
    strokes[20:40, 46:180:26] = 0
    picture[strokes > 0] = INK
    inner = cv2.erode(strokes, np.ones((7, 7), np.uint8))
    core = cv2.dilate(strokes, np.ones((3, 3), np.uint8))
    core[inner > 0] = 0  # only the letters' edges were seen
    hole = combine.grow(core, 3)
    left = ground.spared(picture, hole, core, Control())
    assert (left[(strokes > 0) & (hole > 0)] > 0).all()


def test_the_inside_of_a_broad_letter_is_closed_and_a_counter_is_not() -> None:
    picture = np.full((60, 120, 3), 200, np.uint8)
    cv2.rectangle(picture, (20, 15), (100, 45), (10, 10, 10), -1)  # a broad letter
    cv2.rectangle(picture, (70, 22), (90, 38), (200, 200, 200), -1)  # its counter
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[13:48, 18:103] = 255
    mask[24:37, 72:89] = 0
    seen = mask.copy()
    seen[25:35, 30:50] = 0  # what the net missed
    box = np.array([(18, 13), (103, 13), (103, 48), (18, 48)], float)
    closed = ground.solid(picture, seen, [(box, 35.0)], Control())
    assert np.array_equal(closed, mask)


def test_letters_cut_by_a_framed_border_are_closed_too() -> None:
    picture = np.full((60, 260, 3), 200, np.uint8)
    picture[:5] = (250, 215, 0)  # the picture's frame, of which a part was taken for a stroke
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[4:6, 2:258] = 255
    seen = mask.copy()
    for x in (60, 160):  # the lower parts of two broad letters
        picture[5:26, x : x + 40] = INK
        mask[4:28, x - 2 : x + 42] = 255
        seen[4:28, x - 2 : x + 42] = 255
        seen[11:20, x + 8 : x + 32] = 0  # what the net missed
    box = np.array([(2, 0), (258, 0), (258, 28), (2, 28)], float)
    closed = ground.solid(picture, seen, [(box, 28.0)], Control())
    assert np.array_equal(closed[6:], mask[6:])


def test_a_low_plate_is_filled_from_itself() -> None:
    rng = np.random.default_rng(6)
    picture = np.empty((70, 200, 3), np.uint8)
    picture[:] = rng.integers(0, 60, picture.shape, np.uint8)
    picture[20:50, 20:180] = PLATE
    hole = np.zeros(picture.shape[:2], np.uint8)
    hole[25:45, 30:170] = 255
    picture[27:43, 32:168] = INK
    plate, done = fill_flat(picture, hole, Control())
    assert np.array_equal(done, hole)
    assert np.abs(plate[hole > 0].astype(int) - PLATE).max() <= 4
