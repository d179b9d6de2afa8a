"""Losses of the fill net: Liu et al. 2018 (valid, hole, perceptual, style, total variation) and
the optional global and local discriminators of Iizuka et al. 2017."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.people_mobile import MobileEncoder
from backend.training.imagenet import start_from_imagenet
from backend.values import BadInput

STYLE = 120.0  # the paper's weight, for VGG16's features


class VGGFeatures(nn.Module):
    """pool1, pool2, pool3 of torchvision's VGG16 on B×3×H×W RGB in [0, 1]."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        from torchvision.models import vgg16

        net = vgg16(weights=None)
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        layers = list(net.features.children())
        cuts = ((0, 5), (5, 10), (10, 17))
        self.stages = nn.ModuleList(nn.Sequential(*layers[a:b]) for a, b in cuts)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, rgb: torch.Tensor) -> list[torch.Tensor]:
        x = (rgb - self.get_buffer("mean")) / self.get_buffer("std")
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class MobileFeatures(nn.Module):
    """Stands in for VGG16: three stages of MobileNetV2 (ImageNet, from the wheel that
    `backend/training/imagenet.py` names) at 1/2, 1/4 and 1/8, brought to unit scale. B×3×H×W RGB
    in [0, 1]. Raises BadInput where the wheel is not installed."""

    TAKEN = {0: 0.274, 3: 0.850, 6: 0.847}  # layer: its standard deviation on natural photos

    def __init__(self) -> None:
        super().__init__()
        encoder = MobileEncoder()
        start_from_imagenet(encoder)
        self.layers = encoder.features[: max(self.TAKEN) + 1]
        self.register_buffer("mean", encoder.mean)
        self.register_buffer("deviation", encoder.deviation)
        self.requires_grad_(False).eval()

    def forward(self, rgb: torch.Tensor) -> list[torch.Tensor]:
        x = (rgb - self.get_buffer("mean")) / self.get_buffer("deviation")
        found = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.TAKEN:
                found.append(x / self.TAKEN[index])
        return found


class RandomFeatures(nn.Module):
    """Stands in for both where neither is installed: fixed random orthogonal filters over an
    image pyramid, whose Gram matrices carry texture well (Ustyuzhaninov et al. 2016). Outputs
    have unit scale on natural pictures. The same in every run."""

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        filters = []
        for size in (3, 7, 11):
            weight = torch.randn(channels, 3 * size * size, generator=generator)
            weight = weight.view(channels, 3, -1)
            centred = (torch.arange(channels) >= 8).view(-1, 1, 1)  # the first 8 see colour
            weight = weight - weight.mean(2, keepdim=True) * centred
            weight = functional.normalize(weight.flatten(1), dim=1).view(channels, 3, size, size)
            filters.append(nn.Parameter(weight * 6.0 / size**0.5, requires_grad=False))
        self.filters = nn.ParameterList(filters)

    def forward(self, rgb: torch.Tensor) -> list[torch.Tensor]:
        found, x = [], rgb - 0.45
        for weight in self.filters:
            found.append(torch.relu(functional.conv2d(x, weight, padding=weight.shape[-1] // 2)))
            x = functional.avg_pool2d(x, 2)
        return found


def features(vgg: Path | None) -> tuple[nn.Module, str]:
    """The feature net and what it is called in the model card."""
    if vgg is not None and vgg.is_file():
        return VGGFeatures(vgg), "VGG16 (ImageNet)"
    try:
        return MobileFeatures(), "MobileNetV2 (ImageNet) at 1/2, 1/4, 1/8 (no VGG16 here)"
    except BadInput:
        return RandomFeatures(), "fixed random filters on three scales (no VGG16 here)"


def gram(x: torch.Tensor) -> torch.Tensor:
    b, c, h, w = x.shape
    flat = x.float().reshape(b, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)


def seam_variation(picture: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Total variation of the composite over the hole grown by one pixel."""
    near = functional.max_pool2d(hole, 3, 1, 1)
    across = (picture[..., 1:] - picture[..., :-1]).abs() * near[..., 1:] * near[..., :-1]
    down = (picture[..., 1:, :] - picture[..., :-1, :]).abs() * near[..., 1:, :] * near[..., :-1, :]
    return across.mean() + down.mean()


def paper_losses(
    net: nn.Module, out: torch.Tensor, truth: torch.Tensor, hole: torch.Tensor,
    style_weight: float = STYLE, composite_only: bool = False,
) -> dict[str, torch.Tensor]:
    """The five terms with the paper's weights. `net` gives features; hole B×1×H×W, 1 = hole.
    `composite_only`: of the perceptual and style terms only those of the composite, for a net
    whose own picture differs little from it: a third of the time."""
    out = out.float()
    mixed = truth * (1 - hole) + out * hole
    difference = (out - truth).abs()
    terms = {
        "valid": ((1 - hole) * difference).mean(),
        "hole": 6.0 * (hole * difference).mean(),
        "tv": 0.1 * seam_variation(mixed, hole),
    }
    made = [mixed] if composite_only else [out, mixed]
    with torch.no_grad():
        wanted = net(truth)
    perceptual = style = out.new_zeros(())
    for x, t in zip(net(torch.cat(made).clamp(-0.2, 1.2)), wanted, strict=True):
        g = gram(t)
        for part in x.chunk(len(made)):
            perceptual = perceptual + (part - t).abs().float().mean()
            style = style + (gram(part) - g).abs().mean()
    terms["perceptual"] = 0.05 * perceptual
    terms["style"] = style_weight * style
    return terms


def sliced_wasserstein(
    made: torch.Tensor, truth: torch.Tensor, hole: torch.Tensor,
    levels: int = 3, directions: int = 24,
) -> torch.Tensor:
    """Sliced Wasserstein distance between the 7×7 patches of the hole in two B×3×H×W pictures,
    mean over Laplacian levels (Karras et al. 2018; as a texture loss: Heitz et al. 2021).

    Patches are compared as a crowd, not place by place: unlike a pixel loss it does not reward
    blur. Both sides in units of the truth's deviation; holes of under 50 patches are passed over.
    """
    total, count = made.new_zeros(()), 0
    weight = torch.randn(directions, 3, 7, 7, device=made.device)
    weight = weight / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    a, b = made.float(), truth.float()
    for level in range(levels):
        last = level == levels - 1
        small_a, small_b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
        fine_a = a if last else a - functional.interpolate(small_a, size=a.shape[2:],
                                                           mode="bilinear")
        fine_b = b if last else b - functional.interpolate(small_b, size=b.shape[2:],
                                                           mode="bilinear")
        along_a, along_b = functional.conv2d(fine_a, weight), functional.conv2d(fine_b, weight)
        inside = hole[:, 0, 3:-3, 3:-3] > 0.5
        for i in range(len(a)):
            if int(inside[i].sum()) < 50:
                continue
            p, q = along_a[i][:, inside[i]], along_b[i][:, inside[i]]
            q, deviation = q.detach(), q.detach().std() + 4 / 255
            total = total + (p.sort(1).values - q.sort(1).values).abs().mean() / deviation
            count += 1
        a, b, hole = small_a, small_b, functional.max_pool2d(hole, 2)
    return total / max(1, count)


def _critic(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 4
    for width in widths:
        conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(before, width, 5, 2, 2))
        layers += [conv, nn.LeakyReLU(0.2)]
        before = width
    layers.append(nn.utils.parametrizations.spectral_norm(nn.Conv2d(before, 1, 3, 1, 1)))
    return nn.Sequential(*layers)


class Critics(nn.Module):
    """A global one on the whole picture and a local one on the half-size window around the hole,
    both see the mask, with hinge losses."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = _critic((32, 64, 128, 128, 128))
        self.local = _critic((32, 64, 128, 128))

    def forward(self, picture: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        x = torch.cat([picture - 0.5, hole], 1)
        window = self._window(x, hole)
        parts = [self.whole(x).flatten(1), self.local(window).flatten(1)]
        return torch.cat(parts, 1)

    @staticmethod
    def _window(x: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        side = x.shape[-1]
        steps = torch.arange(side, device=x.device, dtype=torch.float32)
        mass = hole.sum((1, 2, 3)).clamp(min=1)
        cx = (hole.sum((1, 2)) * steps).sum(1) / mass
        cy = (hole.sum((1, 3)) * steps).sum(1) / mass
        limit = lambda c: (2 * c / side - 1).clamp(-0.5, 0.5)  # noqa: E731
        theta = x.new_zeros(len(x), 2, 3, dtype=torch.float32)
        theta[:, 0, 0] = theta[:, 1, 1] = 0.5
        theta[:, 0, 2], theta[:, 1, 2] = limit(cx), limit(cy)
        shape = [len(x), x.shape[1], side // 2, side // 2]
        grid = functional.affine_grid(theta, shape, align_corners=False)
        return functional.grid_sample(x.float(), grid, align_corners=False)
