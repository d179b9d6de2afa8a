"""The inner loops of PatchMatch for a GPU: what patch_kernels.py does target by target, done with
torch for all targets at once.

A place is a flat index y·W + x of the padded level; `at` holds the place each target copies from.
Neighbours hand their matches on over jumps of 8, 4, 2, 1 px (jump flooding, Rong and Tan 2006)
instead of one after the other. Every sum of floats is gathered, none scattered, so that a device
gives the same answer each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.fill.patch_kernels import R
from backend.fill.pyramid import Level

JUMPS = (8, 4, 2, 1)
CHUNK = 1 << 17  # patches compared at once: 49 pixels of both, some 300 MB
LOW = 0xFFFFFFFF  # the lower half of an int64, in which the random numbers live


@dataclass
class Scene:
    """One level on a device.

    feat (H·W)×C float32; tone (h·w)×7 float32, half the size; used H·W float32; valid H·W bool;
    tmap H·W int64; targets, hole int64: places; given bool; corner: the 49 steps within a patch.
    """

    height: int
    width: int
    feat: Tensor
    tone: Tensor
    used: Tensor
    valid: Tensor
    tmap: Tensor
    targets: Tensor
    hole: Tensor
    given: Tensor
    sources: Tensor
    corner: Tensor
    lift: float
    aside: float

    @classmethod
    def of(cls, level: Level, far: Sequence[np.float32], given: np.ndarray, device: str) -> Scene:
        """Copies a level to `device`; `far`: lift and aside of `patch_kernels.cost`."""

        def there(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        height, width = level.tmap.shape
        step = np.arange(-R, R + 1, dtype=np.int64)
        return cls(
            height, width, there(level.feat.reshape(height * width, -1)),
            there(level.tone.reshape(-1, level.tone.shape[-1])),
            torch.zeros(height * width, device=device), there(level.valid.reshape(-1) > 0),
            there(level.tmap.reshape(-1).astype(np.int64)),
            there(level.ys.astype(np.int64) * width + level.xs),
            there(level.hy.astype(np.int64) * width + level.hx),
            there(given > 0), there(level.sources.astype(np.int64)),
            there((step[:, None] * width + step).reshape(-1)), float(far[0]), float(far[1]),
        )

    def place(self, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Flat index and whether it lies in the picture (0 where not)."""
        inside = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        return torch.where(inside, y * self.width + x, 0), inside

    def patches(self, at: Tensor) -> Tensor:
        """n×(49·C): the patches around n places."""
        pixels = (at[:, None] + self.corner).reshape(-1)
        run = len(self.corner) * self.feat.shape[1]
        return self.feat.index_select(0, pixels).reshape(len(at), run)

    def half(self, at: Tensor) -> Tensor:
        """The place in `tone` that belongs to a place."""
        wide = (self.width + 1) // 2
        return (at // self.width // 2) * wide + at % self.width // 2


def cost(scene: Scene, which: Tensor, at: Tensor, check: Callable[[], None]) -> Tensor:
    """Costs of matches, as `patch_kernels.cost`. which: n indices of targets; at: n places."""
    parts = []
    for which_part, source in zip(which.split(CHUNK), at.split(CHUNK), strict=True):
        check()
        target = scene.targets[which_part]
        pair = scene.patches(target) - scene.patches(source)
        expected = scene.tone[scene.half(target)]
        off = (scene.tone[scene.half(source), :3] - expected[:, 3:6]).square().sum(1)
        away_y = (source // scene.width - target // scene.width).abs()
        away_x = (source % scene.width - target % scene.width).abs()
        factor = 1 + scene.lift * away_y + scene.aside * away_x + scene.used[source]
        parts.append(factor * (off * expected[:, 6] + pair.square_().sum(1)))
    return torch.cat(parts) if parts else scene.used[:0]


def measure(scene: Scene, at: Tensor, check: Callable[[], None]) -> Tensor:
    """Costs of the present matches; those that are given count most."""
    everyone = torch.arange(len(at), device=at.device)
    return torch.where(scene.given, 0.0, cost(scene, everyone, at, check))


def _try(
    scene: Scene, at: Tensor, dist: Tensor, wanted: Tensor, ok: Tensor, check: Callable[[], None]
) -> None:
    """Takes the best of k matches `wanted` (k×n) of those that are `ok` where it is better;
    changes `at` and `dist`. Few large steps: each has a price of its own on a GPU."""
    ok = ok & scene.valid[wanted] & (wanted != at) & ~scene.given
    row, which = torch.nonzero(ok, as_tuple=True)
    found = torch.full_like(wanted, torch.inf, dtype=dist.dtype)
    found[row, which] = cost(scene, which, wanted[row, which], check)
    least, row = found.min(0)
    better = least < dist
    at.copy_(torch.where(better, wanted.gather(0, row[None])[0], at))
    dist.copy_(torch.where(better, least, dist))


def propagate(scene: Scene, at: Tensor, dist: Tensor, check: Callable[[], None]) -> None:
    """Matches of the neighbours 8, 4, 2 and 1 px away on all four sides, shifted; changes `at`
    and `dist`. A jump over the picture's side meets a target of another row, whose match is a
    candidate like any other."""
    last = scene.height * scene.width - 1
    sides = torch.tensor([scene.width, 1, -scene.width, -1], device=at.device)[:, None]
    for jump in JUMPS:
        step = jump * sides
        neighbour = scene.tmap[(scene.targets - step).clamp(0, last)]
        wanted = (at[neighbour.clamp(min=0)] + step).clamp(0, last)
        _try(scene, at, dist, wanted, neighbour >= 0, check)


def scatter(
    scene: Scene, at: Tensor, dist: Tensor, tries: int, radius: int, seed: int,
    check: Callable[[], None],
) -> None:
    """Random places around the best, in a radius that halves; changes `at` and `dist`."""
    state = mixed(torch.arange(len(at), device=at.device) + (seed * 1000003 & LOW))
    for number in range(tries):
        reach = radius >> number
        if reach < 1:
            break
        state = mixed(state + 0x9E3779B9)
        down = state % (2 * reach + 1) - reach
        state = mixed(state + 0x9E3779B9)
        right = state % (2 * reach + 1) - reach
        wanted, inside = scene.place(at // scene.width + down, at % scene.width + right)
        _try(scene, at, dist, wanted[None], inside[None], check)


def mixed(number: Tensor) -> Tensor:
    """A 32-bit hash (int64 in, int64 in [0, 2³²) out; constants by Wellons 2018)."""
    z = number & LOW
    z = ((z ^ (z >> 16)) * 0x7FEB352D) & LOW
    z = ((z ^ (z >> 15)) * 0x846CA68B) & LOW
    return z ^ (z >> 16)


def vote(scene: Scene, at: Tensor, weight: Tensor, check: Callable[[], None]) -> Tensor:
    """M×C: the weighted mean of what all patches over each hole pixel propose."""
    parts = []
    y, x = scene.corner // scene.width, scene.corner % scene.width
    y, x = torch.where(x > R, y + 1, y), torch.where(x > R, x - scene.width, x)
    for pixel in scene.hole.split(CHUNK):
        check()
        over, inside = scene.place(
            (pixel // scene.width)[:, None] + y, (pixel % scene.width)[:, None] + x
        )
        target = torch.where(inside, scene.tmap[over], -1)
        ok = target >= 0
        target = target.clamp(min=0)
        share = torch.where(ok, weight[target], 0.0)
        source = torch.where(ok, at[target] - scene.corner, 0)
        colours = scene.feat.index_select(0, source.reshape(-1)).reshape(*source.shape, -1)
        total = (colours * share[..., None]).sum(1)
        parts.append(total / (share.sum(1, keepdim=True) + 1e-20))
    return torch.cat(parts) if parts else scene.feat[:0]


def upsample(fine: Scene, coarse: Scene, coarse_at: Tensor, seed: int) -> Tensor:
    """Matches of a finer level, as `patch_kernels.upsample`: the coarser one's shift doubled, of
    the nearest target there that gives a valid source, else a random source."""
    y, x = fine.targets // fine.width, fine.targets % fine.width
    coarse_y = ((y - R) // 2 + R).clamp(max=coarse.height - 1)
    coarse_x = ((x - R) // 2 + R).clamp(max=coarse.width - 1)
    state = mixed(torch.arange(len(y), device=y.device) + (seed * 7919 & LOW))
    result = fine.sources[state % len(fine.sources)]
    open_ = torch.ones_like(y, dtype=torch.bool)
    steps = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    for dy, dx in sorted(steps, key=lambda s: max(abs(s[0]), abs(s[1]))):
        from_y, from_x = coarse_y + dy, coarse_x + dx
        place, inside = coarse.place(from_y, from_x)
        number = coarse.tmap[place]
        match = coarse_at[number.clamp(min=0)]
        wanted, within = fine.place(
            y + 2 * (match // coarse.width - from_y), x + 2 * (match % coarse.width - from_x)
        )
        good = open_ & inside & (number >= 0) & within & fine.valid[wanted]
        result = torch.where(good, wanted, result)
        open_ &= ~good
    return result
