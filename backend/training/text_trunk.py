"""The trunk of `psenet-builtin` from the DB detector of the rapidocr wheel (PP-OCRv6 small).

Reads its ONNX file with the package `onnx` (needed for training only).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from backend.networks.psenet import MEAN, STD, LightPSENet
from backend.values import BadInput

CENTRE = 0.5  # the detector's own mean and deviation of every channel; its channels are B, G, R


def convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """(weight, bias or None) of every convolution in the order in which the graph runs them."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise BadInput("--trunk reads an ONNX file: `pip install onnx` first.") from error
    graph = onnx.load(str(path)).graph
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    same = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Identity"}

    def value(name: str) -> np.ndarray | None:
        while name in same:
            name = same[name]
        return values.get(name)

    biases = {n.input[0]: value(n.input[1]) for n in graph.node if n.op_type == "Add"}
    found = []
    for node in graph.node:
        weight = value(node.input[1]) if node.op_type == "Conv" else None
        if weight is not None:
            found.append((weight, biases.get(node.output[0])))
    return found


def start_from(net: LightPSENet, path: Path) -> int:
    """Fills trunk and pyramid; returns how many convolutions. Raises BadInput for another graph."""
    found = convolutions(path)
    own = [m for part in (net.backbone, net.fpn) for m in part.modules()
           if isinstance(m, torch.nn.Conv2d)]
    for number, (module, (weight, bias)) in enumerate(zip(own, found, strict=False)):
        if tuple(module.weight.shape) != weight.shape or (module.bias is None) != (bias is None):
            raise BadInput(
                f"{path.name} is not PP-OCRv6's small detector: convolution {number} is "
                f"{weight.shape}, {tuple(module.weight.shape)} is expected")
        with torch.no_grad():
            module.weight.copy_(torch.tensor(weight))
            if module.bias is not None and bias is not None:
                module.bias.copy_(torch.tensor(bias.reshape(-1)))
    if len(found) < len(own):
        raise BadInput(
            f"{path.name} is not PP-OCRv6's small detector: it holds {len(found)} convolutions "
            f"of {len(own)}")
    take_imagenet(net.backbone.stem.conv1)
    return len(own)


def take_imagenet(conv: torch.nn.Conv2d) -> None:
    """From B, G, R around CENTRE to R, G, B normalised as for ImageNet (exact inside, nearly so
    at the picture's border, where zeros are added)."""
    with torch.no_grad():
        weight = conv.weight.flip(1)
        shift = (torch.tensor(MEAN) - CENTRE) / CENTRE
        scale = torch.tensor(STD) / CENTRE
        assert conv.bias is not None
        conv.bias.add_((weight * shift.view(1, 3, 1, 1)).sum((1, 2, 3)))
        conv.weight.copy_(weight * scale.view(1, 3, 1, 1))
