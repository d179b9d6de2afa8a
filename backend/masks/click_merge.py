"""A further click changes the answer where it was made, and nothing elsewhere.

After the progressive merge of Chen et al., "FocalClick" (2022): of all that a new answer changes
only the connected parts that a correcting click touches are taken over.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks import click_edges
from backend.masks.click_points import bounding
from backend.values import Box, Point

NEAR = 2  # px of the small answer: as near a change must come to a click


def contradicted(
    previous: np.ndarray, positives: tuple[Point, ...], negatives: tuple[Point, ...],
) -> list[tuple[Point, bool]]:
    """The clicks that `previous` (H×W in [0, 1]) does not fulfil, and whether each adds."""
    wrong = [(p, True) for p in positives if previous[int(p[1]), int(p[0])] <= 0.5]
    return wrong + [(p, False) for p in negatives if previous[int(p[1]), int(p[0])] > 0.5]


def changes(
    before: np.ndarray, found: np.ndarray, clicks: list[tuple[int, int, bool]],
) -> np.ndarray:
    """h×w bool: where `found` is to replace `before` (both h×w in [0, 1]).

    `clicks`: x, y, adds; those that `before` contradicts. A click that adds brings the parts that
    `found` adds around it, one that takes away the parts that it removes.
    """
    taken = np.zeros(found.shape, bool)
    for adds in (True, False):
        new = (found > 0.5) & (before <= 0.5) if adds else (found <= 0.5) & (before > 0.5)
        mine = [(x, y) for x, y, kind in clicks if kind == adds]
        if not mine or not new.any():
            continue
        _, parts = cv2.connectedComponents(new.astype(np.uint8), connectivity=4)
        for x, y in mine:
            near = parts[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1]
            for part in np.unique(near):
                if part:
                    taken |= parts == part
    return taken


def merge(
    previous: np.ndarray, found: np.ndarray, before: np.ndarray, rgb: np.ndarray, window: Box,
    clicks: list[tuple[Point, bool]],
) -> np.ndarray:
    """`previous` (H×W float32) with what `found` (h×w, of the picture's part `window`) changes
    around `clicks`; `before` is the window's previous answer at the size of `found`. Only the box
    around these changes is refined at full size."""
    result = previous.astype(np.float32, copy=True)
    h, w = found.shape
    sx, sy = w / window.width, h / window.height
    small = [
        (min(w - 1, int((x - window.x0 + 0.5) * sx)), min(h - 1, int((y - window.y0 + 0.5) * sy)),
         adds)
        for (x, y), adds in clicks
        if window.x0 <= x < window.x1 and window.y0 <= y < window.y1
    ]
    taken = changes(before, found, small)
    place = bounding(taken)
    if place is None:
        return result
    # A rim around the change lets its border follow the picture's edges.
    rim = cv2.dilate(taken.astype(np.uint8), np.ones((5, 5), np.uint8))
    merged = np.where(rim > 0, found, before)
    part = Box(max(0, place.x0 - 12), max(0, place.y0 - 12),
               min(w, place.x1 + 12), min(h, place.y1 + 12))
    x0, x1 = (window.x0 + round(v / sx) for v in (part.x0, part.x1))
    y0, y1 = (window.y0 + round(v / sy) for v in (part.y0, part.y1))
    here = (slice(y0, y1), slice(x0, x1))
    fine = click_edges.guided_upsample(merged[part.slices], rgb[here])
    size = (x1 - x0, y1 - y0)
    share = cv2.resize(rim[part.slices].astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    own = result[here]
    result[here] = own + (fine - own) * share
    return result


def fulfil(
    result: np.ndarray, positives: tuple[Point, ...], negatives: tuple[Point, ...], reach: int,
) -> None:
    """Whatever came before, the pixels around a click (a disk of `reach` px, less near a click of
    the other kind) are what the click says. Changes `result` (H×W)."""
    height, width = result.shape
    for clicks, others, value in ((positives, negatives, 1.0), (negatives, positives, 0.0)):
        for x, y in clicks:
            column, row = int(x), int(y)
            if (result[row, column] > 0.5) == (value > 0.5):
                continue
            far = [np.hypot(x - ox, y - oy) / 2 for ox, oy in others]
            radius = max(0.0, min([float(reach), *far]))
            y0, y1 = max(0, row - reach), min(height, row + reach + 1)
            x0, x1 = max(0, column - reach), min(width, column + reach + 1)
            ys, xs = np.mgrid[y0:y1, x0:x1]
            result[y0:y1, x0:x1][np.hypot(ys - row, xs - column) <= radius] = value
