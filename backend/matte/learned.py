"""The learned mattes: nets that read alpha from a crop and its trimap, in tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from backend.matte.band import UNSURE
from backend.matte.matting import CLOSED_FORM
from backend.models.interfaces import Description
from backend.values import Control

TILE, CONTEXT = 448, 64  # px; every tile is seen with this much around it
MULTIPLE = 32  # px, of both sides of what a net sees


class LearnedMatte:
    """`opinion` gives the net's alpha and how much of it the closed form should believe."""

    def __init__(self, name: str, net: Any, device: str) -> None:
        self.net, self.device = net, device
        self.description = Description(
            name, device, minimum=MULTIPLE, multiple_of=MULTIPLE, best_side=TILE)

    def opinion(
        self, image: np.ndarray, trimap: np.ndarray, control: Control
    ) -> tuple[np.ndarray, np.ndarray]:
        """H×W×3 float32 in [0, 1], H×W uint8 → (alpha, confidence), each H×W float32 in [0, 1].

        The net is surest where it says all or nothing."""
        unsure = trimap == UNSURE
        alpha = np.where(unsure, np.float32(0.5), trimap / np.float32(255)).astype(np.float32)
        plane = alpha.copy()
        height, width = trimap.shape
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                control.check()
                inner = (slice(y, min(height, y + TILE)), slice(x, min(width, x + TILE)))
                if not unsure[inner].any():
                    continue
                y0, x0 = max(0, y - CONTEXT), max(0, x - CONTEXT)
                window = (slice(y0, min(height, y + TILE + CONTEXT)),
                          slice(x0, min(width, x + TILE + CONTEXT)))
                made = self._run(image[window], plane[window])
                part = made[y - y0 :, x - x0 :][: inner[0].stop - y, : inner[1].stop - x]
                alpha[inner] = np.where(unsure[inner], part, alpha[inner])
        return alpha, np.abs(2 * alpha - 1)

    def _run(self, image: np.ndarray, plane: np.ndarray) -> np.ndarray:
        import torch

        height, width = plane.shape
        planes = np.concatenate([image, plane[..., None]], 2)
        more = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
        planes = np.pad(planes, more, mode="edge")
        with torch.inference_mode():
            x = torch.from_numpy(planes).permute(2, 0, 1)[None].to(self.device)
            return torch.sigmoid(self.net(x))[0, 0, :height, :width].float().cpu().numpy()


class ClosedForm:
    """The solver alone: nothing learned that it should believe."""

    description = CLOSED_FORM

    def opinion(
        self, image: np.ndarray, trimap: np.ndarray, control: Control
    ) -> tuple[np.ndarray, np.ndarray]:
        """Two H×W float32 planes of zeros."""
        nothing = np.zeros(trimap.shape, np.float32)
        return nothing, nothing


def load_closed_form(
    entry: Any, files: dict[str, Path], device: str, control: Control
) -> ClosedForm:
    """The loader of `matte-closed-form`, which has no files and runs on the CPU."""
    return ClosedForm()


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> LearnedMatte:
    """The loader of `matte-unet` and `matte-encoder`. Raises ModelUnavailable for wrong files."""
    import torch
    from safetensors.torch import load_file

    from backend.networks.matte import MatteEncoderDecoder, MatteUNet
    from backend.values import ModelUnavailable

    net = MatteUNet() if entry.name == "matte-unet" else MatteEncoderDecoder()
    control.check()
    state = {k: v.float() for k, v in load_file(next(iter(files.values()))).items()}
    missing, unexpected = net.load_state_dict(state, strict=False)
    if unexpected or any(not k.endswith("num_batches_tracked") for k in missing):
        raise ModelUnavailable(f"The weights of {entry.name} do not fit: install it again.")
    net.eval().to(device)
    if device != "cpu":
        net.to(memory_format=torch.channels_last)
    return LearnedMatte(entry.name, net, device)
