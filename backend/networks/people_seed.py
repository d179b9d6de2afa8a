"""The seed people net (plain 3×3 U-Net)."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.blocks import conv_block


class SeedNet(nn.Module):
    """B×3×H×W RGB in [0, 1], sides multiples of 32 → B×1×H×W logits (person > 0).

    In training a list of one: the logits at half the size, before they are enlarged.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 128, 160)) -> None:
        super().__init__()
        deep = widths[4]
        self.stem = conv_block(3, widths[0], 2)
        self.encoder = nn.ModuleList(
            nn.Sequential(conv_block(a, b, 2), conv_block(b, b))
            for a, b in zip(widths, widths[1:], strict=False)
        )
        self.context = nn.Sequential(conv_block(deep, deep, 1, 2), conv_block(deep, deep, 1, 4))
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(deep, deep, 1), nn.Sigmoid()
        )
        self.decoder = nn.ModuleList(
            conv_block(widths[i] + widths[i - 1], widths[i - 1]) for i in (4, 3, 2, 1)
        )
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        skips = [self.stem((x - 0.45) / 0.25)]
        for stage in self.encoder:
            skips.append(stage(skips[-1]))
        y = skips[-1]
        y = y + self.context(y)
        y = y * self.gate(y)
        for stage, skip in zip(self.decoder, skips[-2::-1], strict=True):
            y = functional.interpolate(y, size=skip.shape[-2:], mode="bilinear")
            y = stage(torch.cat([y, skip], 1))
        if self.training:
            return [self.head(y)]
        return functional.interpolate(self.head(y), size=x.shape[-2:], mode="bilinear")
