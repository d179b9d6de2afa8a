"""Blends copied patches in the gradient domain, so that their seams and colour steps vanish.

The picture sought has the gradients of the copied source patches and meets the known pixels at
the rim (Perez et al. 2003); a weak pull to the copied colours keeps it from drifting.
"""

from __future__ import annotations

import numpy as np

from backend.fill.jit import kernel
from backend.values import Control


@kernel
def relax(x, target, weight, hy, hx, parity, omega):
    """One half of a red-black Gauss–Seidel sweep on -div grad x + weight·x = target."""
    height, width, channels = x.shape
    for p in range(len(hy)):
        i, j = hy[p], hx[p]
        if (i + j) % 2 != parity:
            continue
        up, down = max(i - 1, 0), min(i + 1, height - 1)
        left, right = max(j - 1, 0), min(j + 1, width - 1)
        for c in range(channels):
            near = x[up, j, c] + x[down, j, c] + x[i, left, c] + x[i, right, c]
            value = (near + target[i, j, c]) / (np.float32(4.0) + weight)
            x[i, j, c] += omega * (value - x[i, j, c])


def solve(
    correction: np.ndarray, target: np.ndarray, hole: np.ndarray, weight: float, control: Control
) -> np.ndarray:
    """`correction` H×W×3 float32 (0 outside the hole) with `target`'s negative Laplacian, by
    coarse-to-fine relaxation. hole: H×W bool."""
    height, width = hole.shape
    x = correction
    if min(height, width) > 16 and hole.any():
        high, wide = height - height % 2, width - width % 2
        four = lambda a: (  # noqa: E731
            a[0:high:2, 0:wide:2] + a[1:high:2, 0:wide:2] + a[0:high:2, 1:wide:2]
            + a[1:high:2, 1:wide:2]
        )
        small_hole = four(hole.astype(np.uint8)) >= 3
        small_target = four(target * hole[..., None])
        start = np.zeros((high // 2, wide // 2, 3), np.float32)
        small = solve(start, small_target, small_hole, weight * 4, control)
        x[:high, :wide] = np.repeat(np.repeat(small, 2, 0), 2, 1)
        x[~hole] = 0
    hy, hx = (a.astype(np.int32) for a in np.nonzero(hole))
    for _ in range(12):
        control.check()
        relax(x, target, np.float32(weight), hy, hx, 0, np.float32(1.5))
        relax(x, target, np.float32(weight), hy, hx, 1, np.float32(1.5))
    return x


def blend(
    copied: np.ndarray, across: np.ndarray, down: np.ndarray, hole: np.ndarray, weight: float,
    step: float, control: Control,
) -> np.ndarray:
    """copied H×W×3 float32, known outside the hole (H×W bool); across, down: wished differences
    x[i, j+1] − x[i, j] and x[i+1, j] − x[i, j]; `weight`: pull to the copied
    colours; `step`: larger jumps at a seam are taken for edges and only moved by that much."""
    have_x = np.diff(copied, axis=1, append=copied[:, -1:])
    have_y = np.diff(copied, axis=0, append=copied[-1:])
    gx, gy = (across - have_x).astype(np.float32), (down - have_y).astype(np.float32)
    gx[:, -1], gy[-1] = 0, 0
    np.clip(gx, -step, step, out=gx)
    np.clip(gy, -step, step, out=gy)
    target = -gx - gy
    target[:, 1:] += gx[:, :-1]
    target[1:] += gy[:-1]
    zero = np.zeros_like(copied, dtype=np.float32)
    return copied + solve(zero, target, hole, weight, control)
