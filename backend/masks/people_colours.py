"""Parts of a person that the mask left out though they have the person's own colours, which the
background around has not: the hem of a dress that the net is sure is none.

Both colours are counted in a histogram over CIELAB (as Boykov and Jolly 2001 do for their two
regions), and what is left out goes with the person where nothing is seen to end at the mask's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

LOW, STEP = np.array([0.0, -64, -64], np.float32), 8.0  # of CIELAB: the first bin, a bin's width
BINS = (13, 16, 16)
FEWEST = 3e-4  # share that a colour has at least on either side
LIKELY, MEAN = 1.5, 1.8  # natural log of how much oftener the person has the colour: each pixel
# (of a mean of 3×3), all of a part
LEAST, MOST = 60, 0.08  # px of a part; share of its region's area
FARTHER = 1.14  # of the reach of things held
TOUCH = 2.5  # px between a part and its region
WIDE = 1.2  # px of the meeting for each px of the part's mean side
CALM = 6.0  # CIELAB across the meeting
RIM = 3.5  # px: what ends nearer is the outline's own softness


@dataclass(frozen=True)
class Left:
    """A part that was left out: where it lies, and its pixels in there (bool)."""

    box: tuple[slice, slice]
    part: np.ndarray


def left_out(
    lab: np.ndarray, own: np.ndarray, people: np.ndarray, away: np.ndarray, reach: int
) -> list[Left]:
    """`lab` h×w×3 float32, a region `own` and all regions `people`, h×w bool, and how far `away`
    (px) each pixel is from the first → parts of its colours that end within `reach` px."""
    reach = int(FARTHER * reach)
    likely = _likelier(lab, own, (away > RIM) & ~people)
    candidates = ((likely > LIKELY) & (away <= reach + 2) & ~people).astype(np.uint8)
    candidates = cv2.morphologyEx(candidates, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates, connectivity=8)
    soft = cv2.GaussianBlur(lab, (0, 0), 1.0)
    most = MOST * np.count_nonzero(own)
    found = []
    for index in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[index])
        if not LEAST <= area <= most:
            continue
        box = (slice(max(0, y - 6), y + h + 6), slice(max(0, x - 6), x + w + 6))
        part = np.asarray(labels)[box] == index
        far = away[box][part]
        if not (RIM < far.max() < reach and far.min() <= TOUCH):
            continue
        if likely[box][part].mean() > MEAN and _goes_on(soft[box], part, own[box], away[box]):
            found.append(Left(box, part))
    return found


def _goes_on(soft: np.ndarray, part: np.ndarray, own: np.ndarray, away: np.ndarray) -> bool:
    """Whether region and part meet along a good length without a step in colour."""
    meeting = part & (away <= TOUCH + 1)
    beside = own & (cv2.dilate(meeting.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
    if np.count_nonzero(meeting) < WIDE * np.count_nonzero(part) ** 0.5 or not beside.any():
        return False
    step = np.median(soft[meeting], 0) - np.median(soft[beside], 0)
    return bool(np.linalg.norm(step) <= CALM)


def _likelier(lab: np.ndarray, own: np.ndarray, free: np.ndarray) -> np.ndarray:
    """h×w float32: natural log of how much oftener `own` has a pixel's colour than `free` has."""
    bins = np.clip(((lab - LOW) / STEP).astype(np.int32), 0, np.array(BINS) - 1)
    number = (bins[..., 0] * BINS[1] + bins[..., 1]) * BINS[2] + bins[..., 2]
    inside = cv2.erode(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ratio = np.log(_histogram(number[inside]) + FEWEST) - np.log(_histogram(number[free]) + FEWEST)
    return cv2.blur(ratio.ravel()[number].astype(np.float32), (3, 3))


def _histogram(numbers: np.ndarray) -> np.ndarray:
    """Shares of the colours, each spread over the neighbouring bins by 1, 2, 1."""
    counts = np.bincount(numbers, minlength=int(np.prod(BINS))).reshape(BINS).astype(np.float32)
    for axis in range(3):
        padding = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        wide = np.moveaxis(np.pad(counts, padding), axis, 0)
        counts = np.moveaxis((wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4, 0, axis)
    return counts / max(1, len(numbers))
