"""Compiles the kernels of the matte into their cache; `backend.fill.warm` does it at install."""

from __future__ import annotations

import numpy as np

from backend.matte.colours import foreground
from backend.matte.matting import matte
from backend.values import Control


def warm_up() -> np.ndarray:
    """Mattes a small noisy square. Returns its 96×96×3 float32 foreground."""
    rgb = np.random.default_rng(0).random((96, 96, 3), np.float32)
    rgb[24:72, 24:72] *= 0.3
    mask = np.zeros((96, 96), np.uint8)
    mask[24:72, 24:72] = 255
    return foreground(rgb, matte(rgb, mask, Control()), Control())


if __name__ == "__main__":
    warm_up()
