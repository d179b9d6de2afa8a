"""DeepMask (Pinheiro et al. 2015) and DeepCrop V1/V2 (Kurenkov 2016): one crop, one mask.

A crop with the object at its centre gives a 56×56 mask and a score (is the object centred and of
the canonical size?). DeepMask knows no click; V1 takes planes of the distance to the click into
the mask branch; V2 takes the distance as a fourth input plane of the trunk.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from backend.networks.click import conv_bn
from backend.networks.people_mobile import DEVIATION, MEAN

CROP = 192  # px side of the network's input
OBJECT = 110  # px: the longest side of an object of canonical size (DeepMask: 128 of 224)
MASK = 56
TRUNK, WIDE = 14, 96  # of MobileNetV2's `features`, to stride 16, and the channels there
LEARNED = 7  # the first of them that training changes

Kind = Literal["deepmask", "deepcrop-v1", "deepcrop-v2"]


class DeepMask(nn.Module):
    """2.4 M parameters; the trunk is MobileNetV2's to stride 16 (the papers' are VGG-A's and
    ResNet's), which starts from ImageNet as theirs do. Its batch norms keep ImageNet's means."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, kind: Kind = "deepmask") -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        self.kind: Kind = kind
        self.trunk = mobilenet_v2().features[:TRUNK]
        for parameter in self.trunk[:LEARNED].parameters():
            parameter.requires_grad_(False)
        stem = self.trunk[0]
        if kind == "deepcrop-v2" and isinstance(stem, nn.Sequential):
            stem[0] = nn.Conv2d(4, 32, 3, 2, 1, bias=False)  # its fourth plane is to be learned
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)
        cells = (CROP // 16) ** 2
        self.mask_in = conv_bn(WIDE + (1 if kind == "deepcrop-v1" else 0), 64, 1)
        self.mask_low = nn.Linear(64 * cells, 128)  # the low-rank classifier of DeepMask
        self.mask_out = nn.Linear(128, MASK * MASK)
        self.score = nn.Sequential(
            nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(WIDE * cells // 4, 64),
            nn.ReLU(inplace=True), nn.Linear(64, 1),
        )

    def train(self, mode: bool = True) -> DeepMask:
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, x: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        """`x`: B×3×192×192 RGB in [-1, 1]; `distance`: B×1×192×192, see `distance_plane` ->
        mask logits B×1×56×56 and score logits B."""
        x = (x / 2 + 0.5 - self.mean) / self.deviation
        if self.kind == "deepcrop-v2":
            x = torch.cat((x, distance.to(x.dtype)), 1)
        features = self.trunk(x)
        masked = features
        if self.kind == "deepcrop-v1":
            small = nn.functional.avg_pool2d(distance.to(x.dtype), 16).to(features.dtype)
            masked = torch.cat((features, small), 1)
        low = self.mask_low(self.mask_in(masked).flatten(1))
        return self.mask_out(low).view(-1, 1, MASK, MASK), self.score(features)[:, 0]


def distance_plane(points: Tensor, side: int = CROP) -> Tensor:
    """B×2 clicks (x, y in crop pixels) → B×1×side×side distance to the click over `side`."""
    at = torch.arange(side, device=points.device, dtype=torch.float32) + 0.5
    dx = at[None, None, :] - points[:, 0, None, None]
    dy = at[None, :, None] - points[:, 1, None, None]
    return (torch.hypot(dx, dy) / side)[:, None]
