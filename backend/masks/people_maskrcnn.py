"""People one by one: torchvision's Mask R-CNN ResNet-50 FPN V2 (He et al. 2017; Li et al. 2021).

Class 1 of COCO's 91 is the person. The net scales and normalises its RGB input in [0, 1] itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

from backend.masks.refine import refine
from backend.models.interfaces import Description
from backend.values import Control, ModelUnavailable

PERSON = 1
LEAST_SCORE = 0.5
LONGEST = 1333  # px: the net shrinks larger pictures itself, but would paste masks at full size


class MaskRcnnPeople:
    def __init__(self, net: Any, name: str, device: str) -> None:
        self.net = net
        self.description = Description(name, device, 1, 1, 800, 65535, True)

    def detect(self, rgb: np.ndarray, control: Control) -> list[np.ndarray]:
        """One h×w float32 soft mask a person, at most 1333 px long, surest first."""
        control.check()
        height, width = rgb.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(small)).to(self.description.device)
            found = self.net([x.permute(2, 0, 1).float() / 255])[0]
            chosen = (found["labels"] == PERSON) & (found["scores"] >= LEAST_SCORE)
            order = torch.argsort(found["scores"][chosen], descending=True)
            masks = found["masks"][chosen][order, 0].float().cpu().numpy()
        control.check()
        return list(masks)

    def probability(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB of any size → H×W float32 in [0, 1]."""
        masks = self.detect(rgb, control)
        if not masks:
            return np.zeros(rgb.shape[:2], np.float32)
        return refine(rgb, np.maximum.reduce(masks), control)

    def instances(self, rgb: np.ndarray, control: Control) -> list[np.ndarray]:
        """One H×W uint8 mask (255 inside) a person, largest first; no pixel in two of them."""
        soft = self.detect(rgb, control)
        if not soft:
            return []
        # A pixel belongs to whoever's mask is surest there; his edge is refined on his own.
        owner = np.argmax(np.stack(soft), 0)
        height, width = rgb.shape[:2]
        taken = np.zeros((height, width), bool)
        result = []
        for index, mask in enumerate(soft):
            control.progress(index / len(soft))
            own = np.where(owner == index, mask, 0).astype(np.float32)
            if not (own > 0.5).any():
                continue
            inside = (refine(rgb, own, control) > 0.5) & ~taken
            taken |= inside
            if inside.any():
                result.append(inside.astype(np.uint8) * np.uint8(255))
        return sorted(result, key=lambda m: -int(np.count_nonzero(m)))


def load(entry: Any, files: dict[str, Path], device: str) -> MaskRcnnPeople:
    """The net with the official state dict, or one fine-tuned by `training maskrcnn`."""
    net = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=91)
    path = next(iter(files.values()))
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise ModelUnavailable(
            f"{path.name} does not hold the weights of {entry.short}; install it again with: "
            f"cleanplate models install {entry.name}"
        ) from error
    return MaskRcnnPeople(net.eval().to(device), entry.name, device)
