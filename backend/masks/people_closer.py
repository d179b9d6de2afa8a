"""A second, closer look at where people were found: limbs and feet that the whole picture, made
small for the net, does not show. The work goes with the people, not with the picture."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from backend.values import Box, Control

FINE = 1024  # px, long side of the map that comes out
LOW, PEAK = 0.25, 0.35  # a region is above the first; its best pixel above the second
LEAST = 24  # px of the coarse map
CONTEXT = 0.2  # of a region's long side, seen around it
LARGE = 0.5  # of the picture: a region this large has been seen closely enough
MOST = 10  # regions, the largest first
SHARE = 0.7  # of the closer look in the answer
RIM = 0.08  # of a window's short side, across which it fades into the first look

# A crop H×W×3 uint8 → h×w float32 probabilities of any size.
Look = Callable[[np.ndarray], np.ndarray]


def windows(coarse: np.ndarray) -> list[Box]:
    """Boxes in the coarse map's pixels around regions that deserve a closer look."""
    height, width = coarse.shape
    mask = (coarse > LOW).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found: list[tuple[int, Box]] = []
    for index in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[index])
        here = labels[y : y + h, x : x + w] == index
        if area < LEAST or coarse[y : y + h, x : x + w][here].max() < PEAK:
            continue
        pad = round(CONTEXT * max(w, h)) + 4
        box = Box(
            max(0, x - pad), max(0, y - pad), min(width, x + w + pad), min(height, y + h + pad)
        )
        if (box.x1 - box.x0) * (box.y1 - box.y0) <= LARGE * height * width:
            found.append((area, box))
    found.sort(key=lambda one: one[0], reverse=True)
    return [box for _, box in found[:MOST]]


def closer(rgb: np.ndarray, coarse: np.ndarray, look: Look, control: Control) -> np.ndarray:
    """`rgb` H×W×3 uint8 and its map h×w float32 in [0, 1] → the map looked at again, its long
    side at most FINE and never smaller than the given one's; unchanged where there is nothing."""
    boxes = windows(coarse)
    if not boxes:
        return coarse
    height, width = rgb.shape[:2]
    scale = max(min(1.0, FINE / max(height, width)), coarse.shape[0] / height)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    base = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR)
    total, weights = np.zeros_like(base), np.zeros_like(base)
    for box in boxes:
        control.check()
        inner = _scaled(box, coarse.shape, (rows, columns))
        outer = _scaled(box, coarse.shape, (height, width))
        seen = look(np.ascontiguousarray(rgb[outer.slices]))
        size = (inner.x1 - inner.x0, inner.y1 - inner.y0)
        fade = _fade(inner, rows, columns)
        total[inner.slices] += fade * cv2.resize(seen, size, interpolation=cv2.INTER_LINEAR)
        weights[inner.slices] += fade
    again = total / np.maximum(weights, 1e-6)
    return base + (again - base) * (SHARE * np.minimum(weights, 1))


def _scaled(box: Box, old: tuple[int, ...], new: tuple[int, int]) -> Box:
    y, x = new[0] / old[0], new[1] / old[1]
    x0, y0 = min(new[1] - 1, int(box.x0 * x)), min(new[0] - 1, int(box.y0 * y))
    x1, y1 = min(new[1], int(np.ceil(box.x1 * x))), min(new[0], int(np.ceil(box.y1 * y)))
    return Box(x0, y0, max(x0 + 1, x1), max(y0 + 1, y1))


def _fade(box: Box, rows: int, columns: int) -> np.ndarray:
    """1 inside, falling over the rim, but not along the picture's own border."""
    height, width = box.y1 - box.y0, box.x1 - box.x0
    rim = max(2, round(RIM * min(height, width)))

    def ramp(length: int, first: bool, last: bool) -> np.ndarray:
        there = np.arange(1, length + 1, dtype=np.float32)
        up = np.full(length, rim, np.float32) if first else there
        down = np.full(length, rim, np.float32) if last else there[::-1]
        return np.minimum(np.minimum(up, down) / rim, 1)

    vertical = ramp(height, box.y0 == 0, box.y1 == rows)
    return vertical[:, None] * ramp(width, box.x0 == 0, box.x1 == columns)[None]
