"""Blocks shared by the built-in networks: plain 3×3 convolutions, fast to train on any device."""

from __future__ import annotations

import torch
from torch import nn


def conv_block(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """3×3 convolution, batch norm, ReLU; keeps the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(True),
    )


def pointwise(inputs: int, outputs: int) -> nn.Sequential:
    """1×1 convolution, batch norm, ReLU: changes the number of channels only."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


def fold_batch_norms(net: nn.Module) -> nn.Module:
    """Joins each batch norm into the convolution before it, in place: the same answers, quicker.

    For nets in evaluation mode whose convolution and norm follow each other in a Sequential.
    """
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for part in [m for m in net.modules() if isinstance(m, nn.Sequential)]:
        for index in range(len(part) - 1):
            one, two = part[index], part[index + 1]
            if isinstance(one, nn.Conv2d) and isinstance(two, nn.BatchNorm2d):
                part[index], part[index + 1] = fuse_conv_bn_eval(one, two), nn.Identity()
    return net


class Residual(nn.Module):
    """Two 3×3 convolutions around an identity (He et al. 2016), with stochastic depth in training
    (Huang et al. 2016): `drop` is the chance that a sample skips the block."""

    def __init__(self, channels: int, dilation: int = 1, drop: float = 0.0) -> None:
        super().__init__()
        self.first = conv_block(channels, channels, 1, dilation)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.drop = drop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(self.first(x))
        if self.training and self.drop > 0:
            keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.drop
            y = y * keep.to(y.dtype) / (1 - self.drop)
        return torch.relu(x + y)


class Gate(nn.Module):
    """Weighs channels by what the whole picture shows (squeeze and excitation, Hu et al. 2018)."""

    def __init__(self, channels: int, squeeze: int = 4) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // squeeze, 1),
            nn.ReLU(True),
            nn.Conv2d(channels // squeeze, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.inner(x)
