"""The text renderer for training without a GPU: one scene at a time with OpenCV, drawing each line
only where it lies. About 10 ms a scene of 256×256 on one core; labels as exact as those of
render_text_scene, which is faster in large batches on a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from backend.networks.psenet import MARGIN
from backend.training.render_text import DISTANCE_STEP, INK, PAD, Atlas

KERNELS = 7
SMALLEST = 0.6  # scale m of the smallest kernel
STEP = 4  # labels have a quarter of the scene's size
FAR = 60.0
WORD_GAP = 0.2  # of the ink's height, the least space between words


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
class Style:
    """Colours (RGB 0–255) and effects of a line; widths are fractions of its height."""

    fill: np.ndarray
    other: np.ndarray
    opacity: float = 1.0
    outline: float = 0.0
    shadow: tuple[float, float, float, float] | None = None  # x, y, blur, strength
    glow: float = 0.0
    plate: float = 0.0
    plate_alpha: float = 1.0


@dataclass
class Scene:
    """`image` H×W×3 float32 0–255; `kernel` H/4×W/4 uint8: in how many of PSENet's KERNELS maps a
    pixel lies (they are nested); `taken` the same size, uint8."""

    image: np.ndarray
    kernel: np.ndarray
    taken: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.taken = np.zeros_like(self.kernel)


class QuickRenderer:
    """Draws scenes of an atlas over `photos` (N×H×W×3 uint8). `words`: label the words of Latin
    lines one by one, not the lines."""

    def __init__(self, atlas: Atlas, photos: np.ndarray, words: bool = False) -> None:
        self.atlas, self.photos, self.words = atlas, photos, words

    def batch(self, count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(B×3×side×side uint8, B×side/4×side/4 uint8 numbers of kernels)."""
        rng = np.random.default_rng(seed)
        scenes = [self.scene(side, rng) for _ in range(count)]
        images = np.stack([finish(s.image, rng) for s in scenes]).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images), np.stack([s.kernel for s in scenes])

    def scene(self, side: int, rng: np.random.Generator) -> Scene:
        scene = Scene(self.ground(side, rng), np.zeros((side // STEP, side // STEP), np.uint8))
        if rng.random() < 0.08:
            return scene
        before: Line | None = None
        look: Style | None = None
        # from the largest text of this scene down to small print
        largest = float(np.exp(rng.uniform(math.log(12), math.log(90))))
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
        return scene

    def ground(self, side: int, rng: np.random.Generator) -> np.ndarray:
        """A crop of a photo, a flat or graded field, sometimes with bars or a grid over it."""
        kind = rng.random()
        if kind < 0.24:
            a, b = rng.uniform(0, 255, 3), rng.uniform(-60, 60, 3) * (rng.random() < 0.6)
            way = rng.uniform(0, 2 * math.pi)
            y, x = np.mgrid[:side, :side].astype(np.float32) / side - 0.5
            image = a + (x * math.cos(way) + y * math.sin(way))[..., None] * b
            image = np.clip(image, 0, 255).astype(np.float32)
        else:
            photo = self.photos[rng.integers(len(self.photos))]
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
            if kind < 0.36:
                image = image * (t := rng.uniform(0.15, 0.7)) + rng.uniform(0, 255, 3) * (1 - t)
        if rng.random() < 0.2:
            self.pattern(image, rng)
        return image.astype(np.float32)

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
            if rng.random() < 0.15:  # beside it in the same row
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
        size = ((x1 - x0) // STEP, (y1 - y0) // STEP)
        for left, right in self.pieces(line):
            word = np.minimum(np.minimum(u - left, right - u), line.size / 2 - np.abs(v))
            word = cv2.resize(word, size, interpolation=cv2.INTER_AREA)
            levels = levels_of(word, line.size, right - left)
            np.maximum(scene.kernel[spot], levels, out=scene.kernel[spot])
        part = scene.image[y0:y1, x0:x1]
        mean = part[inner > 0].mean(0) if (inner > 0).any() else part.mean((0, 1))
        look = look or style(mean, rng)
        coverage, distance = self.sample(line, u, v)
        part[:] = paint(part, coverage, distance, inner, line.size, look)
        return look

    def pieces(self, line: Line) -> list[tuple[float, float]]:
        """From where to where in px along the line its words reach; the whole line where words
        are not kept apart or no spaces are written."""
        whole = [(-line.length / 2, line.length / 2)]
        if not self.words or self.atlas.script[line.index] or self.atlas.vertical[line.index]:
            return whole
        width = int(self.atlas.width[line.index])
        strip = self.atlas.coverage[line.index][:, PAD : PAD + width]
        filled = np.flatnonzero(strip.max(0) > 24)
        if len(filled) < 2:
            return whole
        gaps = np.diff(filled) - 1
        between = gaps[gaps > 0]
        space = max(WORD_GAP * INK, 2.2 * float(np.median(between)) if len(between) > 2 else 0.0)
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


def colour(rng: np.random.Generator) -> np.ndarray:
    """Half of all are white, black or nearly so, as adverts have them."""
    kind = rng.random()
    if kind < 0.3:
        return np.full(3, rng.uniform(0, 30))
    if kind < 0.58:
        return np.full(3, 255 - rng.uniform(0, 30))
    return rng.uniform(0, 255, 3) if kind > 0.8 else (rng.random(3) > 0.5) * 205.0 + 25


def readable(ink: np.ndarray, against: np.ndarray, need: float) -> np.ndarray:
    """The colour, made dark or light where it differs too little to be read."""
    weights = np.array([0.3, 0.59, 0.11])
    gap = abs(float((ink - against) @ weights)) + 0.3 * float(np.abs(ink - against).max())
    if gap >= need:
        return ink
    return ink * 0.35 if float(against @ weights) > 128 else 255 - (255 - ink) * 0.35


def style(mean: np.ndarray, rng: np.random.Generator) -> Style:
    kind = rng.random()
    against = mean
    look = Style(colour(rng), colour(rng))
    if kind < 0.2:
        look.outline = rng.uniform(0.02, 0.12)
    elif kind < 0.38:
        way = rng.uniform(0, 2 * math.pi)
        far = rng.uniform(0.02, 0.12)
        look.shadow = (far * math.cos(way), far * math.sin(way), rng.uniform(0.01, 0.15),
                       rng.uniform(0.35, 0.95))
        look.other = colour(rng) * 0.3
    elif kind < 0.45:
        look.glow = rng.uniform(0.05, 0.25)
    elif kind < 0.6:
        look.plate, look.plate_alpha = rng.uniform(0.1, 0.45), rng.choice((1.0, 1.0, 0.6))
        against = mean + (look.other - mean) * look.plate_alpha
    elif kind < 0.8:
        look.opacity = rng.uniform(0.22, 0.75)
    look.fill = readable(look.fill, against, 50 + 40 * (1 - look.opacity))
    if look.outline or look.glow:
        look.other = readable(look.other, look.fill, 75)
    return look


def paint(
    part: np.ndarray, coverage: np.ndarray, distance: np.ndarray, inner: np.ndarray, size: float,
    look: Style,
) -> np.ndarray:
    """h×w×3 with the line over it."""
    def over(alpha: np.ndarray, ink: np.ndarray) -> np.ndarray:
        return part + (ink.astype(np.float32) - part) * alpha[..., None].astype(np.float32)

    if look.plate:
        part = over(np.clip(inner + look.plate * size + 0.5, 0, 1) * look.plate_alpha, look.other)
    if look.shadow:
        dx, dy, blur, strength = look.shadow
        blur = max(0.6, blur * size)
        moved = cv2.warpAffine(distance, np.array([[1, 0, dx * size], [0, 1, dy * size]]),
                               distance.shape[::-1], borderValue=FAR)
        part = over(np.clip((blur - moved) / (2 * blur), 0, 1) * strength, look.other)
    if look.glow:
        soft = np.exp(-((np.maximum(distance, 0) / (look.glow * size)) ** 2)) * 0.8
        part = over(soft * (distance < 0.4 * size), look.other)
    if look.outline:
        part = over(np.clip(max(0.8, look.outline * size) + 0.5 - distance, 0, 1), look.other)
    return over(coverage * look.opacity, look.fill)


def finish(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Camera and file: contrast, blur, noise, JPEG; H×W×3 uint8."""
    image = np.clip(image, 0, 255)
    if rng.random() < 0.35:
        soft = cv2.GaussianBlur(image, (0, 0), 0.9)
        image = image + (soft - image) * rng.uniform(-0.5, 1)
    if rng.random() < 0.4:
        image = image + rng.normal(0, rng.uniform(1, 10), image.shape).astype(np.float32)
    coded = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(35, 92))
        _, data = cv2.imencode(".jpg", coded, [cv2.IMWRITE_JPEG_QUALITY, quality])
        coded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return coded
