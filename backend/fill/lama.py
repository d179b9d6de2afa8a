"""Big-LaMa (Suvorov et al. 2022): as TorchScript, and as an nn.Module with feature refinement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from backend.fill.learned import OnDevice, fill_scaled
from backend.models.interfaces import Description
from backend.values import Control, ModelUnavailable


def to_batch(rgb: np.ndarray, area: np.ndarray, device: str) -> tuple[Any, Any]:
    """H×W×3 RGB in [0, 1] and H×W bool → tensors 1×3×H×W and 1×1×H×W, mask 1 = hole."""
    import torch

    image = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32))[None]
    mask = torch.from_numpy(area.astype(np.float32))[None, None]
    return image.to(device), mask.to(device)


def to_picture(answer: Any) -> np.ndarray:
    """1×3×H×W → H×W×3 float32 in [0, 1]."""
    return answer[0].float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()


class LamaFill(OnDevice):
    """A `FillModel` around a network called as `network(image, mask)`.

    It saw pictures of about 512 px and repeats textures far beyond: crops above `largest_side`
    are filled smaller, then PatchMatch brings detail of the picture's own.
    """

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`."""

        def work(device: str, largest: int) -> np.ndarray:
            def predict(picture: np.ndarray, area: np.ndarray) -> np.ndarray:
                return self.predict(picture, area, device, control)

            return fill_scaled(
                rgb, hole, known, control, seed, predict, largest, self.description.multiple_of,
                device=device,
            )

        return self.smaller_or_cpu(work, control)

    def predict(
        self, picture: np.ndarray, area: np.ndarray, device: str, control: Control
    ) -> np.ndarray:
        import torch

        network: Any = self.network
        network.to(device)
        with torch.inference_mode():
            return to_picture(network(*to_batch(picture, area, device)))


class RefinedLamaFill(LamaFill):
    """LaMa whose features are optimised for large crops (Kulshreshtha et al. 2022), see refine."""

    def predict(
        self, picture: np.ndarray, area: np.ndarray, device: str, control: Control
    ) -> np.ndarray:
        from backend.fill.refine import refine

        network: Any = self.network
        network.to(device)
        image, mask = to_batch(picture, area, device)
        return to_picture(refine(network.model.model, image, mask, control))


def _about(name: str, device: str) -> Description:
    largest = 1024 if device == "cpu" else 2048
    return Description(name, device, 16, 8, 512, largest, invents=True)


def load_torchscript(
    entry: Any, files: dict[str, Path], device: str, control: Control
) -> LamaFill:
    """IOPaint's big-lama.pt. The store has checked its hash: a TorchScript file is code."""
    import torch

    network = torch.jit.load(str(next(iter(files.values()))), map_location=device).eval()
    return LamaFill(network, _about(entry.name, device))


def load_module(
    entry: Any, files: dict[str, Path], device: str, control: Control
) -> RefinedLamaFill:
    """The same file, or a checkpoint, as spandrel's nn.Module, with feature refinement."""
    try:
        import spandrel  # pyright: ignore[reportMissingImports]  (optional)
    except ImportError as error:
        raise ModelUnavailable(
            "LaMa with refinement needs the package spandrel: pip install spandrel"
        ) from error
    found = spandrel.ModelLoader(device=device).load_from_file(next(iter(files.values())))
    network = found.model.eval().requires_grad_(False)
    return RefinedLamaFill(network, _about(entry.name, device))
