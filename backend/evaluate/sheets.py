"""Contact sheets: pictures with their masks drawn in, titled, in rows, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from backend.values import BadInput

Tile = tuple[str, np.ndarray]
TITLE, GAP, GROUND = 20, 4, 30
PEOPLE, TEXT, HOLE, TRUTH = (255, 40, 40), (40, 120, 255), (255, 200, 0), (0, 220, 90)


def overlay(
    rgb: np.ndarray, masks: Mapping[tuple[int, int, int], np.ndarray], strength: float = 0.5
) -> np.ndarray:
    """H×W×3 uint8 with each mask (H×W, set where > 127) tinted in its colour and outlined."""
    result = rgb.copy()
    for colour, mask in masks.items():
        inside = mask > 127
        tint = np.asarray(colour, np.float32) * strength
        result[inside] = (result[inside] * (1 - strength) + tint).astype(np.uint8)
        outlines, _ = cv2.findContours(
            inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(result, outlines, -1, colour, max(1, max(rgb.shape[:2]) // 600))
    return result


def side_by_side(mask: np.ndarray, truth: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Right pixels green, missed ones red, false ones blue, over the grey picture."""
    base = np.repeat(rgb.mean(2, keepdims=True) * 0.5 + 90, 3, 2)
    p, g = mask > 127, truth > 127
    for where, colour in ((p & g, TRUTH), (g & ~p, PEOPLE), (p & ~g, TEXT)):
        base[where] = base[where] * 0.35 + np.asarray(colour) * 0.65
    return base.astype(np.uint8)


def tile(title: str, image: np.ndarray, side: int) -> np.ndarray:
    """The picture (grey or RGB, uint8) fitted into `side`×`side` under its title; `side` wide."""
    rgb = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image[..., :3]
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    cell = np.full((TITLE + size[1], side, 3), GROUND, np.uint8)
    left = (side - size[0]) // 2
    cell[TITLE:, left : left + size[0]] = small
    text = title.encode("ascii", "replace").decode()  # OpenCV's letters are ASCII only
    cv2.putText(cell, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (235,) * 3, 1, cv2.LINE_AA)
    return cell


def sheet(rows: Sequence[Sequence[Tile]], path: Path | str, side: int = 360) -> Path:
    """Writes rows of (title, picture) as one .jpg or .png and returns its path.

    Raises BadInput when there is nothing to draw or the file cannot be written.
    """
    path = Path(path)
    if not rows or not any(rows):
        raise BadInput("a contact sheet needs at least one picture")
    columns = max(len(row) for row in rows)
    bands = []
    for row in rows:
        cells = [tile(title, image, side) for title, image in row]
        height = max((len(cell) for cell in cells), default=0) + GAP
        band = np.full((height, columns * (side + GAP), 3), GROUND, np.uint8)
        for x, cell in enumerate(cells):
            band[: len(cell), x * (side + GAP) :][:, :side] = cell
        bands.append(band)
    page = np.concatenate(bands)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    if suffix not in (".jpg", ".png"):
        raise BadInput(f"{path.name}: a contact sheet is a .jpg or .png file")
    ok, data = cv2.imencode(suffix, page[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not ok:
        raise BadInput(f"{path.name}: the contact sheet is too large, use fewer pictures")
    path.write_bytes(data.tobytes())
    return path


def grid(tiles: Sequence[Tile], path: Path | str, columns: int = 5, side: int = 360) -> Path:
    """`sheet` with the tiles laid out row by row."""
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    return sheet(rows, path, side)
