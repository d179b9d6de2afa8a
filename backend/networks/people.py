"""The built-in net for people, and the smaller one for salient objects: a residual U-Net.

Plain 3×3 convolutions (quick on two cores and on any GPU), a pyramid of pooled context at 1/32 so
that a limb is judged by the whole figure, and a decoder that adds the skips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.blocks import Gate, Residual, conv_block, pointwise


@dataclass(frozen=True)
class Widths:
    """Channels at 1/2, 1/4, 1/8, 1/16, 1/32, residual blocks at the last four, decoder channels
    at 1/16, 1/8, 1/4, 1/2."""

    encoder: tuple[int, int, int, int, int] = (24, 48, 96, 160, 208)
    blocks: tuple[int, int, int, int] = (1, 2, 4, 1)
    decoder: tuple[int, int, int, int] = (112, 64, 40, 24)


LARGE = Widths()
SMALL = Widths((16, 32, 64, 112, 144), (1, 1, 2, 1), (72, 48, 32, 16))


class Context(nn.Module):
    """Adds means over a 1, 2, 3 and 6-cell grid (pyramid pooling, Zhao et al. 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        part = channels // 4
        self.branches = nn.ModuleList(nn.Conv2d(channels, part, 1) for _ in range(4))
        self.merge = pointwise(channels + 4 * part, channels)
        self.grids = (1, 2, 3, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [x]
        for grid, branch in zip(self.grids, self.branches, strict=True):
            pooled = branch(functional.adaptive_avg_pool2d(x, grid))
            parts.append(functional.interpolate(pooled, size=x.shape[-2:], mode="bilinear"))
        return self.merge(torch.cat(parts, 1))


class WithDecoder(nn.Module):
    """What the people nets share above their encoders, under the names of the weights' files."""

    def add_decoder(self, deep: int, channels: Sequence[int], decoder: Sequence[int]) -> None:
        """`deep` channels come from the lowest level; `channels` of all levels, finest first;
        `decoder` of its steps, lowest first. A step projects what comes up and the skip, adds
        both and smooths."""
        above = (deep, *decoder[:-1])
        skips = channels[-2::-1]
        self.up = nn.ModuleList(pointwise(a, d) for a, d in zip(above, decoder, strict=True))
        self.skip = nn.ModuleList(pointwise(s, d) for s, d in zip(skips, decoder, strict=True))
        self.smooth = nn.ModuleList(
            nn.Sequential(conv_block(d, d), conv_block(d, d)) if i < 3 else conv_block(d, d)
            for i, d in enumerate(decoder)
        )
        self.heads = nn.ModuleList(nn.Conv2d(d, 1, 1) for d in decoder)

    def decode(
        self, y: torch.Tensor, features: Sequence[torch.Tensor], size: tuple[int, int]
    ) -> torch.Tensor | list[torch.Tensor]:
        """Logits B×1×H×W of `size`; in training one a step, at its own size, finest first."""
        outputs = []
        steps = zip(self.up, self.skip, self.smooth, self.heads, features[-2::-1], strict=True)
        for up, skip, smooth, head, feature in steps:
            raised = functional.interpolate(up(y), size=feature.shape[-2:], mode="bilinear")
            y = smooth(raised + skip(feature))
            if self.training:
                outputs.append(head(y))
        if self.training:
            return outputs[::-1]
        return functional.interpolate(self.heads[-1](y), size=size, mode="bilinear")


class PeopleNet(WithDecoder):
    """B×3×H×W RGB in [0, 1], sides multiples of 32 → B×1×H×W logits (inside > 0).

    In training it returns the logits at 1/2, 1/4, 1/8 and 1/16 of the input's size, finest first.
    """

    def __init__(self, widths: Widths = LARGE, drop: float = 0.0) -> None:
        super().__init__()
        channels, decoder = widths.encoder, widths.decoder
        self.stem = conv_block(3, channels[0], 2)
        stages = []
        for index, (a, b) in enumerate(zip(channels, channels[1:], strict=False)):
            rates = [drop * (index + 1) / 4] * widths.blocks[index]
            stages.append(nn.Sequential(conv_block(a, b, 2), *(Residual(b, 1, r) for r in rates)))
        self.encoder = nn.ModuleList(stages)
        deep = channels[-1]
        self.wide = Residual(deep, 2, drop)
        self.context = Context(deep)
        self.gate = Gate(deep)
        self.add_decoder(deep, channels, decoder)

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        features = [self.stem((x - 0.45) / 0.25)]
        for stage in self.encoder:
            features.append(stage(features[-1]))
        y = self.gate(self.context(self.wide(features[-1])))
        return self.decode(y, features, (x.shape[-2], x.shape[-1]))
