"""Unknown objects: what stands out in a picture. The caller takes the known classes away from it
(SSUL's rule, Cha et al. 2021: salient and of no known class).

Every model has the form of a people model: `probability(rgb, control)` and `instances`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks.combine import binary, split_instances
from backend.masks.people import fit, read_net
from backend.masks.refine import refine
from backend.models.interfaces import Description
from backend.values import Control, ModelUnavailable

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Files whose output is a logit; U²-Net ends in a sigmoid of its own.
LOGITS = ("birefnet_lite",)
FAINT = 0.5  # an answer that nowhere reaches this shows nothing that stands out


class Saliency:
    """What all saliency models share; a subclass gives the coarse map."""

    description: Description

    def coarse(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB → h×w float32 in [0, 1] of any size."""
        raise TypeError(f"{type(self).__name__} gives no coarse map")

    def probability(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB of any size → H×W float32 in [0, 1]."""
        control.check()
        seen = self.coarse(rgb, control)
        control.check()
        return refine(rgb, seen, control)

    def instances(self, rgb: np.ndarray, control: Control) -> list[np.ndarray]:
        """One H×W uint8 mask (255 inside) a connected object, largest first."""
        return split_instances(binary(self.probability(rgb, control) > 0.5))


class OnnxSaliency(Saliency):
    """U²-Net-p (Qin et al. 2020) and BiRefNet (Zheng et al. 2024) as ONNX files.

    Input as rembg feeds it: the whole picture at the file's size, RGB over its own maximum,
    ImageNet mean and deviation, 1×3×N×N float32. The first output is stretched to [0, 1] where
    something stands out at all.
    """

    def __init__(self, session: Any, name: str, device: str) -> None:
        self.session = session
        self.input = session.get_inputs()[0]
        sides = [side for side in self.input.shape[2:] if isinstance(side, int)]
        self.side = sides[0] if sides else 1024
        self.logits = name in LOGITS
        self.description = Description(name, device, 1, 1, self.side, 65535, False)

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """H×W×3 uint8 → 1×3×N×N float32."""
        small = cv2.resize(rgb, (self.side, self.side), interpolation=cv2.INTER_AREA)
        values = small.astype(np.float32) / max(1.0, float(small.max()))
        values = (values - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)

    def coarse(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        answer = self.session.run(None, {self.input.name: self.prepare(rgb)})[0]
        seen = np.asarray(answer, np.float32).reshape(answer.shape[-2:])
        if self.logits:
            seen = 1 / (1 + np.exp(-np.clip(seen, -30, 30)))
        seen = np.clip(seen, 0, 1)
        low, high = float(seen.min()), float(seen.max())
        return (seen - low) / (high - low) if high > FAINT and high > low else seen


class NetSaliency(Saliency):
    """A net trained by `python -m backend.training saliency`."""

    SIDE = 320

    def __init__(self, net: Any, name: str, device: str) -> None:
        self.net = net
        self.description = Description(name, device, 1, 32, self.SIDE, 65535, False)

    def coarse(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        import torch

        size = fit(rgb.shape[0], rgb.shape[1], self.SIDE, 32)
        small = cv2.resize(rgb, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            x = torch.from_numpy(small).to(self.description.device).permute(2, 0, 1)[None]
            x = x.float() / 255
            answer = torch.sigmoid(self.net(torch.cat([x, x.flip(3)])))
            mean = (answer[:1] + answer[1:].flip(3)) / 2
        return mean[0, 0].float().cpu().numpy()


class ContrastSaliency(Saliency):
    """No weights: minimum barrier distance and the colours of the border (unknown_contrast)."""

    def __init__(self, name: str) -> None:
        self.description = Description(name, "cpu", 1, 1, 200, 65535, False)

    def coarse(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        from backend.masks.unknown_contrast import contrast_saliency

        return contrast_saliency(rgb)


def load_onnx(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """An ONNX file on the GPU where onnxruntime has the provider for it, else on the CPU."""
    import onnxruntime

    wanted = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
    kind = device.split(":")[0]
    provider = wanted.get(kind, "")
    providers = ["CPUExecutionProvider"]
    if provider in onnxruntime.get_available_providers():
        providers.insert(0, provider)
    else:
        if provider:
            control.note(f"onnxruntime has no {provider} here: {entry.short} works on the CPU.")
        device = "cpu"
    path = next(iter(files.values()))
    try:
        session = onnxruntime.InferenceSession(str(path), providers=providers)
    except Exception as error:  # onnxruntime raises its own kinds
        raise ModelUnavailable(
            f"{path.name} cannot be read as an ONNX model; install it again with: "
            f"cleanplate models install {entry.name}"
        ) from error
    return OnnxSaliency(session, entry.name, device)


def load_builtin(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """Weights of `python -m backend.training saliency`."""
    return NetSaliency(read_net(next(iter(files.values()))).to(device), entry.name, device)


def load_contrast(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The classical method; it works on the CPU and needs no file."""
    return ContrastSaliency(entry.name)
