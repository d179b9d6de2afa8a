"""Feature refinement of LaMa for high resolution (Kulshreshtha, Pugh, Jiddi 2022).

The picture is filled at the smallest scale first. At each larger one the features behind the
network's front half are optimised, so that the answer, made small and smoothed, agrees with the
coarser fill inside the hole, and with the picture outside.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from backend.values import Control

STEPS, RATE, MULTIPLE = 15, 0.002, 8


def scales(short: int) -> int:
    """How many levels of the pyramid a picture of this short side gets."""
    return max(1, min(1 + round(math.log2(max(1, short) / 512)), 3))


def split(layers: nn.Sequential) -> int:
    """Index of the first residual block: the front half ends before it."""
    for index, layer in enumerate(layers):
        if "ResnetBlock" in type(layer).__name__:
            return index
    raise ValueError("this is not a LaMa generator: it has no residual blocks")


def _fit(x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    high, wide = (-x.shape[-2] % MULTIPLE, -x.shape[-1] % MULTIPLE)
    return (
        functional.pad(x, (0, wide, 0, high), mode="reflect"),
        functional.pad(mask, (0, wide, 0, high), mode="reflect"),
    )


def _blur(x: torch.Tensor) -> torch.Tensor:
    kernel = x.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    square = (kernel[:, None] * kernel[None]).expand(x.shape[1], 1, 5, 5)
    return functional.conv2d(functional.pad(x, (2,) * 4, "reflect"), square, groups=x.shape[1])


def _eroded(mask: torch.Tensor) -> torch.Tensor:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    small = cv2.erode((mask[0, 0].cpu().numpy() > 0.5).astype(np.uint8), kernel)
    return torch.from_numpy(small.astype(np.float32))[None, None].to(mask.device)


def _pass(layers: nn.Sequential, features: Any, start: int) -> torch.Tensor:
    for layer in layers[start:]:
        features = layer(features)
    return features


def _level(
    layers: nn.Sequential, image: torch.Tensor, mask: torch.Tensor, coarse: torch.Tensor | None,
    control: Control, done: float, share: float,
) -> torch.Tensor:
    height, width = image.shape[-2:]
    x, m = _fit(image, mask)
    cut = split(layers)
    with torch.no_grad():
        features: Any = torch.cat([x * (1 - m), m], 1)
        for layer in layers[:cut]:
            features = layer(features)
    if coarse is None:
        with torch.no_grad():
            answer = _pass(layers, features, cut)[..., :height, :width]
        return answer * mask + image * (1 - mask)
    local, far = (f.detach().clone().requires_grad_(True) for f in features)
    optimizer = torch.optim.Adam([local, far], lr=RATE)
    inner = _eroded(functional.interpolate(mask, coarse.shape[-2:], mode="nearest"))
    answer = image
    for step in range(STEPS):
        control.progress(done + share * step / STEPS)
        answer = _pass(layers, (local, far), cut)[..., :height, :width]
        small = functional.interpolate(
            _blur(answer), coarse.shape[-2:], mode="bilinear", align_corners=False
        )
        loss = ((answer - image).abs() * (1 - mask)).sum() / ((1 - mask).sum() * 3 + 1)
        loss = loss + ((small - coarse).abs() * inner).sum() / (inner.sum() * 3 + 1)
        if step < STEPS - 1:
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return (answer * mask + image * (1 - mask)).detach()


def refine(
    layers: nn.Sequential, image: torch.Tensor, mask: torch.Tensor, control: Control
) -> torch.Tensor:
    """layers: LaMa's generator as one sequence. image 1×3×H×W in [0, 1], mask 1×1×H×W, 1 = hole →
    1×3×H×W, the image outside the hole. The network's weights are not changed."""
    count = scales(min(image.shape[-2:]))
    result: torch.Tensor | None = None
    for number in range(count):
        factor = 2 ** (count - 1 - number)
        if factor == 1:
            x, m = image, mask
        else:
            size = (image.shape[-2] // factor, image.shape[-1] // factor)
            # The hole is emptied first, so that what is removed does not bleed into its rim.
            share = functional.interpolate(1 - mask, size, mode="area")
            x = functional.interpolate(image * (1 - mask), size, mode="area")
            x = x / share.clamp(min=1e-3)
            m = (share < 0.999).float()
        result = _level(layers, x, m, result, control, number / count, 1 / count)
    assert result is not None
    return result
