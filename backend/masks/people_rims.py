"""A third look at who was found, larger than the others, for the outline alone.

Seen larger, a person's edge is sharper, but a coat that fills the view is no longer known as
somebody's: so the larger look counts only beside the outline that the map has already, and there
only as far as both agree on what is around.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks.people_closer import FINE, Look
from backend.values import Box, Control

SIDE = 512  # px, long side of the look; people that the picture shows smaller are left as they are
LEAST = 400  # px of the map
MOST = 5  # people, the largest first
CONTEXT = 0.08  # of a person's long side, seen around them
RIM = 6  # px of the map on both sides of the outline
WEIGHT = 0.75  # of the look there
AROUND = 95  # px of the map across which the two must agree
ALIKE = (0.7, 0.9)  # intersection over union there: none of the weight below, all of it above


def enlarged(rgb: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The map h×w at the size of the picture or with a long side of FINE, if that is more."""
    height, width = rgb.shape[:2]
    scale = min(1.0, FINE / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    if max(rows, columns) <= max(seen.shape):
        return seen
    return cv2.resize(seen, (columns, rows), interpolation=cv2.INTER_LINEAR)


def outline(inside: np.ndarray, reach: int) -> np.ndarray:
    """h×w bool → h×w bool: at most `reach` px from its edge."""
    kernel = np.ones((2 * reach + 1,) * 2, np.uint8)
    whole = inside.astype(np.uint8)
    return cv2.dilate(whole, kernel) != cv2.erode(whole, kernel)


def sharper(
    rgb: np.ndarray, seen: np.ndarray, found: np.ndarray, look: Look, low: float, control: Control
) -> np.ndarray:
    """`rgb` H×W×3 uint8, its map `seen` h×w float32 in [0, 1] and who was `found` in it, h×w bool
    (about where `seen` is over `low`) → the map with its outlines looked at again."""
    boxes = people(found, rgb.shape[0] / seen.shape[0])
    if not boxes:
        return seen
    total, weights = np.zeros_like(seen), np.zeros_like(seen)
    fy, fx = rgb.shape[0] / seen.shape[0], rgb.shape[1] / seen.shape[1]
    for box in boxes:
        control.check()
        crop = rgb[round(box.y0 * fy) : round(box.y1 * fy), round(box.x0 * fx) : round(box.x1 * fx)]
        answer = look(np.ascontiguousarray(crop))
        size = (box.width, box.height)
        total[box.slices] += cv2.resize(answer, size, interpolation=cv2.INTER_LINEAR)
        weights[box.slices] += 1
    again = total / np.maximum(weights, 1)
    first, second = (seen > low).astype(np.float32), (again > low).astype(np.float32)
    both = cv2.blur(first * second, (AROUND, AROUND))
    either = cv2.blur(np.maximum(first, second), (AROUND, AROUND))
    trust = np.clip((both / np.maximum(either, 1e-4) - ALIKE[0]) / (ALIKE[1] - ALIKE[0]), 0, 1)
    share = WEIGHT * trust * (outline(found, RIM) & (weights > 0))
    return seen + (again - seen) * share


def people(found: np.ndarray, scale: float) -> list[Box]:
    """Boxes around the regions of h×w bool that the picture, `scale` times as large, shows large
    enough for the look; the largest first."""
    height, width = found.shape
    count, _, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    boxes: list[tuple[int, Box]] = []
    for index in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[index])
        pad = round(CONTEXT * max(w, h)) + 4
        box = Box(
            max(0, x - pad), max(0, y - pad), min(width, x + w + pad), min(height, y + h + pad)
        )
        if area >= LEAST and max(box.width, box.height) * scale >= SIDE:
            boxes.append((area, box))
    boxes.sort(key=lambda one: one[0], reverse=True)
    return [box for _, box in boxes[:MOST]]
