"""Copied detail on an expected tone: what can be predicted is predicted, the rest is copied.

Near the rim, and for tones wider than a patch, a smooth continuation is nearer to the truth than
anything copied from elsewhere; further in, detail can only be copied. So each octave of the copy
fades in over its own wavelength from the rim, and the widest octaves count only in part. Fine
grain beside which nothing happens is drawn a little softer: it never matches anyway. Nor does the
finest detail of a busy texture deep in the hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from backend.fill.lines import Gap, walls
from backend.fill.smooth import membrane
from backend.values import Control

TINY = 1e-12
SMALL = 160  # px, longer side of the picture in which it is asked where colours mix


@dataclass(frozen=True)
class Shares:
    """`octaves`: how much of the copy stays in the Laplacian octaves, finest first, the last is
    all that is wider. `fade`: px from the rim, doubled each octave, over which it comes in.
    `grain`: deviation, in [0, 1] colour, of detail of which half of the part above `least` stays;
    only the first three octaves. `fine`: how much of the finest octave stays where its deviation
    is well above `busy`, beyond the second distance `deep` from the rim; before the first, all.
    `most`: a colour that far from what is wished moves half of
    the way, one further off less: there is an edge, and some of each would be a haze. `mixed`:
    deviation of the rim's colours, as they reach a place, at which the continuation counts half:
    a mean of red and grey would tint what was copied well."""

    octaves: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 0.8, 0.6)
    fade: float = 1.5
    grain: float = 1.0 / 255
    least: float = 0.5
    fine: float = 0.5
    busy: float = 3.0 / 255
    deep: tuple[float, float] = (4.0, 24.0)
    most: float = 0.12
    mixed: float = 0.17


def fuse(
    copied: np.ndarray, hole: np.ndarray, known: np.ndarray, trust: np.ndarray, shares: Shares,
    control: Control, edges: Sequence[Gap] = (),
) -> np.ndarray:
    """copied: H×W×3 float32, the hole (H×W bool) filled with copied detail; known: H×W bool, what
    may be looked at; trust: H×W float32, 1 where the copy is as good as seen; edges: those
    that go on through the hole. Changes the hole of `copied` in place and returns it. Raises
    Cancelled."""
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    if not rows.size:
        return copied
    box = np.s_[
        max(0, rows[0] - 8) : rows[-1] + 9, max(0, columns[0] - 8) : columns[-1] + 9
    ]
    part, inside = copied[box], hole[box]
    if not known[box].any():
        return copied
    corner = box[1].start, box[0].start
    wall = walls(edges, 1.0, corner, inside.shape)
    smooth = membrane(np.ascontiguousarray(part), known[box], control, wall=wall)
    control.check()
    band = np.where(inside[..., None], part - smooth, np.float32(0))
    edge = np.pad(inside, 1, mode="edge").astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(edge, cv2.DIST_L2, 5)[1:-1, 1:-1])
    sure = trust[box] + (1 - trust[box]) * doubt(part, known[box], shares.mixed, control)
    bands = []
    for octave, share in enumerate(shares.octaves):
        control.check()
        wider = None
        if octave < len(shares.octaves) - 1:
            wider = cv2.pyrDown(band)
            band = band - cv2.pyrUp(wider, dstsize=(band.shape[1], band.shape[0]))
        gain = share * (1 - np.exp(-depth / (shares.fade * 2**octave)))
        if octave < 3:
            power = cv2.blur((band * band).mean(2), (9, 9))
            gain *= shares.least + (1 - shares.least) * power / (power + shares.grain**2 + TINY)
            if octave == 0:
                near, far = shares.deep
                inner = np.clip((depth - near) / (far - near), 0, 1)
                gain *= 1 - (1 - shares.fine) * inner * power / (power + shares.busy**2)
        gain += (1 - gain) * sure
        bands.append(band * gain[..., None].astype(np.float32))
        if wider is not None:
            band = wider
            size = (band.shape[1], band.shape[0])
            depth = np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_AREA))
            sure = np.asarray(cv2.resize(sure, size, interpolation=cv2.INTER_AREA))
    total = bands.pop()
    while bands:
        control.check()
        size = (bands[-1].shape[1], bands[-1].shape[0])
        total = cv2.pyrUp(total, dstsize=size) + bands.pop()
    control.check()
    change = (smooth + total - part)[inside]
    size = np.abs(change).max(1, keepdims=True)
    change /= 1 + np.square(size / shares.most)
    part[inside] = np.clip(part[inside] + change, 0.0, 1.0)
    return copied


def doubt(rgb: np.ndarray, known: np.ndarray, mixed: float, control: Control) -> np.ndarray:
    """H×W float32 in [0, 1): how little the membrane says where colours that differ meet in it,
    by their variance, which is carried into the hole as the colours are. It is smooth, so a small
    picture tells it."""
    height, width = known.shape
    scale = min(1.0, SMALL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(rgb * known[..., None], size, interpolation=cv2.INTER_AREA)
    small /= np.maximum(share, 1e-6)[..., None]
    seen = share > 0.5
    if not seen.any():
        return np.zeros((height, width), np.float32)
    small[~seen] = 0
    mean = membrane(small, seen, control)
    variance = (membrane(small * small, seen, control) - mean * mean).max(2)
    ratio = np.square(np.maximum(variance, 0) / mixed**2)
    whole = cv2.resize(ratio / (1 + ratio), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, np.float32)
