"""Text lines drawn once with FreeType, kept as coverage and signed distance.

The distance makes outlines, glows and soft shadows of any width on the fly, at any size, on the
GPU (render_text_scene). Every line lies in a strip of STRIP×WIDTH px; its ink fills the rows
PAD..STRIP-PAD and starts at column PAD.
"""

from __future__ import annotations

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.training import render_text_words as words
from backend.values import BadInput

STRIP, WIDTH, PAD = 128, 1024, 28
INK = STRIP - 2 * PAD
DISTANCE_STEP = 0.25  # one unit of the stored distance in strip pixels; 128 = on the edge


@dataclass(frozen=True)
class Atlas:
    """`coverage` and `distance` N×STRIP×WIDTH uint8 (distance in DISTANCE_STEP px, 128 on the
    edge, larger outside); `width` N: ink width in px; `script` N: 0 Latin, 1 CJK, 2 Thai;
    `vertical` N: letters stacked, lying on their side in the strip."""

    coverage: np.ndarray
    distance: np.ndarray
    width: np.ndarray
    script: np.ndarray
    vertical: np.ndarray


def font_files(folders: list[Path]) -> tuple[list[Path], list[Path]]:
    """(Latin and Thai fonts, CJK fonts) in these folders; CJK fonts are told by their name."""
    files = [p for f in folders if f for p in sorted(f.rglob("*")) if p.suffix in
             (".ttf", ".otf", ".ttc")]
    asian = [p for p in files if "cjk" in p.name.lower()]
    latin = [p for p in files if p not in asian]
    if not latin:
        raise BadInput(f"no fonts in {', '.join(map(str, folders))}")
    return latin, asian


@lru_cache(200_000)
def has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Whether a font draws this letter, not the box that stands for all it lacks."""
    side = 3 * int(font.size)
    shown, lacking = (Image.new("L", (side, side)) for _ in range(2))
    for sheet, sign in ((shown, letter), (lacking, "\uffff")):
        ImageDraw.Draw(sheet).text((0, 0), sign, 255, font)
    return shown.tobytes() != lacking.tobytes()


def draw(text: str, font: ImageFont.FreeTypeFont, *, spacing: float, vertical: bool) -> np.ndarray:
    """Ink of a line as h×w uint8, cut to its bounds; `spacing` is extra px between letters."""
    size = int(font.size)
    if vertical:
        sheet = Image.new("L", (3 * size, int(size * 1.4) * len(text) + 2 * size))
        pen = ImageDraw.Draw(sheet)
        y = size / 2
        for letter in text:
            pen.text((1.5 * size, y), letter, 255, font, anchor="ma")
            y += size * 1.05 + spacing
    elif spacing > 0:
        length = sum(font.getlength(letter) + spacing for letter in text)
        sheet = Image.new("L", (int(length) + 3 * size, 4 * size))
        pen = ImageDraw.Draw(sheet)
        x = float(size)
        for letter in text:
            pen.text((x, 2 * size), letter, 255, font, anchor="ls")
            x += font.getlength(letter) + spacing
    else:
        sheet = Image.new("L", (int(font.getlength(text)) + 3 * size, 4 * size))
        ImageDraw.Draw(sheet).text((size, 2 * size), text, 255, font, anchor="ls")
    ink = np.asarray(sheet)
    ys, xs = np.nonzero(ink.max(1) > 0)[0], np.nonzero(ink.max(0) > 0)[0]
    if not len(ys) or not len(xs):
        return np.zeros((0, 0), np.uint8)
    return ink[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]


def strip(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Coverage and stored distance of one line in its strip, and the ink's width there."""
    scale = INK / ink.shape[0]
    width = min(WIDTH - 2 * PAD, max(4, round(ink.shape[1] * scale)))
    coverage = np.zeros((STRIP, WIDTH), np.uint8)
    ink = ink[:, : int(np.ceil(width / scale))]
    coverage[PAD : PAD + INK, PAD : PAD + width] = cv2.resize(
        ink, (width, INK), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    used = slice(0, min(WIDTH, width + 2 * PAD + 8))
    solid = (coverage[:, used] > 127).astype(np.uint8)
    if not solid.any():
        return coverage, np.full((STRIP, WIDTH), 255, np.uint8), 0
    outside = cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    signed = np.where(solid > 0, 0.5 - inside, outside - 0.5)
    distance = np.full((STRIP, WIDTH), 255, np.uint8)
    distance[:, used] = np.clip(np.round(signed / DISTANCE_STEP) + 128, 0, 255)
    return coverage, distance, width


def lines(seed: int, count: int, latin: list[Path], asian: list[Path], cjk_share: float) -> Atlas:
    """Draws `count` lines; the same seed gives the same lines."""
    rng = random.Random(seed)
    fonts: dict[tuple[Path, int], ImageFont.FreeTypeFont] = {}
    out: list[tuple[np.ndarray, np.ndarray, int, int, bool]] = []
    while len(out) < count:
        script = 1 if asian and rng.random() < cjk_share else 2 if rng.random() < 0.03 else 0
        path = rng.choice(asian if script == 1 else latin)
        text = (words.latin, words.cjk, lambda r: "".join(r.choices(words.THAI, k=2)))[script](rng)
        size = rng.choice((64, 96))
        if (path, size) not in fonts:
            fonts[path, size] = ImageFont.truetype(str(path), size)
        if not all(has(fonts[path, size], letter) for letter in set(text)):
            continue
        vertical = rng.random() < (0.2 if script == 1 else 0.04) and 2 <= len(text) <= 9
        wide = 0.4 if script == 1 else 0.15
        spacing = size * rng.uniform(0.05, 0.6) if rng.random() < wide else 0.0
        ink = draw(text, fonts[path, size], spacing=spacing, vertical=vertical)
        if vertical:
            ink = np.rot90(ink).copy()
        if min(ink.shape) < 8:
            continue
        coverage, distance, width = strip(ink)
        if width and coverage.max() > 200:
            out.append((coverage, distance, width, script, vertical))
    c, d, w, s, v = zip(*out, strict=True)
    return Atlas(np.stack(c), np.stack(d), np.array(w, np.float32), np.array(s), np.array(v))


def make_atlas(
    folders: list[Path], count: int, seed: int = 0, *, cjk_share: float = 0.3, workers: int = 2
) -> Atlas:
    """`count` lines in the fonts of these folders, drawn by `workers` processes."""
    latin, asian = font_files(folders)
    part = 64
    jobs = [(seed * 100003 + i, min(part, count - i * part)) for i in range(-(-count // part))]
    draw_part = partial(_part, latin=latin, asian=asian, cjk_share=cjk_share)
    if workers > 1:
        # spawned, not forked: the caller may hold a GPU
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            parts = list(pool.map(draw_part, jobs))
    else:
        parts = [draw_part(job) for job in jobs]
    names = ("coverage", "distance", "width", "script", "vertical")
    return Atlas(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def _part(job: tuple[int, int], latin: list[Path], asian: list[Path], cjk_share: float) -> Atlas:
    cv2.setNumThreads(1)
    return lines(job[0], job[1], latin, asian, cjk_share)
