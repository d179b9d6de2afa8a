"""Composes adverts with exact masks for tuning, in the form of dev/creatives_composed: NNN.jpg,
NNN_clean.jpg, NNN_text.png (glyphs with outline), NNN_effects.png (shadows, glows, plates),
NNN_people.png (empty) and index.json with the style of each."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.training import render_text_words as words
from backend.training.data import read_photo
from backend.training.render_text import font_files
from backend.training.render_text_load import NOTO

STYLES = ("flat", "outline", "shadow", "glow", "plate", "translucent")
GROUNDS = ("background_urban100", "background_sunhays", "background_houses", "people_portraits")
LONG = 1200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, default=NOTO, help="folder with CJK fonts")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)


@dataclass(frozen=True, eq=False)
class Advert:
    """`image` and `clean` H×W×3 uint8, the alpha of `text` (glyphs with outline) and of `effects`
    H×W float32 in [0, 1], and the `style`."""

    image: np.ndarray
    clean: np.ndarray
    text: np.ndarray
    effects: np.ndarray
    style: str


def run(args: argparse.Namespace) -> int:
    args.out.mkdir(parents=True, exist_ok=True)
    index = {}
    for n, made in enumerate(composed(args.data, args.fonts, args.count, args.seed)):
        stem = f"{n:03d}"
        cv2.imwrite(str(args.out / f"{stem}.jpg"), made.image[..., ::-1],
                    [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(args.out / f"{stem}_clean.jpg"), made.clean[..., ::-1])
        for name, alpha in (("text", made.text), ("effects", made.effects),
                            ("people", made.effects * 0)):
            cv2.imwrite(str(args.out / f"{stem}_{name}.png"),
                        np.clip(alpha * 255, 0, 255).round().astype(np.uint8))
        index[stem] = made.style
    (args.out / "index.json").write_text(json.dumps(index), "utf-8")
    print(f"{args.count} adverts in {args.out}")
    return 0


def composed(data: Path, cjk: Path, count: int, seed: int) -> Iterator[Advert]:
    """Adverts on the photos of `data`, in its fonts and those of the folder `cjk`."""
    rng = random.Random(seed)
    latin, asian = font_files([f for f in (data / "fonts", cjk) if f.is_dir()])
    grounds = [sorted((data / g).glob("*.jpg")) for g in GROUNDS]
    grounds = [g for g in grounds if g]
    for n in range(count):
        style = STYLES[n % len(STYLES)]
        clean = ground(rng.choice(rng.choice(grounds)), rng)
        asian_here = bool(asian) and rng.random() < 0.25
        image, text, effects = advert(clean, style, asian if asian_here else latin,
                                      words.cjk if asian_here else words.latin, rng)
        yield Advert(image, clean, text, effects, style)


def ground(path: Path, rng: random.Random) -> np.ndarray:
    """A photo enlarged to LONG px, with the fine grain that enlarging takes away."""
    image = read_photo(path, None, None).rgb
    scale = LONG / max(image.shape[:2])
    big = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    big = big.astype(np.float32) * 1.35 - cv2.GaussianBlur(big, (0, 0), 2).astype(np.float32) * 0.35
    grain = np.random.default_rng(rng.randrange(1 << 30)).normal(0, 3, big.shape)
    return np.clip(big + grain, 0, 255).astype(np.uint8)


def advert(
    clean: np.ndarray, style: str, fonts: list[Path], writer: Callable[[random.Random], str],
    rng: random.Random,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H×W×3 uint8, text alpha, effects alpha; H×W float32 in [0, 1])."""
    h, w = clean.shape[:2]
    image = clean.astype(np.float32)
    text, effects = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    font = rng.choice(fonts)
    x, y = rng.uniform(0.03, 0.5) * w, rng.uniform(0.05, 0.45) * h
    opacity = rng.uniform(0.3, 0.55) if style == "translucent" else 1.0
    for size in (rng.uniform(0.07, 0.16) * h, *(rng.uniform(0.02, 0.06) * h for _ in range(3))):
        ink = mask_of(writer(rng), font, int(size), int(x), int(y), (h, w))
        rows = np.nonzero(ink.any(1))[0]
        if not len(rows):
            continue
        columns = np.nonzero(ink.any(0))[0]
        colour, other = two_colours(image[ink > 0.5].mean(0) if (ink > 0.5).any() else None, rng)
        if style == "plate":
            pad = int(0.3 * size)
            box = (slice(max(0, rows[0] - pad), rows[-1] + pad),
                   slice(max(0, columns[0] - pad), columns[-1] + pad))
            effects[box] = 1
            image[box] = other
        cover = ink
        if style == "outline":
            width = max(1, round(size * rng.uniform(0.03, 0.09)))
            disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
            cover = cv2.dilate(ink, disk)
            image = blend(image, other, cover)
        if style in ("shadow", "glow"):
            soft = cv2.GaussianBlur(ink, (0, 0), max(1.0, size * rng.uniform(0.03, 0.1)))
            if style == "shadow":
                move = np.array([[1, 0, size * 0.06], [0, 1, size * 0.06]], np.float32)
                soft = cv2.warpAffine(soft, move, (w, h))
            soft = np.clip(soft * rng.uniform(0.8, 1.3), 0, 1)
            effects = np.maximum(effects, soft)
            image = blend(image, (0, 0, 0) if style == "shadow" else other, soft)
        image = blend(image, colour, ink * opacity)
        text = np.maximum(text, cover)
        y = rows[-1] + size * rng.uniform(0.4, 0.9)
        if y > 0.93 * h:
            break
    return np.clip(image, 0, 255).round().astype(np.uint8), text, effects


def mask_of(
    text: str, font: Path, size: int, x: int, y: int, shape: tuple[int, int]
) -> np.ndarray:
    """Coverage of a line whose top left is (x, y), H×W float32 in [0, 1]."""
    sheet = Image.new("L", (shape[1], shape[0]))
    face = ImageFont.truetype(str(font), max(9, size))
    ImageDraw.Draw(sheet).text((x, y), text, 255, face, anchor="lt")
    return np.asarray(sheet, np.float32) / 255


def two_colours(
    against: np.ndarray | None, rng: random.Random
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A colour that can be read on `against`, and one that contrasts with it."""
    light = against is not None and float(against.mean()) > 128
    if rng.random() < 0.5:
        first = (15.0,) * 3 if light else (250.0,) * 3
    else:
        first = tuple(rng.uniform(0, 90) if light else rng.uniform(165, 255) for _ in range(3))
    second = tuple(rng.uniform(200, 255) if light else rng.uniform(0, 60) for _ in range(3))
    return first, second


def blend(image: np.ndarray, colour: tuple[float, ...], alpha: np.ndarray) -> np.ndarray:
    return image + (np.asarray(colour, np.float32) - image) * alpha[..., None]
