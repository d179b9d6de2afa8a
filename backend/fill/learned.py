"""What all learned fillers share: scaling to the size they know, padding, memory, real detail."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from backend.fill.blend import push_pull
from backend.models import device as devices
from backend.models.catalogue import title_of
from backend.models.interfaces import Description
from backend.values import Control

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


def unknown_area(hole: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """H×W bool: the hole and all else that must not be looked at."""
    return hole > 0 if known is None else (hole > 0) | (known == 0)


def shrink(rgb: np.ndarray, area: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Smaller picture and mask, aspect kept. Colours of the area do not bleed into the rest; a
    pixel that holds any of the area belongs to it."""
    if scale >= 1:
        return rgb, area
    height, width = area.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    clean = push_pull(rgb, ~area)
    small = cv2.resize(clean, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(area.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small, cover > 1e-3


def padded(
    predict: Predict, rgb: np.ndarray, area: np.ndarray, multiple: int, square: int = 0
) -> np.ndarray:
    """Calls `predict` on sides that are multiples of `multiple` (or square×square) and crops the
    padding off again. The padding mirrors the picture and its mask."""
    height, width = area.shape
    high = square or -(-height // multiple) * multiple
    wide = square or -(-width // multiple) * multiple
    edge = [(0, high - height), (0, wide - width)]
    picture = np.pad(rgb, [*edge, (0, 0)], mode="symmetric")
    return predict(picture, np.pad(area, edge, mode="symmetric"))[:height, :width]


def fill_scaled(
    rgb: np.ndarray, hole: np.ndarray, known: np.ndarray | None, control: Control, seed: int,
    predict: Predict, largest: int, multiple: int, square: int = 0, device: str = "cpu",
) -> np.ndarray:
    """Fills by `predict(rgb, area)` at a size whose long side is at most `largest`.

    Where that is clearly smaller than the picture the answer would be blurred, so PatchMatch
    copies real detail, starting from it, on `device`.
    """
    from backend.fill.patchmatch import PatchMatchFill

    area = unknown_area(hole, known)
    scale = min(1.0, largest / max(area.shape))
    small, small_area = shrink(rgb, area, scale)
    control.progress(0.1)
    made = padded(predict, small, small_area, multiple, square)
    control.progress(0.5)
    if scale < 1:
        size = (area.shape[1], area.shape[0])
        made = cv2.resize(made, size, interpolation=cv2.INTER_CUBIC)
    result = rgb.astype(np.float32, copy=True)
    if scale < 0.75:
        return PatchMatchFill(device=device).fill(
            rgb, hole, control, seed=seed, known=known, start=made, scale=scale
        )
    inside = hole > 0
    result[inside] = np.clip(made[inside], 0.0, 1.0)
    return result


class OnDevice:
    """Runs a network on its device. When memory is short: half the size, then the CPU, each told
    to the user."""

    def __init__(self, network: object, description: Description) -> None:
        self.network, self.description = network, description

    def smaller_or_cpu(
        self, work: Callable[[str, int], np.ndarray], control: Control
    ) -> np.ndarray:
        """`work(device, largest side)` → its answer, at whichever size and device it fits."""
        name, largest = title_of(self.description.name), self.description.largest_side
        device = self.description.device
        try:
            return work(device, largest)
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
        devices.release_memory()
        try:
            result = work(device, max(512, largest // 2))
            control.note(f"Memory was short: {name} worked at half size.")
            return result
        except Exception as error:
            if device == "cpu" or not devices.is_out_of_memory(error):
                raise
        devices.release_memory()
        control.note(f"The GPU ran out of memory: {name} worked on the CPU.")
        return work("cpu", largest)
