"""Nets that read alpha from a crop and its trimap: a U-Net, and the plain encoder–decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.blocks import conv_block

INPUTS = 4  # RGB and the trimap as 0, 0.5, 1
MULTIPLE = 16  # px, of both sides of the input


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_block(inputs, outputs), conv_block(outputs, outputs))


class MatteUNet(nn.Module):
    """B×4×H×W (RGB in [0, 1], trimap 0, 0.5, 1), sides multiples of 16 → B×1×H×W logits of alpha.

    The generator of a pair with critics (Ronneberger et al. 2015; Lutz et al., AlphaGAN, 2018).
    """

    def __init__(self, widths: tuple[int, ...] = (20, 40, 64, 96, 128)) -> None:
        super().__init__()
        self.first = _twice(INPUTS, widths[0])
        pairs = list(zip(widths, widths[1:], strict=False))
        self.down = nn.ModuleList(
            nn.Sequential(conv_block(a, b, 2), conv_block(b, b)) for a, b in pairs)
        self.up = nn.ModuleList(_twice(a + b, a) for a, b in reversed(pairs))
        self.last = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x - 0.5)
        skips = []
        for down in self.down:
            skips.append(y)
            y = down(y)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            y = functional.interpolate(y, size=skip.shape[-2:], mode="bilinear")
            y = up(torch.cat([y, skip], 1))
        return self.last(y)


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
