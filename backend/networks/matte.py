"""Nets that read alpha from a crop and its trimap: a U-Net, and the plain encoder–decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.blocks import conv_block, pointwise
from backend.networks.people_mobile import CHANNELS, MobileEncoder

INPUTS = 4  # RGB and the trimap as 0, 0.5, 1
DECODER = (96, 64, 40, 24)  # channels at 1/16, 1/8, 1/4, 1/2
FINE = 20  # at full size


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_block(inputs, outputs), conv_block(outputs, outputs))


class MatteUNet(nn.Module):
    """B×4×H×W (RGB in [0, 1], trimap 0, 0.5, 1), sides multiples of 32 → B×1×H×W logits of alpha.

    The generator of a pair with critics (Ronneberger et al. 2015; Lutz et al., AlphaGAN, 2018).
    The encoder has seen ImageNet and reads the colours alone; the trimap comes in again at every
    size of the decoder, and at full size both do, for hairs are thinner than the encoder's pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileEncoder()
        above = (CHANNELS[-1], *DECODER[:-1])
        skips = CHANNELS[-2::-1]
        self.up = nn.ModuleList(pointwise(a, d) for a, d in zip(above, DECODER, strict=True))
        self.skip = nn.ModuleList(pointwise(s + 1, d) for s, d in zip(skips, DECODER, strict=True))
        self.smooth = nn.ModuleList(_twice(d, d) for d in DECODER)
        self.fine = conv_block(INPUTS, FINE)
        self.join = _twice(DECODER[-1] + FINE, FINE)
        self.last = nn.Conv2d(FINE, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.encoder(x[:, :3])
        y = features[-1]
        steps = zip(self.up, self.skip, self.smooth, features[-2::-1], strict=True)
        for up, skip, smooth, feature in steps:
            size = feature.shape[-2:]
            trimap = functional.interpolate(x[:, 3:], size=size, mode="area") - 0.5
            raised = functional.interpolate(up(y), size=size, mode="bilinear")
            y = smooth(raised + skip(torch.cat([feature, trimap], 1)))
        y = functional.interpolate(y, size=x.shape[-2:], mode="bilinear")
        return self.last(self.join(torch.cat([y, self.fine(x - 0.5)], 1)))


class MatteEncoderDecoder(nn.Module):
    """The same input and output without skips: everything goes through the 1/16 bottleneck
    (the first stage of Xu et al., Deep Image Matting, 2017)."""

    def __init__(self, widths: tuple[int, ...] = (20, 40, 64, 96, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = [_twice(INPUTS, widths[0])]
        for a, b in zip(widths, widths[1:], strict=False):
            layers += [conv_block(a, b, 2), conv_block(b, b)]
        for a, b in zip(widths[::-1], widths[-2::-1], strict=False):
            layers += [conv_block(a, b), nn.Upsample(scale_factor=2, mode="bilinear")]
        layers += [conv_block(widths[0], widths[0]), nn.Conv2d(widths[0], 1, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x - 0.5)
