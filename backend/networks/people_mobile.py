"""The built-in people net with an encoder that has seen ImageNet: MobileNetV2 (Sandler et al.
2018) below, the decoder of a U-Net with pooled context above."""

from __future__ import annotations

import torch
from torch import nn

from backend.networks.blocks import Gate, Residual, pointwise
from backend.networks.people import Context, WithDecoder

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


class MobilePeopleNet(WithDecoder):
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
        self.add_decoder(DEEP, CHANNELS, DECODER)

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        features = self.encoder(x)
        y = self.gate(self.context(self.wide(self.deep(features[-1]))))
        return self.decode(y, features, (x.shape[-2], x.shape[-1]))
