"""Crops for the stroke net, composed on one core: a line level in the middle, others around it,
with exact labels, about 4 ms each. They look as backend.masks.strokes cuts them."""

from __future__ import annotations

import math

import cv2
import numpy as np

from backend.masks.strokes import BOX
from backend.training.render_text import INK
from backend.training.render_text_quick import Line, QuickRenderer, local
from backend.training.render_text_style import FAR, Style, finish, style

HEIGHT, WIDTH = 72, 256
EMPTY = 0.08  # share of crops without a line
HOLLOW = 0.15  # share of outlined lines of which only the outline is drawn


class Crop:
    """`image` h×w×3 float32 0–255; `text`, `effect`, `plate` h×w float32 in [0, 1]."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        shape = image.shape[:2]
        self.text = np.zeros(shape, np.float32)
        self.effect = np.zeros(shape, np.float32)
        self.plate = np.zeros(shape, np.float32)
        self.taken = np.zeros(shape, bool)


def batch(draw: QuickRenderer, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(B×4×HEIGHT×WIDTH uint8: R, G, B and the hint 0 or 255; B×3×HEIGHT×WIDTH uint8: text,
    effect, plate). The same seed gives the same crops."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(count):
        crop, line = composed(draw, rng)
        image = finish(crop.image, rng).transpose(2, 0, 1)
        images.append(np.concatenate([image, hint(line, rng)[None]]))
        maps = np.stack([crop.text, crop.effect, crop.plate])
        labels.append(np.clip(maps * 255, 0, 255).round().astype(np.uint8))
    return np.stack(images), np.stack(labels)


def composed(draw: QuickRenderer, rng: np.random.Generator) -> tuple[Crop, Line | None]:
    """A crop and its middle line; None in a crop without text."""
    y = int(rng.integers(0, WIDTH - HEIGHT + 1))
    crop = Crop(draw.ground(WIDTH, rng)[0][y : y + HEIGHT].copy())
    if rng.random() < EMPTY:
        return crop, None
    middle = centred(draw, rng)
    look = add(draw, crop, middle, None, rng)
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
    return crop, middle


def centred(draw: QuickRenderer, rng: np.random.Generator) -> Line:
    """A line as high as the detector's box lets it be, nearly level."""
    index = int(rng.integers(len(draw.atlas.width)))
    size = float(np.exp(rng.uniform(math.log(16), math.log(44))))
    length = float(draw.atlas.width[index]) * size / INK * math.exp(rng.uniform(-0.25, 0.25))
    radius = math.inf
    if rng.random() < 0.06 and length > 3 * size:
        radius = length / (math.pi * rng.uniform(0.1, 0.35)) * rng.choice((-1, 1))
    return Line(
        index, WIDTH * float(rng.uniform(0.15, 0.85)), HEIGHT * float(rng.uniform(0.44, 0.56)),
        size, length, float(rng.uniform(-0.08, 0.08)), radius,
    )  # fmt: skip


def add(
    draw: QuickRenderer, crop: Crop, line: Line, look: Style | None, rng: np.random.Generator
) -> Style | None:
    """Paints a line where there is room; returns its style, or None where there is none."""
    u, v = local(line, 0, 0, WIDTH, HEIGHT)
    inner = np.minimum(line.length / 2 - np.abs(u), line.size / 2 - np.abs(v))
    zone = inner > -0.12 * line.size - 1
    if (crop.taken & zone).any() or (inner > 0).sum() < 0.1 * line.size * line.length:
        return None
    crop.taken |= zone
    look = look or style(crop.image[inner > 0].mean(0), rng)
    coverage, distance = draw.sample(line, u, v)
    paint(crop, coverage, distance, inner, line.size, look, rng.random() < HOLLOW)
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
