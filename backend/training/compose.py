"""Composes training pictures from photos, cut-outs, letters and occluders on the device.

The host draws all numbers from a generator seeded by (seed, step), so a batch depends on nothing
else; the device does the pixels. Labels of what is pasted are exact; a photo brings its own label
and weight (0 where its label cannot be trusted).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from backend.training import degrade
from backend.training.bank import Bank, place_map, window_map
from backend.training.degrade import column

# Height, width of a batch; about the same area each, sides multiples of 32.
SHAPES = ((320, 320), (256, 416), (416, 256), (288, 384), (384, 288))


@dataclass(frozen=True)
class Recipe:
    """Chances of what happens to a sample. Shares: the rest of 1 are photos with exact labels."""

    empty: float = 0.16
    composed: float = 0.46
    main_only: float = 0.16
    slots: int = 4
    shadow: float = 0.45
    letters: float = 0.35
    occluder: float = 0.12
    smallest: float = 0.10
    largest: float = 2.2
    all_things: bool = False  # objects are wanted as people are (for the saliency net)


@dataclass(frozen=True)
class Sources:
    """`photos`: RGB, label, weight; `cutouts`: RGB, alpha; `letters`: alpha. Arrays are ids."""

    photos: Bank
    cutouts: Bank
    letters: Bank
    empty: np.ndarray
    main_only: np.ndarray
    exact: np.ndarray
    people: np.ndarray
    objects: np.ndarray


@dataclass
class Batch:
    """`rgb` B×3×H×W in [0, 1]; `label`, `weight` B×1×H×W in [0, 1]."""

    rgb: torch.Tensor
    label: torch.Tensor
    weight: torch.Tensor


class Composer:
    def __init__(self, sources: Sources, recipe: Recipe, seed: int) -> None:
        self.sources = sources
        self.recipe = recipe
        self.seed = seed
        self.device = sources.photos.device

    def batch(self, step: int, count: int, size: float = 1.0) -> Batch:
        """The batch of this step, the same whenever it is asked for; `size` scales its sides."""
        rng = np.random.default_rng((self.seed, step))
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + step)
        height, width = SHAPES[int(rng.integers(len(SHAPES)))]
        shape = (max(64, round(height * size / 32) * 32), max(64, round(width * size / 32) * 32))
        recipe = self.recipe
        draw = rng.random(count)
        edges = np.cumsum([recipe.empty, recipe.composed, recipe.main_only])
        kind = np.searchsorted(edges, draw, side="right")  # 0 empty, 1 composed, 2 main, 3 exact
        with torch.no_grad():
            scene = self._base(rng, kind, shape)
            texture = self._texture(rng, count, shape)
            for slot in range(recipe.slots):
                chance = (0.9, 0.55, 0.35, 0.25)[min(slot, 3)]
                person = (kind == 1) & (rng.random(count) < chance)
                other = (rng.random(count) < np.where(kind < 2, 0.22, 0.06)) & ~person
                self._paste(rng, scene, np.nonzero(person)[0], shape, True, texture)
                self._paste(rng, scene, np.nonzero(other)[0], shape, False, texture)
            covered = np.nonzero(rng.random(count) < recipe.occluder)[0]
            self._occlude(rng, scene, covered, shape, texture)
            for _ in range(3):
                lettered = np.nonzero(rng.random(count) < recipe.letters)[0]
                self._letters(rng, scene, lettered, shape)
            scene.rgb = self._degrade(rng, generator, scene.rgb)
        scene.rgb = scene.rgb.contiguous(memory_format=torch.channels_last)
        return scene

    # Photos ------------------------------------------------------------------------------

    def _windows(
        self, rng: np.random.Generator, ids: np.ndarray, shape: tuple[int, int],
        low: np.ndarray,
    ) -> np.ndarray:
        sizes = self.sources.photos.sizes[ids]
        height, width = sizes[:, 0], sizes[:, 1]
        count = len(ids)
        aspect = shape[1] / shape[0] * np.exp(rng.uniform(-0.2, 0.2, count))
        share = low + (1 - low) * rng.random(count) ** 0.8
        h = share * np.minimum(height, width / aspect)
        w = h * aspect
        # Now and then the whole photo, a little out of shape.
        whole = rng.random(count) < 0.25
        h = np.where(whole, height, h)
        w = np.where(whole, np.minimum(width, height * aspect * 1.25), w)
        h = np.where(whole, np.minimum(h, w / aspect * 1.25), h)
        x0, y0 = rng.random(count) * (width - w), rng.random(count) * (height - h)
        return window_map(x0, y0, w, h, shape, rng.random(count) < 0.5)

    def _base(self, rng: np.random.Generator, kind: np.ndarray, shape: tuple[int, int]) -> Batch:
        sources = self.sources
        count = len(kind)
        ids = rng.choice(sources.empty, count)
        ids = np.where(kind == 2, rng.choice(sources.main_only, count), ids)
        ids = np.where(kind == 3, rng.choice(sources.exact, count), ids)
        low = np.where(kind < 2, 0.35, 0.45)
        maps = self._windows(rng, ids, shape, low)
        planes = sources.photos.sample(ids, maps, shape, border=True)
        rgb = self._jitter(rng, planes[:, :3], 0.8)
        return Batch(rgb, planes[:, 3:4].contiguous(), planes[:, 4:5].contiguous())

    def _texture(
        self, rng: np.random.Generator, count: int, shape: tuple[int, int]
    ) -> torch.Tensor:
        """Other person-free photos, to fill occluders and figures that are no people."""
        ids = rng.choice(self.sources.empty, count)
        maps = self._windows(rng, ids, shape, np.full(count, 0.25))
        planes = self.sources.photos.sample(ids, maps, shape, border=True)
        return self._jitter(rng, planes[:, :3], 1.0)

    def _jitter(
        self, rng: np.random.Generator, rgb: torch.Tensor, strength: float
    ) -> torch.Tensor:
        count = len(rgb)
        wide = strength * np.where(rng.random(count) < 0.75, 0.6, 1.2)
        grey = rng.random(count) < 0.06
        saturation = np.where(grey, 0.0, np.exp(rng.normal(0, 0.3, count) * wide))
        tint = (rng.normal(0, 0.04, (count, 3)) * wide[:, None]).astype(np.float32)
        return degrade.colour_jitter(
            rgb,
            np.exp(rng.normal(0, 0.17, count) * wide),
            np.exp(rng.normal(0, 0.2, count) * wide),
            saturation,
            np.exp(rng.normal(0, 0.2, count) * wide),
            torch.from_numpy(tint).to(rgb.device),
        )

    # Cut-outs ----------------------------------------------------------------------------

    def _placement(
        self, rng: np.random.Generator, ids: np.ndarray, shape: tuple[int, int], person: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Maps of the cut-outs, their foot points (x, y) and heights in output px."""
        recipe, count = self.recipe, len(ids)
        sizes = self.sources.cutouts.sizes[ids]
        high = np.where(rng.random(count) < 0.25, recipe.largest, 1.0)
        tall = shape[0] * np.exp(rng.uniform(np.log(recipe.smallest), np.log(high)))
        scale = tall / sizes[:, 0]
        # A wide cut-out (a group, a lying man) is held to the frame's width and a bit.
        scale = np.minimum(scale, 1.6 * high * shape[1] / sizes[:, 1])
        tall = scale * sizes[:, 0]
        wild = rng.random(count) < (0.12 if person else 0.4)
        angle = np.deg2rad(np.where(wild, rng.normal(0, 35, count), rng.normal(0, 4, count)))
        stretch = np.exp(rng.normal(0, 0.09, count))
        x = rng.uniform(-0.05, 1.05, count) * shape[1]
        top = np.where(
            tall > 0.85 * shape[0],
            rng.uniform(-0.12, 0.3, count) * shape[0],  # the head stays in the frame
            rng.uniform(-0.1, 1.0, count) * (shape[0] - 0.75 * tall),
        )
        down = rng.random(count) < 0.12  # legs only, a body without its head
        top = np.where(down, rng.uniform(-0.8, 0.1, count) * tall, top)
        centre = np.stack([x, top + tall / 2], 1)
        maps = place_map(sizes, centre, scale, stretch, angle, rng.random(count) < 0.5)
        return maps, np.stack([x, top + tall], 1), tall

    def _paste(
        self, rng: np.random.Generator, scene: Batch, rows: np.ndarray, shape: tuple[int, int],
        person: bool, texture: torch.Tensor,
    ) -> None:
        """Pastes one cut-out on each of the samples `rows`; objects take people's place away."""
        if not len(rows):
            return
        sources, count = self.sources, len(rows)
        ids = rng.choice(sources.people if person else sources.objects, count)
        figure = np.zeros(count, bool)
        if not (person or self.recipe.all_things):
            # A person's outline filled with something else is no person.
            figure = rng.random(count) < 0.3
            ids = np.where(figure, rng.choice(sources.people, count), ids)
        maps, foot, tall = self._placement(rng, ids, shape, person)
        planes = sources.cutouts.sample(ids, maps, shape, border=False)
        where = torch.from_numpy(rows).to(self.device)
        base, alpha = scene.rgb[where], planes[:, 3:4]
        if figure.any():
            chosen = degrade.column(figure, base)
            planes = torch.cat([torch.lerp(planes[:, :3], texture[where], chosen), alpha], 1)
        base = self._shadow(rng, base, ids, maps, foot, tall, shape)
        # Cut a little inside or outside, then soften the edge by up to a pixel.
        alpha = ((alpha - 0.5) * column(rng.uniform(1, 2.5, count), alpha) + 0.5).clamp(0, 1)
        soft = np.where(rng.random(count) < 0.7, rng.uniform(0.3, 1.1, count), 0.05)
        alpha = degrade.blur(alpha, soft)
        rgb = self._harmonise(rng, planes[:, :3], alpha, base)
        scene.rgb[where] = torch.lerp(base, rgb, alpha)
        label, weight = scene.label[where], scene.weight[where]
        wanted = person or self.recipe.all_things
        new = torch.ones_like(label) if wanted else torch.zeros_like(label)
        scene.label[where] = torch.lerp(label, new, alpha)
        scene.weight[where] = torch.maximum(weight, alpha)

    def _harmonise(
        self, rng: np.random.Generator, rgb: torch.Tensor, alpha: torch.Tensor,
        base: torch.Tensor,
    ) -> torch.Tensor:
        """Own colours, or drawn some way to the mean and contrast of what lies behind."""
        count = len(rgb)
        rgb = self._jitter(rng, rgb, 0.8)
        area = alpha.sum((2, 3), keepdim=True) + 1
        mean = (rgb * alpha).sum((2, 3), keepdim=True) / area
        behind = (base * alpha).sum((2, 3), keepdim=True) / area
        share = np.where(rng.random(count) < 0.45, rng.uniform(0, 0.8, count), 0)
        return (rgb + (behind - mean) * column(share, rgb)).clamp(0, 1)

    def _shadow(
        self, rng: np.random.Generator, base: torch.Tensor, ids: np.ndarray, maps: np.ndarray,
        foot: np.ndarray, tall: np.ndarray, shape: tuple[int, int],
    ) -> torch.Tensor:
        """Darkens the ground: the figure's outline laid down from its feet, sheared, blurred."""
        count = len(ids)
        dark = np.where(rng.random(count) < self.recipe.shadow, rng.uniform(0.15, 0.6, count), 0)
        if not dark.any():
            return base
        flat = rng.uniform(0.15, 0.5, count) * np.where(rng.random(count) < 0.7, 1, -1)
        lean = rng.uniform(-1.2, 1.2, count)
        # Output (x, y) → the figure's pixel: y above the feet is 1 / flat as high.
        lay = np.zeros((count, 3, 3), np.float32)
        lay[:, 0, 0] = lay[:, 2, 2] = 1
        lay[:, 1, 1] = 1 / flat
        lay[:, 1, 2] = foot[:, 1] * (1 - 1 / flat)
        lay[:, 0, 1] = lean / flat
        lay[:, 0, 2] = -lean / flat * foot[:, 1]
        square = np.concatenate([maps, np.tile([[[0, 0, 1]]], (count, 1, 1))], 1)
        laid = np.einsum("bij,bjk->bik", square, lay)[:, :2].astype(np.float32)
        alpha = self.sources.cutouts.sample(ids, laid, shape, border=False)[:, 3:4]
        alpha = degrade.blur(alpha, np.clip(tall * rng.uniform(0.005, 0.02, count), 0.5, 3))
        return base * (1 - alpha * column(dark, base))

    # What covers people --------------------------------------------------------------------

    def _occlude(
        self, rng: np.random.Generator, scene: Batch, rows: np.ndarray, shape: tuple[int, int],
        texture: torch.Tensor,
    ) -> None:
        """A piece of another photo with a straight edge in front: walls, tables, frames."""
        if not len(rows):
            return
        where = torch.from_numpy(rows).to(self.device)
        height, width = shape
        ys = torch.arange(height, device=self.device).view(1, 1, -1, 1) / height
        xs = torch.arange(width, device=self.device).view(1, 1, 1, -1) / width
        count = len(rows)
        angle = np.where(
            rng.random(count) < 0.7, rng.normal(np.pi / 2, 0.12, count),
            rng.uniform(0, 2 * np.pi, count),
        )  # mostly from below
        distance = rng.uniform(0.28, 0.48, count)
        like = scene.rgb
        along = (xs - 0.5) * column(np.cos(angle), like) + (ys - 0.5) * column(np.sin(angle), like)
        alpha = (along > column(distance * rng.uniform(0.4, 1, count), like)).float()
        thin = column(np.where(rng.random(count) < 0.4, rng.uniform(0.02, 0.1, count), 9), like)
        alpha = alpha * (along < column(distance, like) + thin).float()
        scene.rgb[where] = torch.lerp(scene.rgb[where], texture[where], alpha)
        scene.label[where] = scene.label[where] * (1 - alpha)
        scene.weight[where] = torch.maximum(scene.weight[where], alpha)

    def _letters(
        self, rng: np.random.Generator, scene: Batch, rows: np.ndarray, shape: tuple[int, int]
    ) -> None:
        """A line of text, plain or on a plate. Under it the label stays and counts little."""
        if not len(rows):
            return
        bank, count = self.sources.letters, len(rows)
        ids = rng.integers(0, len(bank), count)
        sizes = bank.sizes[ids]
        tall = shape[0] * np.exp(rng.uniform(np.log(0.035), np.log(0.22), count))
        scale = np.minimum(tall / sizes[:, 0], 1.1 * shape[1] / sizes[:, 1])
        centre = np.stack(
            [rng.uniform(0.1, 0.9, count) * shape[1], rng.uniform(0.05, 0.95, count) * shape[0]], 1
        )
        angle = np.deg2rad(np.where(rng.random(count) < 0.15, rng.normal(0, 15, count), 0))
        maps = place_map(sizes, centre, scale, np.ones(count), angle, np.zeros(count, bool))
        ink = bank.sample(ids, maps, shape, border=False)
        where = torch.from_numpy(rows).to(self.device)
        base = scene.rgb[where]
        colours = torch.from_numpy(rng.random((2, count, 3, 1, 1)).astype(np.float32))
        front, back = colours.to(self.device)
        half = (sizes * scale[:, None] / 2 + 3).astype(np.float32)
        ys = torch.arange(shape[0], device=self.device).view(1, 1, -1, 1)
        xs = torch.arange(shape[1], device=self.device).view(1, 1, 1, -1)
        inside = ((ys - column(centre[:, 1], base)).abs() < column(half[:, 0], base)) & (
            (xs - column(centre[:, 0], base)).abs() < column(half[:, 1], base)
        )
        plate = np.where(rng.random(count) < 0.25, rng.uniform(0.4, 1, count), 0)
        alpha = inside.float() * column(plate, base)
        base = torch.lerp(base, back.expand_as(base), alpha)
        ink = ink * column(rng.uniform(0.5, 1, count), base)
        scene.rgb[where] = torch.lerp(base, front.expand_as(base), ink)
        scene.weight[where] = scene.weight[where] * (1 - 0.8 * torch.maximum(alpha, ink))

    # The whole picture ---------------------------------------------------------------------

    def _degrade(
        self, rng: np.random.Generator, generator: torch.Generator, rgb: torch.Tensor
    ) -> torch.Tensor:
        count = len(rgb)
        rgb = self._jitter(rng, rgb, 0.6)
        order = rng.permutation(count)
        low = torch.from_numpy(order[: count // 10]).to(self.device)
        if len(low):
            rgb[low] = degrade.soften(rgb[low], float(rng.uniform(0.35, 0.8)))
        soft = np.where(rng.random(count) < 0.25, rng.uniform(0.3, 1.4, count), 0.05)
        rgb = degrade.blur(rgb, soft)
        noise = np.where(rng.random(count) < 0.3, rng.uniform(0.004, 0.045, count), 0.0)
        rgb = degrade.grain(rgb, noise, generator)
        coded = torch.from_numpy(order[-max(1, count // 4) :]).to(self.device)
        rgb[coded] = degrade.block_codec(rgb[coded], rng.uniform(0.01, 0.09, len(coded)))
        return rgb.clamp(0, 1)
