"""The contact shadow around an object on a plain ground: the soft shade that a body close to a
studio wall throws on it.

Left in the picture, it is a dark outline of who was there, and the fill, which goes on from it, a
grey ghost. It is looked for only where the ground tells what it would be without: a ring further
off must lie on a low polynomial in each channel, as a lit wall does, and most of what is near must
be without texture. What is then darker than the polynomial, of the same colour, and hangs together
with the object, is its shade. Cast shadows on the ground are `shadows`' work.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks.combine import components, padded
from backend.values import Box, Control

SIDE = 320  # px: the object's longer side in the crop that is looked at
SMALLEST, NARROWEST = 0.002, 24  # share of the picture, and px: smaller objects are left alone
NEAR, FAR = 0.1, 0.1  # of the object's mean side: where shade may lie, and the ring beyond it
LIT = 8.0  # grey levels: how far the ring may be from the polynomial
WALL = 0.7  # share of the ring that must be as near
EVEN, MOSTLY = 4.0, 0.7  # grey levels of texture, and the share of what is near with no more
DARKER, DARKEST = 0.03, 0.5  # natural log of the light that is missing
TINT = 0.03  # how far the shares of red, green and blue may move
SHADED = 0.25  # of what is near: less is a patch of something else
FITS = 4  # rounds of fitting without what is not near
FEWEST = 60  # px of the ring


def contact_shadow(
    rgb: np.ndarray, hole: np.ndarray, control: Control, others: np.ndarray | None = None
) -> np.ndarray:
    """H×W×3 uint8 and the grown mask of objects H×W uint8 → H×W uint8, 255 on the shade around
    them, `hole` not included. `others`: H×W uint8, what else will go, such as text; it tells
    nothing about the ground."""
    result = np.zeros(hole.shape, np.uint8)
    count, labels, stats = components(hole)
    for label in range(1, count):
        control.check()
        x, y, w, h, area = (int(v) for v in stats[label])
        if area < SMALLEST * hole.size or min(w, h) < NARROWEST:
            continue
        size = float(np.sqrt(w * h))
        box = padded(Box(x, y, x + w, y + h), round((NEAR + FAR) * size) + 4, hole.shape)
        scale = min(1.0, SIDE / max(w, h))
        own = (labels[box.slices] == label).astype(np.uint8) * np.uint8(255)
        away = hole[box.slices]
        if others is not None:
            away = np.maximum(away, others[box.slices])
        small = (max(8, round(box.width * scale)), max(8, round(box.height * scale)))
        crop, this, things = (
            np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA))
            for part in (rgb[box.slices], own, away)
        )
        shade = _shade(crop, this > 8, things > 8, size * scale)
        if shade is None:
            continue
        full = cv2.resize(shade, (box.width, box.height), interpolation=cv2.INTER_LINEAR) > 100
        result[box.slices][full] = 255
    return cv2.subtract(result, hole)


def _shade(
    crop: np.ndarray, this: np.ndarray, things: np.ndarray, size: float
) -> np.ndarray | None:
    """h×w uint8 of 0 and 255, or None: the shade of `this` object (h×w bool) of a mean side of
    `size` px; `things`, h×w bool, hide the ground."""
    square = np.ones((3, 3), np.uint8)
    things = cv2.dilate(things.astype(np.uint8), square) > 0  # pixels that show something of both
    distance = np.asarray(cv2.distanceTransform((~this).astype(np.uint8), cv2.DIST_L2, 5))
    reach = max(3.0, NEAR * size)
    near = ~things & (distance <= reach)
    ring = ~things & (distance > reach) & (distance <= reach + max(4.0, FAR * size))
    lit = _lit(crop, ring)
    if lit is None or not near.any():
        return None
    free = (~things).astype(np.float32)
    soft = _mean(crop.astype(np.float32), free, 1.5)
    texture = np.abs(crop - soft).max(2) * free
    even = cv2.blur(texture, (9, 9)) / np.maximum(cv2.blur(free, (9, 9)), 1e-3) < EVEN
    if np.count_nonzero(near & even) < MOSTLY * np.count_nonzero(near):
        return None
    missing = np.log(lit.mean(2) + 4) - np.log(soft.mean(2) + 4)
    shares = [p / (p.sum(2, keepdims=True) + 8) for p in (soft, lit)]
    same = np.abs(shares[0] - shares[1]).max(2) < TINT
    dark = near & even & same & (missing > DARKER) & (missing < DARKEST)
    dark = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_CLOSE, square)
    body = cv2.dilate(this.astype(np.uint8), np.ones((7, 7), np.uint8))
    _, labels = cv2.connectedComponents(np.maximum(dark, body), connectivity=4)
    chosen = np.isin(labels, np.unique(np.asarray(labels)[this])) & (dark > 0)
    if np.count_nonzero(chosen) < SHADED * np.count_nonzero(near):
        return None
    whole = (chosen | this).astype(np.uint8) * np.uint8(255)  # without a gap between the two
    return cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))


def _lit(crop: np.ndarray, ring: np.ndarray) -> np.ndarray | None:
    """The ground's colour without shade, h×w×3 float32, from a ring (h×w bool) around; None where
    that is no plain wall."""
    if np.count_nonzero(ring) < FEWEST:
        return None
    height, width = ring.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / height, x / width
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    known, colours = terms[ring], crop[ring].astype(np.float32)
    alike = np.ones(len(known), bool)
    model = np.zeros((terms.shape[2], 3), np.float32)
    for _ in range(FITS):
        model = np.linalg.lstsq(known[alike], colours[alike], rcond=None)[0]
        alike = np.abs(known @ model - colours).max(1) <= LIT
        if np.count_nonzero(alike) < max(FEWEST, WALL * len(alike)):
            return None
    return np.clip(terms @ model, 0, 255).astype(np.float32)


def _mean(planes: np.ndarray, free: np.ndarray, sigma: float) -> np.ndarray:
    """h×w×3 float32 blurred over what is free (h×w float32 of 0 and 1)."""
    weight = np.maximum(cv2.GaussianBlur(free, (0, 0), sigma), 1e-3)
    return cv2.GaussianBlur(planes * free[..., None], (0, 0), sigma) / weight[..., None]
