"""The built-in people net with an encoder that has seen ImageNet: MobileNetV2 (Sandler et al.
2018) below, the decoder of a U-Net with pooled context above."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.blocks import Gate, Residual, conv_block, pointwise
from backend.networks.people import Context

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's RGB
TAPS = (1, 3, 6, 13, 17)  # the last of torchvision's `features` at 1/2, 1/4, 1/8, 1/16, 1/32
CHANNELS = (16, 24, 32, 96, 320)
DECODER = (128, 80, 48, 24)  # at 1/16, 1/8, 1/4, 1/2
DEEP = 192


class MobileEncoder(nn.Module):
    """B×3×H×W RGB in [0, 1], sides multiples of 32 → features at 1/2, 1/4, 1/8, 1/16, 1/32.

    In training the batch norms keep ImageNet's running means (batches are small), and the first
    two layers, edges and colours that are the same everywhere, stay as they are.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        self.features = mobilenet_v2().features[: TAPS[-1] + 1]
        for parameter in self.features[: TAPS[0] + 1].parameters():
            parameter.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)

    def train(self, mode: bool = True) -> MobileEncoder:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = (x - self.mean) / self.deviation
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                found.append(x)
        return found


class MobilePeopleNet(nn.Module):
    """B×3×H×W RGB in [0, 1], sides multiples of 32 → B×1×H×W logits (inside > 0).

    In training it returns the logits at 1/2, 1/4, 1/8 and 1/16 of the input's size, finest first.
    """

    def __init__(self, drop: float = 0.0) -> None:
        super().__init__()
        self.encoder = MobileEncoder()
        self.deep = pointwise(CHANNELS[-1], DEEP)
        self.wide = Residual(DEEP, 2, drop)
        self.context = Context(DEEP)
        self.gate = Gate(DEEP)
        above = (DEEP, *DECODER[:-1])
        skips = CHANNELS[-2::-1]
        self.up = nn.ModuleList(pointwise(a, d) for a, d in zip(above, DECODER, strict=True))
        self.skip = nn.ModuleList(pointwise(s, d) for s, d in zip(skips, DECODER, strict=True))
        self.smooth = nn.ModuleList(
            nn.Sequential(conv_block(d, d), conv_block(d, d)) if i < 3 else conv_block(d, d)
            for i, d in enumerate(DECODER)
        )
        self.heads = nn.ModuleList(nn.Conv2d(d, 1, 1) for d in DECODER)

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        features = self.encoder(x)
        y = self.gate(self.context(self.wide(self.deep(features[-1]))))
        outputs = []
        steps = zip(self.up, self.skip, self.smooth, self.heads, features[-2::-1], strict=True)
        for up, skip, smooth, head, feature in steps:
            raised = functional.interpolate(up(y), size=feature.shape[-2:], mode="bilinear")
            y = smooth(raised + skip(feature))
            if self.training:
                outputs.append(head(y))
        if self.training:
            return outputs[::-1]
        return functional.interpolate(self.heads[-1](y), size=x.shape[-2:], mode="bilinear")
