"""Which of a detector's candidates are lines of text, by its score, the stroke net's answer and
the lines around: faint pieces count where they continue a sure line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.masks.strokes import Strokes
from backend.masks.text_lines import EVEN, HUES, Region, overlap

# Least (detector's score, strength of the strokes) of a line that stands alone: either will do.
ALONE = ((0.82, 0.5), (0.78, 0.62), (0.75, 0.72))
# A row of many letters proves more than a box for a few: at least so many heights long.
LONG, IN_A_ROW = 4.0, ((0.76, 0.48),)
# A box so high that patterns are easily taken for letters must be clearer: share of the picture's
# short side from which it is, and what it needs.
HUGE, CLEAR = 0.25, ((0.92, 0.6), (0.85, 0.73))
# ... or be read from afar too: at AFAR px (long side) patterns fall apart, letters do not.
AFAR, READ_AFAR, FROM_AFAR = 256, 0.75, ((0.8, 0.6),)
IN_HUES = 0.75  # score of a line in hues from which it need not be read
BESIDE_TEXT = 0.45  # strength of a piece that continues a sure line
UNDER_TEXT = (0.6, 0.5)  # of a line above or below a sure one
IN_VIEW = ((0.6, 0.75), (0.8, 0.55))  # of a line in a view that was made to show it
LEGIBLE, MOST_READ = 0.25, 8  # strength of a line that is tried to be read; most of them a picture
UNSURE = 0.73  # strength from which a line is surely seen whole
SAME, TOUCHING = 0.8, 0.3  # share of a line that another one covers
SINGLE, BADGE = 1.6, 2.0  # a box for one letter, in heights; how much higher than a line it holds
MORE = 0.05  # how much surer its strokes must be to take the place of what was seen before


def strength(item: Strokes) -> float:
    """How sure the stroke net is of the clearest twentieth of the box, in [0, 1]."""
    return float(np.quantile(item.text[item.crop.hint > 0], 0.95))


def reaches(wanted: Sequence[tuple[float, float]], score: float, clear: float) -> bool:
    """Whether one of the pairs (score, strength) is reached."""
    return any(score >= s and clear > c for s, c in wanted)


def accepted(
    items: Sequence[Strokes], short: int, afar: Callable[[], Sequence[Region]] = tuple,
    legible: Callable[[Region], bool] = lambda region: False,
) -> list[Strokes]:
    """The candidates that are text; `short` is the short side of the picture in px, `afar` gives
    what is seen at AFAR px, `legible` tries to read a region."""
    seen = by_view(items, short)
    taken = [x for x in seen.plain if stands_alone(x, short, afar)]
    huge = [x for x in seen.plain if x not in taken and x.crop.region.height > HUGE * short]
    doubtful = [x for x in seen.plain if x not in taken and x not in huge]
    taken, doubtful = grown(taken, doubtful)
    words = readable(doubtful + huge, legible) + readable(seen.hidden, legible)
    if words:
        taken, _ = grown(taken + words, [x for x in doubtful if x not in words])
    return instead(taken, seen.again)


@dataclass(frozen=True)
class ByView:
    """Candidates by what they were seen in: `plain` ones in the picture or surely in its hues,
    `hidden` ones that must be read, and those that only show a line `again`."""

    plain: list[Strokes]
    hidden: list[Strokes]
    again: list[Strokes]


def by_view(items: Sequence[Strokes], short: int) -> ByView:
    found = ByView([], [], [])
    for item in items:
        region = item.crop.region
        seen = [strength(x) for x in items if twice(region, x.crop.region)]
        if seen:
            if region.height <= HUGE * short and max(seen) < UNSURE:
                found.again.append(item)
        elif region.view == EVEN or (region.view == HUES and region.score < IN_HUES):
            found.hidden.append(item)
        else:
            found.plain.append(item)
    return found


def stands_alone(
    item: Strokes, short: int, afar: Callable[[], Sequence[Region]] = tuple
) -> bool:
    """Whether a candidate is sure by its score and strokes, whatever is around it."""
    region, clear = item.crop.region, strength(item)
    if region.height > HUGE * short:
        return region.view != HUES and (
            reaches(CLEAR, region.score, clear)
            or (reaches(FROM_AFAR, region.score, clear) and read(region, afar()))
        )
    row = region.view == 0 and region.length > LONG * region.height
    return reaches(ALONE, region.score, clear) or (row and reaches(IN_A_ROW, region.score, clear))


def readable(items: Sequence[Strokes], legible: Callable[[Region], bool]) -> list[Strokes]:
    """Those of the MOST_READ likeliest that can be read."""
    likely = [x for x in items if strength(x) > LEGIBLE]
    likely = sorted(likely, key=lambda x: -x.crop.region.score)[:MOST_READ]
    return [x for x in likely if legible(x.crop.region)]


def twice(a: Region, b: Region) -> bool:
    """Whether `a` is a line in hues that `b` shows in the picture, too, at least in part."""
    return a.view == HUES and b.view == 0 and max(overlap(a, b)) >= 0.5


def grown(
    taken: list[Strokes], doubtful: list[Strokes]
) -> tuple[list[Strokes], list[Strokes]]:
    """Sure lines with those of the doubtful that continue them or stand above or below; and the
    doubtful that are left."""
    while doubtful:
        sure = [x.crop.region for x in taken]
        left = []
        for item in doubtful:
            region, clear = item.crop.region, strength(item)
            row = clear > BESIDE_TEXT and any(in_row(region, x) for x in sure)
            column = region.score >= UNDER_TEXT[0] and clear > UNDER_TEXT[1]
            if row or (column and any(in_column(region, x) for x in sure)):
                taken = [*taken, item]
            else:
                left.append(item)
        if len(left) == len(doubtful):
            break
        doubtful = left
    return taken, doubtful


def read(region: Region, afar: Sequence[Region]) -> bool:
    """Whether one of the boxes seen from afar is surely the same line."""
    return any(r.score >= READ_AFAR and min(overlap(region, r)) > 0.5 for r in afar)


def instead(
    items: Sequence[Strokes], clearer: Sequence[Strokes],
    faint: Callable[[Strokes], bool] | None = None,
) -> list[Strokes]:
    """The lines of a view that was made to show them, and those of `items` that it does not show
    more clearly. Of a view that was made for the lines beside `faint` ones, none that touches a
    known line except to continue one of these."""
    taken = [x for x in clearer if reaches(IN_VIEW, x.crop.region.score, strength(x))
             and not any(badge_of(x.crop.region, y.crop.region) for y in items)]
    taken, _ = grown(taken, [x for x in clearer if x not in taken])
    clearer_than = {
        id(x): [y for y in taken if overlap(x.crop.region, y.crop.region)[0] >= SAME
                and strength(x) + MORE <= strength(y)]
        for x in items
    }  # fmt: skip
    left = [x for x in items if not clearer_than[id(x)]]

    def shown(y: Strokes, x: Strokes) -> bool:
        of_y, of_x = overlap(y.crop.region, x.crop.region)
        if faint:
            goes_on = faint(x) and continues(y.crop.region, x.crop.region, of_x)
            return max(of_y, of_x) > TOUCHING and not goes_on
        return of_y > SAME and strength(y) < strength(x) + MORE

    new = [y for y in taken if not any(shown(y, x) for x in left)]
    # what would give way to a line that is not taken after all stays
    return [x for x in items if not any(y in new for y in clearer_than[id(x)])] + new


def badge_of(a: Region, line: Region) -> bool:
    """Whether `a` is what a line is written on: a disc or a button, and no large letter, holds a
    line of letters half as high."""
    single = a.length < SINGLE * a.height
    return single and a.height > BADGE * line.height and overlap(line, a)[0] >= SAME


def continues(a: Region, b: Region, covered: float) -> bool:
    """Whether `a`, which covers a share of `b`, is the same line and goes further."""
    along, _ = b.axes
    ends = (a.corners() - (b.cx, b.cy)) @ along
    further = max(float(ends.max()), -float(ends.min())) - b.length / 2
    return bool(covered > 0.6 and 0.75 < a.height / b.height < 1.33 and further > 0.4 * b.height)


def in_column(a: Region, b: Region) -> bool:
    """Whether `a` lies above or below `b` as the lines of a paragraph or a title do."""
    turn = abs((a.angle - b.angle + np.pi / 2) % np.pi - np.pi / 2)
    if turn > 0.1 or not 0.2 < a.height / b.height < 5:
        return False
    along, across = b.axes
    d = np.array([a.cx - b.cx, a.cy - b.cy])
    apart = abs(d @ across) - (a.height + b.height) / 2
    shared = (a.length + b.length) / 2 - abs(d @ along)
    return bool(apart < 1.2 * max(a.height, b.height) and shared > 0.5 * min(a.length, b.length))


def in_row(a: Region, b: Region, gap: float = 4.0) -> bool:
    """Whether two boxes of like height lie in one line, at most `gap` heights apart."""
    high, low = max(a.height, b.height), min(a.height, b.height)
    turn = abs((a.angle - b.angle + np.pi / 2) % np.pi - np.pi / 2)
    if low < 0.5 * high or (turn > 0.12 and min(a.length, b.length) > 2 * low):
        return False
    long = a if a.length >= b.length else b
    along, across = long.axes
    d = np.array([a.cx - b.cx, a.cy - b.cy])
    if abs(d @ across) > 0.35 * high:
        return False
    return bool(abs(d @ along) - (a.length + b.length) / 2 < gap * high)


def bridges(regions: Sequence[Region]) -> list[Region]:
    """Boxes for the gaps between two pieces of one line, where letters may have been missed."""
    found: list[Region] = []
    for n, a in enumerate(regions):
        for b in regions[n + 1 :]:
            if not in_row(a, b) or a.view != b.view:
                continue
            along, _ = (a if a.length >= b.length else b).axes
            d = np.array([b.cx - a.cx, b.cy - a.cy])
            t = float(d @ along)
            gap = abs(t) - (a.length + b.length) / 2
            if gap < 0.7 * max(a.height, b.height):
                continue
            start = np.array([a.cx, a.cy]) + along * np.sign(t) * (a.length + gap) / 2
            high = max(a.height, b.height)
            box = replace(
                a, cx=float(start[0]), cy=float((a.cy + b.cy) / 2 if abs(along[0]) > 0.9
                                                else start[1]),
                length=gap + 0.3 * high, height=high, score=min(a.score, b.score),
            )  # fmt: skip
            if all(max(overlap(box, r)) < 0.4 for r in [*regions, *found]):
                found.append(box)
    return found
