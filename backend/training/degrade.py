"""What cameras, printers and codecs do to a picture, in batches on the device.

All functions take and return B×3×H×W float32 RGB, nominally in [0, 1].
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional


def column(values: object, like: torch.Tensor) -> torch.Tensor:
    """B numbers as a B×1×1×1 tensor beside `like`."""
    return torch.as_tensor(values, dtype=torch.float32, device=like.device).view(-1, 1, 1, 1)


def colour_jitter(
    rgb: torch.Tensor, brightness: object, contrast: object, saturation: object, gamma: object,
    tint: torch.Tensor,
) -> torch.Tensor:
    """Per-sample factors (B); `tint` is B×3, added to the channels."""
    rgb = rgb.clamp(1e-4, 1) ** column(gamma, rgb) * column(brightness, rgb)
    mean = rgb.mean((1, 2, 3), keepdim=True)
    rgb = (rgb - mean) * column(contrast, rgb) + mean
    grey = rgb.mean(1, keepdim=True)
    rgb = (rgb - grey) * column(saturation, rgb) + grey
    return (rgb + tint.view(-1, 3, 1, 1)).clamp(0, 1)


def blur(image: torch.Tensor, sigma: object) -> torch.Tensor:
    """Gaussian blur with its own σ (B, px, up to about 3) a sample, as grouped convolutions."""
    count, planes, height, width = image.shape
    sigma_t = torch.as_tensor(sigma, dtype=torch.float32, device=image.device).clamp(min=0.05)
    radius = 5
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-(offsets[None] ** 2) / (2 * sigma_t[:, None] ** 2))
    kernel = kernel / kernel.sum(1, keepdim=True)
    kernel = kernel.repeat_interleave(planes, 0)[:, None]
    flat = image.reshape(1, count * planes, height, width)
    flat = functional.pad(flat, (radius, radius, radius, radius), mode="replicate")
    flat = functional.conv2d(flat, kernel[..., None, :], groups=count * planes)
    flat = functional.conv2d(flat, kernel[..., None], groups=count * planes)
    return flat.reshape(image.shape)


def soften(rgb: torch.Tensor, factor: float) -> torch.Tensor:
    """As if taken at `factor` of the resolution."""
    size = [max(8, int(side * factor)) for side in rgb.shape[-2:]]
    small = functional.interpolate(rgb, size=size, mode="area")
    return functional.interpolate(small, size=rgb.shape[-2:], mode="bilinear")


def grain(rgb: torch.Tensor, strength: object, generator: torch.Generator) -> torch.Tensor:
    """Adds noise of the given deviation (B), half of it the same in all channels."""
    count, _, height, width = rgb.shape
    one = torch.randn(count, 1, height, width, device=rgb.device, generator=generator)
    each = torch.randn(rgb.shape, device=rgb.device, generator=generator)
    return rgb + (one + each) * 0.7 * column(strength, rgb)


def _dct() -> torch.Tensor:
    k = torch.arange(8.0)
    matrix = torch.cos(math.pi / 8 * (k[None] + 0.5) * k[:, None]) * math.sqrt(2 / 8)
    matrix[0] /= math.sqrt(2)
    return matrix


def block_codec(rgb: torch.Tensor, step: object) -> torch.Tensor:
    """JPEG-like: 8×8 cosine blocks, coarser for high frequencies; `step` (B) in [0, 1] units."""
    matrix = _dct().to(rgb.device)
    count, planes, height, width = rgb.shape
    blocks = rgb.reshape(count, planes, height // 8, 8, width // 8, 8).transpose(3, 4)
    spectrum = matrix @ blocks @ matrix.T
    k = torch.arange(8.0, device=rgb.device)
    table = 1 + (k[:, None] + k[None]) * 0.7
    quantum = column(step, rgb)[..., None, None] * table
    spectrum = torch.round(spectrum / quantum) * quantum
    blocks = matrix.T @ spectrum @ matrix
    return blocks.transpose(3, 4).reshape(rgb.shape)
