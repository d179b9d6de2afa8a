"""One system of unsure pixels, solved: closed-form matting with an optional opinion per pixel."""

from __future__ import annotations

import numpy as np

from backend.matte import laplacian
from backend.values import Control

EPSILON = 1e-7  # of the window's colour covariance
TOLERANCE = 1e-5  # of the right-hand side's norm
ROUNDS, MOST_ROUNDS = 10, 2000
SHIFTS = (0.0, 1e-3, 1e-2, 0.1, 1.0, 10.0)


def solve(
    image: np.ndarray,
    unsure: np.ndarray,
    alpha: np.ndarray,
    control: Control,
    *,
    opinion: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    epsilon: float = EPSILON,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """H×W float32 alpha, not clipped where unsure, the given one elsewhere.

    image: H×W×3 float32 in [0, 1]; unsure: H×W bool; alpha: H×W float32 of the sure pixels.
    opinion, weight: H×W float32; how much each unsure pixel is drawn to which alpha. start: H×W
    float32, a first guess. Raises Cancelled.
    """
    ys, xs = np.nonzero(unsure)
    count = len(ys)
    index = np.full(unsure.shape, -1, np.int32)
    index[ys, xs] = np.arange(count, dtype=np.int32)
    values, right = np.zeros((count, 25)), np.zeros(count)
    laplacian.assemble(np.ascontiguousarray(image), index, alpha, epsilon, values, right)
    values[:, 12] += 1e-9  # a pixel that no window reaches
    if opinion is not None and weight is not None:
        values[:, 12] += weight[ys, xs]
        right += weight[ys, xs].astype(np.float64) * opinion[ys, xs]
    found = np.empty((count, 25), np.int32)
    laplacian.neighbours(index, ys, xs, found)
    lower = np.zeros((count, 13), np.float32)
    for shift in SHIFTS:
        control.check()
        if laplacian.factor(values, found, shift, lower):
            break
    guess = opinion if start is None else start
    x = np.full(count, 0.5) if guess is None else guess[ys, xs].astype(np.float64)
    r = np.empty(count)
    laplacian.multiply(values, found, x, r)
    r = right - r
    p = np.empty(count)
    laplacian.precondition(lower, found, r, p)
    state = np.array([float(r @ p)])
    least = TOLERANCE * max(1e-12, float(np.linalg.norm(right)))
    if np.linalg.norm(r) > least:
        for _ in range(0, MOST_ROUNDS, ROUNDS):
            control.check()
            if laplacian.iterate(values, found, lower, x, r, p, state, ROUNDS, least):
                break
    result = alpha.astype(np.float32, copy=True)
    result[ys, xs] = x
    return result
