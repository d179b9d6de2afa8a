"""The true colours of a soft edge, without the background that shines through it.

Multi-level estimation: Germer, Uelwer, Conrad, Harmeling, "Fast Multi-Level Foreground
Estimation", ICPR 2020. Each pixel's two colours must mix to the picture's and be smooth where
alpha is; solved from a few pixels up, each level starting from the one below it.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from backend.matte.matting import MARGIN, crops
from backend.values import Box, Control

SMOOTH = 1e-5  # pull to the neighbours' colours everywhere
ALONG = 1.0  # and beside it, for each step of alpha between them
FEW, SMALL, LARGE = 32, 10, 2  # px of a small level; rounds on small and on large levels
TILE = 1536  # px


def foreground(rgb: np.ndarray, alpha: np.ndarray, control: Control) -> np.ndarray:
    """H×W×3 float32: the foreground's own colours; the same as `rgb` where alpha is 1 or 0.

    rgb: H×W×3 float32, in [0, 1] or beyond. alpha: H×W float32 in [0, 1]. Raises Cancelled.
    """
    result = rgb.astype(np.float32, copy=True)
    soft = (alpha > 0) & (alpha < 1)
    boxes = [part for box in crops(soft) for part in parts(box)]
    for number, box in enumerate(boxes):
        control.progress(number / len(boxes), "Freeing the colours of the edge")
        whole = Box(max(0, box.x0 - MARGIN), max(0, box.y0 - MARGIN),
                    min(alpha.shape[1], box.x1 + MARGIN), min(alpha.shape[0], box.y1 + MARGIN))
        own = soft[box.slices]
        if not own.any():
            continue
        made = two_colours(rgb[whole.slices], alpha[whole.slices], control)
        y, x = box.y0 - whole.y0, box.x0 - whole.x0
        inner = made[y : y + box.height, x : x + box.width]
        result[box.slices][own] = inner[own]
    return result


def parts(box: Box) -> Iterator[Box]:
    """A box in pieces of at most TILE px a side."""
    for y in range(box.y0, box.y1, TILE):
        for x in range(box.x0, box.x1, TILE):
            yield Box(x, y, min(box.x1, x + TILE), min(box.y1, y + TILE))


def two_colours(rgb: np.ndarray, alpha: np.ndarray, control: Control) -> np.ndarray:
    """H×W×3 float32 foreground of one crop, within the range of its colours and of [0, 1]."""
    from backend.matte.colour_kernels import relax

    height, width = alpha.shape
    rgb = np.ascontiguousarray(rgb, np.float32)
    sure_in, sure_out = alpha > 0.9, alpha < 0.1
    low = np.minimum(0, rgb.reshape(-1, 3).min(0))
    high = np.maximum(1, rgb.reshape(-1, 3).max(0))
    front = np.empty((1, 1, 3), np.float32)
    back = np.empty((1, 1, 3), np.float32)
    front[0, 0] = rgb[sure_in].mean(0) if sure_in.any() else rgb.reshape(-1, 3).mean(0)
    back[0, 0] = rgb[sure_out].mean(0) if sure_out.any() else rgb.reshape(-1, 3).mean(0)
    levels = max(1, int(np.ceil(np.log2(max(height, width)))))
    for level in range(levels + 1):
        control.check()
        w, h = (max(1, round(side ** (level / levels))) for side in (width, height))
        image = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_NEAREST).reshape(h, w, 3)
        matte = cv2.resize(alpha.astype(np.float32), (w, h), interpolation=cv2.INTER_NEAREST)
        front = cv2.resize(front, (w, h), interpolation=cv2.INTER_NEAREST).reshape(h, w, 3)
        back = cv2.resize(back, (w, h), interpolation=cv2.INTER_NEAREST).reshape(h, w, 3)
        rounds = SMALL if min(w, h) <= FEW else LARGE
        relax(image, matte.reshape(h, w), front, back, low, high, rounds, SMOOTH, ALONG)
    return front
