"""Byte work on pixels and masks. Runs on a worker thread; knows neither Krita nor Qt.

Krita's Python has no numpy: whole-buffer operations of bytes, big integers and slices do the
work at C speed. Copies go in pieces, because one call on a large buffer holds Python's global
lock and so the editor's event loop. Masks are one byte a pixel, 255 = remove, rows packed.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterator, List, Tuple

from .values import Bounds, Selection

PIECE = 1 << 21  # bytes handled in one call: about a millisecond
NEARLY_WHITE = 240  # a brush's colour differs from white by more

_THRESHOLD = bytes(255 if value >= 128 else 0 for value in range(256))
_ANY = bytes([0]) + bytes([255]) * 255
_RUN = re.compile(rb"[^\0]+")


def to_bytes(buffer: Any) -> bytearray:
    """A copy of a bytes-like object or QByteArray, made in pieces."""
    view = memoryview(buffer).cast("B")
    out = bytearray(len(view))
    for start in range(0, len(view), PIECE):
        out[start : start + PIECE] = view[start : start + PIECE]
    return out


def alpha_kind(data: Any, pixel_size: int) -> str:
    """ "opaque", "empty" or "mixed": the alpha (last channel of 4) of integer pixels."""
    channel = pixel_size // 4
    view = memoryview(data).cast("B")
    step = PIECE // pixel_size * pixel_size
    opaque, empty = True, True
    for start in range(0, len(view), step):
        piece = bytes(view[start : start + step])
        for byte in range(pixel_size - channel, pixel_size):
            alpha = piece[byte::pixel_size]
            opaque = opaque and alpha.count(255) == len(alpha)
            empty = empty and alpha.count(0) == len(alpha)
        if not opaque and not empty:
            return "mixed"
    return "opaque" if opaque else "empty"


def box_of(mask: bytes, bounds: Bounds) -> Bounds:
    """The smallest rectangle (image pixels) that holds all set pixels; area 0 when none is."""
    width, height = bounds.width, bounds.height
    empty = bytes(width)
    top, bottom, left, right = height, -1, width, -1
    for y in range(height):
        row = mask[y * width : (y + 1) * width]
        if row == empty:
            continue
        top, bottom = min(top, y), y
        left = min(left, width - len(row.lstrip(b"\0")))
        right = max(right, len(row.rstrip(b"\0")) - 1)
    if bottom < 0:
        return Bounds(bounds.x, bounds.y, 0, 0)
    return Bounds(bounds.x + left, bounds.y + top, right - left + 1, bottom - top + 1)


def cropped(data: Any, bounds: Bounds, box: Bounds, pixel_size: int) -> bytes:
    """The part of `data` (which covers `bounds`) that lies in `box`, inside `bounds`."""
    view = memoryview(data).cast("B")
    row, x = bounds.width * pixel_size, (box.x - bounds.x) * pixel_size
    first = (box.y - bounds.y) * row + x
    size = box.width * pixel_size
    return b"".join(view[first + y * row : first + y * row + size] for y in range(box.height))


def binary(coverage: Any) -> bytes:
    """A selection's 8-bit coverage as a mask: at least half covered is in."""
    return bytes(coverage).translate(_THRESHOLD)


def runs(mask: bytes, width: int, height: int) -> Iterator[Tuple[int, int]]:
    """Start and end index (pixels, one row at most) of each stretch of set pixels."""
    empty = bytes(width)
    for y in range(height):
        row = mask[y * width : (y + 1) * width]
        if row != empty:
            for found in _RUN.finditer(row):
                yield y * width + found.start(), y * width + found.end()


def stamp(
    target: bytearray, bounds: Bounds, patch: Any, hole: bytes, box: Bounds, pixel_size: int
) -> None:
    """Writes the pixels of `patch` into `target` (covers `bounds`) where `hole` is set.

    `patch` and `hole` cover `box`, inside `bounds`. Every other byte stays as it is.
    """
    view = memoryview(patch).cast("B")
    origin = (box.y - bounds.y) * bounds.width + box.x - bounds.x
    for start, end in runs(hole, box.width, box.height):
        y, x = divmod(start, box.width)
        into = (origin + y * bounds.width + x) * pixel_size
        target[into : into + (end - start) * pixel_size] = view[
            start * pixel_size : end * pixel_size
        ]


def patched(
    base: Any, bounds: Bounds, patch: Any, hole: bytes, box: Bounds, pixel_size: int
) -> bytearray:
    """A copy of `base` with the pixels of `patch` where `hole` is set; see `stamp`."""
    out = to_bytes(base)
    stamp(out, bounds, patch, hole, box, pixel_size)
    return out


def both(first: bytes, second: bytes) -> bytes:
    """Set where both masks are."""
    return _combined(first, second, lambda a, b: a & b)


def either(first: bytes, second: bytes) -> bytes:
    """Set where one of the masks is."""
    return _combined(first, second, lambda a, b: a | b)


def without(first: bytes, second: bytes) -> bytes:
    """Set where the first mask is and the second one is not."""
    return _combined(first, second, lambda a, b: a & ~b)


def unequal(first: bytes, second: bytes) -> bytes:
    """Set where two masks differ."""
    return _combined(first, second, lambda a, b: a ^ b)


def _combined(first: bytes, second: bytes, work: Callable[[int, int], int]) -> bytes:
    """Binary masks (0 and 255) as big integers, piece by piece."""
    parts = []
    for start in range(0, len(first), PIECE):
        one, two = first[start : start + PIECE], second[start : start + PIECE]
        number = work(int.from_bytes(one, "little"), int.from_bytes(two, "little"))
        parts.append(number.to_bytes(len(one), "little"))
    return b"".join(parts)


def differs(first: Any, second: Any, bounds: Bounds, pixel_size: int) -> bytes:
    """A mask of the pixels that differ in two buffers that both cover `bounds`."""
    one, two = memoryview(first).cast("B"), memoryview(second).cast("B")
    row, empty = bounds.width * pixel_size, bytes(bounds.width)
    rows = []
    for start in range(0, row * bounds.height, row):
        a, b = bytes(one[start : start + row]), bytes(two[start : start + row])
        if a == b:
            rows.append(empty)
            continue
        bits = int.from_bytes(a, "little") ^ int.from_bytes(b, "little")
        bytewise = bits.to_bytes(row, "little")
        mask = 0
        for channel in range(pixel_size):
            mask |= int.from_bytes(bytewise[channel::pixel_size], "little")
        rows.append(mask.to_bytes(bounds.width, "little").translate(_ANY))
    return b"".join(rows)


def seen(data: Any, pixel_size: int) -> bytes:
    """A mask of the pixels (integers, 4 channels) that are not wholly transparent."""
    view = memoryview(data).cast("B")
    step = PIECE // pixel_size * pixel_size
    parts = []
    for start in range(0, len(view), step):
        piece = bytes(view[start : start + step])
        alpha = 0
        for byte in range(pixel_size - pixel_size // 4, pixel_size):
            alpha |= int.from_bytes(piece[byte::pixel_size], "little")
        parts.append(alpha.to_bytes(len(piece) // pixel_size, "little").translate(_ANY))
    return b"".join(parts)


def opacity(data: Any, pixel_size: int, channel: str) -> bytes:
    """A mask of the pixels that are at least half opaque; `channel` as in ColorSpace.depth.

    Alpha is the last channel. Its most significant byte says enough: 0.5 is 0x3800 as a half
    float and 0x3F000000 as a float.
    """
    half = {"U8": 0x80, "U16": 0x80, "F16": 0x38, "F32": 0x3F}[channel]
    table = bytes(255 if half <= value < 0x80 or value >= half == 0x80 else 0
                  for value in range(256))
    view = memoryview(data).cast("B")
    step = PIECE // pixel_size * pixel_size
    return b"".join(
        bytes(view[start : start + step])[pixel_size - 1 :: pixel_size].translate(table)
        for start in range(0, len(view), step)
    )


def coloured(data: Any) -> bytes:
    """A mask of the 8-bit RGBA pixels that are at least half opaque and not white."""
    dark = bytes(255 if value < NEARLY_WHITE else 0 for value in range(256))
    view = memoryview(data).cast("B")
    parts = []
    for start in range(0, len(view), PIECE):
        piece = bytes(view[start : start + PIECE])
        found = 0
        for channel in range(3):
            found |= int.from_bytes(piece[channel::4].translate(dark), "little")
        found &= int.from_bytes(piece[3::4].translate(_THRESHOLD), "little")
        parts.append(found.to_bytes(len(piece) // 4, "little"))
    return b"".join(parts)


def marked_by(selection: Selection, bounds: Bounds) -> bytes:
    """The selection as a mask that covers `bounds`, which holds it."""
    out = bytearray(bounds.area)
    inside = binary(selection.data)
    stamp(out, bounds, inside, inside, selection.bounds, 1)
    return bytes(out)


def white(mask: bytes) -> bytearray:
    """8-bit RGBA pixels of a mask layer: white where removed, transparent elsewhere."""
    out = bytearray(4 * len(mask))
    for start in range(0, len(mask), PIECE):
        piece = mask[start : start + PIECE]
        wide = bytearray(4 * len(piece))
        for channel in range(4):
            wide[channel::4] = piece
        out[4 * start : 4 * start + len(wide)] = wide
    return out


def edges(mask: bytes, box: Bounds) -> List[Tuple[int, int, int, int]]:
    """The outline of a mask that covers `box`: (x0, y0, x1, y1) along pixel borders.

    x and y are image pixels. Straight pieces are joined, so that few lines are drawn.
    """
    width, pieces = box.width, []
    above = bytes(width)
    standing: Dict[int, int] = {}  # x of a vertical border → the y where it began
    for row in range(box.height + 1):
        here = mask[row * width : (row + 1) * width] if row < box.height else bytes(width)
        y = box.y + row
        if here != above:
            differ = int.from_bytes(here, "little") ^ int.from_bytes(above, "little")
            for found in _RUN.finditer(differ.to_bytes(width, "little")):
                pieces.append((box.x + found.start(), y, box.x + found.end(), y))
            borders = {x for found in _RUN.finditer(here) for x in found.span()}
            for x in [x for x in standing if x not in borders]:
                pieces.append((box.x + x, standing.pop(x), box.x + x, y))
            for x in borders:
                standing.setdefault(x, y)
        above = here
    return pieces
