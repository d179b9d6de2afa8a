"""Text around a centre: badges, seals, coins, clocks, dials.

Letters set around a circle stand in all directions, and a detector of lines sees none or few of
them. Unrolled around its centre they are a line like any other, in a strip: there they are found,
judged and decided stroke by stroke, and rolled up again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from backend.masks import strokes, text_judge
from backend.masks.text_accept import strength
from backend.masks.text_decide import AROUND, Decided, decided, reach
from backend.masks.text_lines import Region
from backend.masks.text_scales import LineDetector, likeliest
from backend.values import Control

LOOKED, SMALLEST, LARGEST = 480, 14, 0.55  # px, long side of the picture in which circles are
# looked for; their radius in it: px, and share of the short side
EDGE, PERFECT, APART = 300, 0.8, 12  # of cv2.HOUGH_GRADIENT_ALT: edge, roundness, px of centres
TRIED = 20  # circles whose rim is looked at
RIM, LEVELS, ASLANT = 0.6, 30, 1.5  # share of a rim that is an edge of so many levels, so many
# times as strong across the rim as along it
INNER, OUTER = 0.35, 1.08  # radii of a strip, of the circle's
HEIGHTS = (90, 150, 220)  # px of the strip for the detector
FINE, ENLARGED = 900, 6.0  # px of the strip for the strokes; what it is enlarged to at most
TURNS = 1.15  # of a strip: what begins before its end is whole
HIGHEST, LEVEL, SHORTEST = 0.7, 0.3, 1.8  # share of the strip's height, radians, and heights of a
# box: others are no round line
SCORE, STRENGTH, CHANCE = 0.7, 0.5, 0.1  # least of a line's: around a centre little but text looks
# like a line
ROW = 5.0  # heights of a line from which it need not be legible: the numbers of a dial
KNOWN, MARKED = 0.5, 0.8  # of a pixel, least to be known text; share of a line from which it is
# marked already
FAINTEST = 0.4  # what is surer belongs together
ARC = 0.7  # radians of a line that one straight box shows

# (strip, region, control) → the words in it and how sure they are
Reads = Callable[[np.ndarray, Region, Control], tuple[str, float]]


@dataclass(frozen=True)
class Ring:
    """A circle in px of the picture, and `scale`, px of its strip for one of the picture."""

    cx: float
    cy: float
    radius: float

    @property
    def scale(self) -> float:
        wide = (OUTER - INNER) * self.radius
        return min(ENLARGED, max(HEIGHTS[-1] / wide, min(1.0, FINE / wide)))

    @property
    def size(self) -> tuple[int, int]:
        """(length of one turn, height) of the strip, px."""
        middle = (INNER + OUTER) / 2 * self.radius
        height = (OUTER - INNER) * self.radius
        return round(2 * np.pi * middle * self.scale), round(height * self.scale)

    def part(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """The upright part of an H×W picture that holds the ring."""
        r = OUTER * self.radius + 1
        y0, x0 = max(0, int(self.cy - r)), max(0, int(self.cx - r))
        return np.s_[y0 : min(shape[0], int(self.cy + r) + 2),
                     x0 : min(shape[1], int(self.cx + r) + 2)]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Round:
    """What a ring shows: `text` and `effect`, h×w float32 in [0, 1], lie in `part` of the
    picture; `boxes` are straight pieces of the lines."""

    part: tuple[slice, slice]
    text: np.ndarray
    effect: np.ndarray
    boxes: list[Region]


def find(
    rgb: np.ndarray, known: np.ndarray, most: int, detector: LineDetector, finder: Any,
    words: Reads, control: Control,
) -> list[Round]:
    """Round lines of an H×W×3 uint8 picture in at most `most` circles, beside those that `known`
    (H×W float32, the text found so far) shows. `words(strip, region, control)` reads."""
    found = []
    for ring in circles(rgb)[:most]:
        control.check()
        strip = unrolled(rgb, ring)
        regions = lines_in(strip, detector, control)
        if not regions:
            continue
        seen = unrolled(known, ring) > KNOWN
        items = finder.find(lambda region, strip=strip: strip, regions, control)
        items = [x for x in items if strength(x) > STRENGTH and not marked(seen, x)]
        judge = text_judge.Judge(strip.shape, None, either_way(words, strip, control))
        sure = judge.chances(items)
        items = [x for x, chance in zip(items, sure, strict=True)
                 if chance >= CHANCE or x.crop.region.length > ROW * x.crop.region.height]
        if items:
            found.append(rolled_up(strip, items, ring, rgb.shape))
    return found


def circles(rgb: np.ndarray) -> list[Ring]:
    """Circles with a clear rim, the clearest first."""
    scale = min(1.0, LOOKED / max(rgb.shape[:2]))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    most = int(LARGEST * min(grey.shape))
    if most <= SMALLEST:
        return []
    seen = cv2.HoughCircles(
        cv2.medianBlur(grey, 3), cv2.HOUGH_GRADIENT_ALT, 1.5, APART, param1=EDGE, param2=PERFECT,
        minRadius=SMALLEST, maxRadius=most,
    )
    if seen is None:
        return []
    slopes = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    rings: list[tuple[float, Ring]] = []
    for x, y, r in seen.reshape(-1, 3)[:TRIED].tolist():
        clear, best = max(
            (rim(slopes, (x + dx, y + dy, r + dr)), (x + dx, y + dy, r + dr))
            for dx in (-1, 0, 1) for dy in (-1, 0, 1) for dr in (-2, -1, 0, 1, 2)
        )
        if clear >= RIM:
            cx, cy, radius = best
            # pixel centres
            rings.append((clear, Ring((cx + 0.5) / scale - 0.5, (cy + 0.5) / scale - 0.5,
                                      radius / scale)))
    return [ring for _, ring in sorted(rings, key=lambda one: -one[0])]


def rim(slopes: tuple[np.ndarray, np.ndarray], circle: tuple[float, float, float]) -> float:
    """Share of a circle (x, y, radius) that is an edge across it; beyond the picture there is
    none."""
    cx, cy, r = circle
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False).astype(np.float32)[None]
    cos, sin = np.cos(turn), np.sin(turn)
    right, down = (
        cv2.remap(slope, cx + r * cos, cy + r * sin, cv2.INTER_LINEAR,
                  borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        for slope in slopes
    )  # fmt: skip
    across, along = np.abs(right * cos + down * sin), np.abs(down * cos - right * sin)
    return float(((across > LEVELS) & (across > ASLANT * along)).mean())


def unrolled(picture: np.ndarray, ring: Ring) -> np.ndarray:
    """The strip h×w[×3] of an H×W[×3] picture, of its type: outside up, clockwise to the right,
    from the right of the circle (3 o'clock) on, TURNS turns."""
    part = ring.part(picture.shape)
    seen, shrink = picture[part], min(1.0, ring.scale)
    if shrink < 1:
        seen = cv2.resize(seen, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    turn, height = ring.size
    radius = OUTER * ring.radius * shrink
    inner = round(height * INNER / (OUTER - INNER))
    centre = tuple((c - s.start + 0.5) * shrink - 0.5
                   for c, s in zip((ring.cx, ring.cy), part[::-1], strict=True))  # fmt: skip
    flags = cv2.INTER_CUBIC if shrink == 1 else cv2.INTER_LINEAR
    polar = cv2.warpPolar(np.ascontiguousarray(seen), (height + inner, turn), centre, radius,
                          flags | cv2.WARP_FILL_OUTLIERS)  # fmt: skip
    strip = np.swapaxes(polar[:, inner:], 0, 1)[::-1]
    return np.ascontiguousarray(np.concatenate([strip, strip[:, : round((TURNS - 1) * turn)]], 1))


def lines_in(strip: np.ndarray, detector: LineDetector, control: Control) -> list[Region]:
    """Level lines of a strip that are low enough to run around it, seen at several sizes."""
    found: list[Region] = []
    for height in HEIGHTS:
        found += detector.find(strip, height / strip.shape[0], control)
    return likeliest([
        r for r in found
        if r.score >= SCORE and abs(r.angle) < LEVEL and r.length > SHORTEST * r.height
        and r.height < HIGHEST * strip.shape[0]
    ])


def marked(seen: np.ndarray, item: strokes.Strokes) -> bool:
    """Whether most of a line is text that is known already (`seen`: bool of the strip)."""
    crop = item.crop
    known = cv2.warpAffine(seen.astype(np.float32), crop.matrix, crop.hint.shape[::-1])
    letters = (item.text > 0.5 * strength(item)) & (crop.hint > 0)
    return bool(letters.any()) and float(known[letters].mean()) > MARKED


def either_way(words: Reads, strip: np.ndarray, control: Control) -> text_judge.Words:
    """Reads a region of the strip upright and upside down, as below the centre: what is surer."""

    def read(region: Region) -> tuple[str, float]:
        turned = replace(region, angle=region.angle + np.pi)
        return max((words(strip, r, control) for r in (region, turned)), key=lambda seen: seen[1])

    return read


def rolled_up(
    strip: np.ndarray, items: list[strokes.Strokes], ring: Ring, shape: tuple[int, ...]
) -> Round:
    """The lines of a ring's strip, decided stroke by stroke, in a picture of that shape."""
    text, effect = (np.zeros(strip.shape[:2], np.float32) for _ in range(2))
    boxes: list[Region] = []
    for item in items:
        decision = decided(strip, item)
        strokes.paste(text, of_line(decision), decision.crop)
        strokes.paste(effect, item.effect * reach(item), item.crop)
        boxes += pieces(item.crop.region, ring)
    part = ring.part(shape)
    return Round(part, rolled(text, ring, part), rolled(effect, ring, part), boxes)


def of_line(decision: Decided) -> np.ndarray:
    """The letters of a line without what goes on beyond its rows: the ticks of a dial."""
    inside = np.nonzero(decision.crop.hint.any(1))[0]
    slack = round(AROUND * len(inside)) - 2
    _, labels = cv2.connectedComponents((decision.text > FAINTEST).astype(np.uint8))
    above = labels[: max(1, int(inside[0]) - slack)]
    below = labels[int(inside[-1]) + 1 + slack :]
    outer = np.union1d(np.unique(above), np.unique(below))
    beyond = np.isin(labels, outer[outer > 0])
    return np.where(beyond, np.float32(0), decision.text)


def rolled(strip: np.ndarray, ring: Ring, part: tuple[slice, slice]) -> np.ndarray:
    """A strip's h×w float32 map in a part of the picture."""
    turn, height = ring.size
    whole = strip[:, :turn].copy()
    beyond = strip[:, turn:]
    whole[:, : beyond.shape[1]] = np.maximum(whole[:, : beyond.shape[1]], beyond)
    if ring.scale > 1:  # average first
        side = int(ring.scale) | 1
        whole = cv2.blur(np.concatenate([whole[:, -side:], whole, whole[:, :side]], 1),
                         (side, side))[:, side:-side]  # fmt: skip
    inner = round(height * INNER / (OUTER - INNER))
    polar = np.zeros((turn, height + inner), np.float32)
    polar[:, inner:] = whole[::-1].T
    size = tuple(s.stop - s.start for s in part[::-1])
    centre = (ring.cx - part[1].start, ring.cy - part[0].start)
    back = cv2.warpPolar(polar, size, centre, OUTER * ring.radius,
                         cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP | cv2.WARP_FILL_OUTLIERS)
    return np.clip(back, 0, 1)


def pieces(line: Region, ring: Ring) -> list[Region]:
    """A line of the strip in straight pieces of the picture, none of them longer than ARC."""
    turn, height = ring.size
    radius = ring.radius * OUTER - (line.cy + 0.5) / ring.scale
    start, end = ((line.cx + way * line.length / 2 + 0.5) * 2 * np.pi / turn for way in (-1, 1))
    end = min(end, start + 2 * np.pi)
    n = int(np.ceil((end - start) / ARC))
    step = (end - start) / n
    high = line.height / ring.scale
    found = []
    for i in range(n):
        angle = start + (i + 0.5) * step
        sagitta = radius * (1 - np.cos(step / 2))
        r = radius - sagitta / 2
        found.append(Region(
            float(ring.cx + r * np.cos(angle)), float(ring.cy + r * np.sin(angle)),
            float(2 * (radius + high / 2) * np.sin(step / 2)), float(high + sagitta),
            float((angle + np.pi / 2 + np.pi) % (2 * np.pi) - np.pi), line.score,
        ))
    return found
