"""PSENet (Wang et al., CVPR 2019): a text map and six shrunk kernels on a feature pyramid.

`PSENet` has the module names and shapes of the authors' checkpoints (ResNet-50 with a deep stem);
`LightPSENet` is the small one that is trained here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from backend.networks.lcnet import PYRAMID, RSEFPN, LCNet

KERNELS = 7
MARGIN = 0.06  # of a line's ink, by which the light one's labels are larger on every side
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU under the names `conv` and `bn`."""

    def __init__(self, inner: int, outer: int, size: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """1×1, 3×3 (with the stride), 1×1 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, inner: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        outer = 4 * planes
        self.conv1 = nn.Conv2d(inner, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
            if stride != 1 or inner != outer
            else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """ResNet-50 whose stem is three 3×3 convolutions; returns the maps at strides 4 to 32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, 128, 3, 1, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(128)
        inner = 128
        for n, (planes, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            layers = []
            for i in range(blocks):
                layers.append(Bottleneck(inner, planes, 2 if n > 1 and i == 0 else 1))
                inner = 4 * planes
            self.add_module(f"layer{n}", nn.Sequential(*layers))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        maps = []
        for n in range(1, 5):
            x = self.get_submodule(f"layer{n}")(x)
            maps.append(x)
        return maps


class FPN(nn.Module):
    """Feature pyramid whose four levels are all brought to stride 4 and joined."""

    def __init__(self, inner: tuple[int, int, int, int], outer: int) -> None:
        super().__init__()
        self.toplayer_ = ConvNorm(inner[3], outer)
        self.latlayer1_ = ConvNorm(inner[2], outer)
        self.latlayer2_ = ConvNorm(inner[1], outer)
        self.latlayer3_ = ConvNorm(inner[0], outer)
        self.smooth1_ = ConvNorm(outer, outer, 3)
        self.smooth2_ = ConvNorm(outer, outer, 3)
        self.smooth3_ = ConvNorm(outer, outer, 3)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        p5 = self.toplayer_(maps[3])
        p4 = self.smooth1_(onto(p5, lateral := self.latlayer1_(maps[2])) + lateral)
        p3 = self.smooth2_(onto(p4, lateral := self.latlayer2_(maps[1])) + lateral)
        p2 = self.smooth3_(onto(p3, lateral := self.latlayer3_(maps[0])) + lateral)
        return torch.cat([p2, onto(p3, p2), onto(p4, p2), onto(p5, p2)], 1)


def onto(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class Head(nn.Module):
    """3×3 convolution and a 1×1 one to the maps: text, then kernels from large to small."""

    def __init__(self, inner: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, hidden, 3, 1, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, KERNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(F.relu(self.bn1(self.conv1(x))))


class PSENet(nn.Module):
    """B×3×H×W RGB normalised by MEAN and STD → B×7×H/4×W/4 logits. The authors' network."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet50()
        self.fpn = FPN((256, 512, 1024, 2048), 256)
        self.det_head = Head(1024, 256)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.det_head(self.fpn(self.backbone(x)))


class LightPSENet(nn.Module):
    """The same form on PP-OCR's light trunk and pyramid: 2.5 M parameters; sides are multiples
    of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = LCNet()
        self.fpn = RSEFPN()
        self.det_head = Head(PYRAMID, 48, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.det_head(self.fpn(self.backbone(x)))
