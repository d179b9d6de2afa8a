"""PNG files of 8 and 16 bits with their colour profile and resolution."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

from backend.values import BadInput

SIGNATURE_AND_HEADER = 8 + 25


def encode_png(
    pixels: np.ndarray,
    icc: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """pixels: H×W or H×W×(3|4), uint8 or uint16, RGB(A). Pillow cannot write 16-bit colour and
    OpenCV no profile, so the profile's chunk is set in after the header."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"A PNG file cannot hold {pixels.dtype} pixels.")
    if pixels.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
        pixels = np.asarray(cv2.cvtColor(pixels, order))
    ok, encoded = cv2.imencode(".png", pixels)
    if not ok:
        raise BadInput("The picture cannot be written as PNG.")
    extra = b""
    if icc:
        extra += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))
    if dpi:
        extra += _chunk(b"pHYs", struct.pack(">IIB", *(round(d / 0.0254) for d in dpi), 1))
    data = encoded.tobytes()
    return data[:SIGNATURE_AND_HEADER] + extra + data[SIGNATURE_AND_HEADER:]


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
