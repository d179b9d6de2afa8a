"""Which of a detector's candidates are lines of text, by its score, the stroke net's answer and
the lines around: faint pieces count where they continue a sure line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.masks.strokes import Strokes
from backend.masks.text_lines import Region, overlap

SURE, LIKELY = 0.75, 0.6  # detector's scores
BY_SURE, BY_LIKELY, BY_HUGE, BESIDE_TEXT = 0.4, 0.68, 0.58, 0.45  # least strength of the strokes
HUGE = 0.2  # share of the picture's short side from which patterns are easily taken for letters


def strength(item: Strokes) -> float:
    """How sure the stroke net is of the clearest twentieth of the box, in [0, 1]."""
    return float(np.quantile(item.text[item.crop.hint > 0], 0.95))


def accepted(items: Sequence[Strokes], short: int) -> list[Strokes]:
    """The candidates that are text; `short` is the short side of the picture in px."""
    taken, open_items = [], []
    for item in items:
        region, clear = item.crop.region, strength(item)
        huge = region.height > HUGE * short
        if huge:
            good = region.score >= SURE and clear > BY_HUGE
        elif region.score >= SURE:
            good = clear > BY_SURE
        else:
            good = region.score >= LIKELY and clear > BY_LIKELY
        if good:
            taken.append(item)
        elif not huge and clear > BESIDE_TEXT:
            open_items.append(item)
    found = True
    while found and open_items:
        found = False
        for item in list(open_items):
            if any(in_row(item.crop.region, x.crop.region) for x in taken):
                taken.append(item)
                open_items.remove(item)
                found = True
    return taken


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
    return abs(d @ along) - (a.length + b.length) / 2 < gap * high


def bridges(regions: Sequence[Region]) -> list[Region]:
    """Boxes for the gaps between two pieces of one line, where letters may have been missed."""
    found: list[Region] = []
    for n, a in enumerate(regions):
        for b in regions[n + 1 :]:
            if not in_row(a, b) or a.by_hue != b.by_hue:
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
