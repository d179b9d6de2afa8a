"""The built-in filler: multi-scale patch optimisation, without learned weights.

Energy and schedule after Wexler, Shechtman, Irani (2007) and Newson et al. (IPOL 2017), nearest
neighbours by PatchMatch (Barnes et al. 2009), seams joined as by Perez et al. (2003). Sources are
the dearer the further away they lie, above all up or down: this continues rooflines, horizons
and rows of windows, and keeps the light of the place. The tone that a membrane expects (smooth.py)
guides which patches are copied, and takes over from them where it predicts better (fuse.py).
Edges that the hole interrupts are continued first (lines.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.fill.fuse import fuse
from backend.fill.lines import gaps
from backend.fill.matches import Field, Settings
from backend.fill.opencv import OpenCVFill
from backend.fill.pyramid import Level, build
from backend.models import device as devices
from backend.models.catalogue import title_of
from backend.models.interfaces import Description
from backend.values import Control

Fields = Callable[[Level, int, Settings, Control], Field]


class PatchMatchFill:
    """A `FillModel`: on the CPU in all cores, by numba; on a GPU the search runs by torch."""

    def __init__(
        self, name: str = "fill-patchmatch", settings: Settings | None = None,
        device: str = "cpu", fields: Fields | None = None,
    ) -> None:
        """device: "cpu", "cuda:N" or "mps"; fields: what makes the field of a level, None = the
        device's own."""
        self.description = Description(name=name, device=device, best_side=2048, largest_side=8192)
        self.settings = settings or Settings()
        self.fields = fields or (Field if device == "cpu" else on_torch(device))

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
        known: np.ndarray | None = None, start: np.ndarray | None = None, scale: float = 0.0,
    ) -> np.ndarray:
        """See `backend.models.interfaces.FillModel`. Deterministic from `seed` on one device.

        start: H×W×3 float32, a coarse fill to begin from; `scale`: its true resolution as a share
        of the picture's, at which the search begins. What a GPU cannot do, for want of memory or
        of an operation, the CPU does, and `control.note` says so."""
        try:
            return self._fill(rgb, hole, control, seed, known, start, scale, self.fields)
        except Exception as error:
            short = devices.is_out_of_memory(error)
            if self.fields is Field or not (short or isinstance(error, NotImplementedError)):
                raise
            reason = str(error)
        devices.release_memory()
        name = title_of(self.description.name)
        if short:
            control.note(f"The GPU ran out of memory: {name} worked on the CPU.")
        else:
            control.note(f"The GPU lacks an operation: {name} worked on the CPU ({reason}).")
        return self._fill(rgb, hole, control, seed, known, start, scale, Field)

    def _fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Control, seed: int,
        known: np.ndarray | None, start: np.ndarray | None, scale: float, fields: Fields,
    ) -> np.ndarray:
        inside = hole > 0
        seen = ~inside if known is None else (known > 0) & ~inside
        result = rgb.astype(np.float32, copy=True)
        control.check()
        led = self.settings.led and start is None  # a start has lines of its own
        edges = gaps(result, inside, seen, control) if led else []
        levels = build(
            result, inside, seen, self.settings.gain, control, self.settings.guide, edges
        )
        if not len(levels[0].sources):
            control.note(
                "Too little known background for PatchMatch: a hole was filled smoothly by Telea."
            )
            return OpenCVFill("fill-telea", cv2.INPAINT_TELEA).fill(
                rgb, hole, control, known=known
            )
        top = len(levels) - 1
        if start is not None:
            top = min(top, max(0, round(float(np.log2(1 / scale)))))
        work = [len(v.ys) * self._steps(i, len(levels)) for i, v in enumerate(levels)]
        field: Field | None = None
        middle = max(3, top - 3)
        if start is None and self.settings.starts > 1 and middle <= top:
            field = self._best(levels, top, middle, seed, control, fields)
            top = middle - 1
        for index in range(top, -1, -1):
            control.progress(sum(work[index + 1 :]) / max(1, sum(work)))
            field = self._level(levels, index, field, start, seed, control, fields)
        assert field is not None
        control.progress(0.95)
        field.copy(result)
        trust = field.trust()
        del field, levels  # the features of a large picture are not needed any more
        return fuse(result, inside, seen, trust, self.settings.shares, control, edges)

    def _steps(self, index: int, count: int) -> int:
        fine, coarse = self.settings.em_fine, self.settings.em_coarse
        return round(fine + index / max(1, count - 1) * (coarse - fine))

    def _level(
        self, levels: list[Level], index: int, coarse: Field | None, start: np.ndarray | None,
        seed: int, control: Control, fields: Fields,
    ) -> Field:
        """One level: from the coarser one's matches, or from the start at the first."""
        s = self.settings
        field = fields(levels[index], seed + 97 * index, s, control)
        if coarse is None:
            field.begin(start)
        else:
            field.take(coarse)
            field.vote()
        steps = self._steps(index, len(levels))
        reach = s.reach if 1 <= index <= s.close else 0
        for step in range(steps):
            field.search(s.sweeps, s.tries if index else max(2, s.tries // 2), reach)
            if index or step < steps - 1:
                field.vote()
        return field

    def _best(
        self, levels: list[Level], top: int, middle: int, seed: int, control: Control,
        fields: Fields,
    ) -> Field:
        """The coarse levels from several random starts; the one of the lowest energy stays. They
        cost little there, and decide what the fill looks like."""
        best, picture, lowest = None, None, np.inf
        for number in range(self.settings.starts):
            field: Field | None = None
            for index in range(top, middle - 1, -1):
                field = self._level(
                    levels, index, field, None, seed + 7919 * number, control, fields
                )
            assert field is not None
            field.measure()
            if (energy := field.energy()) < lowest:
                best, picture, lowest = field, field.values(), energy
        assert best is not None and picture is not None
        best.write(picture)  # all starts share one level's picture: put the winner's back
        return best


def warm_up() -> None:
    """Compiles all kernels into the cache (half a minute the first time, then a second); called
    at installation, so that no user waits for the compiler."""
    rgb = np.random.default_rng(0).random((96, 96, 3)).astype(np.float32)
    hole = np.zeros((96, 96), np.uint8)
    hole[40:60, 40:60] = 255
    PatchMatchFill().fill(rgb, hole, Control())


def on_torch(device: str) -> Fields:
    """Makes fields that search on a torch device."""
    from backend.fill.matches_torch import TorchField

    return partial(TorchField, device=device)


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> PatchMatchFill:
    """Loader of `fill-patchmatch`."""
    return PatchMatchFill(entry.name, device=device)
