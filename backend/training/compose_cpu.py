"""The people composer for the CPU: OpenCV and numpy, one sample after the other.

Gives the same `Batch` as `compose.Composer`, ten times as fast without a GPU. Every sample draws
from a generator seeded by (seed, step, index), so a run can stop and resume anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from backend.training.compose import SHAPES, Batch, Recipe
from backend.training.compose_cpu_pixels import (
    band,
    code,
    cut_part,
    laid_shadow,
    place,
    recolour,
    window,
    write_lines,
)
from backend.training.data import Material

SLOTS = (0.94, 0.5, 0.3, 0.15)  # chance of a first, second, … person pasted
CROWD = (0.95, 0.9, 0.8, 0.65, 0.5, 0.4)  # the same where many stand together
CROWDED = 0.18  # chance of such a picture
THINGS = (0.35, 0.2)  # and of things of other classes
FADED = 0.25  # and that a part of a person nearly has the background's colours
SHADES = (0.16, 0.5, 0.5)  # and of a shadow that somebody or something out of sight casts


@dataclass
class Scene:
    """One sample while it is made: `rgb` H×W×3, `label`, `weight` H×W, all float32 (0..255, 0..1,
    0..1)."""

    rgb: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.label.shape[0], self.label.shape[1]


def faded(
    rng: np.random.Generator, rgb: np.ndarray, alpha: np.ndarray, base: np.ndarray
) -> np.ndarray:
    """A person's colours drawn to those behind on one side of a soft line: legs in snow, an arm in
    the dark. All H×W×3 float32 in 0..255, `alpha` H×W."""
    rows, columns = np.nonzero(alpha > 0.5)
    if not len(rows):
        return rgb
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.sin(angle), np.cos(angle)], np.float32)
    height, width = alpha.shape
    place = along[0] * np.arange(height)[:, None] + along[1] * np.arange(width)
    inside = place[rows, columns]
    low, high = float(inside.min()), float(inside.max())
    start = low + rng.uniform(0.3, 0.9) * (high - low)
    ramp = np.clip((place - start) / (0.15 * (high - low) + 1), 0, 1) * rng.uniform(0.4, 0.85)
    side = max(3, round(0.1 * (high - low))) | 1
    return rgb + (cv2.blur(base, (side, side)) - rgb) * ramp[..., None].astype(np.float32)


class CpuComposer:
    def __init__(self, material: Material, recipe: Recipe, seed: int) -> None:
        self.material = material
        self.recipe = recipe
        self.seed = seed
        cv2.setNumThreads(torch.get_num_threads())

    def batch(self, step: int, count: int, size: float = 1.0) -> Batch:
        """The batch of this step, the same whenever it is asked for; `size` scales its sides."""
        rng = np.random.default_rng((self.seed, step))
        height, width = SHAPES[int(rng.integers(len(SHAPES)))]
        shape = (max(64, round(height * size / 32) * 32), max(64, round(width * size / 32) * 32))
        scenes = [
            self.sample(np.random.default_rng((self.seed, step, index)), shape)
            for index in range(count)
        ]
        rgb = torch.from_numpy(np.stack([s.rgb for s in scenes])).permute(0, 3, 1, 2)
        return Batch(
            (rgb.float() / 255).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(np.stack([s.label for s in scenes])[:, None]),
            torch.from_numpy(np.stack([s.weight for s in scenes])[:, None]),
        )

    def sample(self, rng: np.random.Generator, shape: tuple[int, int]) -> Scene:
        """One picture; its `rgb` is uint8 at the end."""
        recipe = self.recipe
        draw = rng.random()
        kinds = np.cumsum([recipe.empty, recipe.composed, recipe.main_only])
        kind = int(np.searchsorted(kinds, draw, side="right"))
        scene = self._base(rng, kind, shape)
        if kind != 0:
            rare = 1.0 if kind == 1 else 0.15
            standing = rng.random() < 0.5  # whole people on the ground, as in an advert
            for chance in CROWD if rng.random() < CROWDED else SLOTS:
                if rng.random() < chance * rare:
                    self._paste(rng, scene, True, standing)
        for chance in THINGS:
            if rng.random() < chance * (1.0 if kind < 2 else 0.3):
                self._paste(rng, scene, bool(self.recipe.all_things), False)
        for chance in SHADES:
            if rng.random() >= chance:
                break
            self._shade(rng, scene)
        if rng.random() < recipe.occluder:
            self._occlude(rng, scene)
        if rng.random() < 1.3 * recipe.letters:
            covered = write_lines(rng, scene.rgb, self.material.lines)
            scene.weight *= 1 - 0.8 * covered
        scene.rgb = code(rng, recolour(rng, scene.rgb, 0.6))
        return scene

    def _base(self, rng: np.random.Generator, kind: int, shape: tuple[int, int]) -> Scene:
        material = self.material
        photos = (material.empty, material.empty, material.main, material.exact)[kind]
        photo = photos[int(rng.integers(len(photos)))]
        parts = window(rng, photo, shape, 0.35 if kind < 2 else 0.45)
        rgb = recolour(rng, parts[0], 0.8)
        if len(parts) == 1:
            return Scene(rgb, np.zeros(shape, np.float32), np.ones(shape, np.float32))
        return Scene(rgb, parts[1][..., 0] / 255, parts[1][..., 1] / 255)

    def _texture(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        photo = self.material.empty[int(rng.integers(len(self.material.empty)))]
        return recolour(rng, window(rng, photo, shape, 0.2)[0], 1.0)

    def _tall(self, rng: np.random.Generator, standing: bool) -> float:
        """Height of a pasted cut-out as a share of the picture's."""
        if standing:
            return float(np.exp(rng.uniform(np.log(0.28), np.log(0.98))))
        high = self.recipe.largest if rng.random() < 0.3 else 1.0
        return float(np.exp(rng.uniform(np.log(self.recipe.smallest), np.log(high))))

    def _paste(
        self, rng: np.random.Generator, scene: Scene, wanted: bool, standing: bool
    ) -> None:
        """Pastes a person (`wanted`), or a thing that takes people's place away."""
        material = self.material
        figure = False
        if wanted:
            cut = material.people[int(rng.integers(len(material.people)))]
            if not standing and rng.random() < 0.3:
                cut = cut_part(rng, cut)
        else:
            # A person's outline filled with something else (a flag, a statue) is no person.
            figure = rng.random() < 0.12
            chosen = material.people if figure else material.things
            cut = chosen[int(rng.integers(len(chosen)))]
        height, width = scene.shape
        tall = self._tall(rng, standing) * height
        scale = min(tall / cut.shape[0], 1.6 * width / cut.shape[1])
        tall = scale * cut.shape[0]
        if standing or rng.random() < 0.5:
            foot = rng.uniform(max(0.6 * height, tall), max(1.02 * height, 1.05 * tall))
        else:
            foot = rng.uniform(min(0.25 * height, tall), max(height, tall) + 0.15 * tall)
        if tall > height and rng.random() < 0.75:
            foot = tall + rng.uniform(-0.1, 0.3) * height  # the head stays in the frame
        x = rng.uniform(-0.05, 1.05) * width
        wild = rng.random() < (0.15 if wanted else 0.4) and not standing
        angle = rng.normal(0, 35 if wild else 4)
        planes, alpha = place(rng, cut, (x, foot), scale, angle, scene.shape)
        if alpha.max() < 0.2:
            return
        if figure:
            planes = self._texture(rng, scene.shape)
            if rng.random() < 0.4:  # carved: the person's own light on one colour
                stone = rng.uniform(60, 230, 3).astype(np.float32)
                planes = 0.6 * planes + 0.4 * stone
        if rng.random() < self.recipe.shadow:
            dark = laid_shadow(rng, alpha, foot, tall)
            scene.rgb *= 1 - dark[..., None]
        rgb = self._harmonise(rng, planes, alpha, scene.rgb)
        if wanted and rng.random() < FADED:
            rgb = faded(rng, rgb, alpha, scene.rgb)
        scene.rgb += (rgb - scene.rgb) * alpha[..., None]
        scene.label += ((1.0 if wanted else 0.0) - scene.label) * alpha
        np.maximum(scene.weight, alpha, out=scene.weight)

    def _harmonise(
        self, rng: np.random.Generator, rgb: np.ndarray, alpha: np.ndarray, base: np.ndarray
    ) -> np.ndarray:
        """Own colours, or drawn some way to the mean and contrast of what lies behind."""
        rgb = recolour(rng, rgb, 0.8)
        if rng.random() < 0.5:
            inside = alpha > 0.5
            if inside.any():
                own, behind = rgb[inside], base[inside]
                share = rng.uniform(0, 0.8)
                spread = own.std() + 4
                gain = 1 + 0.5 * share * (np.clip(behind.std() / spread, 0.5, 1.6) - 1)
                middle = own.mean(0)
                rgb = (rgb - middle) * gain + middle + share * (behind.mean(0) - middle)
                rgb = rgb.clip(0, 255).astype(np.float32)
        return rgb

    def _shade(self, rng: np.random.Generator, scene: Scene) -> None:
        """The shadow of a person or a thing that is not in the picture itself, on a wall or across
        the ground: a walking figure without a body is nobody. It falls on people too, who stay."""
        material = self.material
        chosen = material.people if rng.random() < 0.6 else material.things
        cut = chosen[int(rng.integers(len(chosen)))]
        height, width = scene.shape
        tall = height * float(np.exp(rng.uniform(np.log(0.2), np.log(1.2))))
        scale = min(tall / cut.shape[0], 1.6 * width / cut.shape[1])
        y, x = rng.uniform(0.25, 1.15) * height, rng.uniform(-0.05, 1.05) * width
        _, alpha = place(rng, cut, (x, y), scale, rng.normal(0, 25), scene.shape)
        if rng.random() < 0.5:
            alpha = laid_shadow(rng, alpha, y, tall) / 0.6
        alpha = cv2.GaussianBlur(alpha, (0, 0), float(np.exp(rng.uniform(-0.7, 1.6))))
        light = rng.uniform(0.25, 0.75) * np.array(rng.uniform(0.9, 1.1, 3), np.float32)
        scene.rgb *= 1 - alpha[..., None].clip(0, 1) * (1 - light.clip(0, 0.95))

    def _occlude(self, rng: np.random.Generator, scene: Scene) -> None:
        """A piece of another photo with straight edges in front: walls, tables, posts, frames."""
        alpha = band(rng, scene.shape)
        texture = self._texture(rng, scene.shape)
        if rng.random() < 0.3:
            texture[:] = rng.uniform(0, 255, 3)
        scene.rgb += (texture - scene.rgb) * alpha[..., None]
        scene.label *= 1 - alpha
        np.maximum(scene.weight, alpha, out=scene.weight)
