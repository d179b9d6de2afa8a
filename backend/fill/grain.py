"""Colour and grain of a made-up fill, matched to the picture around it.

A network, or a smooth filler, leaves two traces that the eye finds at once: a step of colour along
the rim, and a spot too clean for the film or sensor that took the picture. The step is measured
across the rim and taken away, less and less towards the middle. Grain is measured where the
picture near the hole is even, and only as much is added as the fill lacks. Fillers that copy from
the picture bring both along and are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.fill.blend import push_pull

RING = 32  # px around the hole in which the picture is looked at
GAP = 3  # px at the rim that count for neither side: there what was removed may shine through
BANDS = (0.8, 1.6, 3.2)  # deviations in px between which the bands of grain lie
EVEN = 0.15  # share of the ring, its evenest, that shows grain and nothing else
FEWEST = 256  # px of ring: fewer show no grain that could be trusted
MOST = 10 / 255  # deviation: more is no grain but a texture without even places
STEP = 0.08  # in [0, 1] colour: a larger step is an edge of the picture, not an error of the fill
INWARD = 0.35  # of the hole's depth: how far in a step is still taken away (a factor e less)


@dataclass(frozen=True)
class Grain:
    """Symmetric roots of the 3×3 colour covariance of each band of grain, float64; 0 = none."""

    roots: tuple[np.ndarray, ...]

    @property
    def deviations(self) -> tuple[float, ...]:
        """Root mean square of each band over the channels."""
        return tuple(float(np.sqrt((root**2).sum() / 3)) for root in self.roots)


def _bands(rgb: np.ndarray) -> list[np.ndarray]:
    """Fine detail, finest first: what each blur takes away from the one before."""
    bands, above = [], rgb
    for sigma in BANDS:
        below = cv2.GaussianBlur(rgb, (0, 0), sigma)
        bands.append(above - below)
        above = below
    return bands


def _near(inside: np.ndarray, known: np.ndarray) -> np.ndarray:
    """H×W bool: known pixels in the ring around the hole, clear of its rim."""
    far = np.asarray(cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5))
    return known & (far > GAP) & (far <= RING)


def measure(rgb: np.ndarray, inside: np.ndarray, known: np.ndarray) -> Grain:
    """rgb: H×W×3 float32 in [0, 1]; inside: H×W bool, the hole; known: H×W bool, real pixels."""
    near = _near(inside, known)
    blank = Grain(tuple(np.zeros((3, 3)) for _ in BANDS))
    if np.count_nonzero(near) < FEWEST:
        return blank
    soft = cv2.GaussianBlur(rgb, (0, 0), 3.0)
    slope = cv2.Sobel(soft, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(soft, cv2.CV_32F, 0, 1) ** 2
    bands = _bands(rgb)
    busy = cv2.blur(slope.sum(2) + 4 * (bands[-1] ** 2).sum(2), (9, 9))
    even = near & (busy <= np.quantile(busy[near], EVEN))
    roots = []
    for band in bands:
        values = band[even].astype(np.float64)
        size = np.abs(values).max(1)
        values = values[size <= 4 * 1.4826 * np.median(size) + 1e-6]  # dust is no grain
        spread = np.cov(values.T) if len(values) > 8 else np.zeros((3, 3))
        power, axes = np.linalg.eigh(spread)
        root = (axes * np.sqrt(np.maximum(power, 0))) @ axes.T
        roots.append(root * min(1.0, MOST / max(float(np.sqrt((root**2).sum() / 3)), 1e-9)))
    return Grain(tuple(roots))


def add_grain(rgb: np.ndarray, inside: np.ndarray, grain: Grain, seed: int) -> None:
    """Adds in place, inside the hole, what the fill lacks of the grain; the same for a seed.
    Where the fill has detail of that strength nothing is added."""
    depth = np.asarray(cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5))
    comes = np.clip(depth / GAP, 0, 1)
    own = _bands(rgb)
    # One noise for all bands: as in real grain, what is fine and what is coarser belong together.
    rng = np.random.default_rng(seed)
    noise = _bands(rng.standard_normal((*inside.shape, 3)).astype(np.float32))
    for number, (root, wanted) in enumerate(zip(grain.roots, grain.deviations, strict=True)):
        if wanted < 1e-5:
            continue
        has = cv2.blur((own[number] ** 2).mean(2), (9, 9)) / wanted**2
        lack = np.sqrt(np.clip(1 - has, 0, 1)) * comes
        white = noise[number] / max(float(noise[number].std()), 1e-6)
        rgb[inside] += (lack[..., None] * (white @ root.astype(np.float32)))[inside]
    rgb[inside] = np.clip(rgb[inside], 0, 1)


def match_colour(rgb: np.ndarray, inside: np.ndarray, known: np.ndarray) -> None:
    """Takes the step of colour along the rim away, in place, inside the hole."""
    outside, within = _at_rim(rgb, known), _at_rim(rgb, inside)
    square = np.ones((3, 3), np.uint8)
    rim = inside & (cv2.dilate(known.astype(np.uint8), square) > 0)
    seen = rim & np.isfinite(outside).all(2) & np.isfinite(within).all(2)
    if not seen.any():
        return
    step = np.zeros_like(rgb)
    step[seen] = (outside - within)[seen]
    # An edge of the picture that runs along the rim is no error: the larger, the less it counts.
    size = np.abs(step).max(2, keepdims=True)
    step /= 1 + (size / STEP) ** 4
    step = push_pull(step, seen)
    edge = np.pad(inside, 1, mode="edge").astype(np.uint8)  # the crop's border is no rim
    depth = np.asarray(cv2.distanceTransform(edge, cv2.DIST_L2, 5))[1:-1, 1:-1]
    reach = max(4.0, INWARD * float(depth.max()))
    change = step * np.exp(-depth / reach)[..., None]
    rgb[inside] = np.clip(rgb[inside] + change[inside], 0, 1)


def _at_rim(rgb: np.ndarray, of: np.ndarray) -> np.ndarray:
    """What one side's colours come to at the rim, NaN far from it. Means over two distances are
    carried on to the rim, so that a slope of light across it is not taken for a step."""
    near, far = _means(rgb, of, 2.0), _means(rgb, of, 4.0)
    return 2 * near - far


def _means(rgb: np.ndarray, of: np.ndarray, sigma: float) -> np.ndarray:
    weight = of.astype(np.float32)
    share = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    total = cv2.GaussianBlur(rgb * weight[..., None], (0, 0), sigma)
    return np.where(share > 0.1, total / np.maximum(share, 1e-6), np.nan)


def match(
    filled: np.ndarray, hole: np.ndarray, known: np.ndarray, seed: int
) -> np.ndarray:
    """filled: H×W×3 float32 in [0, 1] with a made-up hole (H×W uint8, non-zero = filled); known:
    H×W bool, pixels of the picture. Changes only the hole, in place, and returns `filled`."""
    inside = hole > 0
    known = known & ~inside
    if not inside.any() or not known.any():
        return filled
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    margin = RING + 8
    box = np.s_[
        max(0, rows[0] - margin) : rows[-1] + margin + 1,
        max(0, columns[0] - margin) : columns[-1] + margin + 1,
    ]
    part, inside, known = filled[box], inside[box], known[box]
    match_colour(part, inside, known)
    add_grain(part, inside, measure(part, inside, known), seed)
    return filled
