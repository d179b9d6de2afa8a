"""Small value types of the plugin. Points are (x, y) in image pixels."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple


class Bounds(NamedTuple):
    """A rectangle in image pixels, in the order that Krita's pixel calls take."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        return max(0, self.width) * max(0, self.height)

    def grown(self, margin: int, inside: Bounds) -> Bounds:
        """This rectangle with `margin` pixels on each side, clipped to `inside`."""
        return Bounds(
            self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin
        ).clipped(inside)

    def clipped(self, inside: Bounds) -> Bounds:
        x0, y0 = max(self.x, inside.x), max(self.y, inside.y)
        x1 = min(self.x + self.width, inside.x + inside.width)
        y1 = min(self.y + self.height, inside.y + inside.height)
        return Bounds(x0, y0, max(0, x1 - x0), max(0, y1 - y0))

    def united(self, other: Bounds) -> Bounds:
        """The smallest rectangle that holds both; one without an area does not count."""
        if not self.area or not other.area:
            return self if self.area else other
        x, y = min(self.x, other.x), min(self.y, other.y)
        right = max(self.x + self.width, other.x + other.width)
        bottom = max(self.y + self.height, other.y + other.height)
        return Bounds(x, y, right - x, bottom - y)

    def relative_to(self, other: Bounds) -> Bounds:
        return Bounds(self.x - other.x, self.y - other.y, self.width, self.height)


class ColorSpace(NamedTuple):
    """Krita's names: model "RGBA", "GRAYA", …; depth "U8", "U16", "F16", "F32"; profile name."""

    model: str
    depth: str
    profile: str


class Request(NamedTuple):
    """What the user asked for. `options` are fields of the backend's CleanOptions.

    `mask`: one byte for each pixel of the canvas, 255 = the object, which grows as one that the
    backend finds; `report`: what the backend said when it found it.
    """

    title: str
    options: Dict[str, Any]
    needs_selection: bool = False
    fills_selection: bool = False
    mask: Optional[bytes] = None
    report: Optional[Dict[str, Any]] = None


class Selection(NamedTuple):
    """The document's selection: 8-bit coverage of `bounds`, row by row."""

    bounds: Bounds
    data: Any  # QByteArray or bytes


class Source(NamedTuple):
    """The source at the moment of the click. Pixel buffers hold `bounds`, rows packed.

    `pixels` are in the source's own colour space. `sent` are what the backend gets: the same
    buffer, or None for a colour space the backend does not take; then `converted` holds an
    RGBA copy in 8 or 16 bits.
    """

    layer_id: str  # "" = the visible image
    name: str
    bounds: Bounds
    space: ColorSpace
    pixels: Any
    converted: Any  # or None
    sent_depth: str  # "u8" or "u16"
    normal: bool  # blend mode Normal, opacity 100 %, no inherited alpha
    blending: str
    opacity: int  # 0…255
    selection: Optional[Selection]


class Layer(NamedTuple):
    """A layer to make. `space` None = the source's colour space; `pixels` None = empty.

    `role`: what a later refill knows it by ("background", "objects", "text", "unknown").
    """

    name: str
    bounds: Bounds
    pixels: Any
    space: Optional[ColorSpace]
    visible: bool = True
    blending: str = "normal"
    opacity: int = 255
    role: str = ""


class Fill(NamedTuple):
    """What a refill must know of a fill: see records.Record."""

    size: Tuple[int, int]
    box: Bounds
    whole: bool
    filled: Dict[str, str]


class Plan(NamedTuple):
    """The result group, its layers from top to bottom; the last one becomes active.

    `name` "": the only layer goes into the document without a group.
    """

    name: str
    layers: Tuple[Layer, ...]
    pass_through: bool
    message: str
    fill: Optional[Fill] = None


class BenchLayer(NamedTuple):
    """A layer as it is now. `pixels` cover the canvas, in the layer's own colour space."""

    name: str
    space: ColorSpace
    pixels: Any


class Bench(NamedTuple):
    """A Clean Plate group as it is now, with its source (None: gone, or the visible image).

    `masks`: "objects", "text", "unknown". `record`: a records.Record, or None. `earlier`: how many
    backgrounds of earlier fills lie below. `mask_ids`: the layers of `masks`.
    """

    bounds: Bounds
    background: BenchLayer
    source: Optional[BenchLayer]
    masks: Dict[str, BenchLayer]
    record: Any
    layer_id: str  # of the background
    group: str
    pass_through: bool
    blending: str
    opacity: int
    earlier: int
    mask_ids: Tuple[str, ...]


MASK_SPACE = ColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
PIXEL_SIZE = {"u8": 4, "u16": 8}
