"""The text renderer for training without a GPU: one scene at a time with OpenCV, drawing each line
only where it lies. About 10 ms a scene of 256×256 on one core; labels as exact as those of
render_text_scene, which is faster in large batches on a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from backend.networks.psenet import MARGIN
from backend.training import render_text_layouts as layouts
from backend.training.render_text import DISTANCE_STEP, INK, PAD, Atlas
from backend.training.render_text_style import Style, finish, paint, readable, style

KERNELS = 7
SMALLEST = 0.6  # scale m of the smallest kernel
STEP = layouts.STEP  # labels have a quarter of the scene's size
# Of the ink's height, the least space at which a line is two: a space between words is not as
# wide in Latin lines, and nothing is written between CJK letters but where they are set wide.
WIDE_GAP, WIDE_GAP_CJK = 0.55, 0.8
LEAST = 9.0  # px; lower lines are neither text nor ground: their labels would be single pixels
NORMAL, GAP = 1, 6  # weight of a pixel, and of one between two words of a line


@dataclass
class Line:
    """Where a line lies: centre, ink height and length in px, direction, radius of its bend."""

    index: int
    x: float
    y: float
    size: float
    length: float
    angle: float
    radius: float = math.inf


@dataclass
class Scene:
    """`image` H×W×3 float32 0–255; `kernel` H/4×W/4 uint8: in how many of PSENet's KERNELS maps a
    pixel lies (they are nested); `weight` the same size, uint8: how much its label counts, 0 where
    it is not known; `taken` the same size, uint8."""

    image: np.ndarray
    kernel: np.ndarray
    weight: np.ndarray
    taken: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.taken = np.zeros_like(self.kernel)


class QuickRenderer:
    """Draws scenes of an atlas over `photos` (N×H×W×3 uint8). `words`: label the words of Latin
    lines one by one, not the lines. `known`: N×H×W bool, where the photos may hold text already."""

    def __init__(
        self, atlas: Atlas, photos: np.ndarray, words: bool = False,
        known: np.ndarray | None = None,
    ) -> None:
        self.atlas, self.photos, self.words = atlas, photos, words
        self.known = np.zeros(photos.shape[:3], bool) if known is None else known
        self.short = np.flatnonzero((atlas.width < 1.8 * INK) & ~atlas.vertical.astype(bool))

    def batch(self, count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(B×3×side×side uint8, B×side/4×side/4 uint8 numbers of kernels, their weights uint8)."""
        rng = np.random.default_rng(seed)
        scenes = [self.scene(side, rng) for _ in range(count)]
        images = np.stack([finish(s.image, rng) for s in scenes]).transpose(0, 3, 1, 2)
        kernels, weights = (np.stack([getattr(s, k) for s in scenes]) for k in ("kernel", "weight"))
        return np.ascontiguousarray(images), kernels, weights

    def scene(self, side: int, rng: np.random.Generator) -> Scene:
        image, known = self.ground(side, rng)
        shape = (side // STEP, side // STEP)
        weight = np.where(known, 0, NORMAL).astype(np.uint8)
        scene = Scene(image, np.zeros(shape, np.uint8), weight)
        if rng.random() < 0.08:
            return scene
        if len(self.short) and rng.random() < 0.14:
            self.strew(scene, rng)
        else:
            self.fill(scene, rng)
        if rng.random() < 0.2:
            scene.image = layouts.coarse(scene.image, rng.uniform(0.45, 0.85))
        if rng.random() < 0.3:
            planes = [(scene.kernel, True), (scene.weight, False)]
            scene.image, (scene.kernel, scene.weight) = layouts.aslant(scene.image, planes, rng)
        return scene

    def strew(self, scene: Scene, rng: np.random.Generator) -> None:
        """Single letters and numbers that belong to no line, mostly alike."""
        look: Style | None = None
        for x, y, size, angle in layouts.strewn(len(scene.image), rng):
            index = int(rng.choice(self.short))
            length = float(self.atlas.width[index]) * size / INK
            drawn = self.draw(scene, Line(index, x, y, size, length, angle), look, rng)
            look = drawn if rng.random() < 0.8 else None

    def fill(self, scene: Scene, rng: np.random.Generator) -> None:
        """Lines from the largest of this scene down to small print, many under each other."""
        side = len(scene.image)
        before: Line | None = None
        look: Style | None = None
        largest = float(np.exp(rng.uniform(math.log(14), math.log(side / 2.8))))
        for n in range(int(rng.integers(8, 26))):
            low = 7.0
            high = max(low + 1, largest * (1 if n < 2 else 0.6))
            size = float(np.exp(rng.uniform(math.log(low), math.log(high))))
            follows = before is not None and rng.random() < 0.6
            line = self.place(side, size, before if follows else None, rng)
            if not follows or look is None or rng.random() < 0.15:
                look = None
            drawn = self.draw(scene, line, look, rng)
            if drawn is not None:
                before, look = line, drawn

    def ground(self, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A crop of a photo, a flat or graded field, sometimes with bars or a grid over it, and
        at a STEP-th of the size where it may hold text, bool."""
        kind = rng.random()
        known = np.zeros((side // STEP, side // STEP), bool)
        if kind < 0.24:
            a, b = rng.uniform(0, 255, 3), rng.uniform(-60, 60, 3) * (rng.random() < 0.6)
            way = rng.uniform(0, 2 * math.pi)
            y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
            image = a + (x * math.cos(way) + y * math.sin(way))[..., None] * b
            image = np.clip(image, 0, 255).astype(np.float32)
        else:
            number = int(rng.integers(len(self.photos)))
            photo = self.photos[number]
            h, w = photo.shape[:2]
            cut = min(h, w) * rng.uniform(0.35, 1)
            scale = side / cut
            turn = rng.uniform(-0.1, 0.1)
            c, s = scale * math.cos(turn), scale * math.sin(turn)
            mirror = -1 if rng.random() < 0.5 else 1
            cx, cy = rng.uniform(cut / 2, w - cut / 2), rng.uniform(cut / 2, h - cut / 2)
            matrix = np.array([[c * mirror, -s, 0], [s * mirror, c, 0]])
            matrix[:, 2] = side / 2 - matrix[:, :2] @ (cx, cy)
            image = cv2.warpAffine(
                photo, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            ).astype(np.float32)
            if self.known[number].any():
                there = cv2.warpAffine(self.known[number].astype(np.float32), matrix, (side, side),
                                       borderMode=cv2.BORDER_REFLECT)
                known = cv2.resize(there, known.shape, interpolation=cv2.INTER_AREA) > 0.1
            if kind < 0.36:
                image = image * (t := rng.uniform(0.15, 0.7)) + rng.uniform(0, 255, 3) * (1 - t)
        if rng.random() < 0.2:
            self.pattern(image, rng)
        return image.astype(np.float32), known

    def pattern(self, image: np.ndarray, rng: np.random.Generator) -> None:
        """Bars or cells over a part: what text is mistaken for."""
        side = len(image)
        y, x = np.mgrid[:side, :side].astype(np.float32)
        turn = rng.uniform(-1.6, 1.6) * (rng.random() < 0.7)
        a = x * math.cos(turn) + y * math.sin(turn)
        b = y * math.cos(turn) - x * math.sin(turn) + a * rng.uniform(-0.4, 0.4)
        shape = (a / np.exp(rng.uniform(1.6, 4)) % 1) < rng.uniform(0.15, 0.7)
        if rng.random() < 0.5:
            shape &= (b / np.exp(rng.uniform(1.6, 4.2)) % 1) < rng.uniform(0.2, 0.8)
        cx, cy = rng.uniform(0, side, 2)
        reach = rng.uniform(0.1, 0.6, 2) * side
        shape &= (np.abs(x - cx) < reach[0]) & (np.abs(y - cy) < reach[1])
        image[shape] += (rng.uniform(0, 255, 3) - image[shape]) * rng.uniform(0.2, 1)

    def place(
        self, side: int, size: float, before: Line | None, rng: np.random.Generator
    ) -> Line:
        index = int(rng.integers(len(self.atlas.width)))
        upright = bool(self.atlas.vertical[index])
        stretch = math.exp(rng.uniform(-0.25, 0.25))
        if before is not None and rng.random() < 0.6:
            size = before.size
        length = float(self.atlas.width[index]) * size / INK * stretch
        if length > 0.95 * side:
            size *= max(0.95 * side / length, 7 / size)
            length = float(self.atlas.width[index]) * size / INK * stretch
        if before is not None and not upright and math.isinf(before.radius):
            c, s = math.cos(before.angle), math.sin(before.angle)
            align = rng.choice((-1, 0, 1)) * (length - before.length) / 2
            gap = (before.size + size) / 2 * rng.uniform(1.12, 1.8)
            gap *= 1 if rng.random() < 0.85 else -1
            if rng.random() < 0.22:  # beside it in the same row
                align, gap = (length + before.length) / 2 + rng.uniform(0.7, 2.5) * size, 0.0
            return Line(index, before.x + align * c - gap * s, before.y + align * s + gap * c,
                        size, length, before.angle)
        angle = rng.uniform(-0.05, 0.05) * (rng.random() < 0.5)
        wild = rng.random()
        if wild < 0.2:
            angle = rng.uniform(-0.7, 0.7)
        elif wild < 0.24:
            angle = rng.uniform(-1.6, 1.6)
        if upright:
            angle = angle * 0.3 + math.pi / 2
        x, y = rng.uniform(0.05, 0.95, 2) * side
        radius = math.inf
        if rng.random() < 0.1 and length > 3 * size:
            radius = length / (math.pi * rng.uniform(0.1, 0.9)) * rng.choice((-1, 1))
            if abs(radius) < 1.2 * size:
                radius = math.inf
        return Line(index, float(x), float(y), size, length, float(angle), radius)

    def draw(
        self, scene: Scene, line: Line, look: Style | None, rng: np.random.Generator
    ) -> Style | None:
        """Paints a line where there is room; returns its style, or None where there is none."""
        side = len(scene.image)
        reach = int(math.hypot(line.length, line.size * 2.2) / 2 + 3)
        if not math.isinf(line.radius):
            reach += int(line.size)
        x0, y0 = (max(0, (int(v) - reach) // STEP * STEP) for v in (line.x, line.y))
        x1, y1 = (min(side, -(-(int(v) + reach) // STEP) * STEP) for v in (line.x, line.y))
        if x1 - x0 < 8 or y1 - y0 < 8:
            return None
        u, v = local(line, x0, y0, x1, y1)
        inner = np.minimum(line.length / 2 - np.abs(u), line.size / 2 - np.abs(v))
        coarse = cv2.resize(inner, ((x1 - x0) // STEP, (y1 - y0) // STEP),
                            interpolation=cv2.INTER_AREA)
        spot = np.s_[y0 // STEP : y1 // STEP, x0 // STEP : x1 // STEP]
        zone = coarse > -0.12 * line.size - 1
        area = line.size * line.length / STEP**2
        if (scene.taken[spot] > 0)[zone].sum() > 0.02 * area:
            return None
        if (coarse > 0).sum() < 0.8 * area:
            return None
        scene.taken[spot][zone] = 1
        scene.weight[spot][zone] = 0 if line.size < LEAST else NORMAL
        size = ((x1 - x0) // STEP, (y1 - y0) // STEP)
        pieces = self.pieces(line)
        for left, right in pieces:
            word = np.minimum(np.minimum(u - left, right - u), line.size / 2 - np.abs(v))
            word = cv2.resize(word, size, interpolation=cv2.INTER_AREA)
            levels = levels_of(word, line.size, right - left)
            np.maximum(scene.kernel[spot], levels, out=scene.kernel[spot])
        if len(pieces) > 1 and line.size >= LEAST:
            between = (coarse > 0) & (scene.kernel[spot] == 0)
            scene.weight[spot][between] = GAP
        part = scene.image[y0:y1, x0:x1]
        coverage, distance = self.sample(line, u, v)
        mean = part[inner > 0].mean(0) if (inner > 0).any() else part.mean((0, 1))
        if look is None and rng.random() < 0.08 and layouts.is_flat(part):
            look = Style(mean, mean, raised=True)
        if look is not None and look.raised:
            part[:] = layouts.raised(part, coverage, line.size, rng)
            return look
        look = look or style(mean, rng)
        if line.length < 5 * line.size and math.isinf(line.radius) and rng.random() < 0.1:
            filled = rng.random() < 0.4
            ink = look.other if filled else look.fill
            if filled:
                look = replace(look, plate=0.0, opacity=1.0,
                               fill=readable(look.fill, look.other, 60))
            layouts.frame(scene.image, line.x, line.y, line.length, line.size, line.angle,
                          ink, rng, filled=filled)
        part[:] = paint(part, coverage, distance, inner, line.size, look)
        return look

    def pieces(self, line: Line) -> list[tuple[float, float]]:
        """From where to where in px along the line its parts reach that stand wide apart; the
        whole line where they are not kept apart."""
        whole = [(-line.length / 2, line.length / 2)]
        if not self.words or self.atlas.vertical[line.index]:
            return whole
        least = WIDE_GAP_CJK if self.atlas.script[line.index] == 1 else WIDE_GAP
        width = int(self.atlas.width[line.index])
        strip = self.atlas.coverage[line.index][:, PAD : PAD + width]
        filled = np.flatnonzero(strip.max(0) > 24)
        if len(filled) < 2:
            return whole
        gaps = np.diff(filled) - 1
        between = gaps[gaps > 0]
        space = max(least * INK, 2.2 * float(np.median(between)) if len(between) > 2 else 0.0)
        ends = np.flatnonzero(gaps >= space)
        starts = np.concatenate([filled[:1], filled[ends + 1]])
        stops = np.concatenate([filled[ends], filled[-1:]]) + 1
        scale = line.length / width
        return [(float(a - width / 2) * scale, float(b - width / 2) * scale)
                for a, b in zip(starts, stops, strict=True)]

    def sample(self, line: Line, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coverage in [0, 1] and signed distance in px to the glyphs at (u, v)."""
        width = int(self.atlas.width[line.index])
        used = np.s_[:, : min(self.atlas.coverage.shape[2], width + 2 * PAD)]
        scale = line.size / INK
        k = min(1.0, max(scale, 0.1))  # averaged down first: no aliasing
        strips = [self.atlas.coverage[line.index][used], self.atlas.distance[line.index][used]]
        strips = [cv2.resize(s, None, fx=k, fy=k, interpolation=cv2.INTER_AREA) for s in strips]
        h, w = strips[0].shape
        along = (u / line.length * width + PAD + width / 2) * k - 0.5
        down = v / scale * k + h / 2 - 0.5
        where = (along.astype(np.float32), down.astype(np.float32))
        coverage, distance = (
            cv2.remap(s, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=b)
            for s, b in zip(strips, (0, 255), strict=True)
        )
        signed = (distance.astype(np.float32) - 128) * (DISTANCE_STEP * scale)
        return coverage.astype(np.float32) / 255, signed


def levels_of(inner: np.ndarray, size: float, length: float) -> np.ndarray:
    """In how many of the KERNELS maps each pixel lies, uint8, from its distance in px to the
    border of a line or word of that size and length: d = A(1−r²)/P, r from 1 to SMALLEST."""
    tall, wide = size * (1 + 2 * MARGIN), length + size * 2 * MARGIN
    ratios = np.linspace(1, SMALLEST, KERNELS)
    shrink = tall * wide / (2 * (tall + wide)) * (1 - ratios**2)
    return np.searchsorted(shrink, inner + MARGIN * size, "left").astype(np.uint8)


def local(line: Line, x0: int, y0: int, x1: int, y1: int) -> tuple[np.ndarray, np.ndarray]:
    """(u, v) px along and across a line for the pixels of a window, float32."""
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    x, y = x - np.float32(line.x), y - np.float32(line.y)
    c, s = np.float32(math.cos(line.angle)), np.float32(math.sin(line.angle))
    along, across = x * c + y * s, y * c - x * s
    if math.isinf(line.radius):
        return along, across
    turn = math.copysign(1, line.radius)
    down = (across - np.float32(line.radius)) * np.float32(turn)
    u = np.arctan2(along, -down) * np.float32(abs(line.radius))
    return u, (np.float32(abs(line.radius)) - np.hypot(along, down)) * np.float32(turn)
