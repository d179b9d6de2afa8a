"""Panels of a layout that lie before the picture: bars, badges and frames of one flat colour.

A person's mask ends at a bar that hides the feet, and the growth of that mask would take the bar's
edge away: the fill, which then sees the bar's colour reach the hole, draws it on as a tongue. So
such panels are found first. They are no part of the hole that objects make, and nothing behind
objects is made of them. What tells a panel from a wall or a band behind somebody is its outline
beside the object: it is the panel's own, straight and level or an ellipse, not that of a body.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.masks.combine import components, padded
from backend.values import Box, Control

AROUND = 0.3  # of a hole's longer side, looked at around it
FLAT = 10  # grey levels between neighbours
LEAST, LEAST_SHARE = 300, 0.002  # px and share of the picture
PLAIN, MOSTLY = 9, 0.85  # grey levels from the colour in the middle; share of the pixels as near
SAMPLES = 20_000  # of a part's pixels that are asked for its colour
RIM, ALIKE = 2, 24  # px beyond what is flat, and grey levels, up to which a panel reaches
INSIDE = 0.4  # share of a panel under the object's own mask from which it is a part of the object
ITSELF = 0.5  # share of an object that is the panel: somebody wants the panel to go
CONTACT = 24  # px of its outline beside the object
BENT = 1.2  # px by which a straight side may be bent
SIDE = 12  # px, shortest side that counts
LEVEL = 1.2  # degrees
STRAIGHT, LONGEST = 0.6, 32  # share of the outline beside the object on level sides; px of one
LABEL, CORNERS, WRITTEN = 0.85, 8, 0.06  # of a label: level outline, corners, area with text
ROUND = 1.0  # px, mean distance of the outline to an ellipse
LINE = 8  # px, widest line around a panel
AROUND_IT = 0.3  # share of an object within the convex hull of a flat part: it lies behind
FRAME, THINNEST = 0.02, 2  # a frame's breadth: share of the picture's short side, px
ALONG, SOFT = 0.97, 72  # share of the side that has its colour; levels from line to line
SAME = 20  # grey levels: two pieces of one colour
HIDDEN = 60  # px of the object between two such pieces: they go on behind it


def in_front(
    rgb: np.ndarray, objects: np.ndarray, hole: np.ndarray, text: np.ndarray, control: Control
) -> np.ndarray:
    """H×W×3 uint8, the mask of objects, the hole that it grew to and the hole of text (H×W uint8)
    → H×W uint8, 255 on the panels before the objects, as far as they are near the hole. Text is a
    part of the panel that it lies on."""
    result = np.zeros(hole.shape, np.uint8)
    count, labels, stats = components(hole)
    for label in range(1, count):
        x, y, w, h, _ = (int(v) for v in stats[label])
        box = padded(Box(x, y, x + w, y + h), round(AROUND * max(w, h)) + 8, hole.shape)
        own = (labels[box.slices] == label).astype(np.uint8)
        control.check()
        letters = text[box.slices] > 0
        found = _panels(rgb[box.slices], objects[box.slices], own, letters, hole.size)
        np.maximum(result[box.slices], found, out=result[box.slices])
    return result


def frame(rgb: np.ndarray) -> np.ndarray:
    """H×W×3 uint8 → H×W uint8, 255 on a line of one colour along a side of the picture, such as a
    frame has."""
    result = np.zeros(rgb.shape[:2], np.uint8)
    for turns in range(4):
        side, marked = np.rot90(rgb, turns), np.rot90(result, turns)
        most = round(FRAME * min(rgb.shape[:2]))
        lines: list[np.ndarray] = []
        for row in side[: most + 1].astype(np.int16):
            colour = np.median(row, 0)
            plain = (np.abs(row - colour).max(1) <= ALIKE).mean() >= ALONG
            if not plain or (lines and np.abs(colour - lines[-1]).max() > SOFT):
                break
            lines.append(colour)
        if THINNEST <= len(lines) <= most:
            for row, colour, line in zip(side, lines, marked, strict=False):
                line[np.abs(row.astype(np.int16) - colour).max(1) <= ALIKE] = 255
    return result


def _panels(
    crop: np.ndarray, objects: np.ndarray, own: np.ndarray, letters: np.ndarray, size: int
) -> np.ndarray:
    square = np.ones((3, 3), np.uint8)
    steps = cv2.subtract(cv2.dilate(crop, square), cv2.erode(crop, square))
    calm = cv2.inRange(steps, np.zeros(3), np.full(3, float(FLAT)))
    flat = np.maximum(calm, letters.astype(np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flat, connectivity=4)
    beside = cv2.dilate(own, np.ones((2 * RIM + 3,) * 2, np.uint8))
    least = max(LEAST, LEAST_SHARE * size)
    result = np.zeros(own.shape, np.uint8)
    found: list[Piece] = []
    for label in np.unique(np.asarray(labels)[beside > 0]):
        x, y, w, h, area = (int(v) for v in stats[label])
        if label == 0 or area < least:
            continue
        box = padded(Box(x, y, x + w, y + h), LINE + 2, own.shape)
        part = (np.asarray(labels)[box.slices] == label).astype(np.uint8)
        piece = _whole(crop[box.slices], part, letters[box.slices], box)
        if piece is not None:
            found.append(piece)
    here = objects & own * np.uint8(255)
    for piece in found:
        others = [o for o in found
                  if o is not piece and np.abs(o.colour - piece.colour).max() <= SAME]
        under = np.count_nonzero(objects[piece.box.slices] & piece.shape)
        if under > ITSELF * np.count_nonzero(here):
            continue
        if _label(piece, letters) or (
            under <= INSIDE * np.count_nonzero(piece.shape)
            and _own_outline(piece, beside)
            and not _around(piece, here)
            and not any(_goes_on(piece, other, objects) for other in others)
        ):
            np.maximum(result[piece.box.slices], _with_line(crop, piece, beside),
                       out=result[piece.box.slices])
    return result * np.uint8(255)


@dataclass(frozen=True)
class Piece:
    """A part of one `colour`: `shape`, uint8 of 0 and 1, lies at `box`."""

    box: Box
    shape: np.ndarray
    colour: np.ndarray

    def outline(self) -> np.ndarray:
        """N×2 x, y of the longest outline, in the crop's pixels."""
        lines, _ = cv2.findContours(self.shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return max(lines, key=len)[:, 0] + (self.box.x0, self.box.y0)


def _whole(
    crop: np.ndarray, part: np.ndarray, letters: np.ndarray, box: Box
) -> Piece | None:
    """A flat part up to its edge and with what is enclosed in it, such as letters; None where its
    colour is not one."""
    colours = crop[(part > 0) & ~letters]
    if len(colours) < LEAST:
        return None
    colours = colours[:: max(1, len(colours) // SAMPLES)].astype(np.int16)
    colour = np.median(colours, 0)
    if (np.abs(colours - colour).max(1) <= PLAIN).mean() < MOSTLY:
        return None
    alike = cv2.inRange(crop, np.maximum(colour - ALIKE, 0), np.minimum(colour + ALIKE, 255))
    near = cv2.dilate(part, np.ones((2 * RIM + 1,) * 2, np.uint8))
    shape = np.maximum(part, np.minimum(near, alike))
    outlines, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shape, outlines, -1, 1, cv2.FILLED)
    return Piece(box, shape, colour)


def _label(piece: Piece, letters: np.ndarray) -> bool:
    """Whether it is a level rectangle with text on it, as a button is, wherever it lies."""
    written = np.count_nonzero(letters[piece.box.slices] & (piece.shape > 0))
    if written < WRITTEN * np.count_nonzero(piece.shape):
        return False
    outline = piece.outline()
    level = sum(len(chosen) for _, _, chosen in _level_sides(outline))
    corners = cv2.approxPolyDP(outline[:, None], 2 * BENT, True)
    return level >= LABEL * len(outline) and len(corners) <= CORNERS


def _own_outline(piece: Piece, beside: np.ndarray) -> bool:
    """Whether the outline where the hole is `beside` is straight and level, or the whole one is
    an ellipse."""
    outline = piece.outline()
    height, width = beside.shape
    # the picture's own border says nothing
    free = (outline > 0).all(1) & (outline < (width - 1, height - 1)).all(1)
    touching = free & (beside[outline[:, 1], outline[:, 0]] > 0)
    if np.count_nonzero(touching) < CONTACT:
        return False
    if free.all() and len(outline) > 4 * SIDE and _elliptic(outline):
        return True
    sides = _level_sides(outline)
    level = np.zeros(len(outline), bool)
    longest = 0
    for _, _, chosen in sides:
        level[chosen] = True
    for upright, place, _ in sides:  # letters that reach the edge break a side into several
        same = [c for u, p, c in sides if u == upright and abs(p - place) <= 2 * BENT]
        longest = max(longest, np.count_nonzero(touching[np.concatenate(same)]))
    return bool(longest >= LONGEST and level[touching].mean() >= STRAIGHT)


def _level_sides(outline: np.ndarray) -> list[tuple[bool, float, np.ndarray]]:
    """(upright, its x or y, its points' numbers) of the straight sides of an N×2 outline that are
    level or upright."""
    corners = cv2.approxPolyDP(outline[:, None], BENT, True)[:, 0]
    order = {tuple(p): i for i, p in enumerate(outline.tolist())}
    sides = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        dx, dy = (int(v) for v in np.abs(b - a))
        length, off = max(dx, dy), min(dx, dy)
        if length < SIDE or off > max(1, length * np.tan(np.radians(LEVEL))):
            continue
        start, stop = order[tuple(a.tolist())], order[tuple(b.tolist())]
        if stop < start:
            stop += len(outline)
        chosen = np.arange(start, stop + 1) % len(outline)
        sides.append((dy > dx, float((a + b)[0 if dy > dx else 1]) / 2, chosen))
    return sides


def _elliptic(outline: np.ndarray) -> bool:
    (cx, cy), (a, b), angle = cv2.fitEllipse(outline[:, None])
    if min(a, b) < SIDE:
        return False
    turn = np.radians(angle)
    x, y = outline[:, 0] - cx, outline[:, 1] - cy
    u = (x * np.cos(turn) + y * np.sin(turn)) / (a / 2)
    v = (y * np.cos(turn) - x * np.sin(turn)) / (b / 2)
    return bool((np.abs(np.hypot(u, v) - 1) * min(a, b) / 2).mean() <= ROUND)


def _around(piece: Piece, objects: np.ndarray) -> bool:
    """Whether a flat part lies around the object, as a wall behind it does."""
    within = _between([piece], objects.shape) & (objects > 0)
    return bool(np.count_nonzero(within) > AROUND_IT * np.count_nonzero(objects))


def _goes_on(piece: Piece, other: Piece, objects: np.ndarray) -> bool:
    """Whether an object lies between two pieces of one colour, which so are one behind it."""
    hidden = _between([piece, other], objects.shape) & (objects > 0)
    return bool(np.count_nonzero(hidden) > HIDDEN)


def _between(pieces: list[Piece], shape: tuple[int, ...]) -> np.ndarray:
    """H×W bool: inside the convex hull of all pieces, but in none."""
    points = np.concatenate([piece.outline() for piece in pieces])
    inside = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(points.astype(np.int32)), 1)
    for piece in pieces:
        inside[piece.box.slices][piece.shape > 0] = 0
    return inside > 0


def _with_line(crop: np.ndarray, piece: Piece, beside: np.ndarray) -> np.ndarray:
    """The panel with the thin line of another colour that runs around it, where there is one."""
    shape, crop = piece.shape, crop[piece.box.slices]
    away = cv2.distanceTransform(1 - shape, cv2.DIST_L2, 5)
    free = beside[piece.box.slices] == 0
    width, colour = 0, None
    for distance in range(1, LINE + 2):
        band = free & (away > distance - 0.5) & (away <= distance + 0.5)
        if np.count_nonzero(band) < 2 * CONTACT:
            return shape
        colours = crop[band].astype(np.int16)
        middle = np.median(colours, 0)
        plain = (np.abs(colours - middle).max(1) <= 2 * ALIKE).mean() >= 0.8
        if plain and (colour is None or np.abs(middle - colour).max() <= ALIKE):
            width, colour = distance, middle
        elif colour is not None:
            break
    if not 0 < width <= LINE:
        return shape
    return (away <= width + 0.5).astype(np.uint8)
