"""Text models: find every line, then its strokes. Loaders for the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import strokes
from backend.masks.text_lines import Region, reading_order
from backend.models.interfaces import Description, TextFound
from backend.values import BadInput, Control, TextLine


class StrokeTextModel:
    """A line detector followed by a stroke decision in each line's own crop."""

    def __init__(self, detector: Any, description: Description) -> None:
        self.description = description
        self._detector = detector

    def find(self, rgb: np.ndarray, control: Control) -> TextFound:
        """H×W×3 uint8 RGB of any size → masks and lines; raises BadInput on other arrays."""
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise BadInput(f"Text is looked for in H×W×3 uint8 RGB, not {rgb.shape} {rgb.dtype}.")
        regions = reading_order(self._detector.regions(rgb, control))
        probability = np.zeros(rgb.shape[:2], np.float32)
        for n, region in enumerate(regions):
            control.progress(n / len(regions))
            crop = strokes.cut(rgb, region)
            strokes.paste(probability, strokes.by_colour(crop), crop)
        mask = np.where(probability > 0.5, 255, 0).astype(np.uint8)
        mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
        return TextFound(probability, mask, tuple(line_of(r) for r in regions))


def line_of(region: Region) -> TextLine:
    return TextLine(region.corners(), region.height, region.score)


def load_ppocr(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The rapidocr wheel's DB detector with stroke masks; always on the CPU."""
    from backend.masks.text_ppocr import MODEL, Detector

    detector = Detector(files.get(MODEL))
    return StrokeTextModel(detector, Description(entry.name, "cpu"))
