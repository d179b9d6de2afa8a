"""OpenRaster files (https://www.openraster.org): a zip of PNG layers and stack.xml."""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from backend.layers.depth import to_8bit
from backend.layers.png import encode_png

THUMBNAIL_SIDE = 256


@dataclass(frozen=True)
class Layer:
    """`pixels` H×W×(3|4) uint8 or uint16 RGB(A), its top left corner at `offset` (x, y)."""

    name: str
    pixels: np.ndarray
    visible: bool = True
    offset: tuple[int, int] = (0, 0)


def mask_layer(name: str, mask: np.ndarray) -> Layer:
    """A hidden layer, white where the mask (H×W uint8) is set and transparent elsewhere."""
    pixels = np.full((*mask.shape, 4), 255, np.uint8)
    pixels[..., 3] = mask
    return Layer(name, pixels, visible=False)


def write_ora(
    path: Path,
    layers: Sequence[Layer],
    merged: np.ndarray,
    icc: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """`layers` from top to bottom; `merged` (H×W×(3|4)) is what the visible ones show together.

    The profile goes into every colour layer. Writes straight to `path`: give a temporary one."""
    height, width = merged.shape[:2]
    root = ET.Element("image", {"version": "0.0.3", "w": str(width), "h": str(height)})
    if dpi:
        root.set("xres", str(round(dpi[0])))
        root.set("yres", str(round(dpi[1])))
    stack = ET.SubElement(root, "stack")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        # The specification wants it first and uncompressed, so that file(1) can see it.
        archive.writestr("mimetype", "image/openraster")
        for number, layer in enumerate(layers):
            name = f"data/layer{number:03d}.png"
            ET.SubElement(stack, "layer", {
                "name": layer.name, "src": name, "opacity": "1.0", "composite-op": "svg:src-over",
                "x": str(layer.offset[0]), "y": str(layer.offset[1]),
                "visibility": "visible" if layer.visible else "hidden",
            })
            archive.writestr(name, encode_png(layer.pixels, icc))
        text = ET.tostring(root, "utf-8", xml_declaration=True)
        archive.writestr("stack.xml", text, zipfile.ZIP_DEFLATED)
        archive.writestr("mergedimage.png", encode_png(merged, icc))
        archive.writestr("Thumbnails/thumbnail.png", encode_png(thumbnail(merged), icc))


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """8-bit, at most 256 px a side, as the specification asks."""
    height, width = pixels.shape[:2]
    scale = min(1.0, THUMBNAIL_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return to_8bit(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)))
