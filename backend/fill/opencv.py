"""Telea (2004) and Navier–Stokes (Bertalmio et al. 2001): best for hairlines, smooth elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.models.interfaces import Description
from backend.values import Control

# OpenCV's Telea adds steps of whole grey levels, whatever the type: [0, 1] drowns in them.
_SCALE = np.float32(65535.0)


class OpenCVFill:
    """A `FillModel` on `cv2.inpaint`, in float32, so 16-bit pictures get no bands."""

    def __init__(self, name: str, method: int, radius: float = 3.0) -> None:
        self.description = Description(
            name=name, device="cpu", best_side=1024, largest_side=16384, invents=True
        )
        self.method, self.radius = method, radius

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`. `seed` has no effect."""
        inside = hole > 0
        mask = inside if known is None else inside | (known == 0)
        mask = mask.astype(np.uint8)
        result = rgb.copy()
        for channel in range(3):
            control.progress(channel / 3)
            plane = cv2.inpaint(  # OpenCV takes float only one channel at a time
                rgb[..., channel] * _SCALE, mask, self.radius, self.method
            )
            result[..., channel][inside] = np.clip(plane[inside] / _SCALE, 0.0, 1.0)
        return result


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> OpenCVFill:
    """Loader of `fill-telea` and `fill-navier-stokes`; both run on the CPU whatever is asked."""
    method = cv2.INPAINT_NS if "navier" in entry.name else cv2.INPAINT_TELEA
    return OpenCVFill(entry.name, method)
