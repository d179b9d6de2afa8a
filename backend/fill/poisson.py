"""Blends copied patches in the gradient domain, so that their seams and colour steps vanish.

The picture sought has the gradients of the copied source patches and meets the known pixels at
the rim (Perez et al. 2003); a weak pull to the copied colours keeps it from drifting.
"""

from __future__ import annotations

import numpy as np

from backend.fill.jit import kernel
from backend.values import Control

CYCLES, SWEEPS = 4, 3
LIMIT = 0.1  # no colour moves further than this: more is a glow beside a strong edge


@kernel
def relax(x, target, weight, hy, hx, parity):
    """Half a red-black Gauss–Seidel sweep on (4 + weight)·x − neighbours = target."""
    height, width, channels = x.shape
    for p in range(len(hy)):
        i, j = hy[p], hx[p]
        if (i + j) % 2 != parity:
            continue
        up, down = max(i - 1, 0), min(i + 1, height - 1)
        left, right = max(j - 1, 0), min(j + 1, width - 1)
        for c in range(channels):
            near = x[up, j, c] + x[down, j, c] + x[i, left, c] + x[i, right, c]
            x[i, j, c] = (near + target[i, j, c]) / (np.float32(4.0) + weight)


@kernel
def residual(x, target, weight, hy, hx, out):
    """What is left of the equation at the hole's pixels."""
    height, width, channels = x.shape
    for p in range(len(hy)):
        i, j = hy[p], hx[p]
        up, down = max(i - 1, 0), min(i + 1, height - 1)
        left, right = max(j - 1, 0), min(j + 1, width - 1)
        for c in range(channels):
            near = x[up, j, c] + x[down, j, c] + x[i, left, c] + x[i, right, c]
            out[i, j, c] = target[i, j, c] + near - (np.float32(4.0) + weight) * x[i, j, c]


def quarters(a: np.ndarray) -> np.ndarray:
    """Sums of 2×2 cells; an odd last row or column is left out."""
    high, wide = a.shape[0] // 2 * 2, a.shape[1] // 2 * 2
    a = a[:high, :wide]
    return a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]


def cycle(
    x: np.ndarray, target: np.ndarray, hole: np.ndarray, weight: float, control: Control
) -> None:
    """One multigrid V-cycle on x (H×W×3 float32, 0 outside the hole), in place."""
    control.check()
    hy, hx = (a.astype(np.int32) for a in np.nonzero(hole))
    pull = np.float32(weight)

    def smooth(sweeps: int) -> None:
        for sweep in range(2 * sweeps):
            control.check()
            relax(x, target, pull, hy, hx, sweep % 2)

    smooth(SWEEPS)
    small_hole = quarters(hole.astype(np.uint8)) >= 3
    if min(hole.shape) < 8 or not small_hole.any():
        smooth(4 * SWEEPS)
        return
    left = np.zeros_like(x)
    residual(x, target, pull, hy, hx, left)
    small = np.zeros((*small_hole.shape, 3), np.float32)
    cycle(small, quarters(left), small_hole, weight * 4, control)
    high, wide = 2 * len(small), 2 * len(small[0])
    x[:high, :wide] += np.repeat(np.repeat(small, 2, 0), 2, 1)
    x[~hole] = 0
    smooth(SWEEPS)


def blend(
    copied: np.ndarray, across: np.ndarray, down: np.ndarray, hole: np.ndarray, weight: float,
    step: float, control: Control,
) -> np.ndarray:
    """copied H×W×3 float32, known outside the hole (H×W bool); across, down: wished differences
    x[i, j+1] − x[i, j] and x[i+1, j] − x[i, j]; `weight`: pull to the copied
    colours; `step`: much larger jumps at a seam are taken for edges and left alone."""
    have_x = np.diff(copied, axis=1, append=copied[:, -1:])
    have_y = np.diff(copied, axis=0, append=copied[-1:])
    control.check()
    gx, gy = (across - have_x).astype(np.float32), (down - have_y).astype(np.float32)
    gx[:, -1], gy[-1] = 0, 0
    for g in (gx, gy):
        g *= np.exp(-np.square(g / step))
    target = -gx - gy
    target[:, 1:] += gx[:, :-1]
    target[1:] += gy[:-1]
    control.check()
    correction = np.zeros(copied.shape, np.float32)
    for _ in range(CYCLES):
        cycle(correction, target, hole, weight, control)
    return copied + LIMIT * np.tanh(correction / LIMIT)
