"""Finds the annotated sets: a folder of `NNN.jpg` with their truth beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluate import metrics
from backend.values import BadInput

VISIBLE = 12  # an alpha of up to 5 % is hardly seen


def find_set(data: Path | str, name: str) -> Path:
    """`data` may be the set itself, the folder that holds the set, or the one that holds `dev/`.

    Raises BadInput when none of them has pictures.
    """
    data = Path(data)
    for folder in (data / name, data / "dev" / name, data):
        if folder.is_dir() and stems(folder):
            return folder
    raise BadInput(f"{data} holds no pictures of the set “{name}”: give its folder with --data")


def stems(folder: Path) -> list[str]:
    """Names like `012` of the pictures (`012.jpg` or `012.png`), sorted."""
    files = (f for f in folder.iterdir() if f.suffix.lower() in (".jpg", ".png"))
    return sorted({f.stem for f in files if re.fullmatch(r"\d+", f.stem)})


def picture(folder: Path, stem: str, what: str = "") -> np.ndarray:
    """H×W×3 uint8 RGB of `STEM[_what].jpg|png`."""
    return cv2.cvtColor(_read(folder, stem, what, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def grey(folder: Path, stem: str, what: str) -> np.ndarray:
    """H×W uint8 of `STEM_what.png`: a mask, an alpha or instance numbers."""
    return _read(folder, stem, what, cv2.IMREAD_GRAYSCALE)


def has(folder: Path, stem: str, what: str) -> bool:
    return _path(folder, stem, what) is not None


def annotation(folder: Path, name: str) -> Any:
    """The JSON file `name` of the set, {} when there is none."""
    path = folder / name
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _path(folder: Path, stem: str, what: str) -> Path | None:
    base = f"{stem}_{what}" if what else stem
    return next((p for s in (".jpg", ".png") if (p := folder / (base + s)).is_file()), None)


def _read(folder: Path, stem: str, what: str, mode: int) -> np.ndarray:
    path = _path(folder, stem, what)
    if path is None:
        raise BadInput(f"{folder} lacks the picture {stem} {what}".rstrip())
    image = cv2.imdecode(np.fromfile(path, np.uint8), mode)
    if image is None:
        raise BadInput(f"{path.name} cannot be read")
    return image


@dataclass(frozen=True)
class Advert:
    """A composed advert and its truth: H×W×3 uint8 pictures, H×W uint8 alphas.

    `effects` are shadows, glows and the plates behind text; `style` is the look of its text.
    A mask of one kind is scored outside the pixels of the others."""

    stem: str
    style: str
    rgb: np.ndarray
    clean: np.ndarray
    people: np.ndarray
    text: np.ndarray
    effects: np.ndarray

    @property
    def people_valid(self) -> np.ndarray:
        """H×W bool: pixels where people are scored."""
        return (self.text <= VISIBLE) & (self.effects <= VISIBLE)

    @property
    def text_valid(self) -> np.ndarray:
        """H×W bool: pixels where the text's precision is scored."""
        return self.effects <= VISIBLE

    def hole(self, grow: int = 5, effects: bool = True) -> np.ndarray:
        """H×W uint8: what must go, 255, grown by `grow` px."""
        mask = np.maximum(self.people, self.text) > 127
        if effects:
            mask |= self.effects > VISIBLE
        return metrics.grown(mask.astype(np.uint8) * np.uint8(255), grow)


def adverts(data: Path | str, limit: int | None = None) -> Iterator[Advert]:
    """The composed adverts below `data`, one at a time."""
    folder = find_set(data, "creatives_composed")
    styles = annotation(folder, "index.json")
    for stem in stems(folder)[:limit]:
        style = styles.get(stem, "")
        yield Advert(
            stem, style if isinstance(style, str) else str(style.get("style", "")),
            picture(folder, stem), picture(folder, stem, "clean"),
            *(grey(folder, stem, what) for what in ("people", "text", "effects")),
        )
