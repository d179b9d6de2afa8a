"""`python -m backend.fill.warm`: compiles the default filler, and the kernels of the matte, into
their cache, once, at install."""

from __future__ import annotations

import numpy as np

from backend.fill.plate import fill_plate
from backend.models.store import ModelStore
from backend.values import Control


def warm_up() -> np.ndarray:
    """Fills two holes of a small noisy picture, so that every kernel is compiled and cached.

    Returns the plate, 320×320×3 uint8.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    hole = np.zeros((320, 320), np.uint8)
    hole[100:220, 100:220] = 255
    hole[20:24, 20:60] = 255
    control = Control()
    model = ModelStore("cpu").get("fill", None, control)
    return fill_plate(pixels, hole, model, control)


if __name__ == "__main__":
    from backend.matte.warm import warm_up as warm_up_matte

    warm_up()
    warm_up_matte()
