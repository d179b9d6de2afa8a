"""The true colours of a soft edge, without the background that shines through it."""

from __future__ import annotations

import cv2
import numpy as np

from backend.values import Control

MARGIN = 24  # px of sure colours around the soft edge


def foreground(rgb: np.ndarray, alpha: np.ndarray, control: Control) -> np.ndarray:
    """H×W×3 float32: the foreground's own colours; the same as `rgb` where alpha is 1 or 0.

    rgb: H×W×3 float32, [0, 1] or beyond. alpha: H×W float32 in [0, 1]. Multi-level estimation
    (Germer et al. 2020). Raises Cancelled.
    """
    from pymatting import estimate_foreground_ml

    result = rgb.astype(np.float32, copy=True)
    soft = ((alpha > 0) & (alpha < 1)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(
        cv2.dilate(soft, np.ones((9, 9), np.uint8)), connectivity=8)
    for index in range(1, count):
        control.progress((index - 1) / count, "Foreground colours")
        x, y, w, h, _ = (int(v) for v in stats[index])
        window = (slice(max(0, y - MARGIN), y + h + MARGIN),
                  slice(max(0, x - MARGIN), x + w + MARGIN))
        made = estimate_foreground_ml(rgb[window].astype(np.float64),
                                      alpha[window].astype(np.float64))
        own = soft[window] > 0
        result[window][own] = np.asarray(made)[own]
    return result
