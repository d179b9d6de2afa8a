"""People who touch are taken apart by their heads, single persons stay whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.masks.instances import split_people


def figure(mask: np.ndarray, x: int, foot: int, tall: int) -> None:
    """Draws a standing person, arms hanging."""

    def at(share: float) -> int:
        return round(foot - share * tall)

    unit = tall / 100
    cv2.ellipse(mask, (x, at(0.93)), (round(5 * unit), round(7 * unit)), 0, 0, 360, 255, -1)
    cv2.rectangle(mask, (x - round(2 * unit), at(0.9)), (x + round(2 * unit), at(0.8)), 255, -1)
    cv2.ellipse(mask, (x, at(0.62)), (round(10 * unit), round(22 * unit)), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        limb(mask, (x + side * round(9 * unit), at(0.78)), (x + side * round(12 * unit), at(0.45)),
             tall)  # fmt: skip
        leg = x + side * round(5 * unit)
        half = round(4 * unit)
        cv2.rectangle(mask, (leg - half, at(0.5)), (leg + half, foot), 255, -1)


def limb(mask: np.ndarray, start: tuple[int, int], end: tuple[int, int], tall: int) -> None:
    cv2.line(mask, start, end, 255, max(2, round(0.045 * tall)))


@pytest.fixture
def empty() -> np.ndarray:
    return np.zeros((400, 600), np.uint8)


def parts_of(mask: np.ndarray) -> list[np.ndarray]:
    """The parts; no pixel is lost, added or given twice."""
    parts = split_people(mask)
    if not parts:
        return parts
    assert (np.stack([p > 0 for p in parts]).sum(0) == (mask > 0)).all()
    return parts


def holds(part: np.ndarray, *points: tuple[int, int]) -> bool:
    return all(part[y, x] for x, y in points)


def test_two_who_hold_hands_are_two(empty: np.ndarray) -> None:
    figure(empty, 180, 380, 340)
    figure(empty, 330, 385, 300)
    limb(empty, (220, 228), (296, 250), 320)  # hand in hand
    first, second = parts_of(empty)
    assert holds(first, (180, 64), (180, 200), (163, 375))
    assert holds(second, (330, 106), (330, 220), (345, 380))
    assert not first[106, 330] and not second[64, 180]


def test_three_shoulder_to_shoulder_are_three_at_any_size(empty: np.ndarray) -> None:
    for x, tall in ((150, 330), (215, 300), (280, 340)):
        figure(empty, x, 380, tall)
    for scale in (1, 4):
        size = (600 * scale, 400 * scale)
        parts = parts_of(cv2.resize(empty, size, interpolation=cv2.INTER_NEAREST))
        assert len(parts) == 3
        for x in (150, 215, 280):
            assert sum(bool(p[160 * scale, x * scale]) for p in parts) == 1


def test_a_raised_arm_or_a_bag_is_no_person(empty: np.ndarray) -> None:
    figure(empty, 200, 380, 320)
    limb(empty, (225, 140), (285, 30), 320)
    cv2.rectangle(empty, (236, 240), (290, 310), 255, -1)
    assert len(parts_of(empty)) == 1


def test_hair_tied_up_makes_no_second_head(empty: np.ndarray) -> None:
    """Two bumps close together, as hair tied up makes them, are one head."""
    figure(empty, 200, 380, 320)
    cv2.circle(empty, (190, 55), 14, 255, -1)
    cv2.circle(empty, (212, 55), 14, 255, -1)
    assert len(parts_of(empty)) == 1


def test_strangers_apart_stay_apart_and_memory_is_bounded(empty: np.ndarray) -> None:
    figure(empty, 100, 380, 320)
    figure(empty, 300, 380, 320)
    limb(empty, (135, 228), (265, 228), 320)
    figure(empty, 500, 380, 300)
    assert len(parts_of(empty)) == 3
    few = split_people(empty, budget=2 * empty.size)
    assert len(few) == 2 and (np.maximum(*few) == empty).all()
    assert split_people(np.zeros_like(empty)) == []


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 300), (3, 500), (300, 1), (6, 2), (22, 30)]
)
def test_specks_stay_whole(empty: np.ndarray, height: int, width: int) -> None:
    empty[50 : 50 + height, 40 : 40 + width] = 255
    empty[50 : 50 + height // 2, 50:60] = 0  # a valley between two bumps, where it is large enough
    assert len(parts_of(empty)) == (1 if height * width >= 12 else 0)


def test_a_face_that_fills_the_picture_is_one_person(empty: np.ndarray) -> None:
    """Hair on both sides of a ribbon that the picture cuts off: no heads show."""
    cv2.ellipse(empty, (300, 250), (180, 300), 0, 0, 360, 255, -1)
    empty[:130, 280:320] = 0
    assert len(parts_of(empty)) == 1
    whole = np.vstack([np.zeros_like(empty), empty])  # the same with room above: two heads
    assert len(parts_of(whole)) == 2
