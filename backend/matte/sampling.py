"""An opinion on alpha from pairs of sure colours, one of what stays and one of what goes.

Global sampling: He, Rhemann, Rother, Tang, Sun, "A Global Sampling Method for Alpha Matting",
CVPR 2011. Every unsure pixel looks for the pair among all sure pixels along the band that explains
its colour best and lies near; pairs spread between neighbours and are searched at random, as
PatchMatch does. The Laplacian alone cannot see through holes of a fur or a branch that no sure
pixel reaches into; this can.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.fill.jit import kernel
from backend.values import Control

MOST = 30_000  # sure pixels of each side that are looked at
SWEEPS = 4
NOISE = 8.0  # levels of 255: a mixed colour that is off by this is half believed
APART = 20.0  # levels of 255: colours closer than this tell little of alpha


@dataclass(frozen=True)
class Opinion:
    """alpha and confidence: H×W float32 in [0, 1]; meaningful where unsure."""

    alpha: np.ndarray
    confidence: np.ndarray


def opinion(
    image: np.ndarray, unsure: np.ndarray, inside: np.ndarray, control: Control, seed: int = 0
) -> Opinion | None:
    """image: H×W×3 float32 in [0, 1]; unsure, inside: H×W bool. None where one side has no sure
    pixel. Deterministic in `seed`. Raises Cancelled."""
    image = image * np.float32(255)
    outside = ~unsure & ~inside
    if not inside.any() or not outside.any():
        return None
    near_in, near_out = reach(inside), reach(outside)
    front, back = along(image, unsure, inside), along(image, unsure, outside)
    ys, xs = (a.astype(np.int32) for a in np.nonzero(unsure))
    index = np.full(unsure.shape, -1, np.int32)
    index[ys, xs] = np.arange(len(ys), dtype=np.int32)
    rng = np.random.default_rng(seed)
    pair = np.stack([rng.integers(0, len(front), len(ys)), rng.integers(0, len(back), len(ys))], 1)
    pair = pair.astype(np.int32)
    cost = np.full(len(ys), np.float32(np.inf))
    colours = np.ascontiguousarray(image[ys, xs])
    distance = np.stack([near_in[ys, xs], near_out[ys, xs]], 1)
    for sweep in range(SWEEPS):
        control.check()
        search(colours, ys, xs, index, distance, front, back, pair, cost, sweep, seed + sweep)
    return judge(colours, ys, xs, front, back, pair, unsure.shape)


def reach(sure: np.ndarray) -> np.ndarray:
    """H×W float32: px to the nearest sure pixel, at least 1."""
    return np.maximum(cv2.distanceTransform((~sure).astype(np.uint8), cv2.DIST_L2, 5), 1)


def along(image: np.ndarray, unsure: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """N×5 float32 (R, G, B, x, y) of the sure pixels beside the band, from dark to light."""
    beside = cv2.dilate(unsure.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ys, xs = np.nonzero(sure & beside)
    if not len(ys):
        ys, xs = np.nonzero(sure)
    step = -(-len(ys) // MOST)
    ys, xs = ys[::step], xs[::step]
    order = np.argsort(image[ys, xs] @ np.array((0.299, 0.587, 0.114), np.float32), kind="stable")
    ys, xs = ys[order], xs[order]
    return np.column_stack([image[ys, xs], xs, ys]).astype(np.float32)


@kernel
def mixed(colour, f, b):
    """(alpha, how far the best mix of f and b is from the colour)."""
    above = below = 0.0
    for c in range(3):
        d = f[c] - b[c]
        above += (colour[c] - b[c]) * d
        below += d * d
    alpha = min(1.0, max(0.0, above / (below + 1e-3)))
    off = 0.0
    for c in range(3):
        d = colour[c] - alpha * f[c] - (1 - alpha) * b[c]
        off += d * d
    return alpha, np.sqrt(off)


@kernel
def price(colour, y, x, f, b, near):
    """What a pair costs a pixel: its colour error and how far it lies, against the nearest."""
    _, off = mixed(colour, f, b)
    to_f = np.sqrt((f[3] - x) ** 2 + (f[4] - y) ** 2)
    to_b = np.sqrt((b[3] - x) ** 2 + (b[4] - y) ** 2)
    return off + to_f / near[0] + to_b / near[1]


@kernel
def search(colours, ys, xs, index, near, front, back, pair, cost, sweep, seed):
    """One sweep over all unsure pixels, forward or backward, in place."""
    height, width = index.shape
    count = ys.size
    state = np.uint64(seed * 2654435761 + 12345)
    for number in range(count):
        i = number if sweep % 2 == 0 else count - 1 - number
        y, x = ys[i], xs[i]
        best = price(colours[i], y, x, front[pair[i, 0]], back[pair[i, 1]], near[i])
        for k in range(9):
            ny, nx = y + k // 3 - 1, x + k % 3 - 1
            if k == 4 or ny < 0 or nx < 0 or ny >= height or nx >= width:
                continue
            j = index[ny, nx]
            if j < 0:
                continue
            value = price(colours[i], y, x, front[pair[j, 0]], back[pair[j, 1]], near[i])
            if value < best:
                best = value
                pair[i, 0], pair[i, 1] = pair[j, 0], pair[j, 1]
        share = 1.0
        while share * max(front.shape[0], back.shape[0]) > 1:
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            u = (state >> np.uint64(40)) / 16777216.0
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            v = (state >> np.uint64(40)) / 16777216.0
            a = int(pair[i, 0] + (2 * u - 1) * share * front.shape[0])
            b = int(pair[i, 1] + (2 * v - 1) * share * back.shape[0])
            a = min(front.shape[0] - 1, max(0, a))
            b = min(back.shape[0] - 1, max(0, b))
            value = price(colours[i], y, x, front[a], back[b], near[i])
            if value < best:
                best = value
                pair[i, 0], pair[i, 1] = a, b
            share *= 0.5
        cost[i] = best


def judge(
    colours: np.ndarray, ys: np.ndarray, xs: np.ndarray, front: np.ndarray, back: np.ndarray,
    pair: np.ndarray, shape: tuple[int, ...],
) -> Opinion:
    """Alpha of each pixel's pair, and how far it can be believed."""
    f, b = front[pair[:, 0], :3], back[pair[:, 1], :3]
    apart = ((f - b) ** 2).sum(1)
    alpha = np.clip(((colours - b) * (f - b)).sum(1) / (apart + 1e-3), 0, 1)
    off = colours - alpha[:, None] * f - (1 - alpha[:, None]) * b
    off = (off**2).sum(1)
    confidence = np.exp2(-off / NOISE**2) * (apart / (apart + APART**2))
    result = Opinion(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    result.alpha[ys, xs], result.confidence[ys, xs] = alpha, confidence
    return result
