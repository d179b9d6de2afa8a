"""The click net whose encoder has seen ImageNet: MobileNetV2 runs once a picture, a light decoder
runs per click and answers at a quarter of the input's size.

The clicks enter as in `networks.click` (RITM's disks, the previous mask, a box, and how alike a
pixel's embedding is to those under the clicks), beside the features from 1/4 to 1/16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.networks.blocks import pointwise
from backend.networks.click import (
    PLANES,
    Attention,
    Decoded,
    Features,
    Fuse,
    Residual,
    alikeness,
    click_planes,
    conv_bn,
    resize,
)
from backend.networks.click_graph import GraphNet
from backend.networks.people_mobile import CHANNELS, MobileEncoder

EMBEDDING = 32
DEEP = 160  # at 1/16
WIDTHS = (32, 64)  # of the decoder at 1/4, 1/8
LEARNED = 7  # the first layer of `features` that training changes; below it is as ImageNet left it


class MobileDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        w4, w8 = WIDTHS
        self.planes4 = conv_bn(PLANES, 24)
        self.planes8 = conv_bn(24, 32, 3, 2)
        self.planes16 = conv_bn(32, 48, 3, 2)
        self.in16 = Fuse((DEEP, 48, 2), DEEP)
        self.attend = nn.Sequential(Attention(DEEP), Attention(DEEP))
        self.block16 = Residual(DEEP, DEEP)
        self.coarse = nn.Conv2d(DEEP, 1, 1)
        self.in8 = Fuse((CHANNELS[2], DEEP, 32, 2), w8)
        self.block8 = Residual(w8, w8)
        self.in4 = Fuse((CHANNELS[1], w8, 24, 2), w4)
        self.block4 = Residual(w4, w4)
        self.out = nn.Conv2d(w4, 1, 1)
        self.sharpness = nn.Parameter(torch.tensor([8.0, -4.0]))

    def forward(self, features: Features, clicks: Tensor, planes: Tensor) -> Decoded:
        alike, unlike = alikeness(features.embedding, clicks)
        both = torch.cat((alike, unlike), 1).to(planes.dtype)
        p4 = self.planes4(planes)
        p8 = self.planes8(p4)
        p16 = self.planes16(p8)
        x = self.in16(features.sixteenth, p16, F.avg_pool2d(both, 4))
        x = self.block16(self.attend(x))
        coarse = self.coarse(x)
        x = self.block8(self.in8(features.eighth, x, p8, F.avg_pool2d(both, 2)))
        x = self.block4(self.in4(features.quarter, x, p4, both))
        scale, shift = self.sharpness[0], self.sharpness[1]
        return Decoded(
            self.out(x), coarse, alike * scale + shift, features.embedding, self.sharpness
        )


class MobileClickNet(nn.Module):
    """3.0 M parameters; used as `ClickNet` is: B×3×H×W RGB in [-1, 1], multiples of 32."""

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileEncoder()
        for parameter in self.encoder.features[:LEARNED].parameters():
            parameter.requires_grad_(False)
        self.lift = nn.Conv2d(CHANNELS[4], DEEP, 1, bias=False)
        self.deep = nn.Conv2d(CHANNELS[3], DEEP, 1, bias=False)
        self.norm = nn.BatchNorm2d(DEEP)
        self.merge = nn.ModuleList(nn.Conv2d(c, 48, 1) for c in (*CHANNELS[1:3], DEEP))
        self.embed = nn.Sequential(pointwise(48, 48), nn.Conv2d(48, EMBEDDING, 1))
        self.decoder = MobileDecoder()

    def encode(self, x: Tensor) -> Features:
        half, quarter, eighth, sixteenth, last = self.encoder(x / 2 + 0.5)
        deep = self.deep(sixteenth)
        deep = F.relu(self.norm(deep + resize(self.lift(last), deep)))
        merged = self.merge[0](quarter) + resize(self.merge[1](eighth), quarter)
        merged = merged + resize(self.merge[2](deep), quarter)
        embedding = F.normalize(self.embed(merged).float(), dim=1)
        return Features(half, quarter, eighth, deep, embedding)

    def decode(
        self, features: Features, clicks: Tensor, previous: Tensor, box: Tensor,
    ) -> Decoded:
        """See `ClickNet.decode`; `previous`, `box` and the answer are B×1×H/4×W/4."""
        planes = click_planes(clicks, features.quarter.shape[-2:], self.stride)
        planes = torch.cat((planes, previous, box), 1).to(features.quarter.dtype)
        return self.decoder(features, clicks, planes)

    def forward(self, x: Tensor, clicks: Tensor, previous: Tensor, box: Tensor) -> Decoded:
        return self.decode(self.encode(x), clicks, previous, box)


class Fused(nn.Module):
    """The nets of the region graph and this one, as one file of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = GraphNet()
        self.conv = MobileClickNet()
