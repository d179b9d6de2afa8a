"""What rendered lines alone do not show a text detector: letters strewn one by one or set around
a dial, words inside ovals and frames, print raised from its ground, pictures taken aslant."""

from __future__ import annotations

import math

import cv2
import numpy as np

STEP = 4  # px of the picture for each of its labels
RING, OVAL, BOX = range(3)
FLAT = 22.0  # grey levels; ground that varies more hides raised print


def strewn(side: int, rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """(x, y, size, angle) of single letters or numbers: anywhere and anyhow, or around a dial."""
    size = float(np.exp(rng.uniform(math.log(10), math.log(70))))
    count = int(rng.integers(6, 22))
    if rng.random() < 0.5:
        return [
            (*rng.uniform(0.05, 0.95, 2) * side, size * math.exp(rng.uniform(-0.5, 0.3)),
             rng.uniform(-math.pi, math.pi) if rng.random() < 0.6 else rng.uniform(-0.2, 0.2))
            for _ in range(count)
        ]
    radius = min(max(size * count / 4, 0.12 * side), 0.45 * side)
    size = min(size, 2.5 * radius / count)
    cx, cy = rng.uniform(0.3, 0.7, 2) * side
    upright = rng.random() < 0.4
    start = rng.uniform(0, 2 * math.pi)
    ways = [start + 2 * math.pi * n / count for n in range(count)]
    return [(cx + radius * math.cos(a), cy + radius * math.sin(a), size,
             0.0 if upright else a + math.pi / 2) for a in ways]


def frame(
    image: np.ndarray, x: float, y: float, length: float, size: float, angle: float,
    ink: np.ndarray, rng: np.random.Generator, *, filled: bool,
) -> None:
    """Draws a ring, an oval or a box around a line, as logos and stamps have it, in place into
    H×W×3 float32; `filled` as a badge, else only its border."""
    kind = int(rng.choice((RING, OVAL, OVAL, BOX)))
    if kind == RING and length > 2.2 * size:
        kind = OVAL
    room = rng.uniform(1.25, 1.7)
    a, b = length / 2 * room + 0.2 * size, size / 2 * room + 0.2 * size
    if kind == RING:
        a = b = math.hypot(length, size) / 2 * rng.uniform(1.05, 1.3)
    elif kind == OVAL:
        a, b = a * 1.15, b * 1.25
    stroke = -1 if filled else max(1, round(size * rng.uniform(0.04, 0.16)))
    cover = np.zeros(image.shape[:2], np.uint8)
    if kind == BOX:
        corners = cv2.boxPoints(((x, y), (2 * a, 2 * b), math.degrees(angle)))
        points = [corners.round().astype(np.int32)]
        if filled:
            cv2.fillPoly(cover, points, 255, cv2.LINE_AA)
        else:
            cv2.polylines(cover, points, True, 255, stroke, cv2.LINE_AA)
    else:
        cv2.ellipse(cover, (round(x), round(y)), (max(1, round(a)), max(1, round(b))),
                    math.degrees(angle), 0, 360, 255, stroke, cv2.LINE_AA)
    alpha = (cover.astype(np.float32) / 255)[..., None]
    image += (ink.astype(np.float32) - image) * alpha


def raised(
    part: np.ndarray, coverage: np.ndarray, size: float, rng: np.random.Generator
) -> np.ndarray:
    """h×w×3 with letters of nearly its own colour, lit from one side, as cast or pressed print."""
    way, far = rng.uniform(0, 2 * math.pi), max(0.6, rng.uniform(0.02, 0.07) * size)
    shift = np.array([[1, 0, far * math.cos(way)], [0, 1, far * math.sin(way)]])
    strength = rng.uniform(18, 55)
    for sign in (1, -1):
        shift[:, 2] *= sign
        edge = np.maximum(cv2.warpAffine(coverage, shift, coverage.shape[::-1]) - coverage, 0)
        part = part + sign * strength * edge[..., None]
    return part + rng.uniform(-28, 28) * coverage[..., None]


def is_flat(part: np.ndarray) -> bool:
    """Whether raised print would be seen on an h×w×3 ground."""
    return float(part.mean(2).std()) < FLAT


def aslant(
    image: np.ndarray, planes: list[tuple[np.ndarray, bool]], rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A picture seen aslant, with its planes of labels at a STEP-th of the size; those marked
    True are interpolated, the others keep their values."""
    side = image.shape[0]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (side - 1)
    moved = corners + rng.uniform(-0.2, 0.2, (4, 2)).astype(np.float32) * side
    matrix = cv2.getPerspectiveTransform(moved, corners).astype(np.float64)
    up = np.array([[STEP, 0, (STEP - 1) / 2], [0, STEP, (STEP - 1) / 2], [0, 0, 1]])
    small = np.linalg.inv(up) @ matrix @ up
    turned = cv2.warpPerspective(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    out = []
    for plane, soft in planes:
        how = cv2.INTER_LINEAR if soft else cv2.INTER_NEAREST
        warped = cv2.warpPerspective(
            plane.astype(np.float32), small, plane.shape[::-1], flags=how,
            borderMode=cv2.BORDER_REFLECT_101)
        out.append(np.floor(warped + 0.5).astype(np.uint8))
    return turned, out


def coarse(image: np.ndarray, factor: float) -> np.ndarray:
    """As if taken at `factor` of the resolution."""
    h, w = image.shape[:2]
    small = cv2.resize(image, (max(8, round(w * factor)), max(8, round(h * factor))),
                       interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
