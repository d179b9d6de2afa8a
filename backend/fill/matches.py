"""The matches of one level of PatchMatch and the picture they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from backend.fill import patch_kernels as pk
from backend.fill.blend import push_pull
from backend.fill.fuse import Shares
from backend.fill.jit import in_slices
from backend.fill.poisson import blend
from backend.fill.pyramid import TEXTURE, Level, texture
from backend.values import Control

CHANNELS = 3 + TEXTURE
AROUND = 9  # px: copies of sources this close to each other are copies of the same
SLICE = 8192  # targets a piece of work: fixed, so that no result depends on the number of cores


@dataclass(frozen=True)
class Settings:
    """`gain`: texture planes against colour. `decay`: votes weigh decay^-depth. `percentile` of
    the costs that sets how sharply votes favour good matches. EM steps at the coarsest and the
    finest level; sweeps and random tries of a search; `starts`: how many random starts of the
    coarse levels are compared. `reach`: px of every other random search at the levels 1 to
    `close`, which improves what the coarser level found; the finest level keeps whole pieces, so
    that it stays sharp. `lift`, `aside`: surcharge on a source one picture side away, up or
    sideways (for thin holes up to twice that). `guide`: weight of the expected tone against
    colour. `again`: surcharge on a source for each time more than once that it is copied, so that
    no wave is stamped in a row (occurrences: Kaspar et al. 2015). `unexplained`: what a match may
    leave open of the rim's pattern before it is not trusted at all. `led`: whether edges are
    continued along their line (see lines.gaps). `pull`, `step`: see
    poisson.blend. `shares`: see fuse.fuse."""

    gain: float = 3.0
    decay: float = 1.3
    percentile: float = 90.0
    em_coarse: int = 10
    em_fine: int = 3
    sweeps: int = 2
    tries: int = 4
    starts: int = 4
    reach: int = 8
    close: int = 3
    lift: float = 24.0
    aside: float = 8.0
    guide: float = 4.0
    again: float = 0.3
    unexplained: float = 0.4
    led: bool = True
    pull: float = 0.001
    step: float = 0.12
    shares: Shares = Shares()


class Field:
    """One level's matches: target t copies from the source patch centred at ny[t], nx[t]."""

    def __init__(self, level: Level, seed: int, settings: Settings, control: Control) -> None:
        self.level, self.seed, self.set, self.control = level, seed, settings, control
        count = len(level.ys)
        self.ny, self.nx = np.zeros(count, np.int32), np.zeros(count, np.int32)
        self.dist = np.zeros(count, np.float32)
        self.used = np.zeros(level.tmap.shape, np.float32)
        self.given = np.zeros(count, np.uint8)
        self.given[level.led[0]] = 1
        self.sweep = 0
        size = max(level.tmap.shape)
        aside = settings.aside * level.near
        self.far = (np.float32(settings.lift / size), np.float32(aside / size))

    @property
    def cube(self) -> np.ndarray:
        """H×W×5 view of the features; the first three are the picture."""
        return self.level.feat.reshape(*self.level.tmap.shape, CHANNELS)

    def _each(self, count: int, work: Callable[[int, int], None]) -> None:
        """`work` on all slices; ends within a slice's time when the user cancels."""

        def guarded(start: int, stop: int) -> None:
            if not self.control.is_cancelled():
                work(start, stop)

        in_slices(count, max(1, -(-count // SLICE)), guarded)
        self.control.check()

    def begin(self, picture: np.ndarray | None) -> None:
        """Smooth values, or the given picture (H×W×3 of any size), and random matches."""
        v = self.level
        if picture is None:
            colour = push_pull(self.cube[..., :3].copy(), v.known)
            planes = push_pull(self.cube[..., [3, 4, 4]], v.known)[..., :TEXTURE]
        else:
            height, width = v.tmap.shape
            size = (width - 2 * pk.R, height - 2 * pk.R)
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            edge = [(pk.R, pk.R), (pk.R, pk.R), (0, 0)]
            colour = np.where(
                v.known[..., None], self.cube[..., :3], np.pad(small, edge, mode="edge")
            )
            whole = np.ones_like(v.known)
            planes = texture(colour, whole, 5, self.control) * np.float32(self.set.gain)
        self.write(np.concatenate([colour, planes], -1)[v.hy, v.hx].astype(np.float32))
        rng = np.random.default_rng(self.seed)
        pick = rng.choice(v.sources, len(self.ny))
        self.ny[:], self.nx[:] = pick // v.tmap.shape[1], pick % v.tmap.shape[1]
        self.lead()

    def lead(self) -> None:
        """Sets the matches that are given."""
        targets, ny, nx = self.level.led
        self.ny[targets], self.nx[targets] = ny, nx

    def take(self, coarse: Field) -> None:
        """The coarser level's matches, doubled."""
        v, c = self.level, coarse.level
        self._each(len(self.ny), lambda a, b: pk.upsample(
            v.ys, v.xs, c.tmap, coarse.ny, coarse.nx, v.valid, v.sources, self.ny, self.nx,
            self.seed, a, b))
        self.lead()
        self.measure()

    def measure(self) -> None:
        v = self.level
        self._each(len(self.ny), lambda a, b: pk.measure(
            v.feat, CHANNELS, v.tone, self.used, v.ys, v.xs, self.ny, self.nx, self.dist,
            *self.far, a, b))
        self.dist[self.given > 0] = 0.0  # they count most

    def count(self) -> None:
        """The surcharge on sources by how often they and those around are copied at present."""
        if not self.set.again:
            return
        shape = self.level.tmap.shape
        times = np.bincount(self.ny * np.int64(shape[1]) + self.nx, minlength=shape[0] * shape[1])
        density = cv2.boxFilter(times.reshape(shape).astype(np.float32), -1, (AROUND, AROUND))
        self.used = np.float32(self.set.again) * np.maximum(density - 1, 0)

    def search(self, sweeps: int, tries: int, reach: int = 0) -> None:
        """Better matches for the present picture. reach: px of every other random search, 0 = the
        whole picture."""
        self.count()
        self.measure()
        for _ in range(sweeps):
            self._sweep(tries, reach)

    def _sweep(self, tries: int, reach: int) -> None:
        v = self.level
        old_y, old_x = self.ny.copy(), self.nx.copy()
        step = 1 if self.sweep % 2 == 0 else -1
        self.sweep += 1
        seed, radius = self.seed * 131 + self.sweep, max(v.tmap.shape)
        if reach and self.sweep % 2 == 0:
            radius = reach
        self._each(len(self.ny), lambda a, b: pk.search(
            v.feat, CHANNELS, v.tone, self.used, v.valid, v.tmap, v.ys, v.xs, old_y, old_x,
            self.ny, self.nx, self.dist, self.given, *self.far, a, b, step, tries, radius, seed))

    def weights(self) -> np.ndarray:
        """How much each target's vote counts: good matches, and patches near the known area."""
        sigma2 = max(float(np.percentile(self.dist, self.set.percentile)), 1e-6)
        near = np.power(np.float32(self.set.decay), -self.level.depth)
        return (np.exp(-self.dist / (2 * sigma2)) * near + 1e-12).astype(np.float32)

    def vote(self) -> None:
        """The picture that the matches make: weighted means of all patches over a pixel."""
        v = self.level
        out = np.empty((len(v.hy), CHANNELS), np.float32)
        weight = self.weights()
        self._each(len(v.hy), lambda a, b: pk.vote(
            v.feat, CHANNELS, v.tmap, v.hy, v.hx, self.ny, self.nx, weight, out, a, b))
        self.write(out)

    def copy(self, into: np.ndarray) -> None:
        """Writes into H×W×3 (the picture without the border) what the matches make of the hole:
        each pixel from the patch over it that fits best, as sharp as the source, and the copies
        joined in the gradient domain (see poisson.blend)."""
        v, cube = self.level, self.cube
        sy, sx = np.zeros(len(v.hy), np.int32), np.zeros(len(v.hy), np.int32)
        weight = self.weights()
        self._each(len(v.hy), lambda a, b: pk.best_patch(
            v.tmap, v.hy, v.hx, self.ny, self.nx, weight, sy, sx, a, b))
        # Only the hole's box, with a rim of two: a large picture must not cost memory twice.
        top, left = max(0, int(v.hy.min()) - 2), max(0, int(v.hx.min()) - 2)
        box = np.s_[top : int(v.hy.max()) + 3, left : int(v.hx.max()) + 3]
        hole = v.hole[box]
        rows, columns = np.indices(hole.shape, np.int32)
        rows, columns = rows + np.int32(top), columns + np.int32(left)
        rows[hole], columns[hole] = sy, sx
        picture = cube[rows, columns, :3]
        if self.set.step > 0:
            near = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            self.control.check()
            across = wished(cube, v.known, rows, columns, near, 0, 1)
            self.control.check()
            down = wished(cube, v.known, rows, columns, near, 1, 0)
            picture = blend(
                picture, across, down, hole, self.set.pull, self.set.step, self.control
            )
        inner = np.zeros(v.hole.shape, bool)
        inner[pk.R : -pk.R, pk.R : -pk.R] = True
        chosen = hole & inner[box]
        y, x = np.nonzero(chosen)
        into[y + top - pk.R, x + left - pk.R] = np.clip(picture[chosen], 0.0, 1.0)

    def trust(self) -> np.ndarray:
        """H×W float32 in [0, 1] of the picture without the border: how well copies explain the
        known pixels beside the hole, carried smoothly into it. 1 = a pattern that goes on, as
        windows or bars do; 0 = nothing fits, as in foliage."""
        v = self.level
        open_part = np.zeros(len(v.ys), np.float32)
        self._each(len(v.ys), lambda a, b: pk.misfit(
            v.feat, CHANNELS, v.known, v.ys, v.xs, self.ny, self.nx, open_part, a, b))
        beside = v.known[v.ys, v.xs]
        # Only the targets' box: a large picture must not cost memory twice.
        top, left = int(v.ys.min()), int(v.xs.min())
        shape = (int(v.ys.max()) - top + 1, int(v.xs.max()) - left + 1)
        fits, seen = np.zeros((*shape, 3), np.float32), np.zeros(shape, bool)
        ys, xs = v.ys[beside] - top, v.xs[beside] - left
        seen[ys, xs] = True
        share = 1 - open_part[beside] / np.float32(self.set.unexplained)
        fits[ys, xs] = np.clip(share, 0, 1)[:, None]
        high, wide = (side - 2 * pk.R for side in v.known.shape)
        full = np.zeros((high, wide), np.float32)
        top, left = top - pk.R, left - pk.R
        full[top : top + shape[0], left : left + shape[1]] = push_pull(fits, seen)[..., 0]
        return full

    def write(self, values: np.ndarray) -> None:
        """Gives the hole's pixels their features: M×C float32."""
        v = self.level
        self.cube[v.hy, v.hx] = values

    def values(self) -> np.ndarray:
        """M×C float32: a copy of the features of the hole's pixels."""
        v = self.level
        return self.cube[v.hy, v.hx]

    def energy(self) -> float:
        """Mean distance of the matches, those near the known area first."""
        near = np.power(np.float32(1.05), -self.level.depth)
        return float((self.dist * near).sum() / max(1e-9, float(near.sum())))


def wished(
    cube: np.ndarray, known: np.ndarray, rows: np.ndarray, columns: np.ndarray, near: np.ndarray,
    dy: int, dx: int,
) -> np.ndarray:
    """h×w×3: the difference to the next pixel (down or right) that the copied sources have: the
    mean of what the pixel's own source and its neighbour's source say, where these are known.
    rows, columns: h×w, where in `cube` (H×W×C) each pixel comes from; near: h×w bool, which are
    asked for, 0 elsewhere."""
    height, width = known.shape
    next_y, next_x = (np.roll(a, (-dy, -dx), (0, 1))[near] for a in (rows, columns))
    own_y, own_x = rows[near], columns[near]
    total = np.zeros((len(own_y), 3), np.float32)
    count = np.zeros((len(own_y), 1), np.float32)
    pairs = ((own_y, own_x, own_y + dy, own_x + dx), (next_y - dy, next_x - dx, next_y, next_x))
    for y0, x0, y1, x1 in pairs:
        ok = (y1 < height) & (x1 < width) & (y0 >= 0) & (x0 >= 0)
        y0, x0 = np.clip(y0, 0, height - 1), np.clip(x0, 0, width - 1)
        y1, x1 = np.clip(y1, 0, height - 1), np.clip(x1, 0, width - 1)
        ok &= known[y0, x0] & known[y1, x1]
        total += (cube[y1, x1, :3] - cube[y0, x0, :3]) * ok[:, None]
        count += ok[:, None]
    result = np.zeros((*rows.shape, 3), np.float32)
    result[near] = total / np.maximum(count, 1.0)
    return result
