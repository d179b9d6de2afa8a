"""Looks for lines at several sizes: the whole image small for headlines, at a middle size, and
tiles at full size for captions, merged without duplicates. Once more in the hues alone, where
coloured or translucent letters stand out from a light and dark pattern that hides them, and once
with the contrast made even, for print that is nearly as dark or light as its ground."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from backend.masks.text_lines import EVEN, HUES, Region, merge, overlap
from backend.values import Control

FAINTLY = 0.5  # least score of a line that is seen in the hues alone; see text_accept.IN_HUES
EVENLY = 0.6  # ... in even contrast; such a line must be legible too
ENOUGH, FINE = 0.8, 1.3  # px of a pass for one of the picture: from ENOUGH tiles are looked at for
# print lower than TINY px alone, in SOME tiles at most; from FINE no more
TINY, SOME = 22, 3
TILE, OVERLAP = 512, 96
LARGE = 50  # px in the pass for large letters in hues: smaller ones are seen as well without it
WINDOW = 12  # pixels; wider means are taken in a picture reduced to about this width of their box
CELL = 16  # pixels; small print is looked for in cells of this size
LARGEST = 2.5  # what a picture is enlarged to at most for a pass over the whole of it
LOW = 14  # px in a pass: lower lines are kept apart better in the next larger one
TWICE = 0.3  # share of a box from which another one of the same detector shows the same line
WHOLE = 0.03  # of score for every height that a box is long
THIN = 150  # px, height of a line from which its strokes are too wide to be small print


CUT, DEPTH = 0.85, 0.12  # least score of a cut line beside its mirror image; share of the height
# that is looked at for it


@dataclass(frozen=True)
class Passes:
    """Long sides in px of the passes over the whole picture: `main` (a share of the detector's
    favourite), `headlines` for letters as high as half the page, `hues`, `large_hues` for letters
    as high as a tenth of the page in them, `even` for letters nearly as dark or light as their
    ground (0: none); most `tiles` for small print and how far they are enlarged; most faint lines
    whose surroundings are looked at (text_faint) and read (text_scan: about a second each);
    circles that are looked around (`rounds`, text_round); whether a `second` detector looks for
    what is overlooked."""

    main: float
    headlines: int
    hues: int
    large_hues: int
    even: int
    tiles: int
    tile_scale: float
    surroundings: int
    reads: int
    rounds: int
    second: bool


# letters of 8 px are seen surely at 1.5 times their size; 60 tiles take about half a minute
THOROUGH = Passes(1.0, 384, 640, 448, 640, 60, 1.5, 2, 2, 3, True)
# A picture of up to QUICK_PIXELS that is larger than the detector's favourite size is answered
# within a second: time goes with the pixels seen.
QUICK, QUICK_PIXELS = Passes(0.85, 256, 448, 0, 0, 1, 0.75, 1, 0, 1, False), 3_000_000


class LineDetector(Protocol):
    """A detector of lines at one scale; `coarse` is the long side of its main pass, `in_hues`
    whether it tells letters from other things in a picture of hues too. `sizes`: long sides of
    the passes of which the likeliest boxes are taken, from small to large, instead of a main pass
    that others add to."""

    coarse: int
    in_hues: bool
    sizes: tuple[int, ...]

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]: ...


def passes_for(detector: LineDetector, shape: tuple[int, ...]) -> Passes:
    """How a picture of `shape` (height, width) is looked at."""
    height, width = shape
    quick = max(shape) > 1.4 * detector.coarse and height * width <= QUICK_PIXELS
    return QUICK if quick else THOROUGH


def find_regions(detector: LineDetector, rgb: np.ndarray, control: Control) -> list[Region]:
    """All lines of an H×W×3 uint8 image of any size, in image pixels."""
    long = max(rgb.shape[:2])
    if detector.sizes:
        found = of_all_sizes(detector, rgb, control)
        finest = min(detector.sizes[-1] / long, LARGEST)
        return likeliest(found + in_tiles(detector, rgb, found, finest, control))
    passes = passes_for(detector, rgb.shape[:2])
    main = min(passes.main * detector.coarse / long, 2.0)
    found = detector.find(rgb, main, control)
    control.progress(0.3)
    if main * long > 2 * passes.headlines:
        big = detector.find(rgb, passes.headlines / long, control)
        # this pass is for what is too large for the main one; small print blurs together in it
        found += [r for r in big if r.height * passes.headlines / long > 24]
    control.progress(0.4)
    if detector.in_hues:
        found += by_hue(detector, rgb, passes.hues, control)
    if detector.in_hues and passes.large_hues:
        seen = by_hue(detector, rgb, passes.large_hues, control)
        found += [r for r in seen if r.height * passes.large_hues / long > LARGE]
    if passes.even:
        control.progress(0.45)
        scale = min(passes.even / long, 2.0)
        evenly = detector.find(even(rgb), scale, control)
        found += [replace(r, view=EVEN) for r in evenly if r.score >= EVENLY]
    control.progress(0.5)
    found += cut_by_border(detector, rgb, min(passes.hues / long, 1.0), control)
    found += in_tiles(detector, rgb, found, main, control)
    return merge(found)


def in_tiles(
    detector: LineDetector, rgb: np.ndarray, found: list[Region], main: float, control: Control
) -> list[Region]:
    """Lines too small for a pass at the scale `main` that `found` the others."""
    if main >= FINE:
        return []
    passes, enough = passes_for(detector, rgb.shape[:2]), main >= ENOUGH
    tiles = tiles_with_small_print(rgb, found, main)[: SOME if enough else passes.tiles]
    small = []
    for n, (y, x) in enumerate(tiles):
        control.progress(0.5 + 0.5 * n / len(tiles))
        tile = rgb[y : y + TILE, x : x + TILE]
        inner = detector.find(tile, passes.tile_scale, control)
        small += [r.scaled(1, 1, x, y) for r in inner if not cut_off(r, y, x, rgb.shape[:2])]
    if enough:
        small = [r for r in small if r.height < TINY
                 and all(max(overlap(r, k)) <= TWICE for k in found)]
    return small


def of_all_sizes(detector: LineDetector, rgb: np.ndarray, control: Control) -> list[Region]:
    """Lines seen at each of the detector's sizes, the same ones several times."""
    found: list[Region] = []
    for n, size in enumerate(detector.sizes):
        scale = min(size / max(rgb.shape[:2]), LARGEST)
        seen = detector.find(rgb, scale, control)
        finest = n + 1 == len(detector.sizes)
        found += [r for r in seen if finest or r.height * scale > LOW]
        control.progress(0.5 * (n + 1) / len(detector.sizes))
    return found


def likeliest(regions: list[Region]) -> list[Region]:
    """Of boxes that share more than TWICE of one of them the one with the highest score; whole
    lines before their pieces."""

    def rank(r: Region) -> float:
        return r.score + WHOLE * min(r.length / r.height, 10.0)

    kept: list[Region] = []
    for r in sorted(regions, key=rank, reverse=True):
        if all(max(overlap(r, k)) <= TWICE for k in kept):
            kept.append(r)
    return kept


def cut_by_border(
    detector: LineDetector, rgb: np.ndarray, scale: float, control: Control
) -> list[Region]:
    """Lines of which the upper or lower border of the picture leaves a part.

    Half letters are no letters to a detector, but beside their mirror image they are a line that
    lies on the border: what is seen so is text, once the strokes are sure too."""
    height = rgb.shape[0]
    depth = int(DEPTH * height)
    if depth * scale < 16:
        return []
    found = []
    for top in (True, False):
        strip = rgb[:depth] if top else rgb[height - depth :]
        both = np.concatenate([strip[::-1], strip] if top else [strip, strip[::-1]])
        for r in detector.find(np.ascontiguousarray(both), scale, control):
            on_border = abs(r.cy - depth) < 0.15 * r.height and abs(np.sin(r.angle)) < 0.1
            if r.score >= CUT and on_border and r.length > 1.5 * r.height:
                cy = r.height / 4 if top else height - r.height / 4
                found.append(replace(r, cy=cy, height=r.height / 2, angle=0.0))
    return found


def by_hue(
    detector: LineDetector, rgb: np.ndarray, side: int, control: Control
) -> list[Region]:
    """Lines that are clear in the picture's hues, seen at `side` px."""
    scale = min(1.0, side / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    sx, sy = rgb.shape[1] / size[0], rgb.shape[0] / size[1]
    seen = detector.find(hues(small, 0.12 * max(size)), 1.0, control)
    return [replace(r.scaled(sx, sy), view=HUES) for r in seen if r.score >= FAINTLY]


def hues(rgb: np.ndarray, around: float) -> np.ndarray:
    """How the hue of each pixel differs from that around it (`around` px), lightness left out:
    H×W×3 uint8, the two opponent colours of CIE Lab and their sum around 128."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    side = int(around) | 1
    planes = []
    for channel in (1, 2):
        plane = cv2.extractChannel(lab, channel).astype(np.float32)
        plane = cv2.GaussianBlur(plane, (0, 0), 1.2)
        planes.append(cv2.subtract(plane, cv2.blur(plane, (side, side))))
    planes.append(cv2.addWeighted(planes[0], 0.7, planes[1], 0.7, 0))
    shown = []
    for plane in planes:
        # 12: what is nearly grey everywhere is noise and stays faint
        gain = 127 / max(4 * float(cv2.meanStdDev(plane)[1][0, 0]), 12.0)
        shown.append(cv2.addWeighted(plane, gain, plane, 0, 127.5, dtype=cv2.CV_8U))
    return cv2.merge(shown)


def mean_around(planes: np.ndarray, side: float) -> np.ndarray:
    """Means of h×w[×c] float32 planes (c up to 4) around each pixel, in a box of `side` px taken
    twice. So wide a mean changes slowly: it is taken in a smaller picture."""
    shrink = max(1, int(side) // WINDOW)
    h, w = planes.shape[:2]
    if shrink == 1:
        return boxed(planes, side)
    size = (max(1, w // shrink), max(1, h // shrink))
    small = cv2.resize(planes, size, interpolation=cv2.INTER_LINEAR)
    return cv2.resize(boxed(small, side / shrink), (w, h), interpolation=cv2.INTER_LINEAR)


def boxed(planes: np.ndarray, side: float) -> np.ndarray:
    """The mean in a box of about `side` px, taken twice."""
    box = (2 * round(max(0.0, side - 1) / 2) + 1,) * 2
    return cv2.blur(cv2.blur(planes, box), box)


def even(rgb: np.ndarray) -> np.ndarray:
    """The lightness of an H×W×3 uint8 picture with its contrast made alike everywhere, so that
    dark letters on dark ground stand out: grey H×W×3 uint8."""
    light = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    side = 0.05 * max(rgb.shape[:2])
    off = light - mean_around(light, side)
    # 3: noise on flat ground stays faint
    spread = np.sqrt(np.maximum(mean_around(off * off, side), 0)) + 3
    grey = np.clip(128 + 45 * off / spread, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


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
    strokes = densest(thin > 28, size)
    flat = cv2.resize((thin < 9).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    flat = cv2.blur(flat, (3, 3))
    likely = ((strokes > 0.10) & (strokes < 0.65) & (flat > 0.22)).astype(np.uint8)
    fx, fy = size[0] / rgb.shape[1], size[1] / rgb.shape[0]
    for region in known:
        # strokes of higher letters are not thin, and their boxes may hold small print
        if 18 / scale < region.height < THIN:
            corners = region.corners(grow=0.1 * region.height) * (fx, fy)
            cv2.fillConvexPoly(likely, corners.round().astype(np.int32), 0)
    row = cv2.morphologyEx(likely, cv2.MORPH_OPEN, np.ones((1, 3), np.uint8))
    column = cv2.morphologyEx(likely, cv2.MORPH_OPEN, np.ones((3, 1), np.uint8))
    likely = np.maximum(row, column)
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


def densest(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Share of set points in cells of CELL px, in that of four positions half a cell apart where
    it is largest: a line's letters may lie across two rows of cells. `size` is (columns, rows)."""
    half = (2 * size[0], 2 * size[1])
    share = cv2.resize(points.astype(np.float32), half, interpolation=cv2.INTER_AREA)
    near = cv2.blur(share, (2, 2), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    return np.max([near[y::2, x::2] for y in (0, 1) for x in (0, 1)], axis=0)


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
