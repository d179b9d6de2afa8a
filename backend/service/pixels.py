"""An editor's bytes ↔ the arrays of the pipeline.

Editors hand out straight alpha (Krita and GIMP both), rows packed, native byte order. The
pipeline works on H×W×(3|4) RGB(A) in uint8, uint16 or float32. On the way back only the pixels
of the hole are written, so that every other byte stays what it was, in every depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.service.errors import Refused
from plugin.client.protocol import DEPTH_BYTES, MAX_PIXELS, MAX_SIDE, ORDER_CHANNELS

_DTYPES = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}
# The luma weights of Rec. 709: a filled grey picture has equal channels but for rounding.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Layout:
    """How the bytes of a picture lie. `linear`: float values are linear light."""

    width: int
    height: int
    channels: int
    depth: str
    order: str
    linear: bool = False

    @classmethod
    def checked(cls, values: tuple) -> Layout:
        """From a client's tuple; raises Refused on anything but a supported layout."""
        types = (int, int, int, str, str, bool)
        if len(values) != len(types) or any(
            type(v) is not t for v, t in zip(values, types, strict=True)
        ):
            raise Refused("The description of a picture is not complete.")
        layout = cls(*values)
        if layout.depth not in _DTYPES or ORDER_CHANNELS.get(layout.order) != layout.channels:
            raise Refused(
                f"Pixels of depth {layout.depth[:8]} with {layout.channels} channels in the order "
                f"{layout.order[:8]} are not supported."
            )
        if not (0 < layout.width <= MAX_SIDE and 0 < layout.height <= MAX_SIDE):
            raise Refused(f"A picture of {layout.width} × {layout.height} px is not supported.")
        if layout.width * layout.height > MAX_PIXELS:
            raise Refused(f"A picture may have {MAX_PIXELS // 10**6} million pixels at most.")
        return layout

    @property
    def size(self) -> int:
        """Bytes of the whole picture."""
        return self.width * self.height * self.channels * DEPTH_BYTES[self.depth]

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4)

    @property
    def order_with_alpha(self) -> str:
        """The order of a layer cut out of this picture."""
        return self.order if self.has_alpha else self.order + "A"

    @property
    def is_float(self) -> bool:
        return self.depth in ("f16", "f32")

    def view(self, data: np.ndarray) -> np.ndarray:
        """H×W×channels in the editor's own order and depth, over the same memory."""
        shape = (self.height, self.width, self.channels)
        return data.view(_DTYPES[self.depth]).reshape(shape)


def decode(data: np.ndarray, layout: Layout) -> np.ndarray:
    """Flat uint8 bytes → H×W×(3|4) RGB(A) uint8, uint16 or float32, in new memory.

    Float values beyond 1 and below 0 stay. Linear light is given the sRGB curve (continued
    beyond 1), because detectors and fills are made for what is seen on a screen.
    """
    if data.dtype != np.uint8 or data.size != layout.size:
        raise Refused(f"The picture has {data.size} bytes, expected {layout.size}.")
    pixels = layout.view(data)
    if layout.order == "BGRA":
        pixels = pixels[..., [2, 1, 0, 3]]
    elif layout.order == "GRAY":
        pixels = np.repeat(pixels, 3, axis=2)
    elif layout.order == "GRAYA":
        pixels = pixels[..., [0, 0, 0, 1]]
    if not layout.is_float:
        return np.ascontiguousarray(pixels)
    result = np.array(pixels, np.float32, order="C")
    if layout.linear:
        result[..., :3] = linear_to_srgb(result[..., :3])
    return result


def encode(data: np.ndarray, layout: Layout, plate: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The bytes of the source with the plate's pixels where `hole` (H×W uint8) is set.

    `plate` is H×W×(3|4) of the type that `decode` gave. Returns new flat uint8.
    """
    result = data.copy()
    rows = np.flatnonzero(hole.any(axis=1))
    if rows.size == 0:
        return result
    columns = np.flatnonzero(hole.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    where = hole[box] > 0
    filled = plate[box][where]
    target = layout.view(result)[box]
    target[where] = _to_editor(filled, layout, target.dtype)
    return result


def _to_editor(filled: np.ndarray, layout: Layout, dtype: np.dtype) -> np.ndarray:
    """N×(3|4) of the pipeline → N×channels in the editor's order and depth."""
    colour, alpha = filled[:, :3], filled[:, 3:]
    if layout.is_float:
        colour = colour.astype(np.float32)
        if layout.linear:
            colour = srgb_to_linear(colour)
    if layout.order in ("GRAY", "GRAYA"):
        grey = colour.astype(np.float32) @ _LUMA
        colour = grey[:, None] if layout.is_float else np.rint(grey)[:, None]
    elif layout.order == "BGRA":
        colour = colour[:, ::-1]
    parts = [colour] if layout.channels in (1, 3) else [colour, alpha]
    joined = np.concatenate(parts, axis=1)
    if dtype == np.float16:
        limit = float(np.finfo(np.float16).max)
        joined = np.clip(joined, -limit, limit)
    return joined.astype(dtype)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """The sRGB curve (IEC 61966-2-1), mirrored for values below 0 and continued beyond 1."""
    size = np.abs(values)
    curved = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.copysign(curved, values).astype(np.float32)


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """The inverse of `linear_to_srgb`."""
    size = np.abs(values)
    straight = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(straight, values).astype(np.float32)
