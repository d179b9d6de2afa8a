"""Holes in flat colour or a soft gradient: a button, a studio wall, clear sky.

There nothing needs to be copied: a low polynomial through the colours around the hole, corrected
to meet them, with their grain, is the background. It cannot take a patch from elsewhere by
mistake, and it is fast.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.fill.blend import from_unit, push_pull, rim_alpha, span, to_unit
from backend.fill.two_tone import fill_two_tone
from backend.masks.combine import components, padded
from backend.values import Box, Control

RING = 6  # px around a hole whose colours are asked
NARROW = 3  # the same for a small hole on a plate so low that a wider ring leaves it
LEAST = 40  # px of ring that a judgement needs
NEAR = 7.0 / 255  # how far a pixel may be from the polynomial
AGREE = 0.93  # share of the ring that must be near it
AGREE_SMALL = 0.8  # the same for small holes, whose ring a plate's border easily meets
SMALL = 160  # px: the shorter side of a small hole, such as a line of text
BANDS = 4  # along the hole, in each of which half of the ring must be near it
SPARE = 2.0 / 255  # how far a colour may leave the range of those around the hole
TURNS = 5  # rounds of fitting without the pixels that do not agree


def fill_flat(
    pixels: np.ndarray,
    hole: np.ndarray,
    control: Control,
    *,
    core: np.ndarray | None = None,
    avoid: np.ndarray | None = None,
    feather: int | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """(plate, done): a copy of `pixels` with the parts of the hole filled that lie in flat colour
    or a soft gradient, and those parts, H×W uint8. Arguments as `fill_plate` takes them."""
    plate, done = pixels.copy(), np.zeros_like(hole)
    limits = span(pixels[..., :3])
    known = hole == 0
    if avoid is not None:
        known &= avoid == 0
    if pixels.shape[2] == 4:
        known &= pixels[..., 3] >= (1.0 if pixels.dtype == np.float32 else limits[1])
    count, labels, stats = components(hole)
    rng = np.random.default_rng(seed)
    for label in range(1, count):
        control.check()
        x, y, w, h, _ = (int(v) for v in stats[label])
        box = padded(Box(x, y, x + w, y + h), RING + 2, hole.shape)
        part = (labels[box.slices] == label).astype(np.uint8)
        small = min(w, h) <= SMALL
        rgb = to_unit(pixels[box.slices][..., :3], *limits)
        filled = None
        for reach in (RING, NARROW) if small else (RING,):
            ring = _ring(part, known[box.slices], reach)
            filled = _fill(rgb, part, ring, small, rng)
            if filled is not None:
                break
        if filled is None and small:
            ring = _ring(part, known[box.slices], RING)
            filled = fill_two_tone(rgb, part, ring, rng, control)
        if filled is None:
            continue
        inside = part > 0
        rim = rim_alpha(part, None if core is None else core[box.slices], feather)
        alpha = rim[inside][:, None]
        mixed = rgb[inside] + alpha * (filled[inside] - rgb[inside])
        colour = plate[box.slices][..., :3]
        colour[inside] = from_unit(mixed, pixels.dtype, *limits)
        done[box.slices][inside] = 255
    return plate, done


def _ring(part: np.ndarray, known: np.ndarray, reach: int) -> np.ndarray:
    """H×W bool: known pixels up to `reach` px beside the hole `part`."""
    # The first pixel beside the hole may still hold a trace of what was there.
    beside = cv2.dilate(part, np.ones((3, 3), np.uint8))
    size = 2 * reach + 1
    return (cv2.dilate(part, np.ones((size, size), np.uint8)) > 0) & (beside == 0) & known


def _fill(
    rgb: np.ndarray, part: np.ndarray, ring: np.ndarray, small: bool, rng: np.random.Generator
) -> np.ndarray | None:
    """The crop with its hole filled, or None when the ring (H×W bool) around it is not flat."""
    ys, xs = np.nonzero(ring)
    if len(ys) < LEAST:
        return None
    height, width = part.shape
    order = 1 if small else 2
    colours = rgb[ys, xs]
    terms = _terms(ys / height, xs / width, order)
    agree = np.abs(colours - np.median(colours, 0)).max(1) <= (4 * NEAR if small else 1.0)
    model = None
    for _ in range(TURNS):
        if np.count_nonzero(agree) < LEAST / 2:
            return None
        model = np.linalg.lstsq(terms[agree], colours[agree], rcond=None)[0]
        agree = np.abs(colours - terms @ model).max(1) <= NEAR
    if model is None or agree.mean() < (AGREE_SMALL if small else AGREE):
        return None
    if not _surrounds(xs / width if width > height else ys / height, agree):
        return None
    left = np.zeros_like(rgb)
    residual = (colours - terms @ model).astype(np.float32)
    left[ys[agree], xs[agree]] = residual[agree]
    anchors = np.zeros(part.shape, bool)
    anchors[ys[agree], xs[agree]] = True
    # Smooth first: the grain of single ring pixels must not be drawn out into streaks.
    weight = cv2.GaussianBlur(anchors.astype(np.float32), (0, 0), 2.0)
    soft = cv2.GaussianBlur(left, (0, 0), 2.0) / np.maximum(weight, 1e-3)[..., None]
    soft[~anchors] = 0
    drift = push_pull(soft.astype(np.float32), anchors)
    inside_y, inside_x = np.nonzero(part)
    grain = (residual - soft[ys, xs])[agree]
    result = rgb.copy()
    base = _terms(inside_y / height, inside_x / width, order) @ model
    # A polynomial drawn out beyond its ring soon leaves the colours that are there.
    low, high = np.percentile(colours[agree] - grain, (1, 99), axis=0)
    base = np.clip(base + drift[inside_y, inside_x], low - SPARE, high + SPARE)
    noise = grain[rng.integers(0, len(grain), len(inside_y))]
    result[inside_y, inside_x] = np.clip(base + noise, 0, 1)
    return result


def _terms(y: np.ndarray, x: np.ndarray, order: int) -> np.ndarray:
    columns = [np.ones_like(x), x, y]
    if order == 2:
        columns += [x * x, x * y, y * y]
    return np.stack(columns, 1).astype(np.float32)


def _surrounds(along: np.ndarray, agree: np.ndarray) -> bool:
    """Whether pixels agree in every part of the ring along the hole, so that the polynomial is
    never drawn out from one end. along: N positions from 0 to 1."""
    band = np.minimum((along * BANDS).astype(int), BANDS - 1)
    return all(agree[band == b].mean() >= 0.5 for b in np.unique(band))
