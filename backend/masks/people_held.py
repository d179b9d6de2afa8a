"""What a found person holds or wears and the mask cut in two: the end of a fin, a white shoe, a
glove. Small parts that touch a region, stand out from the background all around and end soon are
its own where the net faintly thinks so too, or where they have the region's colour. Larger parts
of its colours, which the background has not, are found by `people_colours`."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.masks import people_colours
from backend.masks.people_regions import JOINT
from backend.values import Control

LONGEST = 768  # px, long side at which is looked
LEAST_PERSON = 250  # px of a region
REACH = 0.22  # of a region's longer side: no part ends farther out
REACH_OF_ROOT = 1.2  # of the square root of its area
LEAST, MOST = 10, 0.06  # px of a part; share of its region's area
TOUCH = 2.5  # px between a part and its region
RIM = 3.5  # px: what ends nearer is the outline's own softness
OTHER = 3.2  # spreads of the background's colour by which each pixel differs
SUSPECTED, SURELY_OTHER = 3.5, 5.0  # their mean, where the net suspects a person, and elsewhere
FAINTLY = 0.15  # mean of the map from which it does
EVEN = 5.0  # CIELAB: no background counts as more even than this
ALIKE = 14.0  # CIELAB: two pixels of one colour
SHARE = 0.15  # of the region's pixels beside the part have its colour
NEIGHBOURHOOD = 25  # px, diameter of "beside"
COLOURED, BRIGHTER = 8.0, 12.0  # CIELAB: a part differs by hue or by more light
SHADED = 12.0  # CIELAB: hue of what is darker, or it is a shadow
SQUARE = np.ones((2, 2), np.uint8)
SURE = 0.9  # what is written into the map


def with_held(rgb: np.ndarray, sure: np.ndarray, control: Control) -> np.ndarray:
    """`rgb` H×W×3 uint8 and `sure` h×w float32 in [0, 1], half = threshold → the map with such
    parts at 0.9, never lower than before."""
    height, width = sure.shape
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small_map = cv2.resize(sure, size, interpolation=cv2.INTER_AREA)
    mask = (small_map > JOINT).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count == 1:
        return sure
    lab: np.ndarray | None = None
    held = np.zeros_like(mask)
    for index in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[index])
        reach = int(min(REACH * max(w, h), REACH_OF_ROOT * area**0.5))
        if area < LEAST_PERSON or reach <= RIM:
            continue
        control.check()
        if lab is None:
            small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
            lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB))
        window = (
            slice(max(0, y - 2 * reach), y + h + 2 * reach),
            slice(max(0, x - 2 * reach), x + w + 2 * reach),
        )
        own = labels[window] == index
        seen = Seen(lab[window], small_map[window], own, mask[window] > 0)
        held[window] |= _parts(seen, reach, int(MOST * area))
    if not held.any():
        return sure
    large = cv2.resize(held, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(large > 0, np.maximum(sure, np.float32(SURE)), sure)


@dataclass(frozen=True)
class Seen:
    """The surroundings of a region, h×w: CIELAB colours, the map, the region, all regions."""

    lab: np.ndarray
    sure: np.ndarray
    own: np.ndarray
    people: np.ndarray


def _parts(seen: Seen, reach: int, most: int) -> np.ndarray:
    """h×w uint8 (0 or 1): the region's parts of at most `most` px."""
    own = seen.own
    away = cv2.distanceTransform((~own).astype(np.uint8), cv2.DIST_L2, 5)
    free = (away > RIM) & ~seen.people
    difference, spread = _unlike_background(seen.lab, free, reach)
    z = np.linalg.norm(difference, axis=2) / np.maximum(spread, EVEN)
    odd = ((z > OTHER) & (away <= reach + 2) & ~seen.people).astype(np.uint8)
    odd = cv2.dilate(cv2.erode(odd, SQUARE, anchor=(0, 0)), SQUARE, anchor=(1, 1))  # opened
    count, labels, stats, _ = cv2.connectedComponentsWithStats(odd, connectivity=8)
    result = np.zeros(own.shape, np.uint8)
    for index in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[index])
        if not LEAST <= area <= most:
            continue
        pad = NEIGHBOURHOOD
        box = (slice(max(0, y - pad), y + h + pad), slice(max(0, x - pad), x + w + pad))
        part = labels[box] == index
        far, unlike = away[box][part], z[box][part].mean()
        ends = RIM < far.max() < reach and far.min() <= TOUCH
        if not ends or unlike < SUSPECTED:
            continue
        if _may_be_shade(difference[box][part]):
            continue
        if seen.sure[box][part].mean() > FAINTLY or (
            unlike > SURELY_OTHER
            and _shares_colour(seen.lab[box], part, own[box], away[box])
        ):
            result[box][part] = 1
    for left in people_colours.left_out(seen.lab, own, seen.people, away, reach):
        if not _may_be_shade(difference[left.box][left.part]):
            result[left.box][left.part] = 1
    return result


def _may_be_shade(difference: np.ndarray) -> bool:
    """Whether N×3 differences from the background are those of a shadow, or too small."""
    light, *hue = np.median(difference, axis=0)
    return bool(np.hypot(*hue) <= (SHADED if light < 0 else COLOURED) and light <= BRIGHTER)


def _shares_colour(
    lab: np.ndarray, part: np.ndarray, own: np.ndarray, away: np.ndarray
) -> bool:
    """Whether the region has the part's colour where the two meet."""
    meeting = part & (away < 2 * TOUCH)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (NEIGHBOURHOOD, NEIGHBOURHOOD))
    beside = own & (cv2.dilate(meeting.astype(np.uint8), disc) > 0)
    if not beside.any():
        return False
    colour = np.median(lab[meeting], axis=0)
    return bool((np.linalg.norm(lab[beside] - colour, axis=1) < ALIKE).mean() > SHARE)


def _unlike_background(
    lab: np.ndarray, free: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's difference from the background around it, h×w×3, and how much the background
    itself varies there, h×w. What stands out is left out of both."""
    height, width = free.shape
    step = max(1, reach // 6)
    small = (max(1, -(-width // step)), max(1, -(-height // step)))

    def around(values: np.ndarray) -> np.ndarray:
        low = cv2.resize(values, small, interpolation=cv2.INTER_AREA)
        low = cv2.GaussianBlur(low, (0, 0), 0.5 * reach / step)
        return cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR)

    counts = free.astype(np.float32)
    total = around(counts) + 1e-4
    mean = around(lab * counts[..., None]) / total[..., None]
    good = counts
    for _ in range(2):
        distance = np.linalg.norm(lab - mean, axis=2)
        spread = np.sqrt(around(distance * distance * counts) / total)
        good = counts * (distance < 2 * np.maximum(spread, 2))
        total_good = around(good) + 1e-4
        mean = around(lab * good[..., None]) / total_good[..., None]
    difference = lab - mean
    squares = np.square(difference).sum(2)
    spread = np.sqrt(around(squares * good) / (around(good) + 1e-4))
    return difference, spread
