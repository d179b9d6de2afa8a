"""PP-OCRv6's small text detector up to its joined features: a PP-LCNet trunk (Cui et al. 2021,
arXiv 2109.15099; here with re-parametrised depthwise convolutions and GELU feed-forwards) and
the residual squeeze-and-excite pyramid RSEFPN of PP-OCR (Apache-2.0).

The modules run in the order of the published ONNX graph and hold its folded convolutions, so
`backend.training.text_trunk` fills them one by one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

WIDTHS = (48, 96, 192, 384)
BLOCKS = (2, 2, 4, 2)  # every other one squeezes and excites
PYRAMID = 96  # channels of the joined features


class Excite(nn.Module):
    """Channel weights in 0 … 1 from the mean of each channel (Hu et al. 2018)."""

    def __init__(self, channels: int, slope: float) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return (y * self.slope + 0.5).clamp(0, 1)


class Block(nn.Module):
    """Depthwise 3×3 convolution, perhaps Excite, and a feed-forward around a shortcut."""

    def __init__(self, channels: int, excite: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels)
        self.excite = Excite(channels, 1 / 6) if excite else None
        self.inner = nn.Conv2d(channels, 2 * channels, 1)
        self.outer = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.depthwise(x)
        if self.excite is not None:
            x = x * self.excite(x)
        return x + self.outer(F.gelu(self.inner(x)))


class Halve(nn.Module):
    """Half the size, twice the channels, no shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels)
        self.inner = nn.Conv2d(channels, 2 * channels, 1)
        self.outer = nn.Conv2d(2 * channels, 2 * channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(F.gelu(self.inner(self.depthwise(x))))


class Stem(nn.Module):
    """To a quarter of the size; 2×2 windows look right and down."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 3, 2, 1)
        self.conv2a = nn.Conv2d(24, 12, 2)
        self.conv2b = nn.Conv2d(12, 24, 2)
        self.conv3 = nn.Conv2d(48, 24, 3, 2, 1)
        self.conv4 = nn.Conv2d(24, 48, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1(x))
        y = F.relu(self.conv2a(F.pad(x, (0, 1, 0, 1))))
        y = F.relu(self.conv2b(F.pad(y, (0, 1, 0, 1))))
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2, 1)  # of values above 0: zeros change nothing
        return F.relu(self.conv4(F.relu(self.conv3(torch.cat([x, y], 1)))))


class LCNet(nn.Module):
    """B×3×H×W → four maps at strides 4 to 32 of WIDTHS channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.stages = nn.ModuleList()
        for i, (channels, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
            first = [Halve(channels // 2)] if i else []
            self.stages.append(nn.Sequential(
                *first, *(Block(channels, excite=n % 2 == 0) for n in range(blocks))))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Lateral(nn.Module):
    """1×1 convolution, plus itself under its channels' weights."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, PYRAMID, 1, bias=False)
        self.excite = Excite(PYRAMID, 0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x + x * self.excite(x)


class Smooth(nn.Module):
    """Depthwise 7×7 convolution and a quarter of the channels, with the weights of Lateral."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(PYRAMID, PYRAMID, 7, 1, 3, groups=PYRAMID)
        self.conv = nn.Conv2d(PYRAMID, PYRAMID // 4, 1, bias=False)
        self.excite = Excite(PYRAMID // 4, 0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(self.depthwise(x))
        return x + x * self.excite(x)


class RSEFPN(nn.Module):
    """Maps at strides 4 to 32 → B×PYRAMID×H/4×W/4. Levels run from the coarsest to the finest."""

    def __init__(self) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(Lateral(inner) for inner in reversed(WIDTHS))
        self.smooths = nn.ModuleList(Smooth() for _ in WIDTHS)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        levels = [lateral(x) for lateral, x in zip(self.laterals, reversed(maps), strict=True)]
        for i in range(1, len(levels)):
            levels[i] = levels[i] + F.interpolate(levels[i - 1], scale_factor=2)
        joined = [
            F.interpolate(smooth(x), scale_factor=2 ** (3 - i)) if i < 3 else smooth(x)
            for i, (smooth, x) in enumerate(zip(self.smooths, levels, strict=True))
        ]
        return torch.cat(joined, 1)
