"""Colour depths: 8 and 16 bits and float."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_PIXELS = 400_000_000
ROWS = 256  # at a time, so that no large float copy is made


def opaque_value(dtype: np.dtype[Any]) -> float:
    """The alpha (and white) of a depth: 255, 65535 or 1.0."""
    return {"uint8": 255, "uint16": 65535}.get(np.dtype(dtype).name, 1.0)


def to_8bit(pixels: np.ndarray) -> np.ndarray:
    """Any depth as uint8."""
    if pixels.dtype == np.uint8:
        return pixels
    result = np.empty(pixels.shape, np.uint8)
    if pixels.dtype == np.uint16:
        # Rounded division by 257 without leaving 32 bits.
        for y in range(0, pixels.shape[0], ROWS):
            part = pixels[y : y + ROWS].astype(np.uint32)
            result[y : y + ROWS] = (part + 128) // 257
        return result
    for y in range(0, pixels.shape[0], ROWS):
        part = np.nan_to_num(pixels[y : y + ROWS], nan=0.0, posinf=1.0, neginf=0.0)
        result[y : y + ROWS] = np.rint(np.clip(part, 0.0, 1.0) * 255.0)
    return result


def to_16bit(pixels: np.ndarray) -> np.ndarray:
    """float32 as uint16, clipped to 0–1."""
    result = np.empty(pixels.shape, np.uint16)
    for y in range(0, pixels.shape[0], ROWS):
        part = np.nan_to_num(pixels[y : y + ROWS], nan=0.0, posinf=1.0, neginf=0.0)
        result[y : y + ROWS] = np.rint(np.clip(part, 0.0, 1.0) * np.float32(65535))
    return result
