"""The cast shadow that touches an object: darker ground of the same colour, from its feet on."""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks.combine import components, padded
from backend.values import Box, Control

SIDE = 256  # px: the object's height in the crop that is looked at
DARKER, SURELY = 0.10, 0.22  # natural log of the light that is missing
TINT = 0.05  # how far red and green shares may move: shade is bluer, a dark thing differs more
OUT = 4  # px of the crop's edge: what is cut there for longer is no object's shadow
CLOSE, CUT = 0.5, 0.28  # if the picture ends within so many heights, this share of its size
LARGEST = 0.6  # share of the object's own area
SMALLEST_OBJECT = 0.001  # share of the picture


def shadow_mask(rgb: np.ndarray, mask: np.ndarray, control: Control) -> np.ndarray:
    """H×W×3 uint8 and the objects H×W uint8 → H×W uint8, 255 on their shadows.

    The ground's light is taken from the rows' unmasked pixels further off; what is darker but not
    of another colour, and hangs together with the object's foot, is shadow. Soft and approximate:
    a dark kerb or a road's edge at the feet is taken too, hence off by default."""
    result = np.zeros(mask.shape, np.uint8)
    count, labels, stats = components(mask)
    for label in range(1, count):
        control.progress(label / count)
        x, y, w, h, area = (int(v) for v in stats[label])
        if area < SMALLEST_OBJECT * mask.size or min(w, h) < 12:
            continue
        wide = round(1.2 * max(w, 0.5 * h))
        foot = Box(x, y + round(0.84 * h), x + w, y + h)
        window = padded(foot, wide, mask.shape)
        window = Box(window.x0, max(window.y0, foot.y0), window.x1,
                     min(mask.shape[0], y + h + round(0.25 * h)))
        scale = min(1.0, SIDE / h)
        size = (max(8, round(window.width * scale)), max(8, round(window.height * scale)))
        crop = cv2.resize(rgb[window.slices], size, interpolation=cv2.INTER_AREA)
        things = cv2.resize(mask[window.slices], size, interpolation=cv2.INTER_AREA)
        this = (labels[window.slices] == label).astype(np.uint8) * np.uint8(255)
        this = cv2.resize(this, size, interpolation=cv2.INTER_AREA)
        close = x < CLOSE * h, mask.shape[1] - x - w < CLOSE * h
        found = _shadow(np.asarray(crop), np.asarray(things) > 20, np.asarray(this) > 127, close)
        if np.count_nonzero(found) / scale**2 > LARGEST * area:
            continue
        full = cv2.resize(found, (window.width, window.height), interpolation=cv2.INTER_LINEAR)
        target = result[window.slices]
        np.maximum(target, (np.asarray(full) > 100).astype(np.uint8) * np.uint8(255), out=target)
    return cv2.subtract(result, mask)


def _shadow(
    crop: np.ndarray, things: np.ndarray, this: np.ndarray, close: tuple[bool, bool]
) -> np.ndarray:
    """close: whether the picture ends soon to the left and right of the object."""
    smooth = cv2.GaussianBlur(crop, (0, 0), 2.0).astype(np.float32) + 4
    ground = _ground(smooth, things)
    if ground is None:
        return np.zeros(this.shape, np.uint8)
    missing = np.log(ground.mean(2)) - np.log(smooth.mean(2))
    shares = smooth / smooth.sum(2, keepdims=True) - ground / ground.sum(2, keepdims=True)
    same = np.abs(shares[..., :2]).max(2) < TINT
    dark = ((missing > DARKER) & same & ~things).astype(np.uint8)
    dark = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    sure = (missing > SURELY) & (dark > 0)
    rows = np.nonzero(this.any(1))[0]
    if not rows.size:
        return np.zeros(this.shape, np.uint8)
    foot = this.copy()
    foot[: rows.max() - max(6, round(0.06 * SIDE))] = False
    near = cv2.dilate(foot.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    count, labels, _ = components(dark * np.uint8(255))
    chosen = np.zeros(count, bool)
    touching = np.unique(labels[near & (dark > 0)])
    for label in touching[touching > 0]:
        part = labels == label
        area = np.count_nonzero(part)
        # What runs out of the crop at the top or a side belongs to something larger, a kerb or a
        # house's shade. Only beside the object itself a part of its shadow may leave the picture,
        # or run up along it.
        most = [CUT * np.sqrt(area) if beside else OUT for beside in (True, *close)]
        cut = [np.count_nonzero(side) for side in (part[0], part[:, 0], part[:, -1])]
        whole = all(c < m for c, m in zip(cut, most, strict=True))
        chosen[label] = np.count_nonzero(sure & part) > 0.25 * area and whole
    result = chosen[labels].astype(np.uint8) * np.uint8(255)
    return cv2.dilate(result, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))


def _ground(smooth: np.ndarray, things: np.ndarray) -> np.ndarray | None:
    """The lit ground's colour: in each row (with its neighbours) the upper middle of what is
    free, so that the shadow itself, the darker part, does not count."""
    rows, result = smooth.shape[0], np.empty_like(smooth)
    free = ~things
    if np.count_nonzero(free) < 40:
        return None
    band = max(3, rows // 12)
    light = smooth.mean(2)
    last = None
    for y in range(rows - 1, -1, -1):
        part = slice(max(0, y - band), y + band + 1)
        colours = smooth[part][free[part]]
        if len(colours) >= 20:
            level = light[part][free[part]]
            low, high = np.percentile(level, (50, 88))
            last = np.median(colours[(level >= low) & (level <= high)], 0)
        if last is None:
            last = np.median(smooth[free], 0)
        result[y] = last
    return result
