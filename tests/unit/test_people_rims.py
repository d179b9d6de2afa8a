"""The larger look at people's outlines: where it counts, and that it is trusted only in part."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.masks import people as module
from backend.masks.people_closer import FINE
from backend.masks.people_rims import MOST, RIM, SIDE, enlarged, people, sharper
from backend.values import Control

LOW = 0.35


def square(side: int, reach: int) -> np.ndarray:
    """A sure person of 500 px in the middle, `reach` px too large on every side."""
    seen = np.zeros((side, side), np.float32)
    first, last = side // 2 - 250 - reach, side // 2 + 250 + reach
    seen[first:last, first:last] = 1
    return seen


def crops(seen: np.ndarray) -> np.ndarray:
    """The map as a picture that a look can find its answer in."""
    return np.repeat((seen * 255).astype(np.uint8)[..., None], 3, 2)


def answer(crop: np.ndarray) -> np.ndarray:
    return crop[..., 0].astype(np.float32) / 255


def test_the_outline_moves_to_where_the_larger_look_has_it() -> None:
    seen, truth = square(1000, 4), square(1000, 0)
    found = sharper(crops(truth), seen, seen > 0.5, answer, LOW, Control())
    wrong = (found > 0.5) != (truth > 0.5)
    assert wrong.sum() < 0.02 * ((seen > 0.5) != (truth > 0.5)).sum()  # but for the corners
    # The other way round, too: what was cut too close comes back.
    found = sharper(crops(seen), truth, truth > 0.5, answer, LOW, Control())
    assert (found > LOW)[seen > 0.5].all()


def test_nothing_moves_away_from_the_outline() -> None:
    seen, truth = square(1000, 0), square(1000, 0)
    truth[480:520, 480:520] = 0  # cloth that the larger look does not know
    truth[20:60, 20:60] = 1  # something far away
    found = sharper(crops(truth), seen, seen > 0.5, answer, LOW, Control())
    deep = cv2.erode(seen, np.ones((2 * RIM + 3,) * 2, np.uint8)) > 0.5
    assert (found == seen)[deep].all() and (found == seen)[:200, :200].all()


def test_a_look_that_knows_nobody_changes_nothing() -> None:
    seen = square(1000, 0)
    nothing = np.zeros((1000, 1000, 3), np.uint8)
    assert (sharper(nothing, seen, seen > 0.5, answer, LOW, Control()) == seen).all()


def test_who_is_shown_small_is_not_looked_at() -> None:
    seen = np.zeros((300, 300), np.float32)
    seen[100:200, 120:160] = 1

    def refuse(crop: np.ndarray) -> np.ndarray:
        raise AssertionError("nobody here is large enough")

    rgb = np.zeros((300, 300, 3), np.uint8)
    assert sharper(rgb, seen, seen > 0.5, refuse, LOW, Control()) is seen
    assert people(seen > 0.5, 1.0) == [] and len(people(seen > 0.5, SIDE / 100)) == 1


def test_the_look_gets_the_persons_part_of_a_large_picture() -> None:
    sizes = []

    def look(crop: np.ndarray) -> np.ndarray:
        sizes.append(crop.shape[:2])
        return np.ones((8, 8), np.float32)

    seen = np.zeros((400, 600), np.float32)
    seen[100:300, 100:200] = 1
    rgb = np.zeros((2000, 3000, 3), np.uint8)
    sharper(rgb, seen, seen > 0.5, look, LOW, Control())
    (height, width), = sizes
    assert 1000 < height < 1300 and 500 < width < 800


def test_a_crowd_costs_no_more_than_a_few() -> None:
    found = np.zeros((400, 1000), bool)
    for index in range(9):
        found[20 : 300 + index, 100 * index : 100 * index + 60] = True
    boxes = people(found, 10.0)
    assert len(boxes) == MOST and boxes[0].x0 > boxes[-1].x0  # the largest first


@pytest.mark.parametrize(
    ("picture", "size"),
    [((900, 1800), (FINE // 2, FINE)), ((500, 400), (500, 400)), ((40, 60), (64, 96))],
)
def test_maps_are_as_large_as_the_picture_up_to_a_limit(
    picture: tuple[int, int], size: tuple[int, int]
) -> None:
    seen = np.zeros((64, 96), np.float32)
    assert enlarged(np.zeros((*picture, 3), np.uint8), seen).shape == size


def test_a_part_that_went_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The car joined to a person by faint pixels stays out when the larger look joins them."""
    seen = np.full((200, 280), 0.02, np.float32)
    seen[20:180, 40:100] = 0.95  # the person
    seen[80:88, 100:140] = 0.42  # the bridge
    seen[40:140, 140:200] = 0.68  # the car
    joined = seen.copy()
    joined[80:88, 100:140] = 0.9
    monkeypatch.setattr(module, "closer", lambda *_: seen.copy())
    monkeypatch.setattr(module, "sharper", lambda *_: joined.copy())
    model = module.BuiltinPeople(None, "people", "cpu")
    monkeypatch.setattr(model, "coarse", lambda *_: seen)
    rgb = np.random.default_rng(0).integers(0, 255, (200, 280, 3), np.uint8)
    found = model.probability(rgb, Control()) > 0.5
    assert found[25:175, 45:95].all() and not found[:, 145:].any()
