"""From a trimap to alpha: closed-form matting in crops around the unsure band."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from backend.matte import band
from backend.matte.band import IN, UNSURE
from backend.values import BadInput, Control


def as_float(rgb: np.ndarray) -> np.ndarray:
    """H×W×3 of any depth as float32 in [0, 1]; values beyond are clipped, for they only guide."""
    top = {"uint8": 255.0, "uint16": 65535.0}.get(rgb.dtype.name, 1.0)
    colours = np.nan_to_num(rgb[..., :3].astype(np.float32), nan=0.0, posinf=top, neginf=0.0)
    return np.clip(colours / np.float32(top), 0.0, 1.0)


def matte(
    rgb: np.ndarray,
    mask: np.ndarray,
    control: Control,
    *,
    probability: np.ndarray | None = None,
    trimap: np.ndarray | None = None,
    model: Any = None,
) -> np.ndarray:
    """H×W float32 alpha in [0, 1], exactly 0 and 1 where the trimap is sure.

    rgb: H×W×3 uint8, uint16 or float in [0, 1]. mask: H×W uint8, over 127 = in. probability:
    H×W float32 in [0, 1] of the model that made the mask. trimap: H×W uint8, 0, 128 and 255;
    made from the mask when None. Raises BadInput (sizes differ), Cancelled.
    """
    if trimap is None:
        trimap = band.trimap(mask, rgb, probability)
    if trimap.shape != rgb.shape[:2]:
        raise BadInput("The trimap must have the picture's size.")
    alpha = (trimap == IN).astype(np.float32)
    unsure = trimap == UNSURE
    if not unsure.any():
        return alpha
    import pymatting

    count, _labels, stats, _ = cv2.connectedComponentsWithStats(
        cv2.dilate(unsure.astype(np.uint8), np.ones((9, 9), np.uint8)), connectivity=8)
    for index in range(1, count):
        control.progress((index - 1) / count, "Matting")
        x, y, w, h, _ = (int(v) for v in stats[index])
        window = (slice(max(0, y - 4), y + h + 4), slice(max(0, x - 4), x + w + 4))
        part = np.where(trimap[window] == UNSURE, 0.5, trimap[window] / 255.0)
        if not ((part == 0).any() and (part == 1).any()):
            alpha[window][part == 0.5] = (mask[window][part == 0.5] > 127)
            continue
        solved = pymatting.estimate_alpha_cf(as_float(rgb[window]).astype(np.float64), part)
        alpha[window] = np.where(part == 0.5, np.clip(solved, 0, 1), alpha[window])
    return alpha


