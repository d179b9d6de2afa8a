"""The plate behind a line of text: a button, badge or banner of one colour with a clear border."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backend.masks.combine import components, padded
from backend.values import Box, Control, TextLine

TEXT_SIDE = 48  # px: a line's height in the crop that is looked at
COMMON = 0.3  # share of a line's box that a plate's colour has at least
SIMILAR = 22  # levels a plate's pixel may differ from the plate's colour
LARGEST = 0.35  # share of the picture; anything larger is its background
SOLID = 0.9  # share of its own rotated box or convex hull that a plate covers


def backplate_mask(
    rgb: np.ndarray, lines: Sequence[TextLine], control: Control
) -> np.ndarray:
    """H×W×3 uint8 and the lines of text → H×W uint8, 255 on the plates of those lines that have
    one (with the place of the strokes). A flat wall or sky is no plate: it has no border around
    the text."""
    result = np.zeros(rgb.shape[:2], np.uint8)
    for number, line in enumerate(lines):
        control.progress(number / len(lines))
        for reach in (1.5, 4.0):  # a plate that holds several lines needs the wider look
            if _add_plate(result, rgb, line, reach):
                break
    return result


def _add_plate(result: np.ndarray, rgb: np.ndarray, line: TextLine, reach: float) -> bool:
    polygon = np.asarray(line.polygon, np.float32).reshape(-1, 2)
    x, y, w, h = cv2.boundingRect(polygon.reshape(-1, 1, 2))
    pad = max(6, round(reach * line.height))
    window = padded(Box(x, y, x + w, y + h), pad, result.shape)
    if window.width < 4 or window.height < 4:
        return False
    scale = min(1.0, TEXT_SIDE / max(1.0, line.height))
    size = (max(4, round(window.width * scale)), max(4, round(window.height * scale)))
    crop = np.asarray(cv2.resize(rgb[window.slices], size, interpolation=cv2.INTER_AREA))
    inside = np.zeros(crop.shape[:2], np.uint8)
    corners = np.round((polygon - (window.x0, window.y0)) * scale).astype(np.int32)
    cv2.fillPoly(inside, [corners.reshape(-1, 1, 2)], (1,))
    open_sides = (window.x0 > 0, window.y0 > 0,
                  window.x1 < result.shape[1], window.y1 < result.shape[0])
    for colour in _common_colours(crop[inside > 0]):
        plate = _plate(crop, inside > 0, colour, line.height * scale, open_sides)
        if plate is None:
            continue
        full = cv2.resize(plate, (window.width, window.height), interpolation=cv2.INTER_LINEAR)
        # The border's blended pixels belong to the plate too.
        margin = 3 + 2 * round(0.5 / scale)
        grown = cv2.dilate((np.asarray(full) > 60).astype(np.uint8) * np.uint8(255),
                           np.ones((margin, margin), np.uint8))
        if np.count_nonzero(grown) <= LARGEST * result.size:
            target = result[window.slices]
            np.maximum(target, grown, out=target)
            return True
    return False


def _common_colours(pixels: np.ndarray) -> list[np.ndarray]:
    """The colours that make up at least `COMMON` of N×3 uint8 pixels, most frequent first."""
    if len(pixels) < 20:
        return []
    coarse = (pixels // 32).astype(np.int32) @ np.array([64, 8, 1])
    result: list[np.ndarray] = []
    for code in np.bincount(coarse, minlength=512).argsort()[::-1][:4]:
        chosen = pixels[coarse == code]
        if not len(chosen):
            break
        colour = np.median(chosen, 0)
        near = np.abs(pixels.astype(np.int16) - colour).max(1) <= SIMILAR
        known = any(np.abs(colour - c).max() <= SIMILAR for c in result)
        if near.mean() >= COMMON and not known:
            result.append(colour)
    return result


def _plate(
    crop: np.ndarray, inside: np.ndarray, colour: np.ndarray, height: float,
    open_sides: tuple[bool, bool, bool, bool],
) -> np.ndarray | None:
    """The connected part of this colour with all it encloses, if it has the form of a plate.

    open_sides: which sides (left, top, right, bottom) of the crop lie inside the picture: a plate
    may run out of the picture, but one that runs out of the crop is not understood."""
    like = (np.abs(crop.astype(np.int16) - colour).max(2) <= SIMILAR).astype(np.uint8)
    count, labels, stats = components(like * np.uint8(255))
    if count < 2:
        return None
    best = int(np.bincount(labels[inside], minlength=count)[1:].argmax()) + 1
    x, y, w, h, _ = (int(v) for v in stats[best])
    rows, columns = inside.shape
    at_border = (x == 0, y == 0, x + w == columns, y + h == rows)
    if any(o and b for o, b in zip(open_sides, at_border, strict=True)):
        return None
    outlines, _ = cv2.findContours((labels == best).astype(np.uint8), cv2.RETR_EXTERNAL,
                                   cv2.CHAIN_APPROX_NONE)
    contour = max(outlines, key=cv2.contourArea)
    area = float(cv2.contourArea(contour))
    hull = float(cv2.contourArea(cv2.convexHull(contour)))
    box_w, box_h = cv2.minAreaRect(contour)[1]
    if box_w * box_h <= 0 or min(box_w, box_h) < 0.7 * height:
        return None
    if max(area / (box_w * box_h), area / max(1.0, hull)) < SOLID:
        return None
    plate = np.zeros(inside.shape, np.uint8)
    cv2.drawContours(plate, [contour], -1, (255,), cv2.FILLED)
    # A letter's own flat body is no plate: that holds most of its line.
    if np.count_nonzero(plate[inside]) < 0.6 * np.count_nonzero(inside):
        return None
    return plate
