"""What was found, as rows to choose from, and the masks of what was chosen. Worker thread."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import pixels
from .client import CleanReply
from .qt import Qt, QtGui
from .results import Nothing, Prepared
from .translate import tr
from .values import PIXEL_SIZE, Bounds, Request

THUMBNAIL = (72, 54)  # points; made at twice that for dense screens
MARGIN = 0.15  # of an item's size, shown around it

KINDS = {"person": "Person {0}", "object": "Object {0}", "text": "Text {0}"}
TEXT = "Text: "


class Finding(NamedTuple):
    """One thing that can be removed. `box` in pixels of what was sent, `outline` of the image."""

    kind: str  # "person", "object" or "text"
    title: str
    box: Bounds
    mask: bytes
    outline: Sequence[Tuple[float, float, float, float]]
    thumbnail: Any  # QImage


def can_review(request: Request) -> bool:
    """Whether something is looked for: a click, a mask or a selection says itself what goes."""
    options = request.options
    looked_for = any(options.get(name) for name in ("text", "people", "unknown"))
    return looked_for and not request.fills_selection and request.mask is None


def findings(items: Sequence[Any], prepared: Prepared) -> List[Finding]:
    """People, then objects, then text lines. Raises Nothing when there are none."""
    numbers: Dict[str, int] = {}
    result = []
    whole = Bounds(0, 0, prepared.box.width, prepared.box.height)
    for item in sorted(items, key=lambda item: list(KINDS).index(item.kind)):
        x0, y0, x1, y1 = item.box
        box, mask = Bounds(x0, y0, x1 - x0, y1 - y0), item.mask
        if prepared.limit is not None:
            mask = pixels.both(mask, pixels.cropped(prepared.limit, whole, box, 1))
        if mask.count(0) == len(mask):
            continue  # outside the selection
        number = numbers[item.kind] = numbers.get(item.kind, 0) + 1
        title = titled(item.kind, item.name, number)
        in_image = Bounds(box.x + prepared.box.x, box.y + prepared.box.y, box.width, box.height)
        outline = pixels.edges(mask, in_image)
        result.append(Finding(item.kind, title, box, mask, outline, thumbnail(prepared, box)))
    if not result:
        raise Nothing(tr("Nothing to remove was found, so nothing was changed."))
    return result


def titled(kind: str, name: str, number: int) -> str:
    """A layer's or row's name in the user's language. `name`: as the backend calls it."""
    words = name[len(TEXT) :] if name.startswith(TEXT) else name
    if kind == "text" and words and words != "Text %d" % number:
        return tr("Text: {0}", words)
    return tr(KINDS[kind], number)


def masks(
    chosen: Sequence[Finding], prepared: Prepared
) -> Tuple[Optional[bytes], Optional[bytes]]:
    """(object mask, text mask) of what was chosen, as large as what was sent; None = none."""
    whole = Bounds(0, 0, prepared.box.width, prepared.box.height)
    result = []
    for text in (False, True):
        part = [finding for finding in chosen if (finding.kind == "text") == text]
        union = bytearray(whole.area)
        for finding in part:
            pixels.stamp(union, whole, finding.mask, finding.mask, finding.box, 1)
        result.append(bytes(union) if part else None)
    return result[0], result[1]


def counted(
    reply: CleanReply,
    chosen: Sequence[Finding],
    objects: Optional[bytes],
    text: Optional[bytes],
) -> CleanReply:
    """The answer with the masks and numbers that were chosen, which the backend does not know."""
    kinds = [finding.kind for finding in chosen]
    counts = dict(
        reply.report.get("counts", {}),
        people=kinds.count("person"),
        text_lines=kinds.count("text"),
    )
    return reply._replace(
        object_mask=objects, text_mask=text, report=dict(reply.report, counts=counts)
    )


def thumbnail(prepared: Prepared, box: Bounds) -> Any:
    """A small QImage of `box` with some of its surroundings."""
    image = prepared.image
    whole = Bounds(0, 0, prepared.box.width, prepared.box.height)
    wide = box.grown(max(4, round(MARGIN * max(box.width, box.height))), whole)
    # Every n-th pixel of every n-th row first: Qt scales with Python's global lock held.
    step = max(1, min(wide.width // (4 * THUMBNAIL[0]), wide.height // (4 * THUMBNAIL[1])))
    size = PIXEL_SIZE[image.depth]
    view = memoryview(image.data).cast("B").cast("I" if size == 4 else "Q")
    first = wide.y * whole.width + wide.x
    starts = range(first, first + wide.height * whole.width, step * whole.width)
    rows = [view[start : start + wide.width : step].tobytes() for start in starts]
    data, width = b"".join(rows), len(range(0, wide.width, step))
    if image.depth == "u16":
        data = data[1::2]  # the high bytes
    # B, G, R, A in memory is what Qt calls ARGB32 on little-endian machines.
    full = QtGui.QImage(data, width, len(rows), 4 * width, QtGui.QImage.Format.Format_ARGB32)
    return full.scaled(
        2 * THUMBNAIL[0],
        2 * THUMBNAIL[1],
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    ).copy()
