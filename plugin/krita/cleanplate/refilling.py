"""The byte work of a refill: what changed, what goes to the backend, the new background.

Runs on a worker thread. Masks are bytes of the whole canvas, 255 = removed.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional

from . import pixels, records
from .client import CleanReply, Image
from .results import Nothing, engines, qbytes
from .results import notes as noted
from .translate import tenths, tr
from .values import PIXEL_SIZE, Bench, Bounds, Fill, Layer, Selection

MANY = 4  # earlier backgrounds


class Changes(NamedTuple):
    """`changed`: where a mask is not what it was at the last fill, or is to be filled anew;
    `hole`: what was filled then (None: not known); `over`: where masks are painted in a colour;
    `chosen`: the masks are as they were, the selection says what is filled anew."""

    objects: bytes
    text: bytes
    changed: bytes
    hole: Optional[bytes]
    over: bytes
    chosen: bool
    notes: tuple


class Sent(NamedTuple):
    """What the backend gets, both in `depth`; None where the source cannot be read any more."""

    plate: Image
    original: Optional[Image]


def changes(bench: Bench, selection: Optional[Selection]) -> Changes:
    """Coloured paint over a mask asks for another fill there. Where nothing changed, what the
    masks cover in the selection does. Raises Nothing when there is nothing to do."""
    area = bench.bounds.area
    now = {part: pixels.opacity(layer.pixels, len(layer.pixels) // area, layer.space.depth)
           for part, layer in bench.masks.items()}
    empty, record, notes = bytes(area), bench.record, []
    then: Dict[str, bytes] = {}
    size = (bench.bounds.width, bench.bounds.height)
    if record is not None and record.size == size:
        try:
            then = {name: records.mask_of(record, name)
                    for name in ("objects", "text", "hole", "over")}
        except ValueError:
            then = {}
    objects = now.get("objects", then.get("objects", empty))
    if "unknown" in now:
        objects = pixels.either(objects, now["unknown"])
    text = now.get("text", then.get("text", empty))
    over = empty
    for layer in bench.masks.values():
        if layer.space.model == "RGBA" and layer.space.depth == "U8":
            over = pixels.either(over, pixels.coloured(layer.pixels))
    if then:
        changed = pixels.either(
            pixels.unequal(objects, then["objects"]), pixels.unequal(text, then["text"])
        )
        changed = pixels.either(changed, pixels.without(over, then["over"]))
    else:
        changed = pixels.either(objects, text)
        notes.append(
            tr("This group has no record of its last fill, so all that its masks show was filled.")
        )
    chosen = changed.count(0) == area and selection is not None
    if chosen:
        changed = pixels.both(
            pixels.marked_by(selection, bench.bounds), pixels.either(objects, text)
        )
    if changed.count(0) == area:
        raise Nothing(
            tr(
                "The masks are as they were at the last fill. Paint on “Object mask” or “Text "
                "mask” to add, erase to take away, then refill. To fill a place anew, paint over "
                "it in a colour, or select it."
            )
        )
    return Changes(objects, text, changed, then.get("hole"), over, chosen, tuple(notes))


def whole(bench: Bench) -> bool:
    """Whether the background covers the canvas, and not only what was filled."""
    if bench.record is not None:
        return bench.record.whole
    size = len(bench.background.pixels) // bench.bounds.area
    opaque = pixels.opacity(bench.background.pixels, size, bench.background.space.depth)
    return opaque.count(255) == len(opaque)


def picture(bench: Bench, found: Changes) -> Any:
    """The picture as it looks now, in the background's colour space."""
    if whole(bench):
        return bench.background.pixels
    if bench.source is None or bench.source.space != bench.background.space:
        raise Nothing(
            tr("The layer that this group was made from is gone, so it cannot be refilled.")
        )
    size = len(bench.background.pixels) // bench.bounds.area
    filled = pixels.opacity(bench.background.pixels, size, bench.background.space.depth)
    if found.hole is not None:
        filled = pixels.either(filled, found.hole)
    return pixels.patched(
        bench.source.pixels, bench.bounds, bench.background.pixels, filled, bench.bounds, size
    )


def image(data: Any, bounds: Bounds, depth: str) -> Image:
    return Image(bounds.width, bounds.height, 4, depth, "BGRA", data)


def restored(reply: CleanReply, found: Changes, has_original: bool) -> bytes:
    """Where the source comes back: at most where something was filled before."""
    back = reply.restored
    if back is None or not has_original:
        return bytes(len(found.changed))
    return back if found.hole is None else pixels.both(back, found.hole)


def hides_old(bench: Bench) -> bool:
    """Whether the old background would show through the new one."""
    plain = bench.blending == "normal" and bench.opacity == 255 and not bench.pass_through
    return not (plain or whole(bench))


def new_background(
    bench: Bench, reply: CleanReply, back: bytes, patch: Any, box: Bounds
) -> Layer:
    """What the background becomes, with `patch` (covers `box`, in its colour space) where it was
    filled: only the rectangle that changes.

    Where masks were erased the source's own bytes come back, or transparency where the old
    background is hidden and holds only what was filled.
    """
    bounds = bench.bounds
    size = len(bench.background.pixels) // bounds.area
    around = pixels.box_of(back, bounds)
    area = around.united(box)
    out = bytearray(pixels.cropped(bench.background.pixels, bounds, area, size))
    if around.area:
        if bench.source is None or hides_old(bench):
            source = bytes(around.area * size)
        else:
            source = pixels.cropped(bench.source.pixels, bounds, around, size)
        inside = pixels.cropped(back, bounds, around, 1)
        pixels.stamp(out, area, source, inside, around, size)
    if box.area and reply.hole is not None:
        hole = pixels.cropped(reply.hole, bounds, box, 1)
        pixels.stamp(out, area, patch, hole, box, size)
    return Layer(
        bench.background.name, area, qbytes(out), None, True, bench.blending, bench.opacity
    )


def fill_of(bench: Bench, found: Changes, reply: CleanReply, back: bytes) -> Fill:
    """What the next refill must know."""
    hole = found.hole if found.hole is not None else bytes(bench.bounds.area)
    hole = pixels.without(hole, back)
    if reply.hole is not None:
        hole = pixels.either(hole, reply.hole)
    masks = {"objects": found.objects, "text": found.text, "hole": hole, "over": found.over}
    size = (bench.bounds.width, bench.bounds.height)
    return Fill(size, bench.bounds, whole(bench), records.packed(masks))


def message(bench: Bench, found: Changes, reply: CleanReply, back: bytes) -> str:
    """What was done, by what, and what could not be done."""
    seconds = tenths(reply.report.get("seconds", {}).get("total", 0.0))
    filled = reply.hole is not None and reply.hole.count(0) != len(reply.hole)
    parts = []
    if filled and found.chosen:
        parts.append(tr("Filled anew what the masks cover in the selection, in {0} s.", seconds))
    elif filled:
        parts.append(tr("Filled where the masks changed, in {0} s.", seconds))
    if back.count(0) != len(back):
        parts.append(tr("The source is back where the masks were erased."))
    if filled:
        parts.extend(engines(reply.report) + noted(reply.report))
    taken = pixels.without(found.changed, pixels.either(found.objects, found.text))
    if bench.source is None and taken.count(0) != len(taken):
        parts.append(
            tr(
                "Erased parts keep their fill, because the layer that this group was made from "
                "cannot be read any more."
            )
        )
    if bench.earlier >= MANY:
        parts.append(
            tr(
                "The group holds {0} earlier backgrounds: delete those you no longer need.",
                bench.earlier + 1,
            )
        )
    return " ".join([*parts, *found.notes])


def depth_of(bench: Bench) -> str:
    space = bench.background.space
    return "u8" if space.depth == "U8" and space.model in ("RGBA", "GRAYA") else "u16"


def sent_size(bench: Bench) -> int:
    return PIXEL_SIZE[depth_of(bench)]
