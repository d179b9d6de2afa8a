"""Brings a coarse probability to full resolution so that it follows the picture's edges."""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks.click_points import bounding
from backend.values import Box


def guided_upsample(
    probability: np.ndarray, rgb: np.ndarray, radius: int = 3, smooth: float = 5e-4,
) -> np.ndarray:
    """h×w float32 in [0, 1] and H×W×3 uint8 RGB → H×W float32 in [0, 1].

    Fast guided filter (He and Sun 2015): the linear model between colours and probability is
    fitted at the coarse size and applied to the colours at full size. `radius` in coarse pixels,
    `smooth` is the variance of colour (of 1) below which nothing counts as an edge.
    """
    height, width = rgb.shape[:2]
    h, w = probability.shape
    small = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    a, b = _linear_model(small, probability.astype(np.float32), radius, smooth)
    planes = cv2.resize(np.dstack((a, b)), (width, height), interpolation=cv2.INTER_LINEAR)
    shades = cv2.split(planes)
    result = shades[3]
    for shade, channel in zip(shades[:3], cv2.split(rgb), strict=True):
        product = cv2.multiply(shade, channel, scale=1 / 255, dtype=cv2.CV_32F)
        cv2.add(result, product, dst=result)
    return np.clip(result, 0, 1, out=result)


def full_size(answer: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """h×w probability of a shrunk picture → H×W float32 of the picture `rgb`, refined along its
    edges in the box where the answer is not 0."""
    result = np.zeros(rgb.shape[:2], np.float32)
    found = bounding(answer > 0.05)
    if found is None:
        return result
    h, w = answer.shape
    part = Box(max(0, found.x0 - 4), max(0, found.y0 - 4),
               min(w, found.x1 + 4), min(h, found.y1 + 4))
    x0, x1 = (v * rgb.shape[1] // w for v in (part.x0, part.x1))
    y0, y1 = (v * rgb.shape[0] // h for v in (part.y0, part.y1))
    if x1 > x0 and y1 > y0:
        here = (slice(y0, y1), slice(x0, x1))
        result[here] = guided_upsample(answer[part.slices], rgb[here])
    return result


def _linear_model(
    guide: np.ndarray, values: np.ndarray, radius: int, smooth: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Per pixel the mean of the fits `values ≈ a·colour + b` of all windows that hold it."""

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(x, -1, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    centre, average = mean(guide), mean(values)
    products = np.dstack([guide[..., i] * guide[..., j] for i, j in _PAIRS])
    moments = mean(products)
    covariance = mean(guide * values[..., None]) - centre * average[..., None]
    s = {p: moments[..., n] - centre[..., p[0]] * centre[..., p[1]]
         for n, p in enumerate(_PAIRS)}
    rr, gg, bb = s[0, 0] + smooth, s[1, 1] + smooth, s[2, 2] + smooth
    rg, rb, gb = s[0, 1], s[0, 2], s[1, 2]
    # The inverse of the symmetric 3×3 matrix, written out.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / np.maximum(rr * c00 + rg * c01 + rb * c02, 1e-12)
    r, g, b = (covariance[..., i] for i in range(3))
    a = np.dstack(((c00 * r + c01 * g + c02 * b) * scale, (c01 * r + c11 * g + c12 * b) * scale,
                   (c02 * r + c12 * g + c22 * b) * scale))
    offset = average - (a * centre).sum(2)
    return mean(a), mean(offset)


_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
