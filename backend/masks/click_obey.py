"""What a click says holds at its place: answers that contradict it are repaired around it."""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks import click_merge
from backend.values import Box, Point

EXACT = 0.006  # of the long side: around a click its word is final
CONTRADICTION = 0.035  # of the long side: how far a click repairs what regions cannot tell apart


def repair(
    pixels: np.ndarray, colours: np.ndarray, adds: list[tuple[int, int]],
    takes: list[tuple[int, int]],
) -> None:
    """Where the answer (h×w in [0, 1], changed in place) contradicts a click, the like-coloured
    pixels joined to it follow it, as far as they are nearer to it than to a click of the other
    kind. `colours`: h×w×3 Lab over 50; clicks are (x, y) of these planes."""
    h, w = pixels.shape
    reach = max(2, round(CONTRADICTION * max(h, w)))
    for clicks, others, value in ((adds, takes, 1.0), (takes, adds, 0.0)):
        for x, y in clicks:
            if (pixels[y, x] > 0.5) == (value > 0.5):
                continue
            y0, x0 = max(0, y - reach), max(0, x - reach)
            part = (slice(y0, y + reach + 1), slice(x0, x + reach + 1))
            lab = colours[part]
            colour = colours[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean((0, 1))
            ys, xs = np.mgrid[y0 : y0 + lab.shape[0], x0 : x0 + lab.shape[1]]
            far = np.hypot(ys - y, xs - x)
            like = (np.linalg.norm(lab - colour, axis=2) < 0.2) | (far < reach / 4)
            like &= far <= reach
            for ox, oy in others:
                like &= far <= np.hypot(ys - oy, xs - ox)
            like[y - y0, x - x0] = True
            _, parts = cv2.connectedComponents(like.astype(np.uint8))
            mine = parts == parts[y - y0, x - x0]
            pixels[part][mine] = 0.1 + 0.8 * value


def obeying(
    result: np.ndarray, found: np.ndarray, window: Box, positives: tuple[Point, ...],
    negatives: tuple[Point, ...],
) -> np.ndarray:
    """`result` with each click obeyed at its place."""
    _obey(result, found, window, positives, negatives)
    click_merge.fulfil(result, positives, negatives, max(1, round(EXACT * max(result.shape))))
    return result


def _obey(
    result: np.ndarray, found: np.ndarray, window: Box, positives: tuple[Point, ...],
    negatives: tuple[Point, ...],
) -> None:
    """Refining at full size may wash out a thin part that was clicked: there the answer before
    it counts. `result` is the whole picture's, `found` the window's at its small size."""
    reach = max(2, round(CONTRADICTION * max(window.width, window.height)))
    for clicks, wanted in ((positives, True), (negatives, False)):
        for x, y in clicks:
            column, row = int(x), int(y)
            inside = (window.x0 <= column < window.x1) and (window.y0 <= row < window.y1)
            if not inside or (result[row, column] > 0.5) == wanted:
                continue
            x0, x1 = max(window.x0, column - reach), min(window.x1, column + reach + 1)
            y0, y1 = max(window.y0, row - reach), min(window.y1, row + reach + 1)
            sx, sy = found.shape[1] / window.width, found.shape[0] / window.height
            xs = ((np.arange(x0, x1) - window.x0 + 0.5) * sx).astype(int)
            ys = ((np.arange(y0, y1) - window.y0 + 0.5) * sy).astype(int)
            result[y0:y1, x0:x1] = found[ys[:, None], xs[None]]
