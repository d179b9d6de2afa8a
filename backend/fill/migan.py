"""MI-GAN (Sargsyan et al. 2023), the light tier: TorchScript at 512², or the ONNX pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from backend.fill.lama import to_batch
from backend.fill.learned import OnDevice, fill_scaled, unknown_area
from backend.models.interfaces import Description
from backend.values import Control

SIDE = 512


class MiganFill(OnDevice):
    """The traced generator: four planes, 0.5 − mask (1 = hole) and the erased RGB in [-1, 1], on
    512² exactly; crops are scaled with their aspect kept and padded to the square."""

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`."""
        import torch

        network: Any = self.network

        def work(device: str, _largest: int) -> np.ndarray:
            def predict(picture: np.ndarray, area: np.ndarray) -> np.ndarray:
                network.to(device)
                image, mask = to_batch(picture, area, device)
                with torch.inference_mode():
                    planes = torch.cat([0.5 - mask, (image * 2 - 1) * (1 - mask)], 1)
                    answer = network(planes)[0].float() * 0.5 + 0.5
                return answer.clamp(0, 1).permute(1, 2, 0).cpu().numpy()

            return fill_scaled(
                rgb, hole, known, control, seed, predict, SIDE, 1, SIDE, device=device
            )

        return self.smaller_or_cpu(work, control)


class MiganPipelineFill:
    """The ONNX pipeline crops, scales and blends by itself: uint8 in and out, mask 255 = keep.
    Its answer has 8 bits, so it is taken inside the hole only."""

    def __init__(self, session: Any, description: Description) -> None:
        self.session, self.description = session, description

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`."""
        area = unknown_area(hole, known)
        image = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8).transpose(2, 0, 1)[None]
        keep = np.where(area, 0, 255).astype(np.uint8)[None, None]
        names = [i.name for i in self.session.get_inputs()]
        control.progress(0.1)
        given = {names[0]: np.ascontiguousarray(image), names[1]: keep}
        answer = self.session.run(None, given)[0][0]
        result = rgb.astype(np.float32, copy=True)
        inside = hole > 0
        result[inside] = (answer.transpose(1, 2, 0).astype(np.float32) / 255)[inside]
        return result


def load_torchscript(
    entry: Any, files: dict[str, Path], device: str, control: Control
) -> MiganFill:
    """IOPaint's migan_traced.pt; the store has checked its hash."""
    import torch

    network = torch.jit.load(str(next(iter(files.values()))), map_location=device).eval()
    return MiganFill(network, Description(entry.name, device, 1, 1, SIDE, SIDE, invents=True))


def load_onnx(
    entry: Any, files: dict[str, Path], device: str, control: Control
) -> MiganPipelineFill:
    """migan_pipeline_v2.onnx on CUDA where onnxruntime has it, else on the CPU, and says so."""
    import onnxruntime

    wanted = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            wanted.insert(0, "CUDAExecutionProvider")
        else:
            control.note("This onnxruntime has no CUDA: MI-GAN's ONNX pipeline runs on the CPU.")
    session = onnxruntime.InferenceSession(str(next(iter(files.values()))), providers=wanted)
    used = device if session.get_providers()[0].startswith("CUDA") else "cpu"
    return MiganPipelineFill(session, Description(entry.name, used, 1, 1, SIDE, 4096, invents=True))
