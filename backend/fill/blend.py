"""Putting a fill back into the picture: colour depths, alpha over the rim, smooth stand-ins."""

from __future__ import annotations

import cv2
import numpy as np

from backend.values import BadInput


def span(pixels: np.ndarray) -> tuple[float, float]:
    """(low, high) of the values that become 0 and 1. For float32 the range widens to the values
    that occur, so that colours beyond white survive."""
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    if pixels.dtype == np.uint16:
        return 0.0, 65535.0
    if pixels.dtype == np.float32:
        finite = pixels[np.isfinite(pixels)]
        if not finite.size:
            raise BadInput("The picture has no finite pixel values.")
        return min(0.0, float(finite.min())), max(1.0, float(finite.max()))
    raise BadInput(f"Pixels of type {pixels.dtype}: use uint8, uint16 or float32.")


def to_unit(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Any depth → float32 in [0, 1]; values that are not finite become 0."""
    unit = pixels.astype(np.float32)
    if low:
        unit -= np.float32(low)
    unit /= np.float32(high - low)
    if pixels.dtype != np.float32:
        return unit
    return np.nan_to_num(unit, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def from_unit(unit: np.ndarray, dtype: np.dtype, low: float, high: float) -> np.ndarray:
    """float32 in [0, 1] → the source's depth, rounded for integers."""
    values = unit * np.float32(high - low) + np.float32(low)
    if dtype == np.float32:
        return values.astype(np.float32)
    return np.clip(np.rint(values), low, high).astype(dtype)


def rim_alpha(
    hole: np.ndarray, core: np.ndarray | None, feather: int | None = None
) -> np.ndarray:
    """Alpha of the fill, H×W float32: 0 outside the hole, 1 on `core` and two thirds of the way
    to the hole's edge (at least 3 px), falling smoothly across the rest. Hole parts that hold no
    core are filled wholly, as everything is without a core. feather: px along which it falls
    instead, at most as far as the core; 0 = a hard edge."""
    inside = hole > 0
    if core is None or feather == 0:
        return inside.astype(np.float32)
    seed = (core > 0) & inside
    count, labels = cv2.connectedComponents(inside.astype(np.uint8), None, 8)
    has_core = np.bincount(labels[seed], minlength=count) > 0
    if not seed.any():
        return inside.astype(np.float32)
    padded = cv2.copyMakeBorder(inside.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    to_edge = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    from_core = cv2.distanceTransform((~seed).astype(np.uint8), cv2.DIST_L2, 5)
    room = np.maximum(to_edge + from_core, 1e-6)
    if feather is None:
        alpha, solid = 3.0 * to_edge / room, 3.0
    else:
        alpha, solid = to_edge / np.minimum(room, feather + 1.0), 0.0
    alpha = np.clip(alpha, 0.0, 1.0)
    alpha = alpha * alpha * (3.0 - 2.0 * alpha)
    alpha[(from_core <= solid) | ~has_core[np.asarray(labels, np.int64)]] = 1.0
    alpha[~inside] = 0.0
    return alpha.astype(np.float32)


def push_pull(rgb: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Smooth values for all pixels that are not known (H×W bool), from a pyramid of known means
    (Gortler et al. 1996). H×W×3 float32 → a copy with the known pixels unchanged."""
    if known.all() or not known.any():
        return rgb.copy()
    weight = known.astype(np.float32)
    colour = rgb * weight[..., None]
    levels = []
    while True:
        levels.append((colour, weight))
        height, width = weight.shape
        if min(height, width) <= 1 or float(weight.min()) > 0.999:
            break
        size = ((width + 1) // 2, (height + 1) // 2)
        total = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        full = np.minimum(1.0, total * 4.0)
        colour *= (full / np.maximum(total, 1e-9))[..., None]
        weight = full
    colour, weight = levels[-1]
    mean = colour.sum((0, 1)) / max(float(weight.sum()), 1e-9)
    result = colour + (1.0 - weight)[..., None] * mean.astype(np.float32)
    for colour, weight in reversed(levels[:-1]):
        up = cv2.resize(result, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        result = colour + (1.0 - weight)[..., None] * up
    result[known] = rgb[known]
    return result
