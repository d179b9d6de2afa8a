"""From the stroke net's maps to the mask: how wide strokes are marked, and where they would
become a block."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from backend.masks import ground, text_hairlines
from backend.masks.text_lines import Region
from backend.values import Control

STROKE, SURE, EFFECT = 0.3, 0.5, 0.5  # thresholds of the mask
DENSE = 0.75  # share of a box from which strokes count as a block
TINY, DENSE_LETTER = 24, 0.65  # px, height of lines whose letters are looked at one by one for it
FULL, BROAD, LEAST = 0.85, 0.5, 5  # share of its own rectangle from which such a letter is a block,
# if one side of that is at least so much of the other (an l is no block), px, and both so long
BLOCK = 0.62  # ... from which the gaps between them are taken for the ground
DISK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# From which height of a line, px: by what its strokes are widened, how far from what is SURE a
# stroke may reach, px, and from which chance of a letter a pixel beside a stroke is its soft edge.
# In small lines whole strokes are unsure, in large ones only their rims; and the gaps between
# small letters are so narrow that all of them would be marked. In the smallest print a soft edge is
# as wide as half a gap.
KINDS = ((0, CROSS, math.inf, 0.2), (16, CROSS, math.inf, 0.12), (50, CROSS, 5.5, 0.12),
         (80, DISK, 8.5, 0.02))  # fmt: skip

CLOSE, GROUND, ENOUGH = 15, 0.05, 0.02  # px in which colours are compared; chance of a letter up to
# which a pixel is ground, least share of such pixels
UNLIKE, SHARE = 30, 0.4  # levels, and share of the way to the letters' colour, off the ground's


def mask_of(
    rgb: np.ndarray, text: np.ndarray, effect: np.ndarray, boxes: list[Region]
) -> np.ndarray:
    """uint8 mask: shadows and glows, and the strokes with their hairlines a little wider than
    seen where their edges are soft: by 2 px, 1 px in lines so small that their letters would run
    together."""
    solid = (text > STROKE).astype(np.uint8)
    solid |= text_hairlines.continued(rgb, solid, boxes)
    away = cv2.distanceTransform((text <= SURE).astype(np.uint8), cv2.DIST_L2, 5)
    kinds = kinds_of(boxes, text.shape)
    marked = np.zeros(text.shape, np.uint8)
    unlike = unlike_ground(rgb, text, solid, boxes)
    for n, (_, shape, rim, edge) in enumerate(KINDS):
        some = ((solid > 0) & (kinds == n) & (away <= rim)).astype(np.uint8)
        soft = np.where((text > edge) | unlike, cv2.dilate(some, shape), 0)
        marked = np.maximum(marked, np.maximum(some, soft).astype(np.uint8))
    for box in boxes:
        thin_out(marked, text, box, DENSE)
        if box.height < TINY:
            for letter in cells(box):
                thin_out(marked, text, letter, DENSE_LETTER)
            for letter in blocks(marked, box):
                thin_out(marked, text, letter, DENSE)
    shadows = cv2.dilate((effect > EFFECT).astype(np.uint8), CROSS)  # their edges are soft, too
    return np.where((marked > 0) | (shadows > 0), np.uint8(255), np.uint8(0))


def unlike_ground(
    rgb: np.ndarray, text: np.ndarray, solid: np.ndarray, boxes: list[Region]
) -> np.ndarray:
    """H×W bool: what in and around the boxes has a colour that stands out from that of the ground
    close by, and nearly as much as the strokes: their edges and rests of their shadows."""
    away = cv2.dilate(solid, np.ones((5, 5), np.uint8)) == 0
    found = np.zeros(text.shape, bool)
    for box in boxes:
        part = part_around(box.corners(grow=0.3 * box.height + CLOSE), text.shape)
        if 0 in text[part].shape:
            continue
        colours = rgb[part].astype(np.float32)
        ground, near = mean_close(colours, ((text[part] < GROUND) & away[part]).astype(np.float32))
        letters, _ = mean_close(colours, np.where(solid[part] > 0, text[part], np.float32(0)))
        off, own = (np.abs(colours - mean).max(2) for mean in (ground, letters))
        found[part] |= (near > ENOUGH) & (off > UNLIKE) & (off > SHARE * (off + own))
    return found


def mean_close(colours: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighed mean of h×w×3 float32 colours in CLOSE px, and the mean h×w weight there."""
    window = (CLOSE, CLOSE)
    mass = cv2.blur(weight, window)
    return cv2.blur(colours * weight[..., None], window) / np.maximum(mass, 1e-4)[..., None], mass


def kinds_of(boxes: list[Region], shape: tuple[int, ...]) -> np.ndarray:
    """H×W uint8: which of the KINDS the smallest line at a pixel is of; beyond all, the last."""
    kinds = np.full(shape, len(KINDS) - 1, np.uint8)
    for box in sorted(boxes, key=lambda r: -r.height):
        kind = max(n for n, (least, *_) in enumerate(KINDS) if box.height >= least)
        corners = box.corners(grow=0.3 * box.height).round().astype(np.int32)
        cv2.fillConvexPoly(kinds, corners, kind)
    return kinds


def closed(
    rgb: np.ndarray, mask: np.ndarray, boxes: list[Region], control: Control
) -> np.ndarray:
    """The mask with the insides of broad strokes (see ground.solid), except in lines that would
    become a block by it: there the gaps are the letters' own."""
    result = ground.solid(rgb, mask, [(box.corners(), box.height) for box in boxes], control)
    for box in boxes:
        part, within = place_of(box, mask.shape)
        if within.any() and (result[part][within] > 0).mean() > BLOCK:
            result[part][within] = mask[part][within]
    return result


def place_of(box: Region, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], np.ndarray]:
    """The upright part of an H×W picture around a box, and which of its pixels lie in the box."""
    corners = box.corners()
    rows, columns = part_around(corners, shape)
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    if inside.size:
        moved = corners - (columns.start, rows.start)
        cv2.fillConvexPoly(inside, moved.round().astype(np.int32), 1)
    return (rows, columns), inside > 0


def part_around(corners: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The upright part of an H×W picture that holds the N×2 corners."""
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [shape[1], shape[0]])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, [shape[1], shape[0]])
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def cells(box: Region) -> list[Region]:
    """A line's box in parts about as long as high: the places of its letters."""
    n = max(1, round(box.length / box.height))
    along = box.axes[0]
    steps = [((i + 0.5) / n - 0.5) * box.length for i in range(n)]
    return [replace(box, cx=float(box.cx + along[0] * t), cy=float(box.cy + along[1] * t),
                    length=box.length / n) for t in steps]


def blocks(marked: np.ndarray, box: Region) -> list[Region]:
    """The upright rectangles of those letters in a line's box that are marked as a block."""
    (rows, columns), within = place_of(box, marked.shape)
    if not within.any():
        return []
    inside = ((marked[rows, columns] > 0) & within).astype(np.uint8)
    parts = cv2.connectedComponentsWithStats(inside, connectivity=4)[2][1:]
    return [
        Region(columns.start + x + (w - 1) / 2, rows.start + y + (h - 1) / 2, w - 1, h - 1, 0.0)
        for x, y, w, h, area in parts.tolist()
        if area >= FULL * w * h and min(w, h) >= max(LEAST, BROAD * max(w, h))
    ]


def thin_out(marked: np.ndarray, text: np.ndarray, box: Region, most: float) -> None:
    """Strokes that, widened, fill more than `most` of a box are taken less wide, then only where
    they are surer: small and bold letters would become a block otherwise."""
    place, within = place_of(box, text.shape)
    part, seen = marked[place], text[place]
    if not within.any():
        return
    steps = [lambda: cv2.dilate((seen > STROKE).astype(np.uint8), CROSS), lambda: seen > STROKE,
             lambda: seen > 0.5, lambda: seen > 0.7]  # fmt: skip
    for step in steps:
        if part[within].mean() <= most:
            return
        part[within] = np.minimum(part, step())[within]
