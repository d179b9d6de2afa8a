"""People by torchvision's semantic segmentation nets: class 15 of the 21 VOC classes.

Input as the weights' own transforms do it: RGB, short side 520 px (bilinear with antialiasing),
ImageNet mean and deviation.
Source: torchvision, FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1 and the like.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torchvision.models import segmentation

from backend.masks.combine import binary
from backend.masks.instances import split_people
from backend.masks.refine import refine
from backend.models.interfaces import Description
from backend.values import Control, ModelUnavailable

PERSON, CLASSES = 15, 21
SHORT, LONGEST = 520, 1560
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WITH_AUXILIARY = ("fcn_resnet50", "deeplabv3_resnet101", "deeplabv3_mobilenet_v3_large")
NAMES = (*WITH_AUXILIARY, "lraspp_mobilenet_v3_large")


def prepare(rgb: np.ndarray, device: str) -> torch.Tensor:
    """H×W×3 uint8 RGB → 1×3×h×w float32, the short side 520 px, at most 1560 px long."""
    height, width = rgb.shape[:2]
    scale = SHORT / min(height, width)
    # torchvision cuts the long side's length down to an integer.
    size = (
        (SHORT, int(SHORT * width / height)) if height <= width
        else (int(SHORT * height / width), SHORT)
    )
    if max(height, width) * scale > LONGEST:
        scale = LONGEST / max(height, width)
        size = (max(32, round(height * scale)), max(32, round(width * scale)))
    x = torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None]
    x = functional.interpolate(
        x.float() / 255, size=size, mode="bilinear", align_corners=False, antialias=True
    )
    mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
    deviation = torch.tensor(DEVIATION, device=device).view(1, 3, 1, 1)
    return (x - mean) / deviation


class TorchvisionPeople:
    def __init__(self, net: Any, name: str, device: str) -> None:
        self.net = net
        self.description = Description(name, device, 1, 1, SHORT, 65535, False)

    def probability(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB of any size → H×W float32 in [0, 1]."""
        control.check()
        with torch.inference_mode():
            logits = self.net(prepare(rgb, self.description.device))["out"]
            seen = torch.softmax(logits.float(), 1)[0, PERSON].cpu().numpy()
        return refine(rgb, seen, control)

    def instances(self, rgb: np.ndarray, control: Control) -> list[np.ndarray]:
        """One H×W uint8 mask (255 inside) a person, as far as they can be told apart, largest
        first."""
        return split_people(binary(self.probability(rgb, control) > 0.5))


def load(entry: Any, files: dict[str, Path], device: str) -> TorchvisionPeople:
    """The net named by the entry with the state dict of its file."""
    if entry.name not in NAMES:
        raise ModelUnavailable(f"{entry.name} is none of {', '.join(NAMES)}")
    more = {"aux_loss": True} if entry.name in WITH_AUXILIARY else {}
    build = getattr(segmentation, entry.name)
    net = build(weights=None, weights_backbone=None, num_classes=CLASSES, **more)
    path = next(iter(files.values()))
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise ModelUnavailable(
            f"{path.name} does not hold the weights of {entry.short}; install it again with: "
            f"cleanplate models install {entry.name}"
        ) from error
    return TorchvisionPeople(net.eval().to(device), entry.name, device)
