"""Finds the annotated sets: a folder of `NNN.jpg` with their truth beside them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.values import BadInput


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
