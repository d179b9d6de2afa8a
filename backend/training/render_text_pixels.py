"""Pixel arithmetic of the text renderer: random numbers, colours, blur, JPEG. Batches B×C×H×W."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

Tensor = torch.Tensor


def uniform(like: Tensor, low: float, high: float) -> Tensor:
    return torch.empty_like(like).uniform_(low, high)


def chance(like: Tensor, p: float) -> Tensor:
    """Random 0/1 floats of the shape of `like`."""
    return (torch.rand_like(like) < p).to(like.dtype)


def colours(count: int, device: torch.device) -> Tensor:
    """Random colours; half of them white, black or nearly so, as adverts have them."""
    free = torch.rand(count, 3, device=device)
    kind = torch.rand(count, 1, device=device)
    grey = torch.rand(count, 1, device=device) * 0.12
    strong = (free > 0.5).float() * 0.8 + 0.1 + (free - 0.5) * 0.2
    free = torch.where(kind < 0.75, strong, free)
    free = torch.where(kind < 0.55, 1 - grey.expand(-1, 3), free)
    return torch.where(kind < 0.25, grey.expand(-1, 3), free)


def contrasting(colour: Tensor, against: Tensor, need: Tensor) -> Tensor:
    """The colour, made dark or light where it differs too little to be read."""
    weights = torch.tensor([0.3, 0.59, 0.11], device=colour.device)
    gap = ((colour - against) * weights).sum(1).abs() + 0.3 * (colour - against).abs().amax(1)
    light = (against * weights).sum(1, keepdim=True) > 0.5
    other = torch.where(light, colour * 0.35, 1 - (1 - colour) * 0.35)
    return torch.where((gap < need)[:, None], other, colour)


def smooth(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)


def blur3(image: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)


def jpeg(image: Tensor, strength: Tensor) -> Tensor:
    """Quantised 8×8 cosine blocks in luma and chroma, as baseline JPEG does (ITU T.81);
    `strength` scales the quantiser. Sides are multiples of 8."""
    dev = image.device
    k = torch.arange(8, device=dev).float()
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    r, g, b = image.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = torch.stack([y, (b - y) * 0.564, (r - y) * 0.713], 1)
    n, c, h, w = planes.shape
    blocks = planes.view(n, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
    spectrum = basis @ blocks @ basis.T
    # close to the standard tables: grows with frequency, faster for chroma
    table = (8 + 4.5 * (k[:, None] + k[None])) / 255
    table = torch.stack([table, table * 1.8, table * 1.8]).view(1, 3, 1, 1, 8, 8)
    step = table * strength.view(-1, 1, 1, 1, 1, 1)
    spectrum = (spectrum / step).round() * step
    planes = (basis.T @ spectrum @ basis).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)
    y, cb, cr = planes.unbind(1)
    r, b = y + cr / 0.713, y + cb / 0.564
    return torch.stack([r, (y - 0.299 * r - 0.114 * b) / 0.587, b], 1)
