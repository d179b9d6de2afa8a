"""The built-in partial-convolution net (backend.networks.pconv), alone or as a start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from backend.fill.lama import to_batch, to_picture
from backend.fill.learned import OnDevice, padded, shrink, unknown_area
from backend.models.interfaces import Description
from backend.values import Control


class PConvFill(OnDevice):
    """A `FillModel`: crops above `largest_side` are filled smaller and scaled up."""

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`."""
        import cv2
        import torch

        network: Any = self.network
        area = unknown_area(hole, known)

        def work(device: str, largest: int) -> np.ndarray:
            def predict(picture: np.ndarray, unknown: np.ndarray) -> np.ndarray:
                network.to(device)
                image, mask = to_batch(picture, unknown, device)
                with torch.inference_mode():
                    return to_picture(network(image, 1 - mask))

            scale = min(1.0, largest / max(area.shape))
            small, unknown = shrink(rgb, area, scale)
            control.progress(0.2)
            return padded(predict, small, unknown, network.multiple_of)

        made = self.smaller_or_cpu(work, control)
        if made.shape != rgb.shape:
            size = (rgb.shape[1], rgb.shape[0])
            made = cv2.resize(made, size, interpolation=cv2.INTER_CUBIC)
        result = rgb.astype(np.float32, copy=True)
        inside = hole > 0
        result[inside] = np.clip(made[inside], 0.0, 1.0)
        return result


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> PConvFill:
    """fp16 safetensors of `PConvUNet`, computed in float32."""
    from safetensors.torch import load_file

    from backend.networks.pconv import ON_SMOOTH, PConvUNet, Widths

    state = load_file(next(iter(files.values())))
    if "down.0.conv.conv.weight" not in state:
        raise ValueError(f"these are not PConvUNet weights: {sorted(state)[:3]}")
    network = PConvUNet(Widths.of(state), ON_SMOOTH in state).eval().requires_grad_(False)
    missing = network.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    gone = [k for k in missing.missing_keys if not k.endswith("num_batches_tracked")]
    if gone or missing.unexpected_keys:
        raise ValueError(f"these are not PConvUNet weights: {gone[:3]}")
    about = Description(entry.name, device, 1, network.multiple_of, 160, 512, invents=True)
    return PConvFill(network.to(device), about)
