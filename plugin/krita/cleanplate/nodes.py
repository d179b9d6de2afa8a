"""Small things that every user of Krita's nodes needs."""

from __future__ import annotations

from typing import Any, Iterator, List, Optional

from .qt import sip_transferback
from .values import ColorSpace


def children(node: Any) -> List[Any]:
    """Child nodes, bottom first. Krita hands the list's wrappers out without an owner."""
    nodes = node.childNodes()
    for child in nodes:
        sip_transferback(child)
    return nodes


def find(node: Any, identity: str) -> Optional[Any]:
    """The node with this unique id below `node`; Krita 5.1 has no call for it."""
    return next((n for n in below(node) if identity_of(n) == identity), None)


def below(node: Any) -> Iterator[Any]:
    """All nodes below `node`, parents before their children."""
    for child in children(node):
        yield child
        yield from below(child)


def identity_of(node: Any) -> str:
    """Stays the same when the document is saved and opened again."""
    return node.uniqueId().toString()


def space_of(thing: Any) -> ColorSpace:
    """The colour space of a node or a document."""
    return ColorSpace(thing.colorModel(), thing.colorDepth(), thing.colorProfile())
