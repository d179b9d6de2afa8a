"""The matches of one level on a torch device; what comes after the search stays on the CPU."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from backend.fill import patch_torch as pt
from backend.fill.matches import AROUND, Field, Settings
from backend.fill.pyramid import Level
from backend.values import Control


class TorchField(Field):
    """A `Field` that searches and votes on `device`. The matches live there (`at`, `cost`) and
    come back for `copy` and `trust`."""

    def __init__(
        self, level: Level, seed: int, settings: Settings, control: Control, device: str
    ) -> None:
        super().__init__(level, seed, settings, control)
        self.scene = pt.Scene.of(level, self.far, self.given, device)
        self.near = torch.from_numpy(level.depth).to(device)
        self.at = torch.zeros_like(self.scene.targets)
        self.cost = torch.zeros_like(self.near)

    def begin(self, picture: np.ndarray | None) -> None:
        super().begin(picture)
        flat = self.ny.astype(np.int64) * self.scene.width + self.nx
        self.at = torch.from_numpy(flat).to(self.at.device)

    def take(self, coarse: Field) -> None:
        assert isinstance(coarse, TorchField)
        self.at = pt.upsample(self.scene, coarse.scene, coarse.at, self.seed)
        targets, ny, nx = (torch.from_numpy(a.astype(np.int64)) for a in self.level.led)
        self.at[targets.to(self.at.device)] = (ny * self.scene.width + nx).to(self.at.device)
        self.measure()

    def measure(self) -> None:
        self.cost = pt.measure(self.scene, self.at, self.control.check)

    def count(self) -> None:
        if not self.set.again:
            return
        scene, rim = self.scene, AROUND // 2
        times = torch.bincount(self.at, minlength=len(scene.used)).float()
        times = times.reshape(1, 1, scene.height, scene.width)
        wide = functional.pad(times, (rim, rim, rim, rim), mode="reflect")
        density = functional.avg_pool2d(wide, AROUND, 1).reshape(-1)
        scene.used = self.set.again * (density - 1).clamp(min=0)

    def _sweep(self, tries: int, reach: int) -> None:
        self.sweep += 1
        seed, radius = self.seed * 131 + self.sweep, max(self.level.tmap.shape)
        if reach and self.sweep % 2 == 0:
            radius = reach
        check = self.control.check
        pt.propagate(self.scene, self.at, self.cost, check)
        pt.scatter(self.scene, self.at, self.cost, tries, radius, seed, check)

    def vote(self) -> None:
        ordered = self.cost.sort().values  # a percentile as numpy's: between two of them
        place = self.set.percentile / 100 * (len(ordered) - 1)
        low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
        sigma2 = (low + (high - low) * (place % 1)).clamp(min=1e-6)
        near = torch.pow(self.set.decay, -self.near)
        weight = torch.exp(-self.cost / (2 * sigma2)) * near + 1e-12
        self.scene.feat[self.scene.hole] = pt.vote(
            self.scene, self.at, weight, self.control.check
        )

    def write(self, values: np.ndarray) -> None:
        self.scene.feat[self.scene.hole] = torch.from_numpy(values).to(self.at.device)

    def values(self) -> np.ndarray:
        return self.scene.feat[self.scene.hole].cpu().numpy()

    def energy(self) -> float:
        near = torch.pow(1.05, -self.near)
        return float((self.cost * near).sum() / near.sum().clamp(min=1e-9))

    def copy(self, into: np.ndarray) -> None:
        self._fetch()
        super().copy(into)

    def trust(self) -> np.ndarray:
        self._fetch()
        return super().trust()

    def _fetch(self) -> None:
        """Brings matches, costs and picture back to the CPU."""
        ny, nx = np.divmod(self.at.cpu().numpy(), self.scene.width)
        self.ny, self.nx = ny.astype(np.int32), nx.astype(np.int32)
        self.dist = self.cost.cpu().numpy()
        self.cube[self.level.hy, self.level.hx] = self.values()
