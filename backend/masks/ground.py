"""The ground that small letters stand on: what of a line's mask and hole the colours there tell.

Between the letters of small print the grown mask leaves nothing free: the hole becomes a bar, and
its filling comes from beyond the plate, label or button that carries the line. But most of that
bar is the plate itself. What has the ground's own colour, and no letter beside it, need not be
filled: it is the best sample of the background there is. The other way round, a gap of the
mask that has nothing of the ground's colour is the inside of a letter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from backend.values import Control

HIGHEST = 64  # px: larger letters have room between them
LONG = 2.0  # times as long as high: letters that have run together
BROADEST = 120  # px: in larger letters the net sees the inside of strokes too
BAR = 0.65  # share of its box that a bar fills
NEAR, REACH = 0.15, 0.45  # of a line's height: how far around its polygon is looked
ALIKE = 28.0  # levels of 255 within which colours are one ground, whose shade may drift
BESIDE = 0.6  # share of the letters' outer rim that must be of it
FRAME = 0.15  # of a line's height: how broad a frame around the picture may be
LEAST = 0.05  # share of a line's polygon that must be open ground for a judgement
CANDIDATES = 4  # colours that are tried as the ground
CLOSE = 6.0  # levels from the ground's local colour within which a pixel is ground,
NOISE = 3.0  # or this many of its own deviations,
CONTRAST = 0.2  # but never more than this share of the letters' distance from it
CLEAR = 48.0  # levels of contrast: what is fainter, a watermark, has no sure edge
INSIDE = 0.6  # share of the letters' distance from which a gap may belong to them,
HELD = 0.9, math.inf  # if it lies between them with this share of its rim, however thick,
EVEN = 0.7  # on a ground that makes up this share of what is free; elsewhere only
ENCLOSED, THICKEST = 0.95, 0.35  # with this share and up to so much of the line's height
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class Place:
    """A line's surroundings: `height` in px; `part` of the picture; `box` and `wide`, its polygon
    and a little more, h×w bool; `border`, what is so close to the picture's that a frame may run
    there; `away` h×w float32, levels from the ground; `noise` of the ground
    itself and `contrast` of the letters, in levels; `even`, the share of the ground in what is
    not marked."""

    height: float
    part: tuple[slice, slice]
    box: np.ndarray
    wide: np.ndarray
    border: np.ndarray
    away: np.ndarray
    noise: float
    even: float
    contrast: float


def spared(
    rgb: np.ndarray, hole: np.ndarray, core: np.ndarray, control: Control
) -> np.ndarray:
    """A copy of the hole without the ground between the letters of small print.

    rgb: H×W×3 uint8. hole: H×W uint8, the text's grown mask. core: the mask before it grew.
    """
    result = hole.copy()
    for place in _places(rgb, core, list(bars(hole)), control, NEAR):
        if not around(hole[place.part] > 0, place):
            continue
        limit = min(max(CLOSE, NOISE * place.noise), CONTRAST * place.contrast)
        ground = (place.away < limit) & place.wide
        ink = ((hole[place.part] > 0) & ~ground).astype(np.uint8)
        result[place.part][ground & (cv2.dilate(ink, CROSS) == 0)] = 0
    return result


def bars(hole: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """(4×2 corners, height in px) of the low and long components that fill their boxes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(hole)
    for label in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[label])
        if max(w, h) < LONG * 4 or area < BAR * LONG * 16:
            continue
        ys, xs = np.nonzero(labels[y : y + h, x : x + w] == label)
        points = np.stack([xs + x, ys + y], 1).astype(np.int32)
        box = cv2.minAreaRect(cv2.convexHull(points))
        short, long = sorted(side + 1 for side in box[1])
        if short < HIGHEST and long > LONG * short and area > BAR * short * long:
            yield cv2.boxPoints(box), float(short)


def solid(
    rgb: np.ndarray, mask: np.ndarray, boxes: Sequence[tuple[np.ndarray, float]],
    control: Control,
) -> np.ndarray:
    """A copy of the mask in which gaps between its pixels that do not show the ground are closed:
    broad strokes whose inside was taken for something else.

    Args:
        rgb: H×W×3 uint8. mask: H×W uint8. boxes: (N×2 corners, height) of the lines, in px.
    """
    result = mask.copy()
    for place in _places(rgb, mask, [b for b in boxes if b[1] < BROADEST], control, REACH):
        if not around(mask[place.part] > 0, place):
            continue
        held, thickest = HELD if place.even >= EVEN else (ENCLOSED, THICKEST * place.height)
        marked = mask[place.part] > 0
        inked = (place.away > INSIDE * place.contrast) & ~marked & place.wide
        _, labels, stats, _ = cv2.connectedComponentsWithStats(
            inked.astype(np.uint8), connectivity=4)
        for label in range(1, len(stats)):
            x, y, w, h = stats[label, :4]
            near = np.s_[max(0, y - 1) : y + h + 1, max(0, x - 1) : x + w + 1]
            gap = labels[near] == label
            rim = (cv2.dilate(gap.astype(np.uint8), CROSS) > 0) & ~gap
            if marked[near][rim].mean() < held or not place.wide[near][rim].all():
                continue
            if 2 * cv2.distanceTransform(gap.astype(np.uint8), cv2.DIST_L2, 3).max() <= thickest:
                result[place.part][near][gap] = 255
    return result


def around(marked: np.ndarray, place: Place) -> bool:
    """Whether most of what lies beside the letters, outside of them, is the ground: else it was
    taken from the inside of letters, or from beyond a plate."""
    free = cv2.copyMakeBorder((~marked).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(free, connectivity=4)
    outside = (labels == labels[0, 0])[1:-1, 1:-1]
    rim = outside & (cv2.dilate(marked.astype(np.uint8), CROSS) > 0) & place.wide & ~place.border
    return rim.any() and float((place.away[rim] < ALIKE).mean()) > BESIDE


def _places(
    rgb: np.ndarray, mask: np.ndarray, boxes: Sequence[tuple[np.ndarray, float]],
    control: Control, reach: float,
) -> Iterator[Place]:
    """The surroundings of each line, up to `reach` of its height beyond its box, in which letters
    stand out clearly from one ground."""
    h, w = mask.shape
    for polygon, height in boxes:
        control.check()
        corners = np.asarray(polygon, np.float32)
        margin = reach * height
        x0, y0 = np.clip(np.floor(corners.min(0) - margin).astype(int), 0, [w, h])
        x1, y1 = np.clip(np.ceil(corners.max(0) + margin).astype(int) + 1, 0, [w, h])
        if min(x1 - x0, y1 - y0) < 3:
            continue
        part = np.s_[y0:y1, x0:x1]
        drawn = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(drawn, [(corners - (x0, y0)).round().astype(np.int32)], 1)
        box = drawn > 0
        wide = cv2.dilate(drawn, np.ones((2 * int(margin) + 1,) * 2, np.uint8)) > 0
        letters, free = (mask[part] > 0) & box, (mask[part] == 0) & wide
        if free.sum() < LEAST * box.sum() or letters.sum() < 20:
            continue
        away, noise, same = distance(rgb[part].astype(np.float32), free, max(3, int(height)))
        contrast = float(np.quantile(away[letters], 0.8))
        if contrast >= CLEAR:
            even = np.count_nonzero(same) / np.count_nonzero(free)
            border = np.ones(box.shape, bool)
            by = round(FRAME * height)
            border[max(0, by - y0) : h - by - y0, max(0, by - x0) : w - by - x0] = False
            yield Place(height, part, box, wide, border, away, noise, even, contrast)


def distance(
    colours: np.ndarray, free: np.ndarray, reach: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """(distance, noise, same): how far each pixel is from the ground around it, h×w float32
    levels; the median distance on the ground itself; which of the `free` pixels are ground, h×w
    bool: those of their most frequent colour. Its shade may drift from `reach` to `reach` px."""
    bins = (colours[free] / 16).astype(int)
    keys = bins[:, 0] * 256 + bins[:, 1] * 16 + bins[:, 2]
    counts = np.bincount(keys)
    seen = colours[free]
    # a shaded ground is spread over several bins: it is what has the most of its like
    shades = [seen[keys == key].mean(0) for key in np.argsort(counts)[: -CANDIDATES - 1 : -1]
              if counts[key]]
    shade = max(shades, key=lambda x: np.count_nonzero(np.abs(seen - x).max(1) < ALIKE))
    planes = cv2.split(colours)
    same = free
    for _ in range(3):
        same = free & (_farthest(planes, shade.tolist()) < ALIKE)
        if not same.any():
            break
        shade = colours[same].mean(0)
    weight = same.astype(np.float32)
    window = (2 * reach + 1, 2 * reach + 1)
    mass = cv2.blur(weight, window)
    least = np.maximum(mass, 1e-4)
    away = _farthest(planes, [cv2.blur(plane * weight, window) / least for plane in planes])
    away[mass < 0.02] = 255.0
    noise = float(np.median(away[same])) if same.any() else 255.0
    return away, noise, same


def _farthest(planes: Sequence[np.ndarray], others: Sequence[Any]) -> np.ndarray:
    """h×w float32: the largest distance of three planes from three others or levels."""
    red, green, blue = (cv2.absdiff(a, b) for a, b in zip(planes, others, strict=True))
    return cv2.max(cv2.max(red, green), blue)
