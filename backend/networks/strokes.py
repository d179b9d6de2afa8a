"""The stroke net: a small U-Net of plain 3×3 convolutions (Ronneberger et al. 2015) that works on
2×2 blocks of pixels: a quarter of the time for edges that are as sharp."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

WIDTHS = (24, 48, 64, 64)


def block(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(True)
    )


class StrokeNet(nn.Module):
    """B×4×H×W (R, G, B in [0, 1] and the hint: 1 inside the line's box) → B×3×H×W logits:
    glyph with outline, shadow or glow, plate. H and W multiples of 8."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.enter = block(16, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(block(a, b, 2), block(b, b), block(b, b))
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.across = nn.ModuleList(
            nn.Conv2d(b, a, 1) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.up = nn.ModuleList(block(a, a) for a in widths[:-1])
        self.leave = nn.Conv2d(widths[0], 12, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = [self.enter(F.pixel_unshuffle(x - 0.5, 2))]
        for down in self.down:
            skips.append(down(skips[-1]))
        y = skips.pop()
        for n in range(len(self.up) - 1, -1, -1):
            skip = skips[n]
            y = F.interpolate(self.across[n](y), size=skip.shape[2:], mode="bilinear")
            y = self.up[n](y + skip)
        return F.pixel_shuffle(self.leave(y), 2)
