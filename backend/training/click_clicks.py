"""Simulated users for training: where the first clicks fall and where the next correction goes.

After Sofiiuk et al. 2022 (RITM): a geometric number of clicks, positives inside the eroded mask,
negatives around the object and on other things, then clicks at the largest error. Everything is
computed on cells of 4×4 pixels, for a whole batch at once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 4
GAMMA = 0.8
FIRST = 8  # most clicks of a kind before corrections


def depth(cells: Tensor, rounds: int = 24) -> Tensor:
    """B×1×h×w bool → how many erosions each cell survives, plus its start (float)."""
    left = cells.float()
    total = left.clone()
    for _ in range(rounds):
        left = -F.max_pool2d(-F.pad(left, (1, 1, 1, 1)), 3, 1)
        total = total + left
    return total


def pick(g: torch.Generator, weight: Tensor, sharp: float | Tensor) -> tuple[Tensor, Tensor]:
    """One cell of each map, with a chance of weight**sharp: points B×2 (x, y in pixels) and
    whether the map had any weight, B bool."""
    flat = weight.flatten(1)
    noise = torch.rand(flat.shape, generator=g, device=flat.device).clamp(1e-9, 1 - 1e-7)
    score = torch.log(flat.clamp(min=1e-12)) * sharp - torch.log(-torch.log(noise))
    score = score.masked_fill(flat <= 0, -1e9)
    best = score.argmax(1)
    width = weight.shape[-1]
    at = torch.stack((best % width, best // width), 1).float() * CELL + CELL / 2
    jitter = torch.rand(at.shape, generator=g, device=at.device) * 3 - 1.5
    return at + jitter, flat.amax(1) > 0


def shrink(mask: Tensor) -> Tensor:
    """B×1×H×W in [0, 1] → cells."""
    return F.avg_pool2d(mask, CELL)


def geometric(g: torch.Generator, count: int, device: torch.device) -> Tensor:
    """Numbers in 0..FIRST-1 with a chance that falls by GAMMA each."""
    chance = GAMMA ** torch.arange(FIRST, device=device, dtype=torch.float32)
    return torch.multinomial(chance, count, True, generator=g)


def first_clicks(g: torch.Generator, mask: Tensor, valid: Tensor, labels: Tensor) -> Tensor:
    """B×1×S×S mask → B×2·FIRST×3 clicks (x, y, kind). Half the samples get one positive only."""
    count, device = len(mask), mask.device
    cells = shrink(mask)
    inside = depth(cells > 0.5)
    inside = torch.where(inside.flatten(1).amax(1)[:, None, None, None] > 0, inside, cells)
    deep = inside * (inside >= 0.4 * inside.flatten(1).amax(1)[:, None, None, None])
    outside = (shrink(mask) < 0.02) & (shrink(valid) > 0.5)
    near = (F.max_pool2d(cells, 17, 1, 8) > 0.3) & outside
    other = outside & (shrink((labels != 0).float()[:, None]) > 0.9)
    single = torch.rand(count, generator=g, device=device) < 0.5
    positives = torch.where(single, 1, 1 + geometric(g, count, device))
    negatives = torch.where(single, 0, geometric(g, count, device))
    clicks = torch.full((count, 2 * FIRST, 3), -1.0, device=device)
    central = torch.where(torch.rand(count, 1, generator=g, device=device) < 0.6, 12.0, 0.5)
    for index in range(FIRST):
        point, found = pick(g, deep if index == 0 else inside, central if index == 0 else 0.5)
        use = found & (index < positives)
        clicks[:, index] = torch.where(use[:, None], _click(point, 1.0), clicks[:, index])
    for index in range(FIRST):
        place = (outside, near, other)[index % 3]
        point, found = pick(g, place.float(), 1.0)
        use = found & (index < negatives)
        slot = FIRST + index
        clicks[:, slot] = torch.where(use[:, None], _click(point, 0.0), clicks[:, slot])
    return clicks


def next_click(
    g: torch.Generator, mask: Tensor, valid: Tensor, predicted: Tensor,
) -> Tensor:
    """A click B×1×3 in the middle of the largest error of `predicted` (B×1×h×w probability)."""
    cells = shrink(mask)
    answer = F.adaptive_avg_pool2d(predicted, (cells.shape[-2], cells.shape[-1])) > 0.5
    there, seen = cells > 0.5, shrink(valid) > 0.5
    missed, extra = depth(there & ~answer & seen), depth(~there & answer & seen)
    miss = missed.flatten(1).amax(1) >= extra.flatten(1).amax(1)
    weight = torch.where(miss[:, None, None, None], missed, extra)
    point, found = pick(g, weight, 12.0)
    click = torch.cat((point, miss[:, None].float()), 1)
    return torch.where(found[:, None], click, torch.full_like(click, -1.0))[:, None]


def boxes(g: torch.Generator, mask: Tensor, share: float) -> Tensor:
    """B×1×S×S mask → B×1×S×S plane of loosely drawn boxes for `share` of the samples."""
    count, side = len(mask), mask.shape[-1]
    on = mask[:, 0] > 0.5
    at = torch.arange(side, device=mask.device)
    columns, rows = on.any(1), on.any(2)
    x0 = torch.where(columns, at, side).amin(1).float()
    x1 = torch.where(columns, at + 1, 0).amax(1).float()
    y0 = torch.where(rows, at, side).amin(1).float()
    y1 = torch.where(rows, at + 1, 0).amax(1).float()
    slack = (torch.rand(count, 4, generator=g, device=mask.device) - 0.3) * 0.1
    width, height = x1 - x0, y1 - y0
    x0, x1 = x0 - slack[:, 0] * width, x1 + slack[:, 1] * width
    y0, y1 = y0 - slack[:, 2] * height, y1 + slack[:, 3] * height
    inside = (at >= x0[:, None]) & (at < x1[:, None])
    inside = (at[None, :] >= y0[:, None])[:, :, None] & (at[None, :] < y1[:, None])[:, :, None] \
        & inside[:, None, :]
    use = torch.rand(count, generator=g, device=mask.device) < share
    return (inside & use[:, None, None])[:, None].float()


def _click(point: Tensor, kind: float) -> Tensor:
    return torch.cat((point, torch.full_like(point[:, :1], kind)), 1)
