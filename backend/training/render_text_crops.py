"""Crops for the stroke net, composed on one core: a line level in the middle, others around it,
with exact labels, about 4 to 9 ms each. They look as backend.masks.strokes cuts them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from backend.masks import text_scales
from backend.masks.strokes import BOX
from backend.training import render_text_shapes
from backend.training.render_text import INK
from backend.training.render_text_covers import BEFORE, BEHIND, ON_FLAT, pasted
from backend.training.render_text_layouts import is_flat
from backend.training.render_text_quick import Line, QuickRenderer, local
from backend.training.render_text_style import FAR, Style, finish, readable, style

HEIGHT, WIDTH = 72, 256
EMPTY = 0.08  # share of crops without a line
HOLLOW = 0.15  # share of outlined lines of which only the outline is drawn
SMALL, LEAST = 0.45, 0.18  # share of crops that were enlarged from small print, and how far at most
HUES, EVEN = 0.1, 0.05  # shares of crops of the views in which lines are looked for, too
AROUND = (60, 300)  # px, see text_scales.hues
FAINT, LEAST_SEEN = 0.12, (0.12, 0.35)  # share of lines as faint as watermarks, their opacity
GLOWING, WIDE = 0.1, (0.05, 0.35)  # share of plain lines that glow, how far in heights
TURNED = 0.4  # share of short lines that lie anyhow, as the numbers around a dial


class Crop:
    """`image` h×w×3 float32 0–255; `text`, `effect`, `plate` h×w float32 in [0, 1]."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        shape = image.shape[:2]
        self.text = np.zeros(shape, np.float32)
        self.effect = np.zeros(shape, np.float32)
        self.plate = np.zeros(shape, np.float32)
        self.taken = np.zeros(shape, bool)

    def cover(self, alpha: np.ndarray) -> None:
        """Takes what an h×w float32 alpha hides out of the labels."""
        for label in (self.text, self.effect, self.plate):
            label *= 1 - alpha


def batch(
    draw: QuickRenderer, count: int, seed: int, cutouts: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """(B×4×HEIGHT×WIDTH uint8: R, G, B and the hint 0 or 255; B×3×HEIGHT×WIDTH uint8: text,
    effect, plate). The same seed gives the same crops. `cutouts` lie behind and before the lines
    of some (see render_text_covers)."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(count):
        crop, line = composed(draw, rng, cutouts)
        image = seen(crop.image, rng).transpose(2, 0, 1)
        images.append(np.concatenate([image, hint(line, rng)[None]]))
        maps = np.stack([crop.text, crop.effect, crop.plate])
        labels.append(np.clip(maps * 255, 0, 255).round().astype(np.uint8))
    return np.stack(images), np.stack(labels)


def seen(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera and a file make of a crop, H×W×3 uint8: of small print before it is enlarged
    to the size of a crop. Some are seen in their hues or in even contrast alone."""
    shown = taken(image, rng)
    view = rng.random()
    if view < HUES:
        return text_scales.hues(shown, rng.uniform(*AROUND))
    return text_scales.even(shown) if view < HUES + EVEN else shown


def taken(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The crop as in a file, H×W×3 uint8."""
    if rng.random() >= SMALL:
        return finish(image, rng)
    factor = math.exp(rng.uniform(math.log(LEAST), 0))
    size = (max(8, round(WIDTH * factor)), max(8, round(HEIGHT * factor)))
    small = finish(cv2.resize(image, size, interpolation=cv2.INTER_AREA), rng)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def composed(
    draw: QuickRenderer, rng: np.random.Generator, cutouts: Sequence[np.ndarray] = ()
) -> tuple[Crop, Line | None]:
    """A crop and its middle line; None in a crop without text."""
    y = int(rng.integers(0, WIDTH - HEIGHT + 1))
    crop = Crop(draw.ground(WIDTH, rng)[0][y : y + HEIGHT].copy())
    if cutouts and rng.random() < (ON_FLAT if is_flat(crop.image) else BEHIND):
        pasted(crop.image, cutouts, None, rng)
    if rng.random() < EMPTY:
        return crop, None
    middle = centred(draw, rng)
    look = add(draw, crop, middle, None, rng, rng.random() < render_text_shapes.SHARE)
    if look is None:
        return crop, None
    before = middle
    for low, high in ((14, 36), (10, 28)):
        size = float(np.exp(rng.uniform(math.log(low), math.log(high))))
        follows = rng.random() < 0.7
        line = draw.place(WIDTH, size, before if follows else None, rng)
        if not follows:
            line.y *= HEIGHT / WIDTH
        drawn = add(draw, crop, line, look if follows and rng.random() < 0.8 else None, rng)
        if drawn is not None and follows:
            before = line
    if cutouts and rng.random() < BEFORE:
        for _ in range(int(rng.integers(1, 3))):
            crop.cover(pasted(crop.image, cutouts, look.fill, rng))
    return crop, middle


def centred(draw: QuickRenderer, rng: np.random.Generator) -> Line:
    """A line as high as the detector's box lets it be, nearly level."""
    index = int(rng.integers(len(draw.atlas.width)))
    size = float(np.exp(rng.uniform(math.log(16), math.log(44))))
    length = float(draw.atlas.width[index]) * size / INK * math.exp(rng.uniform(-0.25, 0.25))
    radius = math.inf
    angle = float(rng.uniform(-0.08, 0.08))
    if rng.random() < 0.06 and length > 3 * size:
        radius = length / (math.pi * rng.uniform(0.1, 0.35)) * rng.choice((-1, 1))
    elif length < 2 * size and rng.random() < TURNED:
        angle = float(rng.uniform(-math.pi, math.pi))
    return Line(
        index, WIDTH * float(rng.uniform(0.15, 0.85)), HEIGHT * float(rng.uniform(0.44, 0.56)),
        size, length, angle, radius,
    )  # fmt: skip


def add(
    draw: QuickRenderer, crop: Crop, line: Line, look: Style | None, rng: np.random.Generator,
    shapes: bool = False,
) -> Style | None:
    """Paints a line where there is room, after drawn shapes around it; returns its style, or None
    where there is none."""
    u, v = local(line, 0, 0, WIDTH, HEIGHT)
    inner = np.minimum(line.length / 2 - np.abs(u), line.size / 2 - np.abs(v))
    zone = inner > -0.12 * line.size - 1
    if (crop.taken & zone).any() or (inner > 0).sum() < 0.1 * line.size * line.length:
        return None
    crop.taken |= zone
    look = look or looks(crop.image[inner > 0].mean(0), rng)
    coverage, distance = draw.sample(line, u, v)
    if shapes:
        render_text_shapes.add(crop.image, zone, line.size, look.fill, rng)
    paint(crop, coverage, distance, inner, line.size, look, rng.random() < HOLLOW)
    return look


def looks(mean: np.ndarray, rng: np.random.Generator) -> Style:
    """A line's style on a ground of this colour; more than usual are faint as watermarks, or
    glow."""
    look = style(mean, rng)
    if not look.plate and rng.random() < FAINT:
        look.opacity = rng.uniform(*LEAST_SEEN)
        look.fill = readable(look.fill, mean, 120)
    elif not (look.plate or look.outline or look.shadow) and rng.random() < GLOWING:
        look.glow, look.opacity = rng.uniform(*WIDE), 1.0
        look.other = readable(look.other, look.fill, 75)
    return look


def paint(
    crop: Crop, coverage: np.ndarray, distance: np.ndarray, inner: np.ndarray, size: float,
    look: Style, hollow: bool,
) -> None:
    """Draws a line and its labels into the crop."""

    def over(alpha: np.ndarray, ink: np.ndarray) -> None:
        share = (alpha * look.opacity).astype(np.float32)[..., None]
        crop.image += (np.asarray(ink, np.float32) - crop.image) * share

    if look.plate:
        panel = np.clip(inner + look.plate * size + 0.5, 0, 1) * look.plate_alpha
        over(panel, look.other)
        crop.plate = np.maximum(crop.plate, panel > 0.3)
    cover = coverage
    outline = max(0.8, look.outline * size) if look.outline else 0.0
    if outline:
        cover = np.maximum(coverage, np.clip(outline + 0.5 - distance, 0, 1))
    soft = np.zeros_like(coverage)
    if look.shadow:
        dx, dy, blur, strength = look.shadow
        blur = max(0.6, blur * size)
        moved = cv2.warpAffine(distance, np.array([[1, 0, dx * size], [0, 1, dy * size]]),
                               distance.shape[::-1], borderValue=FAR)
        soft = np.clip((blur - moved) / (2 * blur), 0, 1) * strength
    elif look.glow:
        soft = np.exp(-((np.maximum(distance, 0) / (look.glow * size)) ** 2)) * 0.8
        soft = soft * (distance < 0.4 * size)
    if look.shadow or look.glow:
        over(soft, look.other)
    if outline:
        ring = np.clip(cover - coverage, 0, 1) if hollow else cover
        over(ring, look.other)
        cover = ring
    if not (outline and hollow):
        over(coverage, look.fill)
    crop.effect = np.maximum(crop.effect * (1 - cover), soft * look.opacity).astype(np.float32)
    crop.text = np.maximum(crop.text, cover).astype(np.float32)


def hint(line: Line | None, rng: np.random.Generator) -> np.ndarray:
    """HEIGHT×WIDTH uint8, 255 in the detector's box, which crops have at a fixed height: its ends
    jittered, often cut off, the whole box sometimes missing; anywhere without a line."""
    result = np.zeros((HEIGHT, WIDTH), np.uint8)
    if rng.random() < 0.1:
        return result
    if line is None:
        length, x = rng.uniform(30, 280), rng.uniform(0, WIDTH)
        start, end = x - length / 2, x + length / 2
    else:
        loose = rng.uniform(-0.1, 0.5) * line.size
        cut = (rng.random() < 0.35) * rng.uniform(0, 0.8) * line.length
        left = cut * (rng.random() < 0.5)
        start = line.x - line.length / 2 - loose + left
        end = line.x + line.length / 2 + loose - (cut - left)
    top = round((HEIGHT - BOX) / 2)
    result[top : HEIGHT - top, max(0, round(start)) : max(0, round(end))] = 255
    return result
