"""Holes for training a fill net: strokes, silhouettes of people and objects, letters, boxes."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import torch

from backend.training.bank import Bank, place_map
from backend.training.data import shrink
from backend.values import BadInput

SIDE = 256
SILHOUETTES = (
    "people_ccp", "people_portraits", "people_pennfudan", "people_coco128",
    "objects_coco128_no_person",
)  # fmt: skip
WORDS = ("SALE", "Summer", "New", "50 %", "Be bold", "Classic", "www.shop.com", "Buy 1 get 1")


def strokes(rng: np.random.Generator) -> np.ndarray:
    """Free-form brush strokes with turns (Yu et al. 2019), SIDE×SIDE uint8."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, SIDE, 2)
        angle, width = rng.uniform(0, 2 * math.pi), int(rng.integers(6, 36))
        for _ in range(int(rng.integers(3, 12))):
            angle += rng.normal(0, 0.9)
            length = rng.uniform(10, 70)
            x2, y2 = x + length * math.cos(angle), y + length * math.sin(angle)
            end = (int(x2), int(y2))
            cv2.line(mask, (int(x), int(y)), end, (255,), width)
            cv2.circle(mask, end, width // 2, (255,), -1)
            x, y = float(np.clip(x2, 0, SIDE)), float(np.clip(y2, 0, SIDE))
    return mask


def letters(rng: np.random.Generator, fonts: list[Path]) -> np.ndarray:
    """One to three lines of words, grown as a text hole is; SIDE×SIDE uint8."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(picture)
    y = rng.uniform(0, 120)
    for _ in range(int(rng.integers(1, 4))):
        size = int(rng.integers(14, 72))
        word = WORDS[int(rng.integers(len(WORDS)))]
        font = ImageFont.truetype(str(fonts[int(rng.integers(len(fonts)))]), size)
        draw.text((rng.uniform(-20, 80), y), word, fill=255, font=font)
        y += size * 1.2
    grow = int(rng.integers(2, 7)) * 2 + 1
    return cv2.dilate(np.array(picture), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grow, grow)))


def silhouettes(root: Path, rng: np.random.Generator, most: int) -> list[np.ndarray]:
    """Cut-out masks of labelled things, cropped to their box with a small margin."""
    paths = [p for group in SILHOUETTES for p in sorted((root / group).glob("*_instances.png"))]
    if not paths:
        raise BadInput(f"no *_instances.png in {root}: give --data the folder of the training sets")
    found = []
    for index in rng.permutation(len(paths))[:most]:
        labels = cv2.imread(str(paths[index]), cv2.IMREAD_GRAYSCALE)
        if labels is None:
            raise BadInput(f"{paths[index]} cannot be read as an image")
        labels = shrink(labels, SIDE, cv2.INTER_NEAREST)
        for label in range(1, min(8, int(labels.max())) + 1):
            mask = (labels == label).astype(np.uint8) * np.uint8(255)
            x, y, w, h = cv2.boundingRect(mask)
            if w * h < 900:
                continue
            found.append(np.pad(mask[y : y + h, x : x + w], 6))
    return found[:most]


class HoleSource:
    """Batches of holes on the device, a function of the seed and the step."""

    def __init__(self, root: Path, device: torch.device, seed: int, most: int = 1500) -> None:
        rng = np.random.default_rng(seed)
        fonts = sorted(p for p in (root / "fonts").iterdir() if p.suffix in (".ttf", ".otf"))
        shapes = silhouettes(root, rng, most)
        drawn = [strokes(rng) for _ in range(most // 2)]
        drawn += [letters(rng, fonts) for _ in range(most // 4)]
        self.bank = Bank([m[..., None] for m in shapes + drawn], SIDE, device)
        self.shapes, self.seed = len(shapes), seed

    def batch(self, step: int, count: int, side: int) -> torch.Tensor:
        """count×1×side×side float: 1 in the hole. Two thirds things, one third strokes and
        letters, a quarter both; each turned, scaled and moved."""
        rng = np.random.default_rng((self.seed, 77, step))
        hole = self._placed(rng, count, side, rng.random(count) < 0.67)
        second = self._placed(rng, count, side, rng.random(count) < 0.4)
        both = torch.from_numpy(rng.random(count) < 0.25).to(hole.device).view(-1, 1, 1, 1)
        hole = torch.maximum(hole, second * both)
        # A hole that fills nearly everything teaches nothing.
        full = hole.mean((1, 2, 3), keepdim=True) > 0.6
        return torch.where(full, torch.zeros_like(hole), hole)

    def _placed(
        self, rng: np.random.Generator, count: int, side: int, thing: np.ndarray
    ) -> torch.Tensor:
        drawn = rng.integers(self.shapes, len(self.bank), count)
        ids = np.where(thing, rng.integers(0, self.shapes, count), drawn)
        sizes = self.bank.sizes[ids]
        share = np.where(thing, rng.uniform(0.2, 0.95, count), rng.uniform(0.6, 1.3, count))
        scale = side * share / sizes.max(1)
        centre = rng.uniform(0.15, 0.85, (count, 2)) * side
        angle = np.where(thing, rng.normal(0, 0.15, count), rng.uniform(-0.6, 0.6, count))
        maps = place_map(
            sizes, centre, scale, rng.uniform(0.8, 1.25, count), angle, rng.random(count) < 0.5
        )
        return (self.bank.sample(ids, maps, (side, side), border=False) > 0.5).float()
