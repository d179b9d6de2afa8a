"""The built-in filler: multi-scale patch optimisation, without learned weights.

Energy and schedule after Wexler, Shechtman, Irani (2007) and Newson et al. (IPOL 2017), nearest
neighbours by PatchMatch (Barnes et al. 2009).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from backend.fill import patch_kernels as pk
from backend.fill.matches import Field, Settings
from backend.fill.pyramid import Level, build
from backend.models.interfaces import Description
from backend.values import Control


class PatchMatchFill:
    """A `FillModel`; runs on the CPU, in all cores."""

    def __init__(self, name: str = "fill-patchmatch", settings: Settings | None = None) -> None:
        self.description = Description(name=name, device="cpu", best_side=2048, largest_side=8192)
        self.settings = settings or Settings()

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None, start: np.ndarray | None = None, scale: float = 0.0,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`. Deterministic from `seed`.

        start: H×W×3 float32, a coarse fill to begin from; `scale`: its true resolution as a share
        of the picture's, at which the search begins."""
        inside = hole > 0
        seen = ~inside if known is None else (known > 0) & ~inside
        levels = build(rgb.astype(np.float32), inside, seen, self.settings.gain)
        control.check()
        top = len(levels) - 1
        if start is not None:
            top = min(top, max(0, round(float(np.log2(1 / scale)))))
        middle = min(top, max(3, top - 3)) if self.settings.starts > 1 and start is None else top + 1
        work = [len(v.ys) * self._steps(i, len(levels)) for i, v in enumerate(levels)]
        field: Field | None = None
        if middle <= top:
            field = self._best(levels, top, middle, seed, control)
        for index in range(min(top, middle - 1), -1, -1):
            before = sum(work[index + 1 :])
            control.progress(before / max(1, sum(work)))
            field = self._level(levels, index, field, start, seed, control)
        assert field is not None
        result = rgb.astype(np.float32, copy=True)
        made = field.copy(self.settings.pull)[pk.R : -pk.R, pk.R : -pk.R]
        result[inside] = np.clip(made[inside], 0.0, 1.0)
        return result

    def _steps(self, index: int, count: int) -> int:
        fine, coarse = self.settings.em_fine, self.settings.em_coarse
        return round(fine + index / max(1, count - 1) * (coarse - fine))

    def _level(
        self, levels: list[Level], index: int, coarse: Field | None, start: np.ndarray | None,
        seed: int, control: Control,
    ) -> Field:
        s = self.settings
        field = Field(levels[index], seed + 97 * index, s, control)
        if coarse is None:
            field.begin(start)
        else:
            field.take(coarse)
            field.vote()
        steps = self._steps(index, len(levels))
        for step in range(steps):
            field.search(s.sweeps, s.tries if index else max(2, s.tries // 2))
            if index or step < steps - 1:
                field.vote()
        return field

    def _best(
        self, levels: list[Level], top: int, middle: int, seed: int, control: Control
    ) -> Field:
        """The coarse levels from several random starts; the one of the lowest energy stays."""
        found: list[Field] = []
        pictures = []
        for number in range(self.settings.starts):
            field: Field | None = None
            for index in range(top, middle - 1, -1):
                field = self._level(levels, index, field, None, seed + 7919 * number, control)
            assert field is not None
            field.measure()
            pictures.append(field.cube[..., :].copy())
            found.append(field)
        best = min(found, key=lambda f: f.energy())
        v = best.level
        if self.settings.mean_start:
            mean = np.mean(pictures, 0)
            best.write(mean[v.hy, v.hx]); best.search(4, 6)
        else:
            best.write(pictures[found.index(best)][v.hy, v.hx])
        return best


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> PatchMatchFill:
    """Loader of `fill-patchmatch`: runs on the CPU whatever is asked."""
    return PatchMatchFill(entry.name)
