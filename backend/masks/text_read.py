"""Reads the words of found lines with the recogniser that the rapidocr wheel carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from backend.masks.text_lines import Region
from backend.masks.text_ppocr import cancellable, open_session, wheel_file
from backend.values import Control, ModelUnavailable, TextLine

MODEL = "PP-OCRv6_rec_small.onnx"
HEIGHT = 48  # px, what the recogniser was trained on
STRIDE = 8  # px from step to step of its answer
WIDEST = 1600
READ, ALONE = 0.8, 0.12  # least certainty of words, and how much more a single letter needs
ENOUGH = 6.0  # so many heights of a line are read to know whether it is text


class Letter(NamedTuple):
    """A character that was read: how sure it is in [0, 1], and where, in steps of STRIDE px."""

    sign: str
    sure: float
    at: int


class Reader:
    """PP-OCRv6 small recogniser (Apache-2.0), a CTC network over 18,709 characters."""

    def __init__(self) -> None:
        self._session = open_session(wheel_file(MODEL))
        self._input = self._session.get_inputs()[0].name
        listed = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *listed, " "]  # 0 is CTC's blank

    def read(
        self, rgb: np.ndarray, lines: Sequence[TextLine], control: Control
    ) -> tuple[TextLine, ...]:
        """The lines with their `words` filled in; `rgb` is H×W×3 uint8, polygons have 4 corners
        (clockwise from the line's start)."""
        out = []
        for n, line in enumerate(lines):
            control.progress(n / len(lines), "Reading the text")
            out.append(replace(line, words=self.words(rgb, line.polygon, control)[0]))
        return tuple(out)

    def words(
        self, rgb: np.ndarray, polygon: np.ndarray, control: Control
    ) -> tuple[str, float]:
        """What one polygon of an H×W×3 uint8 picture says, and how sure that is in [0, 1]: the
        mean probability of its characters, 0 where there are none."""
        crop = level(rgb, np.asarray(polygon, np.float32))
        letters = self.letters([crop], control)[0]
        sure = float(np.mean([x.sure for x in letters])) if letters else 0.0
        return "".join(x.sign for x in letters).strip(), sure

    def letters(self, crops: Sequence[np.ndarray], control: Control) -> list[list[Letter]]:
        """The characters of each crop, HEIGHT×w×3 uint8, all of one width."""
        bgr = np.stack(crops)[..., ::-1].astype(np.float32) * (2 / 255) - 1
        with cancellable(control) as options:
            scores = self._session.run(
                None, {self._input: np.ascontiguousarray(bgr.transpose(0, 3, 1, 2))}, options
            )[0]
        found = []
        for best, sure in zip(scores.argmax(2), scores.max(2), strict=True):
            fresh = (best > 0) & np.concatenate([[True], best[1:] != best[:-1]])
            fresh &= best < len(self._characters)
            found.append([Letter(self._characters[best[t]], float(sure[t]), int(t))
                          for t in np.flatnonzero(fresh)])
        return found


def reader() -> Reader | None:
    """The recogniser; None where the rapidocr wheel, and with it the default detector, is not
    installed."""
    try:
        return Reader()
    except ModelUnavailable:
        return None


def legible(
    reader: Reader, rgb: np.ndarray, region: Region, control: Control, least: float = READ
) -> bool:
    """Whether a region can be read, words with a certainty of `least`: patterns make a letter now
    and then, but no sure words."""
    part = replace(region, length=min(region.length, ENOUGH * region.height))
    words, sure = reader.words(rgb, part.corners(), control)
    return sure >= (least if sum(c.isalnum() for c in words) > 1 else least + ALONE)


def level(rgb: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """A quadrilateral cut out level, HEIGHT px high; upright columns are laid on their side."""
    if len(corners) != 4:
        corners = cv2.boxPoints(cv2.minAreaRect(corners))
    wide = max(np.hypot(*(corners[1] - corners[0])), 1.0)
    high = max(np.hypot(*(corners[3] - corners[0])), 1.0)
    if high > 1.5 * wide:  # first corner first: top to bottom becomes left to right
        corners, wide, high = np.roll(corners, 1, 0), high, wide
    margin = 0.12 * high
    along = (corners[1] - corners[0]) / wide
    across = (corners[3] - corners[0]) / high
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * margin
    corners = corners + signs[:, :1] * along + signs[:, 1:] * across
    width = int(np.clip(round(HEIGHT * (wide + 2 * margin) / (high + 2 * margin)), 16, WIDEST))
    target = np.array([[0, 0], [width, 0], [width, HEIGHT], [0, HEIGHT]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    return cv2.warpPerspective(
        rgb, matrix, (width, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
