"""The outline of a mask as an editor draws it: closed lines along the borders between pixels."""

from __future__ import annotations

import cv2
import numpy as np

from backend.values import Box

MOST = 4000  # corners up to which an outline is exact
NEAR = 0.75  # px that a simpler one lies away from the border at most


def outline(mask: np.ndarray, box: Box) -> list[np.ndarray]:
    """Closed lines around everything that is set in `box`, and around its holes.

    mask: H×W uint8; box holds all that is set. Each line is N×2 int32, (x, y) of its corners in
    pixels, 0, 0 being the top left corner of the first pixel; its first corner is also its last.
    One of more than MOST corners, slow to draw, leaves out those that are hardly seen.
    """
    part = cv2.copyMakeBorder(mask[box.slices], 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    # Contours run through the centres of pixels. In a picture of twice the size the corners of a
    # pixel have pixels of their own, and a contour's pixel lies at the border with which it ends.
    double = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    lines = []
    for contour in contours:
        corners = (contour[:, 0, :] + 1) // 2 + (box.x0 - 1, box.y0 - 1)
        corners = corners[(corners != np.roll(corners, 1, 0)).any(axis=1)]
        way = np.sign(np.roll(corners, -1, 0) - corners)
        corners = corners[(way != np.roll(way, 1, 0)).any(axis=1)]
        lines.append(corners.astype(np.int32))
    if sum(map(len, lines)) > MOST:
        lines = [cv2.approxPolyDP(line[:, None], NEAR, True)[:, 0] for line in lines]
    return [np.vstack([line, line[:1]]) for line in lines]


def packed(lines: list[np.ndarray]) -> np.ndarray:
    """One int32 array for the wire: for each line its number of corners, then their x and y."""
    parts = [np.concatenate([[len(line)], line.ravel()]) for line in lines]
    return np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, np.int32)
