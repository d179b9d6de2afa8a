"""Drawn shapes around rendered lines, as adverts and packages have them: rings, frames, arcs, rays,
stars and strokes, often in the letters' own colour. All of them are larger than a letter."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from backend.training.render_text_style import colour, readable

SHARE, MOST = 0.2, 3  # share of crops with shapes, and how many these have at most
INKED = 0.6  # share of shapes in the letters' colour
SOLID = 0.35  # share of those closed shapes that are filled
TRIES = 4  # places that are tried for a shape in the letters' colour beside the line
NEEDED = 45  # contrast of other shapes, which may lie behind the line; see readable
FINE = 3  # bits of a pixel in OpenCV's coordinates

Shape = Callable[[np.ndarray, np.ndarray, float, int, np.random.Generator], None]


def add(
    image: np.ndarray, zone: np.ndarray, size: float, ink: np.ndarray, rng: np.random.Generator
) -> None:
    """Draws one to MOST shapes into h×w×3 float32 0–255, in place. `zone` h×w bool is where a line
    of `size` px comes to lie: what has its colour `ink` stays out of it."""
    for _ in range(int(rng.integers(1, MOST + 1))):
        alpha = outside(zone, size, rng) if rng.random() < INKED else None
        tint = ink + rng.normal(0, 6, 3)
        if alpha is None:
            alpha = drawn(zone.shape, size, rng)
            tint = readable(colour(rng), ink, NEEDED)
        strength = 1.0 if rng.random() < 0.7 else rng.uniform(0.25, 0.9)
        share = (alpha * strength)[..., None]
        image += (np.clip(tint, 0, 255).astype(np.float32) - image) * share


def outside(zone: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray | None:
    """The coverage of a shape that leaves the line's `zone` free; None where none was found."""
    for _ in range(TRIES):
        alpha = drawn(zone.shape, size, rng)
        if not alpha[zone].any() and alpha.any():
            return alpha
    return None


def drawn(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> np.ndarray:
    """h×w float32 coverage in [0, 1] of one shape, 1.6 to 8 times as large as letters."""
    h, w = shape[:2]
    mask = np.zeros((h, w), np.uint8)
    radius = size * math.exp(rng.uniform(math.log(0.8), math.log(4.0)))
    centre = np.array([rng.uniform(0, w), rng.uniform(-radius, h + radius)])
    thick = max(1, round(size * math.exp(rng.uniform(math.log(0.06), math.log(0.5)))))
    kind = SHAPES[int(rng.integers(len(SHAPES)))]
    kind(mask, centre, radius, thick, rng)
    return mask.astype(np.float32) / 255


def line(mask: np.ndarray, points: np.ndarray, closed: bool, thick: int) -> None:
    """Draws through N×2 points, `thick` px; fills the shape where that is negative."""
    fine = (points * (1 << FINE)).round().astype(np.int32)
    if thick < 0:
        cv2.fillPoly(mask, [fine], 255, cv2.LINE_AA, FINE)
    else:
        cv2.polylines(mask, [fine], closed, 255, thick, cv2.LINE_AA, FINE)


def around(
    centre: np.ndarray, radius: float, angles: np.ndarray, flat: float = 1.0, turn: float = 0.0
) -> np.ndarray:
    """N×2 points of an ellipse at N angles."""
    x, y = radius * np.cos(angles), radius * flat * np.sin(angles)
    c, s = math.cos(turn), math.sin(turn)
    return np.stack([x * c - y * s, x * s + y * c], 1) + centre


def ring(
    mask: np.ndarray, centre: np.ndarray, radius: float, thick: int, rng: np.random.Generator
) -> None:
    """A circle or an oval, or a part of it."""
    part = 2 * math.pi if rng.random() < 0.5 else rng.uniform(0.5, 5.5)
    angles = rng.uniform(0, 2 * math.pi) + np.linspace(0, part, 48)
    whole = part > 6
    points = around(centre, radius, angles, rng.uniform(0.5, 1), rng.uniform(0, math.pi))
    line(mask, points, whole, -1 if whole and rng.random() < SOLID else thick)


def frame(
    mask: np.ndarray, centre: np.ndarray, radius: float, thick: int, rng: np.random.Generator
) -> None:
    """A box, mostly level."""
    half = radius * np.array([rng.uniform(0.7, 2.5), rng.uniform(0.6, 1)])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    turn = rng.normal(0, 0.3) * (rng.random() < 0.4)
    c, s = math.cos(turn), math.sin(turn)
    points = corners @ np.array([[c, s], [-s, c]]) + centre
    line(mask, points, True, -1 if rng.random() < SOLID else thick)


def star(
    mask: np.ndarray, centre: np.ndarray, radius: float, thick: int, rng: np.random.Generator
) -> None:
    """A polygon of three to twelve corners, with points or without."""
    corners = int(rng.integers(3, 13))
    deep = rng.uniform(0.4, 0.9) if rng.random() < 0.6 else 1.0
    angles = rng.uniform(0, 2 * math.pi) + np.arange(2 * corners) * math.pi / corners
    radii = np.where(np.arange(2 * corners) % 2, deep * radius, radius)
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + centre
    line(mask, points, True, -1 if rng.random() < 2 * SOLID else thick)


def rays(
    mask: np.ndarray, centre: np.ndarray, radius: float, thick: int, rng: np.random.Generator
) -> None:
    """Marks around a dial or a sun."""
    thick = max(1, thick // 3)
    count = int(rng.integers(8, 60))
    inner = rng.uniform(0.75, 0.95)
    for angle in np.linspace(0, 2 * math.pi, count, endpoint=False):
        ends = np.array([inner, 1])[:, None] * radius * [[math.cos(angle), math.sin(angle)]]
        line(mask, ends + centre, False, thick)


def sweep(
    mask: np.ndarray, centre: np.ndarray, radius: float, thick: int, rng: np.random.Generator
) -> None:
    """A long stroke, straight or in a bend, from one side to the other."""
    turn = rng.uniform(0, math.pi)
    t = np.linspace(-1, 1, 24)
    bend = rng.uniform(-0.5, 0.5) * (rng.random() < 0.6)
    u = 3 * radius * t
    v = 3 * radius * bend * (t**2 - 0.5) + radius * 0.3 * bend * np.sin(5 * t)
    c, s = math.cos(turn), math.sin(turn)
    line(mask, np.stack([u * c - v * s, u * s + v * c], 1) + centre, False, thick)


SHAPES: tuple[Shape, ...] = (ring, ring, frame, frame, star, rays, sweep)
