"""Decodes the training folders into memory, once and in parallel (OpenCV frees the GIL)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from backend.values import BadInput

# Photos without a person. BSDS photos are left out: some show people without saying so.
BACKGROUNDS = (
    "background_houses",
    "background_imagenet",
    "background_sunhays",
    "background_urban100",
    "objects_coco128_no_person",
)


@dataclass(frozen=True)
class Photo:
    """`rgb` H×W×3 uint8; `labels` H×W uint8 (0 = background, 1..n) or None; `group` = folder."""

    name: str
    group: str
    rgb: np.ndarray
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Material:
    """All uint8. `empty`: H×W×3 photos without people. `main`, `exact`: H×W×5 RGB, label, weight
    of photos whose main person, or all of whose people, are labelled. `people`, `things`: H×W×4
    RGB and alpha. `lines`: H×W×1 alpha of text lines."""

    empty: list[np.ndarray]
    main: list[np.ndarray]
    exact: list[np.ndarray]
    people: list[np.ndarray]
    things: list[np.ndarray]
    lines: list[np.ndarray]


def shrink(image: np.ndarray, short: int, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
    """Scales so that the short side is at most `short` px; never enlarges."""
    height, width = image.shape[:2]
    scale = short / min(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=interpolation)


def read_photo(path: Path, short: int | None, suffix: str | None = "_instances.png") -> Photo:
    """One JPEG and, where there is one beside it, its label image `NNN<suffix>`."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise BadInput(f"{path} cannot be read as an image")
    labels = None
    beside = path.with_name(path.stem + suffix) if suffix else None
    if beside is not None and beside.exists():
        labels = cv2.imread(str(beside), cv2.IMREAD_GRAYSCALE)
    if short is not None:
        image = shrink(image, short)
    if labels is not None and labels.shape != image.shape[:2]:
        size = (image.shape[1], image.shape[0])
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    rgb = np.ascontiguousarray(image[..., ::-1])
    return Photo(path.stem, path.parent.name, rgb, labels)


def read_folders(
    root: Path,
    groups: Iterable[str],
    short: int | None = None,
    suffix: str | None = "_instances.png",
    workers: int | None = None,
) -> list[Photo]:
    """All JPEGs of `root/group`, in the order of their names. BadInput where a folder is empty."""
    paths: list[Path] = []
    for group in groups:
        found = sorted((root / group).glob("*.jpg"))
        if not found:
            raise BadInput(
                f"no photos in {root / group}: give --data the folder that holds the "
                "training sets (people_ccp, background_houses, …)"
            )
        paths += found
    workers = workers or min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda path: read_photo(path, short, suffix), paths))


def backgrounds(root: Path, short: int | None = None) -> list[Photo]:
    """All photos without people."""
    return read_folders(root, BACKGROUNDS, short)
