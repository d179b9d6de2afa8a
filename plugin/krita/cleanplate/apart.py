"""The byte work of separating and cutting out: masks that go out, layers that come back.

Runs on a worker thread.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import pixels, results
from .client import Image
from .results import qbytes
from .reviewing import titled
from .translate import tenths, tr
from .values import PIXEL_SIZE, Bench, Bounds, Layer, Plan, Source


class Piece(NamedTuple):
    """Pixels of `box`; in the colour space that was sent, or in the source's own."""

    name: str
    box: Bounds
    pixels: Any


class Marked(NamedTuple):
    """What the user has marked: masks of the whole canvas; None = not marked, look for it."""

    objects: Optional[bytes] = None
    text: Optional[bytes] = None


def marked_in(bench: Bench) -> Marked:
    """The masks of a Clean Plate group as they are now."""
    area = bench.bounds.area
    now = {part: pixels.opacity(layer.pixels, len(layer.pixels) // area, layer.space.depth)
           for part, layer in bench.masks.items()}
    objects, text = now.get("objects", bytes(area)), now.get("text", bytes(area))
    if "unknown" in now:
        objects = pixels.either(objects, now["unknown"])
    return Marked(objects, text)


def image_of(source: Source) -> Image:
    """The whole source. Raises Nothing for an empty layer."""
    sent = source.pixels if source.converted is None else source.converted
    if pixels.alpha_kind(sent, PIXEL_SIZE[source.sent_depth]) == "empty":
        raise results.Nothing(tr("The layer “{0}” is empty.", source.name))
    return Image(source.bounds.width, source.bounds.height, 4, source.sent_depth, "BGRA", sent)


def with_found(items: Sequence[Any], marked: Marked, bounds: Bounds) -> Marked:
    """What was found added to what the user has marked."""
    objects = bytearray(marked.objects or bytes(bounds.area))
    text = bytearray(marked.text or bytes(bounds.area))
    for item in items:
        x0, y0, x1, y1 = item.box
        into = text if item.kind == "text" else objects
        pixels.stamp(into, bounds, item.mask, item.mask, Bounds(x0, y0, x1 - x0, y1 - y0), 1)
    return Marked(bytes(objects), bytes(text))


def pieces(cut_outs: Sequence[Any]) -> List[Piece]:
    """From bottom to top, named in the user's language."""
    numbers: Dict[str, int] = {}
    result = []
    for cut in cut_outs:
        numbers[cut.kind] = number = numbers.get(cut.kind, 0) + 1
        name = titled(cut.kind, cut.name, number)
        x0, y0, x1, y1 = cut.box
        result.append(Piece(name, Bounds(x0, y0, x1 - x0, y1 - y0), cut.pixels))
    return result


def background(source: Source, data: bytes) -> Tuple[Piece, bytes]:
    """What is new in the background that was sent back, and where in its box that is."""
    sent = source.pixels if source.converted is None else source.converted
    size = PIXEL_SIZE[source.sent_depth]
    hole = pixels.differs(sent, data, source.bounds, size)
    box = pixels.box_of(hole, source.bounds)
    patch = pixels.cropped(data, source.bounds, box, size)
    piece = Piece(tr("Background"), box, patch)
    return piece, pixels.cropped(hole, source.bounds, box, 1)


def separated(
    source: Source, parts: Sequence[Piece], ground: Piece, hole: bytes, report: Dict[str, Any]
) -> Plan:
    """The group; all pixels are in the source's own colour space here."""
    bounds = source.bounds
    size = len(source.pixels) // bounds.area
    data = pixels.patched(source.pixels, bounds, ground.pixels, hole, ground.box, size)
    layers = [Layer(part.name, part.box, qbytes(part.pixels), None) for part in reversed(parts)]
    layers.append(Layer(ground.name, bounds, qbytes(data), None, role="background"))
    seconds = tenths(report.get("seconds", {}).get("total", 0.0))
    number = len(parts)
    texts = [
        tr("Separated 1 layer from the background in {0} s.", seconds)
        if number == 1
        else tr("Separated {0} layers from the background in {1} s.", number, seconds)
    ]
    if not source.normal or pixels_transparent(source):
        texts.append(_still_shows(source))
    texts += results.engines(report) + results.notes(report)
    return Plan(tr("Separated: {0}", source.name), tuple(layers), False, " ".join(texts))


def subject(source: Source, data: bytes, name: str) -> Piece:
    """The smallest rectangle that holds all that is not wholly transparent."""
    size = PIXEL_SIZE[source.sent_depth]
    alpha = pixels.seen(data, size)
    box = pixels.box_of(alpha, source.bounds)
    return Piece(name, box, pixels.cropped(data, source.bounds, box, size))


def cut_out(source: Source, part: Piece, report: Dict[str, Any]) -> Plan:
    seconds = tenths(report.get("seconds", {}).get("total", 0.0))
    layer = Layer(
        part.name, part.box, qbytes(part.pixels), None, True, source.blending, source.opacity
    )
    texts = [tr("Cut out in {0} s.", seconds), _still_shows(source)]
    texts += results.engines(report) + results.notes(report)
    return Plan("", (layer,), False, " ".join(texts))


def pixels_transparent(source: Source) -> bool:
    sent = source.pixels if source.converted is None else source.converted
    return pixels.alpha_kind(sent, PIXEL_SIZE[source.sent_depth]) != "opaque"


def _still_shows(source: Source) -> str:
    return tr("“{0}” is unchanged and shows below: hide it to see the result alone.", source.name)
