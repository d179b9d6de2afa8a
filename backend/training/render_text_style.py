"""How a rendered line looks: its colours and effects, how they are painted, and what a camera and
a file make of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

FAR = 60.0


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
    raised: bool = False  # of nearly the ground's own colour, lit from one side


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
