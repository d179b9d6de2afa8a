"""The built-in filler: multi-scale patch optimisation, without learned weights.

Energy and schedule after Wexler, Shechtman, Irani (2007) and Newson et al. (IPOL 2017), nearest
neighbours by PatchMatch (Barnes et al. 2009), frequent shifts after He and Sun (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.fill import patch_kernels as pk
from backend.fill.blend import push_pull
from backend.fill.jit import in_slices
from backend.fill.pyramid import TEXTURE, Level, build
from backend.models.interfaces import Description
from backend.values import Control

CHANNELS = 3 + TEXTURE
SLICES = 16  # fixed, so that the result does not depend on the number of cores


@dataclass(frozen=True)
class Settings:
    """`decay`: votes weigh decay^-depth; `gain`: texture planes against colour; EM steps at the
    coarsest and finest level; sweeps of search a step."""

    gain: float = 3.0
    decay: float = 1.3
    percentile: float = 75.0
    em_coarse: int = 10
    em_fine: int = 3
    sweeps: int = 4
    tries: int = 6
    shifts: int = 60
    copy_last: bool = True


class Field:
    """The matches of one level and the picture they make."""

    def __init__(self, level: Level, seed: int, settings: Settings) -> None:
        self.level, self.seed, self.set = level, seed, settings
        count = len(level.ys)
        self.ny, self.nx = np.zeros(count, np.int32), np.zeros(count, np.int32)
        self.dist = np.zeros(count, np.float32)
        self.shifts = np.zeros((0, 2), np.int32)
        self.steps = 0

    def randomise(self) -> None:
        rng = np.random.default_rng(self.seed)
        width = self.level.tmap.shape[1]
        pick = rng.choice(self.level.sources, len(self.ny))
        self.ny[:], self.nx[:] = pick // width, pick % width

    def take(self, coarse: Field) -> None:
        v, c = self.level, coarse.level
        in_slices(len(self.ny), SLICES, lambda a, b: pk.upsample(
            v.ys, v.xs, c.tmap, coarse.ny, coarse.nx, v.valid, v.sources, self.ny, self.nx,
            self.seed, a, b))

    def measure(self) -> None:
        v = self.level
        in_slices(len(self.ny), SLICES, lambda a, b: pk.measure(
            v.feat, CHANNELS, v.ys, v.xs, self.ny, self.nx, self.dist, a, b))

    def search(self, sweeps: int, tries: int) -> None:
        v = self.level
        self.measure()
        for sweep in range(sweeps):
            old_y, old_x = self.ny.copy(), self.nx.copy()
            step = 1 if sweep % 2 == 0 else -1
            self.steps += 1
            seed = self.seed * 131 + self.steps
            radius = max(v.tmap.shape)
            in_slices(len(self.ny), SLICES, lambda a, b: pk.search(
                v.feat, CHANNELS, v.valid, v.tmap, v.ys, v.xs, old_y, old_x, self.ny, self.nx,
                self.dist, self.shifts, a, b, step, tries, radius, seed))

    def weights(self) -> np.ndarray:
        sigma2 = max(float(np.percentile(self.dist, self.set.percentile)), 1e-6)
        near = np.power(np.float32(self.set.decay), -self.level.depth)
        return (np.exp(-self.dist / (2 * sigma2)) * near + 1e-12).astype(np.float32)

    def vote(self, copy: bool = False) -> None:
        v = self.level
        out = np.empty((len(v.hy), CHANNELS), np.float32)
        weight, kernel = self.weights(), pk.best_copy if copy else pk.vote
        in_slices(len(v.hy), SLICES, lambda a, b: kernel(
            v.feat, CHANNELS, v.tmap, v.hy, v.hx, self.ny, self.nx, weight, out, a, b))
        self.write(out)

    def write(self, values: np.ndarray) -> None:
        v = self.level
        cube = v.feat.reshape(*v.tmap.shape, CHANNELS)
        cube[v.hy, v.hx, : values.shape[1]] = values


class PatchMatchFill:
    """A `FillModel`; runs on the CPU, in all cores."""

    def __init__(self, name: str = "fill-patchmatch", settings: Settings | None = None) -> None:
        self.description = Description(name=name, device="cpu", best_side=2048, largest_side=8192)
        self.settings = settings or Settings()

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`. Deterministic from `seed`."""
        inside = hole > 0
        seen = ~inside if known is None else (known > 0) & ~inside
        s = self.settings
        levels = build(rgb.astype(np.float32), inside, seen, s.gain)
        control.check()
        last: Field | None = None
        work = [len(v.ys) * self._em(i, len(levels)) for i, v in enumerate(levels)]
        done = 0.0
        for index in range(len(levels) - 1, -1, -1):
            field = Field(levels[index], seed + 97 * index, s)
            if last is None:
                self._start(field)
            else:
                field.take(last)
                field.vote()
            steps = self._em(index, len(levels))
            for step in range(steps):
                control.progress((done + work[index] * step / steps) / max(1, sum(work)))
                field.search(s.sweeps, s.tries if index else max(2, s.tries // 2))
                field.vote(copy=s.copy_last and index == 0 and step == steps - 1)
            done += work[index]
            last = field
        assert last is not None
        cube = last.level.feat.reshape(*last.level.tmap.shape, CHANNELS)
        r = pk.R
        result = rgb.astype(np.float32, copy=True)
        result[inside] = cube[r:-r, r:-r, :3][inside]
        return result

    def _em(self, index: int, count: int) -> int:
        share = index / max(1, count - 1)
        return round(self.settings.em_fine + share * (self.settings.em_coarse - self.settings.em_fine))

    def _start(self, field: Field) -> None:
        v = field.level
        cube = v.feat.reshape(*v.tmap.shape, CHANNELS)
        smooth = push_pull(cube[..., :3].copy(), v.known)
        rest = push_pull(np.repeat(cube[..., 3:4], 3, -1), v.known)[..., :1]
        rest2 = push_pull(np.repeat(cube[..., 4:5], 3, -1), v.known)[..., :1]
        field.write(np.concatenate([smooth, rest, rest2], -1)[v.hy, v.hx])
        field.randomise()


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> PatchMatchFill:
    return PatchMatchFill(entry.name)
