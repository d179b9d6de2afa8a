"""Looks for lines at several sizes: the whole image small for headlines, at a middle size, and
tiles at full size for captions, merged without duplicates."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from backend.masks.text_lines import Region, merge
from backend.values import Control

HEADLINES = 384  # long side of the pass for letters as high as half the page
TILE, OVERLAP = 640, 96
CELL = 16  # pixels; small print is looked for in cells of this size
# Up to this size an image is answered within a second: only so much of it is seen at full size.
QUICK_PIXELS, QUICK_TILES = 3_000_000, 2


class LineDetector(Protocol):
    """A detector of lines at one scale; `coarse` is the long side of its main pass."""

    coarse: int

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]: ...


def find_regions(detector: LineDetector, rgb: np.ndarray, control: Control) -> list[Region]:
    """All lines of an H×W×3 uint8 image of any size, in image pixels."""
    height, width = rgb.shape[:2]
    long = max(height, width)
    main = min(detector.coarse / long, 2.0)
    found = detector.find(rgb, main, control)
    control.progress(0.3)
    if main * long > 2 * HEADLINES:
        big = detector.find(rgb, HEADLINES / long, control)
        # this pass is for what is too large for the main one; small print blurs together in it
        found += [r for r in big if r.height * HEADLINES / long > 24]
    control.progress(0.4)
    if main < 0.8:
        tiles = tiles_with_small_print(rgb, found, main)
        if height * width <= QUICK_PIXELS:
            tiles = tiles[:QUICK_TILES]
        for n, (y, x) in enumerate(tiles):
            control.progress(0.4 + 0.6 * n / len(tiles))
            tile = rgb[y : y + TILE, x : x + TILE]
            inner = detector.find(tile, 1.0, control)
            found += [r.scaled(1, 1, x, y) for r in inner if not cut_off(r, y, x, rgb.shape[:2])]
    return merge(found)


def cut_off(region: Region, y: int, x: int, shape: tuple[int, int]) -> bool:
    """Whether a tile's inner border (not the image's) cuts a line that is high for a tile: the
    coarser pass or the next tile sees it whole."""
    corners = region.corners()
    low, high = corners.min(0), corners.max(0)
    h, w = min(TILE, shape[0] - y), min(TILE, shape[1] - x)
    inside = (low[0] < 2 and x > 0) or (low[1] < 2 and y > 0)
    inside = inside or (high[0] > w - 3 and x + w < shape[1])
    inside = inside or (high[1] > h - 3 and y + h < shape[0])
    return inside and region.height > OVERLAP / 2


def tiles_with_small_print(
    rgb: np.ndarray, known: list[Region], scale: float
) -> list[tuple[int, int]]:
    """(y, x) of the tiles that may hold lines too small for a pass at `scale`, likeliest first.

    Small print is thin strokes (a top-hat of either sign) on ground that is otherwise flat, in
    cells that lie side by side. Cells that a found line covers are left out unless the line
    itself is so small that it was seen only roughly.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    box = cv2.getStructuringElement(cv2.MORPH_RECT, (7, 7))
    thin = np.maximum(
        cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, box),
        cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, box),
    )
    size = (max(1, rgb.shape[1] // CELL), max(1, rgb.shape[0] // CELL))
    strokes = cv2.resize((thin > 28).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    flat = cv2.resize((thin < 9).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    flat = cv2.blur(flat, (3, 3))
    likely = ((strokes > 0.10) & (strokes < 0.65) & (flat > 0.22)).astype(np.uint8)
    fx, fy = size[0] / rgb.shape[1], size[1] / rgb.shape[0]
    for region in known:
        if region.height * scale > 18:
            corners = region.corners(grow=0.1 * region.height) * (fx, fy)
            cv2.fillConvexPoly(likely, corners.round().astype(np.int32), 0)
    row = cv2.morphologyEx(likely, cv2.MORPH_OPEN, np.ones((1, 3), np.uint8))
    column = cv2.morphologyEx(likely, cv2.MORPH_OPEN, np.ones((3, 1), np.uint8))
    likely = row | column
    left = likely.copy()
    chosen = []
    corners = tile_corners(rgb.shape[:2], TILE, OVERLAP)
    counts = {c: _cells(likely, c, fx, fy).sum() for c in corners}
    for corner in sorted(corners, key=lambda c: -int(counts[c])):
        cells = _cells(left, corner, fx, fy)
        if cells.sum() >= 3:
            chosen.append(corner)
            cells[:] = 0
    return chosen


def _cells(grid: np.ndarray, corner: tuple[int, int], fx: float, fy: float) -> np.ndarray:
    y, x = corner
    return grid[int(y * fy) : int((y + TILE) * fy) + 1, int(x * fx) : int((x + TILE) * fx) + 1]


def tile_corners(shape: tuple[int, int], tile: int, overlap: int) -> list[tuple[int, int]]:
    """(y, x) of tiles that cover an image, spread evenly, each at least `overlap` into the next."""

    def starts(side: int) -> list[int]:
        if side <= tile:
            return [0]
        n = int(np.ceil((side - overlap) / (tile - overlap)))
        return [round(i * (side - tile) / (n - 1)) for i in range(n)]

    return [(y, x) for y in starts(shape[0]) for x in starts(shape[1])]
