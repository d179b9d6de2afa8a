"""Straight edges that a hole interrupts, and how they are continued through it.

Where an edge ends at the hole and goes on beyond it in the same line, between the same colours, it
went through: the side of a building, a horizon, a frame. Patches along the gap are then copied
along the line from its known parts, first of all, and what lies beside it follows (structure
propagation: Sun et al. 2005). Segments by OpenCV's line segment detector (von Gioi et al. 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.fill.patch_kernels import R
from backend.values import Control

MARGIN, MOST_PIXELS = 250, 2_000_000  # px around the hole in which edges are looked for; a larger
# picture is looked at smaller
MOST_ENDS = 1000  # that are compared with each other, the longest first
NEAR = 16.0  # px: how close to the hole a segment must end
SHORTEST, SHORTEST_BOTH = 10.0, 30.0  # px of a segment, and of both known parts together
TURN, OFF = 2.0, 1.6  # degrees and px by which the two parts may miss each other
SIDE, ALONG = (2.0, 5.0), 16.0  # px: where the colours beside an edge are looked at
ALIKE, CONTRAST = 0.12, 0.05  # of colours in [0, 1]: most on one side, least between both
ONE_ALIKE = 80.0  # px of both known parts, if the colours are alike on one side only, as where
# the sea goes on before another shore
LONG_BOTH, LIT, BENT, AFTER = 60.0, 0.18, 0.03, 5.0  # two edges that are each so long, px, may
# differ more in colour, on both sides, where the light changes, and miss each other by a share of
# the gap, where a lens bends them; they come after the others, as if so many px further off
INSIDE = 0.8  # share of the gap that must be hole
LONG, TO_BORDER = 120.0, 0.5  # px, and the gap in known lengths: an edge that leaves the picture
BAND = 3.0  # px on each side of the line that are copied along it
NEAREST = 24.0  # px of a level: sources along a line may lie as far away
FEWEST = 4  # px of source that there must be at a level


@dataclass(frozen=True)
class Gap:
    """An edge's missing part from `start` to `stop` (x, y), px, and how far it is known before
    and behind, px."""

    start: np.ndarray
    stop: np.ndarray
    before: float
    behind: float


@dataclass(frozen=True)
class _End:
    """A segment that ends at the hole: its end, the direction into the hole, its known length,
    and the colours on the left and right of that direction."""

    at: np.ndarray
    into: np.ndarray
    length: float
    left: np.ndarray
    right: np.ndarray


def gaps(rgb: np.ndarray, hole: np.ndarray, known: np.ndarray, control: Control) -> list[Gap]:
    """The edges that the hole interrupts. rgb: H×W×3 float32 in [0, 1]; hole, known: H×W bool.
    Raises Cancelled."""
    if not known.any() or not hole.any():
        return []
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    top, left = max(0, rows[0] - MARGIN), max(0, columns[0] - MARGIN)
    near = np.s_[top : rows[-1] + MARGIN, left : columns[-1] + MARGIN]
    found = _gaps(rgb[near], hole[near], known[near], control)
    return [replace(g, start=g.start + [left, top], stop=g.stop + [left, top]) for g in found]


def _gaps(rgb: np.ndarray, hole: np.ndarray, known: np.ndarray, control: Control) -> list[Gap]:
    control.check()
    clear = cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    away = np.asarray(cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5))
    ends = sorted(_ends(rgb, hole, clear, away, control), key=lambda e: -e.length)[:MOST_ENDS]
    pairs = []
    for a, b in _facing(ends):
        control.check()
        off = _missed(a, b, hole)
        if off is not None:
            pairs.append((off / min(a.length, b.length), a, b))
    for a in ends:
        stop = _to_border(a, hole)
        if stop is not None:  # after all that are known on both sides
            pairs.append((np.inf, a, _End(stop, -a.into, 0.0, a.right, a.left)))
    taken: list[Gap] = []
    used: set[int] = set()
    for _, a, b in sorted(pairs, key=lambda p: p[0]):
        if id(a) in used or id(b) in used or any(_cross(a.at, b.at, g.start, g.stop)
                                                 for g in taken):
            continue
        used |= {id(a), id(b)}
        taken.append(Gap(a.at, b.at, a.length, b.length))
    return taken


def _ends(
    rgb: np.ndarray, hole: np.ndarray, clear: np.ndarray, away: np.ndarray, control: Control
) -> list[_End]:
    result = []
    height, width = hole.shape
    control.check()
    found = _segments(rgb)
    control.check()
    both = np.concatenate([found, found[:, [2, 3, 0, 1]]])
    long = np.hypot(*(both[:, 2:] - both[:, :2]).T)
    near = (away[_at(both[:, 2:], hole.shape)] <= NEAR) & (long >= SHORTEST)
    both, long = both[near], long[near]
    along = (both[:, 2:] - both[:, :2]) / long[:, None]
    further = [hole[_at(both[:, 2:] + d * along, hole.shape)] for d in (8, 16, 24)]
    for segment in both[np.any(further, axis=0)]:
        control.check()
        start, stop = segment[:2], segment[2:]
        along = (stop - start) / np.hypot(*(stop - start))
        steps = start + along * np.arange(int(np.hypot(*(stop - start))) + 1)[:, None]
        inside = clear[_at(steps, clear.shape)]
        if not inside.any():
            continue
        last = int(np.flatnonzero(inside)[-1])
        gone = np.flatnonzero(~inside[:last])
        long = float(last - (gone[-1] + 1 if len(gone) else 0))
        end = steps[last]
        ahead = end + along * np.arange(1, int(NEAR) + 8)[:, None]
        ok = ((ahead >= 0) & (ahead <= [width - 1, height - 1])).all()
        if long < SHORTEST or not ok or away[_at(end[None], away.shape)][0] > NEAR:
            continue
        if not hole[_at(ahead[-4:], hole.shape)].all():
            continue
        sides = _sides(rgb, clear, end, along, min(ALONG, long))
        if sides is not None:
            result.append(_End(end, along, long, *sides))
    return result


def _segments(rgb: np.ndarray) -> np.ndarray:
    """N×4 x0, y0, x1, y1 of the straight edges of a picture."""
    grey = np.clip(rgb @ np.array([0.299, 0.587, 0.114], np.float32), 0, 1)
    times = int(np.ceil(np.sqrt(grey.size / MOST_PIXELS)))
    if times > 1:
        size = (max(1, grey.shape[1] // times), max(1, grey.shape[0] // times))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    eight = np.rint(255 * grey).astype(np.uint8)
    found = cv2.createLineSegmentDetector().detect(eight)[0]
    if found is None:
        return np.zeros((0, 4))
    scale = np.array([rgb.shape[1] / grey.shape[1], rgb.shape[0] / grey.shape[0]] * 2)
    return (found.reshape(-1, 4) + 0.5) * scale - 0.5


def _at(points: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the pixels at N×2 (x, y) points, inside the picture."""
    whole = np.rint(points).astype(int)
    return np.clip(whole[:, 1], 0, shape[0] - 1), np.clip(whole[:, 0], 0, shape[1] - 1)


def _sides(
    rgb: np.ndarray, clear: np.ndarray, end: np.ndarray, along: np.ndarray, long: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean colours to the left and right of an edge before its end; None without a contrast."""
    steps = end - along * np.arange(2, int(long))[:, None]
    across = np.array([along[1], -along[0]])
    means = []
    for sign in (1, -1):
        points = np.concatenate([steps + sign * d * across for d in np.arange(*SIDE)])
        place = _at(points, clear.shape)
        if clear[place].mean() < 0.5:
            return None
        means.append(np.median(rgb[place][clear[place]], axis=0))
    left, right = means
    return (left, right) if np.abs(left - right).max() > CONTRAST else None


def _facing(ends: Sequence[_End]) -> list[tuple[_End, _End]]:
    """The pairs that look into each other's direction, between colours that are not too different
    on one side at least: few of all."""
    if not ends:
        return []
    into, left, right = (np.array([getattr(e, n) for e in ends]) for n in ("into", "left", "right"))
    alike = np.abs(left[:, None] - right[None]).max(2) <= LIT
    facing = into @ into.T <= -np.cos(np.deg2rad(TURN))
    first, second = np.nonzero(np.tril(facing & (alike | alike.T)))
    return [(ends[int(i)], ends[int(j)]) for i, j in zip(first, second, strict=True)]


def _missed(a: _End, b: _End, hole: np.ndarray) -> float | None:
    """By how many px two ends miss each other's line; None where they are no pair."""
    both = a.length + b.length
    way = b.at - a.at
    gap = float(way @ a.into)
    if both < SHORTEST_BOTH or gap < 2 * R:
        return None
    off = max(abs(float(way[0] * e.into[1] - way[1] * e.into[0])) for e in (a, b))
    apart = [float(np.abs(x - y).max()) for x, y in ((a.left, b.right), (a.right, b.left))]
    like = min(apart) <= ALIKE and (max(apart) <= ALIKE or both >= ONE_ALIKE)
    # a short segment's direction is less certain, and the further it is carried the less so
    allowed = OFF + gap * 0.5 / min(a.length, b.length)
    if not like or off > min(allowed, 0.05 * gap + OFF):
        long = min(a.length, b.length) >= LONG_BOTH
        if not long or max(apart) > LIT or off > BENT * gap + OFF:
            return None
        off += AFTER
    steps = a.at + way * np.linspace(0, 1, int(gap) + 2)[:, None]
    return off if hole[_at(steps, hole.shape)].mean() > INSIDE else None


def _to_border(end: _End, hole: np.ndarray) -> np.ndarray | None:
    """Where a long edge leaves the picture inside the hole, soon after it ends; else None."""
    if end.length < LONG:
        return None
    height, width = hole.shape
    steps = end.at + end.into * np.arange(TO_BORDER * end.length)[:, None]
    outside = ((steps < 0) | (steps > [width - 1, height - 1])).any(1)
    first = int(np.argmax(outside))
    if not outside.any() or first < 2 * R:
        return None
    inside = hole[_at(steps[:first], hole.shape)]
    return steps[first - 1] if inside.mean() > INSIDE and inside[-4:].all() else None


def _cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    """Whether two stretches cross."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def walls(
    found: Sequence[Gap], scale: float, at: tuple[int, int], shape: tuple[int, ...]
) -> np.ndarray | None:
    """h×w uint8: the missing parts of edges in a part of a picture, scaled by `scale`, whose upper
    left corner is `at` (x, y), as lines that no colour crosses; None where there are none."""
    if not found:
        return None
    drawn = np.zeros(shape[:2], np.uint8)
    for gap in found:
        ends = [np.rint((p + 0.5) * scale - 0.5 - at).astype(int) for p in (gap.start, gap.stop)]
        cv2.line(drawn, ends[0].tolist(), ends[1].tolist(), 1)
    return drawn


def follow(
    found: Sequence[Gap], scale: float, tmap: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which targets of a level lie on gaps, and the sources along the line that they copy.

    found: gaps in px of the picture; `scale`: px of the level per px of the picture; tmap: h×w
    numbers of the targets or -1, `valid` h×w the sources, of the padded level. Returns (targets,
    their ny, nx).
    """
    target, ny, nx = [], [], []
    free = tmap >= 0
    for gap in found:
        start, stop = ((p + 0.5) * scale - 0.5 + R for p in (gap.start, gap.stop))
        long = float(np.hypot(*(stop - start)))
        along = (stop - start) / max(long, 1e-9)
        corners = np.array([start, stop])
        x0, y0 = (max(0, int(c - BAND - 1)) for c in corners.min(0))
        x1, y1 = (int(c + BAND + 3) for c in corners.max(0))
        ys, xs = (c + o for c, o in zip(np.nonzero(free[y0:y1, x0:x1]), (y0, x0), strict=True))
        points = np.stack([xs, ys], 1)
        at = (points - start) @ along
        off = np.abs((points - start) @ np.array([-along[1], along[0]]))
        near = (off <= BAND) & (at > -1) & (at < long + 1)
        rooms = gap.before * scale, gap.behind * scale
        for first, sign, room in ((True, -1, rooms[0]), (False, 1, rooms[1])):
            other = rooms[1] if first else rooms[0]
            step = _step(along * sign, min(room, _far(long)))
            if step is None:
                continue
            # each half from the end that is nearer, all from one where the other has no room
            half = long / 2 if _step(-along * sign, min(other, _far(long))) is not None else long
            way = at if first else long - at
            chosen = np.flatnonzero(near & (way <= half))
            times = np.floor((way[chosen] + R + 2) / np.hypot(*step)).astype(int) + 1
            source = points[chosen] + times[:, None] * step
            inside = ((source >= 0) & (source < [valid.shape[1], valid.shape[0]])).all(1)
            chosen, source = chosen[inside], source[inside]
            good = valid[source[:, 1], source[:, 0]] > 0
            chosen, source = chosen[good], source[good]
            near[chosen] = False
            free[ys[chosen], xs[chosen]] = False
            target.append(tmap[ys[chosen], xs[chosen]])
            ny.append(source[:, 1])
            nx.append(source[:, 0])
    if not target:
        none = np.zeros(0, np.int32)
        return none, none, none
    t, y, x = (np.concatenate(part).astype(np.int32) for part in (target, ny, nx))
    return t, y, x


def _far(long: float) -> float:
    """How far from a gap of this length its sources may lie: near ones have its light."""
    return max(0.75 * long, NEAREST) + 2 * R + 2


def _step(along: np.ndarray, room: float) -> np.ndarray | None:
    """A whole number of pixels along a line, at most what there is room for, that keeps to it."""
    most = int(room - 2 * R - 2)
    if most < FEWEST:
        return None
    lengths = np.arange(max(FEWEST, most // 2), most + 1)
    steps = np.rint(lengths[:, None] * along).astype(int)
    off = np.abs(steps[:, 0] * along[1] - steps[:, 1] * along[0])
    return steps[int(np.argmin(off - 0.002 * lengths))]
