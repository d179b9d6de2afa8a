"""Clean Plate's groups in a Krita document: found, read for a refill, and remembered.

What was filled last is kept in the document as an annotation, which Krita saves in .kra files
and which is no undo step: each record names the background it belongs to, so an undone refill's
record simply finds no layer. GUI thread only.
"""

from __future__ import annotations

from typing import Any, Iterator, List, Optional

from . import records
from .nodes import below, children, find, identity_of, space_of
from .qt import QByteArray
from .records import Record
from .translate import tr
from .values import Bench, BenchLayer, Bounds

ANNOTATION = "cleanplate"


class NoGroup(Exception):
    """There is no group to work on; the message says what to do."""


class Group:
    """The layers of one Clean Plate group. `record` None: nothing is known of its last fill."""

    def __init__(self, node: Any, known: List[Record], root: Any) -> None:
        self.node = node
        inside = children(node)
        ids = [identity_of(child) for child in inside]
        known = [r for r in known if r.group == identity_of(node)]
        newest = known[-1] if known else None
        by_background = {r.background: r for r in known}
        places = [i for i, identity in enumerate(ids) if identity in by_background]
        if not places:
            places = [i for i, n in enumerate(inside) if _named(n, "Background")]
        if not places:
            raise NoGroup(tr("The group “{0}” has no Background layer.", node.name()))
        self.background = inside[places[-1]]
        self.earlier = len(places) - 1
        self.record = by_background.get(ids[places[-1]], newest)
        self.masks = {}
        for part, title in (("objects", "Object mask"), ("text", "Text mask"),
                            ("unknown", "Unknown mask")):
            wanted = getattr(self.record, part) if self.record is not None else ""
            found = next((n for n, i in zip(inside, ids) if i == wanted), None)  # noqa: B905 (3.8)
            if found is None:
                found = next((n for n in reversed(inside) if _named(n, title)), None)
            if found is not None:
                self.masks[part] = found
        self.source = None
        if self.record is not None and self.record.source:
            self.source = find(root, self.record.source)

    def read(self, bounds: Bounds) -> Iterator[Optional[Bench]]:
        """Yields None between Krita's calls, and at last everything that a refill needs."""
        background = _pixels(self.background, bounds)
        yield None
        masks = {}
        for part, node in self.masks.items():
            masks[part] = _pixels(node, bounds)
            yield None
        source = _pixels(self.source, bounds) if self.source is not None else None
        yield None
        yield Bench(
            bounds=bounds,
            background=background,
            source=source,
            masks=masks,
            record=self.record,
            layer_id=identity_of(self.background),
            group=identity_of(self.node),
            pass_through=self.node.passThroughMode(),
            blending=self.background.blendingMode(),
            opacity=self.background.opacity(),
            earlier=self.earlier,
            mask_ids=tuple(identity_of(node) for node in self.masks.values()),
        )


def records_of(document: Any) -> List[Record]:
    """What the document knows of earlier fills. A damaged record is as good as none: a refill
    says then that it knows nothing of the last fill."""
    if ANNOTATION not in document.annotationTypes():
        return []
    try:
        return records.read(bytes(document.annotation(ANNOTATION)))
    except ValueError:
        return []


def remember(document: Any, record: Record) -> None:
    data = records.write([*records_of(document), record])
    document.setAnnotation(ANNOTATION, "Clean Plate: what was filled", QByteArray(data))


def group_of(document: Any, strict: bool = False) -> Optional[Group]:
    """The group that the active layer lies in, or that was made from it, or the only one.

    `strict`: only the one that the active layer lies in, None where it lies in none. Otherwise
    raises NoGroup.
    """
    known = records_of(document)
    root, node = document.rootNode(), document.activeNode()
    active = identity_of(node) if node is not None else ""
    while node is not None and node.parentNode() is not None:
        if _is_group(node, known):
            return Group(node, known, root)
        node = node.parentNode()
    if strict:
        return None
    found = {identity_of(n): n for n in below(root) if _is_group(n, known)}
    for record in reversed(known):
        if record.source == active and record.group in found:
            return Group(found[record.group], known, root)
    if len(found) == 1:
        return Group(next(iter(found.values())), known, root)
    raise NoGroup(
        tr("Choose a layer of a Clean Plate group in the Layers docker first.")
        if found
        else tr("There is no Clean Plate group yet. Remove something first, then touch up.")
    )


def _is_group(node: Any, known: List[Record]) -> bool:
    if node.type() != "grouplayer":
        return False
    identity = identity_of(node)
    if any(record.group == identity for record in known):
        return True
    inside = children(node)
    masks = any(_named(n, "Object mask") or _named(n, "Text mask") for n in inside)
    return masks and any(_named(n, "Background") for n in inside)


def _named(node: Any, title: str) -> bool:
    return node.type() == "paintlayer" and node.name() in (title, tr(title))


def _pixels(node: Any, bounds: Bounds) -> BenchLayer:
    plain = node.type() == "paintlayer" and not children(node)
    get = node.pixelData if plain else node.projectionPixelData
    return BenchLayer(node.name(), space_of(node), get(*bounds))
