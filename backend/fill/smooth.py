"""The smooth fill that serves as a guide: a membrane that is stiffer along rows.

Skies, walls, floors and rows of windows run sideways, so colours are carried further along a row
than down a column. On photos this predicts the colour of a hole's middle better than an even
membrane, push-pull, Telea, or the copied patches themselves; fine detail it cannot predict.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.fill.blend import push_pull
from backend.fill.jit import kernel
from backend.values import Control

ALONG = 4.0  # conduction along rows against columns
COARSE, FINE = 60, 12  # sweeps at the coarsest and at finer levels
PIECE = 4  # of these, after which cancel is looked for
SPEED = 1.6  # over-relaxation


@kernel
def relax(x, wall, hy, hx, along, speed, sweeps):
    """Red-black successive over-relaxation of the hole's pixels towards their neighbours' mean.
    What is `wall` (h×w uint8) is nobody's neighbour."""
    height, width, channels = x.shape
    for sweep in range(2 * sweeps):
        for p in range(len(hy)):
            i, j = hy[p], hx[p]
            if (i + j + sweep) % 2:
                continue
            up, down = max(i - 1, 0), min(i + 1, height - 1)
            left, right = max(j - 1, 0), min(j + 1, width - 1)
            a = np.float32(0.0) if wall[up, j] else np.float32(1.0)
            b = np.float32(0.0) if wall[down, j] else np.float32(1.0)
            d = np.float32(0.0) if wall[i, left] else along
            e = np.float32(0.0) if wall[i, right] else along
            total = a + b + d + e
            if total == 0:
                continue
            for c in range(channels):
                near = a * x[up, j, c] + b * x[down, j, c] + d * x[i, left, c] + e * x[i, right, c]
                x[i, j, c] += speed * (near / total - x[i, j, c])


def membrane(
    rgb: np.ndarray, known: np.ndarray, control: Control, along: float = ALONG,
    wall: np.ndarray | None = None,
) -> np.ndarray:
    """H×W×3 float32 → a copy whose pixels that are not known (H×W bool) are smooth. From coarse
    to fine; a few sweeps a level leave no visible error. wall: H×W uint8, what no colour crosses
    (lines one pixel wide); None = nothing."""
    control.check()
    height, width = known.shape
    if known.all() or not known.any():
        return rgb.copy()
    if min(height, width) <= 16:
        result, sweeps = push_pull(np.where(known[..., None], rgb, 0), known), COARSE
    else:
        size = ((width + 1) // 2, (height + 1) // 2)
        share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        small = cv2.resize(rgb * known[..., None], size, interpolation=cv2.INTER_AREA)
        small /= np.maximum(share, 1e-6)[..., None]
        even = None
        if wall is not None:
            even = np.pad(wall, [(0, height % 2), (0, width % 2)])
            even = np.ascontiguousarray(
                np.maximum(np.maximum(even[::2, ::2], even[1::2, ::2]),
                           np.maximum(even[::2, 1::2], even[1::2, 1::2])))
        coarse = membrane(small, share > 0.5, control, along, even)
        up = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        result, sweeps = np.where(known[..., None], rgb, up), FINE
    result = np.ascontiguousarray(result, np.float32)
    hy, hx = (a.astype(np.int32) for a in np.nonzero(~known))
    if wall is None:
        wall = np.zeros((height, width), np.uint8)
    for _ in range(0, sweeps, PIECE):
        control.check()
        relax(result, wall, hy, hx, np.float32(along), np.float32(SPEED), PIECE)
    return result
