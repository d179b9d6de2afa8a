"""Text models: find every line at all sizes, then its strokes. Loaders for the catalogue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import strokes, strokes_colour
from backend.masks.text_lines import Region, merge, reading_order
from backend.masks.text_scales import LineDetector, find_regions
from backend.models.interfaces import Description, TextFound
from backend.values import BadInput, Control, TextLine

SURE_LINE = 0.5  # detector's score from which a line needs little proof by its strokes
STROKE, EFFECT = 0.35, 0.5  # thresholds of the mask
ROUNDS = 3  # how often a line may be followed beyond the detector's box


class StrokeTextModel:
    """A line detector followed by a stroke decision in each line's own crop."""

    def __init__(
        self, detector: LineDetector, finder: Any, description: Description
    ) -> None:
        self.description = description
        self._detector = detector
        self._finder = finder

    def regions(self, rgb: np.ndarray, control: Control) -> list[Region]:
        """The detector's own lines, before the strokes are looked at."""
        check(rgb)
        return find_regions(self._detector, rgb, control)

    def find(self, rgb: np.ndarray, control: Control) -> TextFound:
        """H×W×3 uint8 RGB of any size → masks and lines; raises BadInput on other arrays."""
        return self.strokes_of(rgb, self.regions(rgb, control), control)

    def strokes_of(self, rgb: np.ndarray, regions: list[Region], control: Control) -> TextFound:
        """Masks and lines from candidate regions: follows lines beyond their boxes, drops boxes
        without strokes."""
        done: list[tuple[Region, strokes.Strokes]] = []
        open_regions = regions
        for _ in range(ROUNDS):
            found = self._finder.find(rgb, open_regions, control)
            open_regions = []
            for item in found:
                box, goes_on = followed(item)
                if box is None:
                    continue
                if goes_on:
                    open_regions.append(box)
                else:
                    done.append((box, item))
            open_regions = merge(open_regions)
            if not open_regions:
                break
        h, w = rgb.shape[:2]
        text, effect = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
        for _, item in done:
            window = reach(item)
            strokes.paste(text, item.text * window, item.crop)
            strokes.paste(effect, item.effect * window, item.crop)
        for box, item in done:
            if item.crop.scale < 0.6:
                sharpen_in(text, rgb, box, item.crop.scale)
        mask = mask_of(text, effect)
        lines = reading_order(merge([box for box, _ in done]))
        return TextFound(np.maximum(text, effect), mask, tuple(line_of(r) for r in lines))


def check(rgb: np.ndarray) -> None:
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise BadInput(f"Text is looked for in H×W×3 uint8 RGB, not {rgb.shape} {rgb.dtype}.")


def mask_of(text: np.ndarray, effect: np.ndarray) -> np.ndarray:
    """uint8 mask: strokes a pixel or two wider than seen (soft edges), shadows and glows."""
    solid = ((text > STROKE) | (effect > EFFECT)).astype(np.uint8) * 255
    return cv2.dilate(solid, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))


def followed(item: strokes.Strokes) -> tuple[Region | None, bool]:
    """The line's box fitted to its strokes, and whether the line goes on beyond the crop.

    None when the box holds no strokes: the detector was wrong. A weak box (low score) must show
    clear strokes; a sure one only some.
    """
    region, scale = item.crop.region, item.crop.scale
    inside = item.crop.hint > 0
    solid = item.text > 0.5
    share = solid[inside].mean()
    clear = item.text[inside & solid].mean() if share > 0 else 0.0
    least = 0.015 if region.score >= SURE_LINE else 0.05
    if share < least or clear < (0.6 if region.score >= SURE_LINE else 0.75):
        return None, False
    h, w = solid.shape
    rows = np.nonzero(inside.any(1))[0]
    columns = np.nonzero(inside.any(0))[0]
    band = solid[rows[0] : rows[-1] + 1]
    ink = band.any(0)
    gap = int(0.9 * strokes.BOX)  # a wider gap ends the line
    left = grow_end(ink[::-1], w - columns[0], gap)
    right = grow_end(ink, columns[-1] + 1, gap)
    x0, x1 = w - left, right
    span = solid[:, x0:x1]
    heavy = span.mean(1) > 0.2 * span.mean(1)[rows[0] : rows[-1] + 1].max()
    ys = np.nonzero(heavy[rows[0] : rows[-1] + 1])[0] + rows[0]
    y0, y1 = (ys[0] - 2, ys[-1] + 3) if len(ys) else (rows[0], rows[-1] + 1)
    if y1 - y0 < 0.4 * strokes.BOX:
        y0, y1 = rows[0], rows[-1] + 1
    goes_on = x0 <= 3 or x1 >= w - 3
    along, across = region.axes
    du, dv = ((x0 + x1) / 2 - w / 2) / scale, ((y0 + y1) / 2 - h / 2) / scale
    centre = np.array([region.cx, region.cy]) + along * du + across * dv
    if goes_on:  # keep the height: the crop is made from it
        centre = centre - across * dv
        y0, y1 = 0, strokes.BOX
    return replace(
        region, cx=float(centre[0]), cy=float(centre[1]),
        length=max(x1 - x0, 4) / scale, height=(y1 - y0) / scale,
    ), goes_on  # fmt: skip


def grow_end(ink: np.ndarray, end: int, gap: int) -> int:
    """Last column of a line that reaches `end`: on over ink with gaps of at most `gap`, back
    where the box ends empty."""
    known = np.nonzero(ink[:end])[0]
    last = int(known[-1]) + 1 if len(known) else end
    for x in np.nonzero(ink)[0]:
        if last <= x <= last + gap:
            last = int(x) + 1
    return min(len(ink), last + 2)


def reach(item: strokes.Strokes) -> np.ndarray:
    """h×w float32 weight of a crop's answer: 1 in and around the box, 0 where it is a guess about
    other lines."""
    box = (item.crop.hint > 0).astype(np.uint8)
    up = int(0.25 * strokes.BOX)
    kernel = np.ones((2 * up + 1, 2 * int(strokes.BESIDE * strokes.BOX) + 1), np.uint8)
    return cv2.dilate(box, kernel).astype(np.float32)


def sharpen_in(text: np.ndarray, rgb: np.ndarray, box: Region, scale: float) -> None:
    """Sharpens the strokes of a line that was looked at smaller than it is, in place."""
    corners = box.corners(grow=0.5 * box.height)
    h, w = text.shape
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [w, h])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int), 0, [w, h])
    if x1 - x0 < 4 or y1 - y0 < 4:
        return
    part = (slice(int(y0), int(y1)), slice(int(x0), int(x1)))
    text[part] = strokes_colour.sharpen(rgb[part], text[part], box.height, 1.2 / scale)


def line_of(region: Region) -> TextLine:
    return TextLine(region.corners(), region.height, region.score)


def stroke_finder(device: str, control: Control) -> Any:
    """The built-in stroke net, which every text model needs."""
    from backend.models.catalogue import WEIGHTS

    file = WEIGHTS / "text-strokes.safetensors"
    if not file.is_file():
        return strokes_colour.ColourFinder()
    return strokes.load(None, {file.name: file}, device, control)


def load_ppocr(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The rapidocr wheel's DB detector with stroke masks; always on the CPU."""
    from backend.masks.text_ppocr import Detector

    finder = stroke_finder("cpu", control)
    return StrokeTextModel(Detector(), finder, Description(entry.name, "cpu"))


def load_psenet_builtin(
    entry: Any, files: dict[str, Path], device: str, control: Control
) -> Any:
    """The light PSENet trained here."""
    from backend.masks.psenet import Detector, load_light

    net = load_light(next(iter(files.values())), device)
    detector = Detector(net, device, coarse=1024, least_score=0.75)
    return StrokeTextModel(detector, stroke_finder(device, control),
                           Description(entry.name, device))


def load_psenet(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The authors' PSENet checkpoints (psenet_r50_tt, _ctw, _ic15_736, _ic15_1024)."""
    from backend.masks.psenet import Detector, load_official

    net = load_official(next(iter(files.values())), device)
    # the authors test with a short side of 736 px (1024 px for ic15_1024): about 3:2 pictures
    coarse = 1536 if entry.name.endswith("1024") else 1104
    detector = Detector(net, device, coarse=coarse, least_score=0.85)
    return StrokeTextModel(detector, stroke_finder(device, control),
                           Description(entry.name, device))
