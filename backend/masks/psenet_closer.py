"""A closer look by the light PSENet at what it saw: a box in which a larger look shows several
lower lines, columns or signs gives way to them, and the signs around a dial, each too small and
too unsure for a line, count together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from backend.masks.psenet import Detector
from backend.masks.text_lines import Region, box_of, overlap
from backend.masks.text_scales import LARGEST, likeliest, passes_for
from backend.values import Control

SIZES = (960, 1440)  # long sides of the looks, px
LEAST_SCORE = 0.75  # of a line of several that lie in one box
INSIDE, LOWER, COVER = 0.75, 0.75, 0.5  # share of such a line in the box, its height for that of
# the box, and what they cover of it together
KERNEL = 2  # the map in which close signs stand apart and small ones are still seen
SIGN, RIM, CLEAR = 0.4, 0.8, 0.1  # least probability at a sign's middle; where its rim is, for
# that; how far it rises above what lies around
GROWN = 0.7  # px of the map on each side between such a rim and that of the sign
LARGEST_SIGN = 60  # px of a look
FAR, ALIKE = 6.5, 0.6  # sides between neighbours around a dial; logarithm of their sides' ratio
FEWEST, WIDEST = 10, 100  # signs of a dial, degrees without one
OFF, RADII = 0.3, (2.0, 12.0)  # how far from its circle a sign may lie, and radii, in sides
TRIPLES = 300  # circles that are tried
KNOWN = 0.2  # share of a sign in a line from which it is one of its letters


def closer(
    net: Detector, rgb: np.ndarray, lines: list[Region], control: Control
) -> list[Region]:
    """The `lines` of an H×W×3 uint8 picture after a closer look, and the signs around dials. A
    picture that is to be answered quickly (see text_scales) gets the first look alone."""
    around: list[Region] = []
    quick = not passes_for(net, rgb.shape[:2]).second
    for n, size in enumerate(SIZES[:1] if quick else SIZES):
        maps = net.maps(rgb, min(size / max(rgb.shape[:2]), LARGEST), control)
        lines = apart(lines, likeliest(net.lines(maps, rgb.shape, LEAST_SCORE)))
        if n == 0:  # the larger look sees too much
            around = dials(signs(maps[KERNEL], rgb.shape))
    return lines + [s for s in around if all(max(overlap(s, line)) < KNOWN for line in lines)]


def apart(lines: Sequence[Region], fine: Sequence[Region]) -> list[Region]:
    """The lines, in place of some of them the lower ones, two or more, that `fine` shows in their
    boxes."""
    result = []
    for line in lines:
        held = [r for r in fine if r.height < LOWER * line.height and overlap(r, line)[0] > INSIDE]
        covered = sum(r.length * r.height for r in held) / (line.length * line.height)
        result += held if len(held) > 1 and covered > COVER else [line]
    return result


def signs(kernel: np.ndarray, shape: tuple[int, ...]) -> list[Region]:
    """What stands alone in an h×w float32 probability map of a picture of `shape`: a box in the
    picture's pixels around each peak, as far as the map is not much lower."""
    sx, sy = shape[1] / kernel.shape[1], shape[0] / kernel.shape[0]
    peaks = (kernel >= cv2.dilate(kernel, np.ones((5, 5), np.uint8))) & (kernel > SIGN)
    ys, xs = np.nonzero(peaks)
    reach = LARGEST_SIGN // 2
    taken = np.zeros(kernel.shape, bool)
    found = []
    for n in np.argsort(-kernel[ys, xs], kind="stable"):
        y, x, top = ys[n], xs[n], kernel[ys[n], xs[n]]
        part = np.s_[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
        near = kernel[part]
        _, labels = cv2.connectedComponents((near > RIM * top).astype(np.uint8), connectivity=4)
        inside = labels == labels[y - part[0].start, x - part[1].start]
        if taken[part][inside].any():
            continue
        taken[part] |= inside
        rim = (cv2.dilate(inside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0) & ~inside
        if inside.sum() < 6 or not rim.any() or top - near[rim].mean() < CLEAR:
            continue
        rows, columns = np.nonzero(inside)
        box = box_of(np.stack([columns + part[1].start, rows + part[0].start], 1))
        more = 1 + 2 * GROWN  # pixels reach half a pixel beyond their centres
        box = replace(box, length=box.length + more, height=box.height + more, score=float(top))
        if box.length < min(2 * box.height, LARGEST_SIGN / 2):
            found.append(box.scaled(sx, sy, sx / 2 - 0.5, sy / 2 - 0.5))
    return found


def dials(found: Sequence[Region]) -> list[Region]:
    """Those of the signs that stand around circles."""
    result = []
    for group in groups(found):
        result += on_circle(group)
    return result


def side(sign: Region) -> float:
    return float(np.sqrt(sign.length * sign.height))


def groups(found: Sequence[Region]) -> Iterator[list[Region]]:
    """Signs of about one size that lie near each other, in groups of FEWEST or more."""
    left = list(found)
    while left:
        group, new = [], [left.pop()]
        while new:
            one = new.pop()
            group.append(one)
            beside = [r for r in left if neighbours(one, r)]
            left = [r for r in left if r not in beside]
            new += beside
        if len(group) >= FEWEST:
            yield group


def neighbours(a: Region, b: Region) -> bool:
    one, other = side(a), side(b)
    alike = abs(np.log(one / other)) < ALIKE
    return bool(alike and np.hypot(a.cx - b.cx, a.cy - b.cy) < FAR * np.sqrt(one * other))


def on_circle(group: Sequence[Region]) -> list[Region]:
    """Most of the signs that lie on one circle all around it; none where FEWEST do not."""
    centres = np.array([(r.cx, r.cy) for r in group])
    unit = float(np.median([side(r) for r in group]))
    rng = np.random.default_rng(0)
    best = np.zeros(0, int)
    for _ in range(TRIPLES):
        circle = circle_of(centres[rng.choice(len(group), 3, replace=False)])
        if circle is None or not RADII[0] * unit < circle[2] < RADII[1] * unit:
            continue
        away = centres - circle[:2]
        on = np.nonzero(np.abs(np.hypot(*away.T) - circle[2]) < OFF * unit)[0]
        if len(on) < max(FEWEST, len(best) + 1):
            continue
        angles = np.sort(np.degrees(np.arctan2(away[on, 1], away[on, 0])))
        if np.diff(angles, append=angles[0] + 360).max() < WIDEST:
            best = on
    return [group[int(n)] for n in best]


def circle_of(points: np.ndarray) -> tuple[float, float, float] | None:
    """(x, y, radius) of the circle through 3×2 points; None where they lie in a row."""
    first = points[0]
    (bx, by), (cx, cy) = points[1:] - first
    d = 2 * (bx * cy - by * cx)
    if abs(d) < 1e-6:
        return None
    b, c = bx * bx + by * by, cx * cx + cy * cy
    x, y = (cy * b - by * c) / d, (bx * c - cx * b) / d
    return float(first[0] + x), float(first[1] + y), float(np.hypot(x, y))
