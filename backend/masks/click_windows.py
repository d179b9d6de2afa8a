"""Which part of a picture a click model looks at, and where the clicks lie in it."""

from __future__ import annotations

import numpy as np

from backend.values import Box, Point

LONGEST = 3.0  # aspect from which only a window around the click is looked at


def first_window(size: tuple[int, int], positives: tuple[Point, ...], box: Box | None) -> Box:
    """The whole picture, or of a very long one the part around the clicks."""
    height, width = size
    long = int(LONGEST * min(height, width))
    if max(height, width) <= long:
        return Box(0, 0, width, height)
    along = [p[0] if width > height else p[1] for p in positives]
    if box is not None:
        along += [box[0], box[2] - 1] if width > height else [box[1], box[3] - 1]
    step = max(1, long // 4)  # steps keep the window the same for near clicks
    span = max(long, int(max(along) - min(along)) + long // 2)
    start = int((max(along) + min(along)) / 2 - span / 2) // step * step
    start = max(0, min(start, max(height, width) - span))
    end = min(max(height, width), start + span)
    return Box(start, 0, end, height) if width > height else Box(0, start, width, end)


def cut_off(mask: np.ndarray, crop: Box, window: Box) -> bool:
    """Whether the object runs out of the crop where the picture goes on."""
    sides = ((mask[0], crop.y0 > window.y0), (mask[-1], crop.y1 < window.y1),
             (mask[:, 0], crop.x0 > window.x0), (mask[:, -1], crop.x1 < window.x1))
    return any(inner and side.mean() > 0.04 for side, inner in sides)


def within(
    window: Box, size: tuple[int, int], positives: tuple[Point, ...],
    negatives: tuple[Point, ...],
) -> list[tuple[int, int, bool]]:
    """The clicks in the window as x, y in its shrunk picture of `size` (w, h), and adds."""
    w, h = size
    sx, sy = w / window.width, h / window.height
    return [
        (min(w - 1, int((x - window.x0 + 0.5) * sx)), min(h - 1, int((y - window.y0 + 0.5) * sy)),
         adds)
        for points, adds in ((positives, True), (negatives, False)) for x, y in points
        if window.x0 <= x < window.x1 and window.y0 <= y < window.y1
    ]


def scaled(box: Box | None, window: Box, sx: float, sy: float) -> Box | None:
    if box is None:
        return None
    return Box(int((box[0] - window.x0) * sx), int((box[1] - window.y0) * sy),
               int((box[2] - window.x0) * sx), int((box[3] - window.y0) * sy))
