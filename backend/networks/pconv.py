"""Partial-convolution U-Net for image inpainting (Liu et al. 2018, arXiv 1804.07723)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn


class PartialConv2d(nn.Module):
    """A convolution that sees known pixels only: the answer is scaled by window size / number of
    known values in the window, and a pixel becomes known where its window held any.

    `mask` is B×1×H×W in [0, 1], the share of the channels known at each pixel (1 or 0 for one
    feature map, a mean for two joined ones); `x` must be 0 where it is unknown.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int = 3, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.size, self.stride = size, stride

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            share = functional.avg_pool2d(mask.float(), self.size, self.stride, self.size // 2)
            seen = (share > 1e-6).float()
            factor = seen / share.clamp(min=1e-6)  # window size / sum of the mask
        y = self.conv(x) * factor.to(x.dtype)
        if self.bias is not None:
            y = y + self.bias.view(1, -1, 1, 1)
        return y * seen.to(y.dtype), seen


class Down(nn.Module):
    """Partial convolution of stride 2, batch norm (not in the first), ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int, norm: bool = True) -> None:
        super().__init__()
        self.conv = PartialConv2d(inputs, outputs, size, 2, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, seen = self.conv(x, mask)
        return torch.relu(self.norm(y)) * seen.to(y.dtype), seen


class Up(nn.Module):
    """Nearest-neighbour doubling, joined with the skip, partial convolution, leaky ReLU."""

    def __init__(self, inputs: int, skip: int, outputs: int, last: bool = False) -> None:
        super().__init__()
        self.conv = PartialConv2d(inputs + skip, outputs, 3, 1, bias=last)
        self.norm = nn.Identity() if last else nn.BatchNorm2d(outputs)
        self.inputs, self.skip, self.last = inputs, skip, last

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor, skip: torch.Tensor, skip_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        mask = functional.interpolate(mask, scale_factor=2.0, mode="nearest")
        share = (mask * self.inputs + skip_mask * self.skip) / (self.inputs + self.skip)
        y, seen = self.conv(torch.cat([x, skip.to(x.dtype)], 1), share)
        if self.last:
            return y, seen
        y = functional.leaky_relu(self.norm(y), 0.2)
        return y * seen.to(y.dtype), seen


@dataclass(frozen=True)
class Widths:
    """Channels and kernel sizes of the encoder's stages, each at half the size before."""

    channels: tuple[int, ...] = (32, 64, 128, 192, 192, 192, 192)
    sizes: tuple[int, ...] = (7, 5, 5, 3, 3, 3, 3)

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> Widths:
        """Those of trained weights; KeyError where these are of another network."""
        shapes, name = [state["down.0.conv.conv.weight"].shape], "down.{}.conv.conv.weight"
        while (key := name.format(len(shapes))) in state:
            shapes.append(state[key].shape)
        return cls(tuple(s[0] for s in shapes), tuple(s[-1] for s in shapes))


ON_SMOOTH = "on_smooth"  # in the weights of a net that adds to a smooth fill
# Trains on one CPU thread: a tenth of the work, at half the size.
SMALL = Widths((24, 40, 64, 96, 128, 128), (5, 5, 3, 3, 3, 3))


def smooth(rgb: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """B×3×H×W with the hole (known B×1×H×W is 0) filled smoothly from a pyramid of known means
    (Gortler et al. 1996). The known pixels stay as they are."""
    levels = [(rgb * known, known)]
    while min(levels[-1][1].shape[2:]) > 1 and float(levels[-1][1].min()) < 1:
        colour, weight = levels[-1]
        total = functional.avg_pool2d(weight, 2, ceil_mode=True)
        colour = functional.avg_pool2d(colour, 2, ceil_mode=True) / total.clamp(min=1e-9)
        full = (total * 4).clamp(max=1)
        levels.append((colour * full, full))
    colour, weight = levels.pop()
    mass = weight.sum((2, 3), keepdim=True).clamp(min=1e-9)
    result = colour + (1 - weight) * (colour.sum((2, 3), keepdim=True) / mass)
    while levels:
        colour, weight = levels.pop()
        up = functional.interpolate(result, size=weight.shape[2:], mode="bilinear")
        result = colour + (1 - weight) * up
    return result


class PConvUNet(nn.Module):
    """rgb B×3×H×W in [0, 1], known B×1×H×W (1 = known, 0 = hole), sides multiples of
    `multiple_of` → B×3×H×W, the network's own picture everywhere (not clamped, not composited).

    `on_smooth`: what the layers give is added to a smooth continuation of the known pixels (see
    `smooth`), so that the net need not learn tones, only what such a fill lacks. A new net then
    starts as that fill: its last layer is 0.
    """

    def __init__(self, widths: Widths | None = None, on_smooth: bool = False) -> None:
        super().__init__()
        widths = widths or Widths()
        channels = widths.channels
        before = (3, *channels[:-1])
        self.down = nn.ModuleList(
            Down(a, b, size, norm=i > 0)
            for i, (a, b, size) in enumerate(zip(before, channels, widths.sizes, strict=True))
        )
        ups = []
        for i in range(len(channels) - 1, -1, -1):
            outputs = before[i] if i else 3
            ups.append(Up(channels[i], before[i], outputs, last=i == 0))
        self.up = nn.ModuleList(ups)
        self.multiple_of = 2 ** len(channels)
        self.frozen = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, 0.2, nonlinearity="leaky_relu")
        self.adds = on_smooth
        if on_smooth:
            self.register_buffer(ON_SMOOTH, torch.ones(1))
            self.start_from_smooth()

    def start_from_smooth(self) -> None:
        """Zeroes the last layer: nothing is added to the smooth fill."""
        last: Any = self.up[-1]
        for parameter in last.conv.parameters():
            nn.init.zeros_(parameter)

    def train(self, mode: bool = True) -> PConvUNet:
        """Keeps the encoder's batch norm fixed when `frozen` (the paper's second phase)."""
        super().train(mode)
        if mode and self.frozen:
            for module in self.down.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, rgb: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        x, mask = (rgb - 0.5) * known, known
        skips = []
        for stage in self.down:
            skips.append((x, mask))
            x, mask = stage(x, mask)
        for stage in self.up:
            x, mask = stage(x, mask, *skips.pop())
        if not self.adds:
            return x + 0.5
        with torch.autocast(rgb.device.type, enabled=False):
            return smooth(rgb.float(), known.float()) + x.float()
