"""Saliency without weights: minimum barrier distance to the border (Zhang et al., ICCV 2015).

A pixel stands out when every path to the border crosses a large step in brightness or colour.
The distance is found by raster scans; a second cue is how far a colour is from those of the four
borders (Mahalanobis distance in Lab).
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.fill.jit import kernel

SIDE = 200
PASSES = 3
FLAT = 18.0  # Lab units: a picture whose steps are all smaller has nothing that stands out


@kernel
def _barrier(values: np.ndarray, distance: np.ndarray, passes: int) -> None:
    """`values` H×W float32; `distance` H×W float32, 0 on the seeds, large elsewhere."""
    height, width = values.shape
    high, low = values.copy(), values.copy()
    for number in range(passes):
        forward = number % 2 == 0
        step = -1 if forward else 1
        for j in range(height):
            y = j if forward else height - 1 - j
            for i in range(width):
                x = i if forward else width - 1 - i
                value = values[y, x]
                for direction in range(2):
                    ny = y + step if direction == 0 else y
                    nx = x if direction == 0 else x + step
                    if ny < 0 or nx < 0 or ny >= height or nx >= width:
                        continue
                    top = max(high[ny, nx], value)
                    bottom = min(low[ny, nx], value)
                    if top - bottom < distance[y, x]:
                        distance[y, x] = top - bottom
                        high[y, x] = top
                        low[y, x] = bottom


def barrier_distance(lab: np.ndarray) -> np.ndarray:
    """H×W×3 float32 Lab → H×W float32: the sum of the channels' distances to the border."""
    total = np.zeros(lab.shape[:2], np.float32)
    for channel in range(3):
        distance = np.full(lab.shape[:2], 1e6, np.float32)
        distance[[0, -1]] = 0
        distance[:, [0, -1]] = 0
        _barrier(np.ascontiguousarray(lab[..., channel]), distance, PASSES)
        total += distance
    return total


def border_contrast(lab: np.ndarray, share: float = 0.1) -> np.ndarray:
    """H×W float32 in [0, 1]: distance to the border's colours, the most similar side left out."""
    height, width = lab.shape[:2]
    band = max(1, round(share * min(height, width)))
    sides = (lab[:band], lab[-band:], lab[:, :band], lab[:, -band:])
    maps = []
    for side in sides:
        colours = side.reshape(-1, 3)
        inverse = np.linalg.inv(np.cov(colours.T) + 10 * np.eye(3))
        away = lab - colours.mean(0)
        distance = np.sqrt(np.maximum(np.einsum("hwi,ij,hwj->hw", away, inverse, away), 0))
        maps.append(distance / max(1e-6, float(distance.max())))
    stack = np.stack(maps).astype(np.float32)
    return (stack.sum(0) - stack.max(0)) / 3


def contrast_saliency(rgb: np.ndarray) -> np.ndarray:
    """H×W×3 uint8 RGB → h×w float32 in [0, 1], h and w at most 200."""
    scale = min(1.0, SIDE / max(rgb.shape[:2]))
    size = (max(3, round(rgb.shape[1] * scale)), max(3, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(cv2.medianBlur(small, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    barrier = barrier_distance(lab)
    strongest = float(np.quantile(barrier, 0.995))
    if strongest < FLAT:
        return np.zeros(barrier.shape, np.float32)
    seen = np.clip(barrier / strongest, 0, 1) + border_contrast(lab)
    # Openings by reconstruction level the inside: a face or a logo is no hole in a figure.
    radius = max(1, round(0.02 * min(size)))
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    seen = cv2.morphologyEx(cv2.morphologyEx(seen, cv2.MORPH_CLOSE, shape), cv2.MORPH_OPEN, shape)
    seen = (seen - seen.min()) / max(1e-6, float(seen.max() - seen.min()))
    levels = (seen * 255).astype(np.uint8)
    middle = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0] / 255
    return (1 / (1 + np.exp(-14 * (seen - max(middle, 0.35))))).astype(np.float32)
