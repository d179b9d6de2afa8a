"""Krita's documents and layers. With groups and nodes the only module that knows their API.

Everything here runs on the GUI thread. The user's layers are read, never written. Long work is
a generator that yields between Krita's pixel calls, so that the event loop comes round.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional

from krita import Krita
from krita import Selection as KritaSelection

from . import groups
from .covers import Cover
from .nodes import children, find, identity_of, space_of
from .pixels import box_of, cropped
from .qt import QByteArray
from .records import Record
from .scratch import Scratch
from .translate import tr
from .values import (
    MASK_SPACE,
    Bench,
    Bounds,
    ColorSpace,
    Fill,
    Layer,
    Plan,
    Selection,
    Source,
)

STRIPE = 1 << 19  # pixels converted in one step: some 50 ms of Krita's time
SRGB = "sRGB-elle-V2-srgbtrc.icc"
_ROLES = ("background", "objects", "text", "unknown")
_MASKS = ("transparencymask", "filtermask", "transformmask", "selectionmask", "colorizemask")


class CannotRead(Exception):
    """The active layer cannot be a source; the message says what to do."""


def read_setting(name: str, default: str = "") -> str:
    return Krita.instance().readSetting("cleanplate", name, default)


def write_setting(name: str, value: str) -> None:
    Krita.instance().writeSetting("cleanplate", name, value)


def editor_version() -> str:
    return "Krita " + Krita.instance().version()


def needs_conversion(space: ColorSpace) -> bool:
    """The backend takes display-like RGB in 8 or 16 bits; all else goes through a copy."""
    profile = space.profile.lower()
    linear = "g10" in profile or "linear" in profile or "2084" in profile
    return space.model != "RGBA" or space.depth not in ("U8", "U16") or linear


class Document:
    """An open document. Compare with `==`; `is_open` tells whether the user has closed it."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._scratch = Scratch()

    def release(self) -> None:
        """At the end of a piece of work."""
        self._scratch.close()

    @staticmethod
    def active() -> Optional[Document]:
        handle = Krita.instance().activeDocument()
        return Document(handle) if handle is not None else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self._handle == other._handle

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_open(self) -> bool:
        return any(self._handle == other for other in Krita.instance().documents())

    @property
    def is_active(self) -> bool:
        active = Krita.instance().activeDocument()
        return active is not None and active == self._handle

    @property
    def bounds(self) -> Bounds:
        return Bounds(0, 0, self._handle.width(), self._handle.height())

    @property
    def resolution(self) -> int:
        return self._handle.resolution()

    def selection(self) -> Optional[Selection]:
        """The part of the selection that lies on the canvas; None when there is none."""
        selection = self._handle.selection()
        if selection is None:
            return None
        box = Bounds(selection.x(), selection.y(), selection.width(), selection.height())
        box = box.clipped(self.bounds)
        if box.area == 0:
            return None
        return Selection(box, selection.pixelData(*box))

    def read(self, visible: bool) -> Source:
        """The visible image, or the active layer (a group: its projection), as it is now."""
        if visible:
            space = space_of(self._handle)
            pixels = self._visible_pixels()
            name = tr("visible image")
            return self._source("", name, space, pixels, True, "normal", 255)
        return self._read_node(self._source_node())

    def read_layer(self, identity: str) -> Source:
        """The layer with this id as it is now. Raises CannotRead when it is gone."""
        node = find(self._handle.rootNode(), identity)
        if node is None:
            raise CannotRead(tr("Choose the layer to clean in the Layers docker first."))
        return self._read_node(node)

    def _read_node(self, node: Any) -> Source:
        space = space_of(node)
        if node.type() == "paintlayer" and not children(node):
            pixels = node.pixelData(*self.bounds)
        else:
            self._handle.waitForDone()
            pixels = node.projectionPixelData(*self.bounds)
        blending, opacity = node.blendingMode(), node.opacity()
        normal = blending == "normal" and opacity == 255 and not node.inheritAlpha()
        identity = identity_of(node)
        return self._source(identity, node.name(), space, pixels, normal, blending, opacity)

    def convert(
        self, pixels: Any, bounds: Bounds, before: ColorSpace, after: ColorSpace
    ) -> Iterator[Optional[QByteArray]]:
        """Pixels of `bounds` in another colour space, by Krita itself, stripe by stripe.

        Yields None after each stripe and the whole as the last value. Each stripe has its own
        layer outside the document, gone before the event loop runs again.
        """
        pixels = pixels if isinstance(pixels, QByteArray) else QByteArray(bytes(pixels))
        row = pixels.size() // max(1, bounds.height)
        rows = max(1, STRIPE // max(1, bounds.width))
        out = QByteArray()
        for top in range(0, bounds.height, rows):
            height = min(rows, bounds.height - top)
            node = self._scratch.node("conversion", before)
            node.setPixelData(pixels.mid(top * row, height * row), 0, 0, bounds.width, height)
            node.setColorSpace(*after)
            out.append(node.pixelData(0, 0, bounds.width, height))
            del node
            yield None
        yield out

    def build(self, plan: Plan, source: Source) -> Iterator[Optional[Any]]:
        """Makes the layers outside the document, then inserts the group as one undo step.

        Yields None between Krita's calls and at last an `Inserted`. Stopping before the end
        leaves the document as it was.
        """
        group = None
        if plan.name:
            group = self._handle.createGroupLayer(plan.name)
            group.setPassThroughMode(plan.pass_through)
        nodes, made = [], {}
        for layer in reversed(plan.layers):
            node = self._detached(layer.name, layer.space or source.space, layer.blending)
            yield None
            if layer.pixels is not None and layer.bounds.area:
                node.setPixelData(layer.pixels, *layer.bounds)
                yield None
            self._dress(node, layer)
            made[layer.role] = identity_of(node)
            nodes.append(node)
        if group is not None:
            group.setChildNodes(nodes)  # each addChildNode would be a step of undo
        yield None
        inserted = self._insert(group or nodes[0], nodes[0], source)
        if plan.fill is not None and inserted.active is not None:
            groups.remember(
                self._handle,
                Record(
                    group=identity_of(group),
                    source=source.layer_id,
                    **{role: made.get(role, "") for role in _ROLES},
                    **plan.fill._asdict(),
                ),
            )
        yield inserted

    def bench(self) -> Iterator[Optional[Bench]]:
        """Reads the Clean Plate group of the active layer; see groups. Raises CannotRead."""
        self._handle.waitForDone()
        try:
            group = groups.group_of(self._handle)
        except groups.NoGroup as problem:
            raise CannotRead(str(problem)) from problem
        assert group is not None
        return group.read(self.bounds)

    def bench_around(self) -> Optional[Iterator[Optional[Bench]]]:
        """The same, but None where the active layer lies in no such group."""
        try:
            group = groups.group_of(self._handle, strict=True)
        except groups.NoGroup:
            return None
        return None if group is None else group.read(self.bounds)

    def renew(
        self, bench: Bench, layer: Layer, fill: Fill, hide: bool
    ) -> Iterator[Optional[Any]]:
        """Puts a new background above the one of `bench`, as one undo step.

        The old one stays below, because Krita's scripts cannot replace a layer's pixels in a way
        that can be undone; `hide` it where it would show through. The new one is its copy, which
        shares all memory with it but that of `layer`, the part that changes. Yields None between
        Krita's calls and at last an `Inserted`. Masks that were shown for painting are hidden, so
        that the result is seen.
        """
        old = find(self._handle.rootNode(), bench.layer_id)
        if old is None:
            yield Inserted(None, True)
            return
        if children(old):  # has masks, which were read with it
            node = self._detached(layer.name, bench.background.space, layer.blending)
            node.setPixelData(bench.background.pixels, *bench.bounds)
        else:
            node = old.duplicate()
            node.setName(layer.name)
        yield None
        if layer.bounds.area:
            node.setPixelData(layer.pixels, *layer.bounds)
            yield None
        self._dress(node, layer)
        yield None
        root = self._handle.rootNode() if self.is_open else None
        old = find(root, bench.layer_id) if root is not None else None
        if old is None:
            yield Inserted(None, True)
            return
        masks = [find(root, identity) for identity in bench.mask_ids]
        shown = [mask for mask in masks if mask is not None and mask.visible()]
        for mask in shown:
            mask.setVisible(False)
        old.parentNode().addChildNode(node, old)
        if shown:
            self._handle.refreshProjection()
        if hide:
            Cover(self._handle, old, node)
        before = bench.record
        known = before._asdict() if before is not None else dict.fromkeys(_ROLES, "")
        known.update(fill._asdict(), group=bench.group, background=identity_of(node))
        known.setdefault("source", "")
        groups.remember(self._handle, Record(**known))
        yield Inserted(node, False)

    def select(self, mask: bytes) -> None:
        """Makes `mask` (one byte a pixel of the canvas) the selection, with marching ants."""
        box = box_of(mask, self.bounds)
        if box.area == 0:
            return
        selection = KritaSelection()
        inside = cropped(mask, self.bounds, box, 1)
        selection.setPixelData(QByteArray(inside), *box)
        self._handle.setSelection(selection)
        # A selection that a script sets shows no ants before Krita itself works on it: what is
        # selected and opaque in the active layer is what the user clicked.
        action = Krita.instance().action("selectopaque_intersect")
        if action is not None and self.is_active:
            action.trigger()

    def activate(self, node: Any) -> bool:
        """Makes a layer active; False until Krita reports it as active."""
        active = self._handle.activeNode()
        if active is not None and active.uniqueId() == node.uniqueId():
            return True
        self._handle.setActiveNode(node)
        return False

    def _insert(self, group: Any, background: Any, source: Source) -> Inserted:
        if not self.is_open:
            return Inserted(None, False)
        root = self._handle.rootNode()
        node = find(root, source.layer_id) if source.layer_id else None
        parent = node.parentNode() if node is not None else None
        if parent is None:
            tops = children(root)
            root.addChildNode(group, tops[-1] if tops else None)
        else:
            parent.addChildNode(group, node)
        # A group that was filled before it came into the image has no projection yet. (Hiding and
        # showing a layer is not enough, and another blend mode and back are undo steps.)
        self._handle.refreshProjection()
        return Inserted(background, parent is None and bool(source.layer_id))

    def _detached(self, name: str, space: ColorSpace, blending: str) -> Any:
        node = self._handle.createNode(name, "paintlayer")
        if space_of(node) != space or node.blendingMode() != blending:
            return self._scratch.node(name, space, blending)
        return node

    @staticmethod
    def _dress(node: Any, layer: Layer) -> None:
        node.setVisible(layer.visible)
        node.setOpacity(layer.opacity)

    def _visible_pixels(self) -> Any:
        self._handle.waitForDone()
        return self._handle.pixelData(*self.bounds)

    def _source_node(self) -> Any:
        node = self._handle.activeNode()
        tops = children(self._handle.rootNode())
        if node is None and len(tops) == 1:
            node = tops[0]  # after an undo Krita 5.3 may have no active layer: here is no choice
        while node is not None and node.type() in _MASKS:
            node = node.parentNode()
        if node is None or node.parentNode() is None:
            raise CannotRead(tr("Choose the layer to clean in the Layers docker first."))
        if node.type() == "filterlayer":
            raise CannotRead(
                tr("“{0}” is a filter layer and has no pixels. Choose another layer.", node.name())
            )
        if node.type() == "grouplayer" and node.passThroughMode():
            raise CannotRead(
                tr(
                    "The group “{0}” is set to Pass Through and has no picture of its own. "
                    "Switch that off, or choose the visible image in the settings.",
                    node.name(),
                )
            )
        return node

    def _source(
        self,
        identity: str,
        name: str,
        space: ColorSpace,
        pixels: Any,
        normal: bool,
        blending: str,
        opacity: int,
    ) -> Source:
        small = space.depth == "U8" and space.model in ("RGBA", "GRAYA")
        return Source(
            layer_id=identity,
            name=name,
            bounds=self.bounds,
            space=space,
            pixels=pixels,
            converted=None,
            sent_depth="u8" if small else "u16",
            normal=normal,
            blending=blending,
            opacity=opacity,
            selection=self.selection(),
        )


class Inserted:
    """`active`: the new layer to work on (None: the document was closed); `orphan`: source gone."""

    def __init__(self, active: Any, orphan: bool) -> None:
        self.active = active
        self.orphan = orphan


def rgba_space(source: Source) -> ColorSpace:
    """The colour space of the copy that the backend gets from a converted source."""
    return ColorSpace("RGBA", source.sent_depth.upper(), SRGB)


__all__ = [
    "MASK_SPACE",
    "CannotRead",
    "Document",
    "Inserted",
    "children",
    "editor_version",
    "find",
    "needs_conversion",
    "read_setting",
    "rgba_space",
    "write_setting",
]
