"""The built-in click net: an image encoder that runs once, a light decoder that runs per click.

Click encoding after Sofiiuk et al. 2022 (RITM): binary disks of radius 5 and the previous mask as
planes. The decoder also compares every pixel's embedding with those under the clicks, which gives
a net trained from few photos a direct path to "looks like what was clicked".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DISK_RADIUS = 5.0
PLANES = 5  # positive disks, negative disks, nearness to a positive click, previous mask, box
MULTIPLE_OF = 32


class Features(NamedTuple):
    """What the encoder finds; B×C×h×w at 1/2, 1/4, 1/8 and 1/16 of the input, and embeddings
    (unit length) at 1/4."""

    half: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor
    embedding: Tensor


class Decoded(NamedTuple):
    """`logits`: B×1×H/2×W/2; `coarse`: B×1×H/16×W/16; `alike`: B×1×H/4×W/4 (logits too);
    `embedding` and `sharpness` as they are, for the losses of training."""

    logits: Tensor
    coarse: Tensor
    alike: Tensor
    embedding: Tensor
    sharpness: Tensor


def conv_bn(inside: int, outside: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """The basic block of He et al. 2016."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_bn(inside, outside, 3, stride)
        self.second = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(outside)
        self.skip = (
            nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False),
                          nn.BatchNorm2d(outside))
            if stride != 1 or inside != outside else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.second(self.first(x))) + self.skip(x))


class Attention(nn.Module):
    """A pre-norm transformer block over the pixels of a small map."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.between = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 3 * channels)
        self.narrow = nn.Linear(3 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = (
            self.qkv(self.before(tokens)).view(b, h * w, 3, self.heads, c // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        tokens = tokens + self.out(mixed)
        tokens = tokens + self.narrow(F.gelu(self.wide(self.between(tokens))))
        return tokens.transpose(1, 2).reshape(b, c, h, w)


class Encoder(nn.Module):
    def __init__(self, widths: tuple[int, int, int, int, int], embedding: int) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = widths
        self.stem = conv_bn(3, w2, 3, 2)
        self.to4 = nn.Sequential(Residual(w2, w4, 2), Residual(w4, w4))
        self.to8 = nn.Sequential(Residual(w4, w8, 2), Residual(w8, w8))
        self.to16 = nn.Sequential(Residual(w8, w16, 2), Residual(w16, w16), Residual(w16, w16))
        self.to32 = nn.Sequential(Residual(w16, w32, 2), Residual(w32, w32))
        self.lift = nn.Conv2d(w32, w16, 1)
        self.merge = nn.ModuleList(nn.Conv2d(c, 48, 1) for c in (w4, w8, w16))
        self.embed = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(48, embedding, 3, 1, 1))

    def forward(self, x: Tensor) -> Features:
        half = self.stem(x)
        quarter = self.to4(half)
        eighth = self.to8(quarter)
        sixteenth = self.to16(eighth)
        deepest = self.lift(self.to32(sixteenth))
        sixteenth = sixteenth + resize(deepest, sixteenth)
        merged = self.merge[0](quarter) + resize(self.merge[1](eighth), quarter)
        merged = merged + resize(self.merge[2](sixteenth), quarter)
        embedding = F.normalize(self.embed(merged).float(), dim=1)
        return Features(half, quarter, eighth, sixteenth, embedding)


class Fuse(nn.Module):
    """Adds 1×1 projections of maps of different sizes: what a projection of their concatenation
    gives, without the large copies. The first input is at the output's size."""

    def __init__(self, inside: tuple[int, ...], outside: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(c, outside, 1, bias=False) for c in inside)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, *maps: Tensor) -> Tensor:
        total = self.project[0](maps[0])
        for project, x in zip(self.project[1:], maps[1:], strict=True):
            part = project(x)
            total = total + (part if part.shape == total.shape else resize(part, total))
        return F.relu(self.norm(total))


class Decoder(nn.Module):
    def __init__(self, widths: tuple[int, int, int, int, int]) -> None:
        super().__init__()
        w2, w4, w8, w16, _ = widths
        deep = 128
        self.planes2 = conv_bn(PLANES, 16)
        self.planes4 = conv_bn(16, 24, 3, 2)
        self.planes8 = conv_bn(24, 24, 3, 2)
        self.planes16 = conv_bn(24, 32, 3, 2)
        self.in16 = Fuse((w16, 32, 2), deep)
        self.block16 = Residual(deep, deep)
        self.attend = nn.Sequential(Attention(deep), Attention(deep))
        self.coarse = nn.Conv2d(deep, 1, 1)
        self.in8 = Fuse((w8, deep, 24, 2), w8)
        self.block8 = Residual(w8, w8)
        self.in4 = Fuse((w4, w8, 24, 2), w4)
        self.block4 = Residual(w4, w4)
        self.in2 = Fuse((w2, w4, 16), 24)
        self.block2 = conv_bn(24, 16)
        self.out = nn.Conv2d(16, 1, 1)
        self.sharpness = nn.Parameter(torch.tensor([8.0, -4.0]))

    def forward(self, features: Features, clicks: Tensor, planes: Tensor) -> Decoded:
        alike, unlike = alikeness(features.embedding, clicks)
        both = torch.cat((alike, unlike), 1).to(planes.dtype)
        p2 = self.planes2(planes)
        p4 = self.planes4(p2)
        p8 = self.planes8(p4)
        p16 = self.planes16(p8)
        x = self.in16(features.sixteenth, p16, F.avg_pool2d(both, 4))
        x = self.attend(self.block16(x))
        coarse = self.coarse(x)
        x = self.block8(self.in8(features.eighth, x, p8, F.avg_pool2d(both, 2)))
        x = self.block4(self.in4(features.quarter, x, p4, both))
        x = self.block2(self.in2(features.half, x, p2))
        scale, shift = self.sharpness[0], self.sharpness[1]
        return Decoded(
            self.out(x), coarse, alike * scale + shift, features.embedding, self.sharpness
        )


class ClickNet(nn.Module):
    """4.5 M parameters. `encode` takes B×3×H×W RGB in [-1, 1], H and W multiples of 32."""

    stride = 2  # of the planes and the answer

    def __init__(
        self, widths: tuple[int, int, int, int, int] = (32, 64, 96, 160, 224), embedding: int = 32,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(widths, embedding)
        self.decoder = Decoder(widths)

    def encode(self, x: Tensor) -> Features:
        return self.encoder(x)

    def decode(
        self, features: Features, clicks: Tensor, previous: Tensor, box: Tensor,
    ) -> Decoded:
        """`clicks`: B×N×3 (x, y in input pixels, 1 positive / 0 negative / -1 unused);
        `previous` and `box`: B×1×H/2×W/2 in [0, 1]."""
        planes = click_planes(clicks, features.half.shape[-2:])
        planes = torch.cat((planes, previous, box), 1).to(features.half.dtype)
        return self.decoder(features, clicks, planes)

    def forward(self, x: Tensor, clicks: Tensor, previous: Tensor, box: Tensor) -> Decoded:
        return self.decode(self.encode(x), clicks, previous, box)


def resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def click_planes(
    clicks: Tensor, size: tuple[int, int] | torch.Size, stride: int = 2,
) -> Tensor:
    """B×N×3 clicks → B×3×h×w planes, the input's size over `stride`: disks and nearness, in
    [0, 1]."""
    middle = (stride - 1) / 2
    ys = torch.arange(size[0], device=clicks.device, dtype=torch.float32) * stride + middle
    xs = torch.arange(size[1], device=clicks.device, dtype=torch.float32) * stride + middle
    dx = xs[None, None] - clicks[..., :1]  # B×N×w
    dy = ys[None, None] - clicks[..., 1:2]  # B×N×h
    far = torch.hypot(dx[:, :, None, :], dy[..., None])
    kind = clicks[..., 2][..., None, None]
    nowhere = torch.full_like(far[:, :1], 1e6)
    positive = torch.cat((far.masked_fill(kind != 1, 1e6), nowhere), 1).amin(1, keepdim=True)
    negative = torch.cat((far.masked_fill(kind != 0, 1e6), nowhere), 1).amin(1, keepdim=True)
    reach = DISK_RADIUS + 0.5
    return torch.cat((
        (reach - positive).clamp(0, 1), (reach - negative).clamp(0, 1), torch.exp(-positive / 64),
    ), 1)


def alikeness(embedding: Tensor, clicks: Tensor) -> tuple[Tensor, Tensor]:
    """Highest cosine of each pixel's embedding with those under the positive and the negative
    clicks: two B×1×h×w in [-1, 1], -1 where there is no such click."""
    h, w = embedding.shape[-2:]
    at = torch.stack((clicks[..., 0] / (w * 2) - 1, clicks[..., 1] / (h * 2) - 1), -1)
    points = F.grid_sample(embedding, at[:, None], mode="bilinear", padding_mode="border",
                           align_corners=False)[:, :, 0]  # B×D×N
    points = F.normalize(points, dim=1)
    cosine = torch.einsum("bdn,bdhw->bnhw", points, embedding)
    kind = clicks[..., 2][..., None, None]
    nothing = torch.full_like(cosine[:, :1], -1.0)
    positive = torch.cat((cosine.masked_fill(kind != 1, -1.0), nothing), 1).amax(1, keepdim=True)
    negative = torch.cat((cosine.masked_fill(kind != 0, -1.0), nothing), 1).amax(1, keepdim=True)
    return positive, negative
