"""What was filled last in each Clean Plate group, as it is kept inside the document.

Pure bytes: knows neither Krita nor Qt. Masks are packed by zlib, which shrinks their long runs
about a thousandfold.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .pixels import stamp
from .values import Bounds

VERSION = 1
MOST = 24  # entries in a document: an undone refill's entry is needed again by a redo


class Record(NamedTuple):
    """One fill. The ids are those of the layers; "" where there is none.

    `filled`: "objects", "text" and "hole" as packed masks of `box`; a missing one is empty.
    `whole`: the background covers the canvas, else it holds only what was filled.
    """

    group: str
    background: str
    source: str
    objects: str
    text: str
    unknown: str
    size: Tuple[int, int]
    box: Bounds
    whole: bool
    filled: Dict[str, str]


def pack_mask(mask: bytes) -> str:
    return base64.b64encode(zlib.compress(mask, 1)).decode("ascii")


def unpack_mask(text: str, area: int) -> bytes:
    """Raises ValueError unless it holds exactly `area` bytes."""
    try:
        engine = zlib.decompressobj()
        mask = engine.decompress(base64.b64decode(text, validate=True), area + 1)
    except (zlib.error, binascii.Error) as problem:
        raise ValueError("a mask in the document's record is damaged") from problem
    if len(mask) != area:
        raise ValueError("a mask in the document's record has the wrong size")
    return mask


def mask_of(record: Record, name: str) -> bytes:
    """A mask of the whole canvas. Raises ValueError for a damaged record."""
    bounds = Bounds(0, 0, *record.size)
    out = bytearray(bounds.area)
    text = record.filled.get(name)
    if text is not None:
        mask = unpack_mask(text, record.box.area)
        stamp(out, bounds, mask, mask, record.box, 1)
    return bytes(out)


def packed(masks: Dict[str, Optional[bytes]]) -> Dict[str, str]:
    return {name: pack_mask(mask) for name, mask in masks.items() if mask is not None}


def write(records: Sequence[Record]) -> bytes:
    kept = [record._asdict() for record in records[-MOST:]]
    return json.dumps({"version": VERSION, "fills": kept}).encode("ascii")


def read(data: bytes) -> List[Record]:
    """The records in a document, oldest first; none in one of another version.

    Raises ValueError for damaged data.
    """
    if not data:
        return []
    try:
        document = json.loads(data.decode("ascii"))
        if document["version"] != VERSION:
            return []
        return [_record(values) for values in document["fills"]]
    except (UnicodeDecodeError, KeyError, TypeError, AttributeError) as problem:
        raise ValueError("the document's record of fills is damaged") from problem


def _record(values: Dict[str, Any]) -> Record:
    size = (int(values["size"][0]), int(values["size"][1]))
    box = Bounds(*(int(value) for value in values["box"]))
    if box != box.clipped(Bounds(0, 0, *size)) or not isinstance(values["filled"], dict):
        raise ValueError("the document's record of fills is damaged")
    return Record(**dict(values, size=size, box=box))
