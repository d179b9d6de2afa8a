"""Copied detail on an expected tone: what can be predicted is predicted, the rest is copied.

Near the rim, and for tones wider than a patch, a smooth continuation is nearer to the truth than
anything copied from elsewhere; further in, detail can only be copied. So each octave of the copy
fades in over its own wavelength from the rim, and the widest octaves count only in part. Fine
grain beside which nothing happens is drawn a little softer: it never matches anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.fill.smooth import membrane
from backend.values import Control


@dataclass(frozen=True)
class Shares:
    """`octaves`: how much of the copy stays in the Laplacian octaves, finest first, the last is
    all that is wider. `fade`: px from the rim, doubled each octave, over which it comes in.
    `grain`: deviation, in [0, 1] colour, of detail of which half of the part above `least` stays;
    only the first three octaves. `most`: a colour that far from what is wished moves half of
    the way, one further off less: there is an edge, and some of each would be a haze."""

    octaves: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 0.8, 0.6)
    fade: float = 1.5
    grain: float = 1.0 / 255
    least: float = 0.5
    most: float = 0.12


def fuse(
    copied: np.ndarray, hole: np.ndarray, known: np.ndarray, trust: np.ndarray, shares: Shares,
    control: Control,
) -> np.ndarray:
    """copied: H×W×3 float32, the hole (H×W bool) filled with copied detail; known: H×W bool, what
    may be looked at; trust: H×W float32, 1 where the copy is as good as seen. Changes the
    hole of `copied` in place and returns it. Raises Cancelled."""
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    if not rows.size:
        return copied
    box = np.s_[
        max(0, rows[0] - 8) : rows[-1] + 9, max(0, columns[0] - 8) : columns[-1] + 9
    ]
    part, inside = copied[box], hole[box]
    if not known[box].any():
        return copied
    smooth = membrane(np.ascontiguousarray(part), known[box], control)
    band = np.where(inside[..., None], part - smooth, np.float32(0))
    edge = np.pad(inside, 1, mode="edge").astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(edge, cv2.DIST_L2, 5)[1:-1, 1:-1])
    sure = np.ascontiguousarray(trust[box])
    bands = []
    for octave, share in enumerate(shares.octaves):
        control.check()
        wider = None
        if octave < len(shares.octaves) - 1:
            wider = cv2.pyrDown(band)
            band = band - cv2.pyrUp(wider, dstsize=(band.shape[1], band.shape[0]))
        gain = share * (1 - np.exp(-depth / (shares.fade * 2**octave)))
        if octave < 3 and shares.grain > 0:
            power = cv2.blur((band * band).mean(2), (9, 9))
            gain *= shares.least + (1 - shares.least) * power / (power + shares.grain**2)
        gain += (1 - gain) * sure
        bands.append(band * gain[..., None].astype(np.float32))
        if wider is not None:
            band = wider
            size = (band.shape[1], band.shape[0])
            depth = np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_AREA))
            sure = np.asarray(cv2.resize(sure, size, interpolation=cv2.INTER_AREA))
    total = bands.pop()
    while bands:
        size = (bands[-1].shape[1], bands[-1].shape[0])
        total = cv2.pyrUp(total, dstsize=size) + bands.pop()
    change = (smooth + total - part)[inside]
    size = np.abs(change).max(1, keepdims=True)
    change /= 1 + np.square(size / shares.most)
    part[inside] = np.clip(part[inside] + change, 0.0, 1.0)
    return copied
