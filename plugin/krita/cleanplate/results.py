"""From a source and the backend's answer to the layers to make. Runs on a worker thread."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from . import pixels
from .client import CleanReply, Image
from .qt import QByteArray
from .records import packed
from .said import said
from .translate import tenths, tr
from .values import MASK_SPACE, PIXEL_SIZE, Bounds, Fill, Layer, Plan, Request, Source

CONTEXT = 256  # pixels around a selection that the backend sees at least


class Nothing(Exception):
    """There is nothing to do; the message tells the user why."""


class Prepared(NamedTuple):
    """What goes to the backend. `box`: the part of the source that is sent."""

    image: Image
    box: Bounds
    options: Dict[str, Any]
    mask: Optional[bytes]
    limit: Optional[bytes]
    opaque: bool
    objects: Optional[bytes]  # the mask as the user gathered it


class Patch(NamedTuple):
    """New pixels of `box`, in the colour space that was sent, and the hole in that box."""

    box: Bounds
    pixels: Any
    hole: bytes


def prepare(source: Source, request: Request) -> Prepared:
    """Raises Nothing for an empty layer."""
    sent = source.pixels if source.converted is None else source.converted
    size = PIXEL_SIZE[source.sent_depth]
    kind = pixels.alpha_kind(sent, size)
    if kind == "empty":
        raise Nothing(tr("The layer “{0}” is empty: there is nothing to remove.", source.name))
    box, coverage = source.bounds, None
    if source.selection is not None:
        around = source.selection.bounds
        box = around.grown(max(CONTEXT, max(around.width, around.height) // 2), source.bounds)
        coverage = _covered(source, box)
    if box != source.bounds:
        sent = pixels.cropped(sent, source.bounds, box, size)
    image = Image(box.width, box.height, 4, source.sent_depth, "BGRA", sent)
    options = dict(request.options)
    mask, limit = (coverage, None) if request.fills_selection else (None, coverage)
    objects = None
    if request.mask is not None:
        objects = pixels.cropped(request.mask, source.bounds, box, 1)
        if limit is not None:
            objects = pixels.both(objects, limit)
            if objects.count(0) == len(objects):
                raise Nothing(tr("That lies outside the selection. Deselect, or click inside it."))
    return Prepared(image, box, options, mask, limit, kind == "opaque", objects)


def patch_of(reply: CleanReply, prepared: Prepared) -> Patch:
    """The smallest rectangle that holds everything that was filled. Raises Nothing."""
    if not reply.found or reply.hole is None:
        raise Nothing(tr("Nothing to remove was found, so nothing was changed."))
    hole = reply.hole
    if prepared.limit is not None:  # a refill does not know the selection
        hole = pixels.both(hole, prepared.limit)
    box = pixels.box_of(hole, prepared.box)
    if box.area == 0:
        raise Nothing(tr("Nothing to remove was found, so nothing was changed."))
    size = PIXEL_SIZE[prepared.image.depth]
    return Patch(
        box,
        pixels.cropped(reply.plate, prepared.box, box, size),
        pixels.cropped(hole, prepared.box, box, 1),
    )


def plan(
    source: Source, prepared: Prepared, reply: CleanReply, patch: Patch, with_unknown: bool
) -> Plan:
    """The group. `patch` is in the source's own colour space here.

    Of a plain opaque source the Background is the whole picture, so that it stands alone: with
    the source hidden, exported, filtered, run on again. In a saved file it takes what the source
    takes (Krita packs a photo's tiles by a third or so); only the hole would take less.
    """
    whole = prepared.opaque and source.normal
    size = len(source.pixels) // source.bounds.area
    if whole:
        bounds = source.bounds
        data = pixels.patched(source.pixels, bounds, patch.pixels, patch.hole, patch.box, size)
    else:
        bounds = patch.box
        data = pixels.patched(
            bytes(bounds.area * size), bounds, patch.pixels, patch.hole, bounds, size
        )
    objects = prepared.objects or reply.object_mask
    layers = [
        mask_layer(tr("Text mask"), reply.text_mask, prepared.box, "text"),
        mask_layer(tr("Object mask"), objects, prepared.box, "objects"),
        Layer(
            tr("Background"),
            bounds,
            qbytes(data),
            None,
            True,
            source.blending,
            source.opacity,
            "background",
        ),
    ]
    unknown = reply.unknown_mask if with_unknown else None
    if with_unknown:
        layers.insert(2, mask_layer(tr("Unknown mask"), unknown, prepared.box, "unknown"))
    hole = reply.hole
    if hole is not None and prepared.limit is not None:
        hole = pixels.both(hole, prepared.limit)
    together = objects
    if unknown is not None:
        together = unknown if objects is None else pixels.either(objects, unknown)
    return Plan(
        name=tr("Clean Plate: {0}", source.name),
        layers=tuple(layers),
        pass_through=not source.normal,
        message=" ".join(summary(reply) + shows_through(source, prepared.opaque)),
        fill=Fill(
            (source.bounds.width, source.bounds.height),
            prepared.box,
            whole,
            packed({"objects": together, "text": reply.text_mask, "hole": hole}),
        ),
    )


def summary(reply: CleanReply) -> List[str]:
    """What was removed, how long it took, by what and where; and what the backend noted."""
    report = reply.report
    counts = report.get("counts", {})
    parts = []
    if reply.text_mask is not None:
        lines = counts.get("text_lines", 0)
        parts.append(tr("1 line of text") if lines == 1 else tr("{0} lines of text", lines))
    people = counts.get("people", 0)
    if people:
        parts.append(tr("1 person") if people == 1 else tr("{0} people", people))
    if not parts:
        parts.append(tr("the marked area"))
    seconds = report.get("seconds", {}).get("total", 0.0)
    text = tr("Removed {0} in {1} s.", tr(" and ").join(parts), tenths(seconds))
    texts = [text[0].upper() + text[1:]]  # in some languages what was removed stands first
    return texts + engines(report) + notes(report)


def engines(report: Dict[str, Any]) -> List[str]:
    """Which models did the work, on which device."""
    titles = report.get("titles", {})
    models = {said(titles.get(name, name)) for name in report.get("models", {}).values()}
    devices = {said(text) for text in report.get("device_text", {}).values()}
    if not models:
        return []
    return [tr("Models: {0}, on {1}.", ", ".join(sorted(models)), ", ".join(sorted(devices)))]


def notes(report: Dict[str, Any]) -> List[str]:
    """What the backend noted: what it could not do as asked, and why."""
    return [said(str(note)) for note in report.get("notes", [])]


def joined(reply: CleanReply, found: Optional[Dict[str, Any]]) -> CleanReply:
    """`reply` whose report also tells what the job before it did, which found what was filled."""
    if not found:
        return reply
    report = dict(reply.report)
    for part in ("models", "titles", "device_text"):
        report[part] = dict(found.get(part, {}), **report.get(part, {}))
    earlier = [note for note in found.get("notes", []) if note not in report.get("notes", [])]
    report["notes"] = earlier + report.get("notes", [])
    return reply._replace(report=report)


def shows_through(source: Source, opaque: bool) -> List[str]:
    """Says what of the source stays visible under a Background that holds only the hole."""
    reasons = []
    if source.opacity < 255:
        reasons.append(tr("{0} % opacity", round(source.opacity / 2.55)))
    if source.blending != "normal":
        reasons.append(tr("blend mode “{0}”", source.blending))
    if not source.normal and not reasons:
        reasons.append(tr("inherited alpha"))
    if not opaque:
        reasons.append(tr("transparency"))
    if not reasons:
        return []
    return [
        tr(
            "“{0}” has {1}, so Background covers only what was removed and the removed parts of "
            "“{0}” still show through it. Erase them in “{0}” where that matters.",
            source.name,
            ", ".join(reasons),
        )
    ]


def qbytes(data: Any) -> QByteArray:
    """`data` as Krita's pixel calls take it, copied in pieces (see pixels)."""
    out = QByteArray()
    out.reserve(len(data))
    view = memoryview(data)
    for start in range(0, len(view), pixels.PIECE):
        out.append(QByteArray(bytes(view[start : start + pixels.PIECE])))
    return out


def mask_layer(name: str, mask: Optional[bytes], box: Bounds, role: str) -> Layer:
    around = pixels.box_of(mask, box) if mask is not None else Bounds(0, 0, 0, 0)
    if mask is None or around.area == 0:
        return Layer(name, around, None, MASK_SPACE, False, role=role)
    inside = pixels.cropped(mask, box, around, 1)
    return Layer(name, around, qbytes(pixels.white(inside)), MASK_SPACE, False, role=role)


def _covered(source: Source, box: Bounds) -> bytes:
    """The selection as a mask of `box`, which holds it."""
    selection = source.selection
    assert selection is not None
    inside = pixels.binary(selection.data)
    empty = bytes(box.area)
    covered = pixels.patched(empty, box, inside, inside, selection.bounds, 1)
    return bytes(covered)
