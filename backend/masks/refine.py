"""Edges at full resolution: a guided filter in tiles along the boundary, at any picture size.

Guided filter: He, Sun, Tang, "Guided Image Filtering", PAMI 2013, with a grey guide. It is local,
so tiles that overlap by twice its radius give the same pixels as one pass: there are no seams.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from backend.values import Box, Control

TILE = 512
SURE = 0.03  # below it and above 1 − it nothing is left to refine
EPSILON = 2e-4  # of the guide's variance: a step of about 1.5 % of the range counts as an edge


def guided_filter(
    guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float = EPSILON
) -> np.ndarray:
    """H×W float32 guide and values in [0, 1] → H×W float32 in [0, 1] that follows the guide."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(array: np.ndarray) -> np.ndarray:
        return cv2.blur(array, size, borderType=cv2.BORDER_REFLECT)

    guide_mean, value_mean = mean(guide), mean(values)
    covariance = mean(guide * values) - guide_mean * value_mean
    variance = mean(guide * guide) - guide_mean * guide_mean
    slope = covariance / (variance + epsilon)
    offset = value_mean - slope * guide_mean
    return np.clip(mean(slope) * guide + mean(offset), 0, 1)


def grey(rgb: np.ndarray) -> np.ndarray:
    """H×W×3 uint8 → H×W float32 in [0, 1]."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def tiles(height: int, width: int, side: int) -> Iterator[Box]:
    """Boxes that cover the picture without overlap."""
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield Box(x, y, min(width, x + side), min(height, y + side))


def refine(
    rgb: np.ndarray, coarse: np.ndarray, control: Control, radius: int | None = None
) -> np.ndarray:
    """A coarse probability map brought to the picture's size with its edges on the picture's.

    `rgb` H×W×3 uint8, `coarse` h×w float32 in [0, 1] of any smaller size; the result is H×W
    float32. `radius` in px of the picture; by default 1.5 px of the coarse map. Only tiles that
    the boundary crosses are worked on, so memory is that of the result.
    """
    height, width = rgb.shape[:2]
    result = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    scale = max(height / coarse.shape[0], width / coarse.shape[1])
    if radius is None:
        radius = max(1, round(1.5 * scale))
    if radius < 2:
        return result
    # A 3×3-grown map says cheaply which tiles hold something unsure.
    kernel = np.ones((3, 3), np.uint8)
    unsure = cv2.dilate(coarse, kernel) - cv2.erode(coarse, kernel) > SURE
    unsure |= (coarse > SURE) & (coarse < 1 - SURE)
    fy, fx = coarse.shape[0] / height, coarse.shape[1] / width
    updates: list[tuple[Box, np.ndarray]] = []
    for box in tiles(height, width, TILE):
        control.check()
        near = unsure[
            int(box.y0 * fy) : int(np.ceil(box.y1 * fy)) + 1,
            int(box.x0 * fx) : int(np.ceil(box.x1 * fx)) + 1,
        ]
        if not near.any():
            continue
        margin = 2 * radius + 1
        outer = Box(
            max(0, box.x0 - margin), max(0, box.y0 - margin),
            min(width, box.x1 + margin), min(height, box.y1 + margin),
        )  # fmt: skip
        filtered = guided_filter(
            grey(np.ascontiguousarray(rgb[outer.slices])), result[outer.slices], radius
        )
        inner = filtered[
            box.y0 - outer.y0 : box.y1 - outer.y0, box.x0 - outer.x0 : box.x1 - outer.x0
        ]
        updates.append((box, inner.copy()))
    for box, values in updates:  # afterwards: each tile reads the unfiltered map of the others
        result[box.slices] = values
    return result
