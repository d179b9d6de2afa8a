"""A stateful stand-in for libkis: node tree, pixels, undo, the active node, selections.

It keeps what FACTS say about the real one: integer pixels are B, G, R, A; setPixelData wants
exactly width·height·pixel size bytes; groups have no pixels but a projection; addChildNode,
setBlendingMode and setColorSpace are undo steps of the document that a node was made in, even
outside the image, and nothing else is; an inserted node becomes active a moment later; every call
belongs to the GUI thread. Tests read `writes` to see who was written to.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from PyQt6.QtCore import QByteArray, QObject, QTimer, QUuid, pyqtSignal

from tests.fake_krita.selection import Selection, gui_thread
from tests.fake_krita.widgets import (  # noqa: F401
    DockWidget,
    DockWidgetFactory,
    DockWidgetFactoryBase,
    Extension,
)

MARGIN = 64  # pixels around the canvas that a layer can hold
CHANNELS = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5}
TYPES = {"U8": np.uint8, "U16": np.uint16}
_numbers = itertools.count(1)


class Node:
    def __init__(self, document: Document, name: str, kind: str) -> None:
        self.document, self.kind = document, kind
        self.space = document.space
        self.parent: Node | None = None
        self.nodes: list[Node] = []
        self.writes = 0
        self.state = {"name": name, "visible": True, "opacity": 255, "blending": "normal",
                      "inherit": False, "through": False}
        self._id = QUuid.createUuid()
        self.pixels = self._blank()

    def _blank(self) -> np.ndarray:
        height, width = (side + 2 * MARGIN for side in self.document.room[::-1])
        return np.zeros((height, width, CHANNELS[self.space[0]]), TYPES[self.space[1]])

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def name(self) -> str:
        return self.state["name"]

    def type(self) -> str:
        return self.kind

    def visible(self) -> bool:
        return self.state["visible"]

    def opacity(self) -> int:
        return self.state["opacity"]

    def blendingMode(self) -> str:
        return self.state["blending"]

    def inheritAlpha(self) -> bool:
        return self.state["inherit"]

    def passThroughMode(self) -> bool:
        return self.state["through"]

    def setName(self, value: str) -> None:
        self.state["name"] = value

    def setVisible(self, value: bool) -> None:
        self.state["visible"] = value

    def setOpacity(self, value: int) -> None:
        self.state["opacity"] = value

    def setBlendingMode(self, value: str) -> None:
        before, self.state["blending"] = self.state["blending"], value

        def put(mode: str) -> None:
            self.state["blending"] = mode

        self.document.did(lambda: put(before), lambda: put(value))

    def setPassThroughMode(self, value: bool) -> None:
        self.state["through"] = value

    def uniqueId(self) -> QUuid:
        return self._id

    def colorModel(self) -> str:
        return self.space[0]

    def colorDepth(self) -> str:
        return self.space[1]

    def colorProfile(self) -> str:
        return self.space[2]

    def setColorSpace(self, model: str, depth: str, profile: str) -> bool:
        gui_thread()
        before, self.space = self.space, (model, depth, profile)
        old, self.pixels = self.pixels, self._blank()
        unit = old / np.iinfo(old.dtype).max
        color, alpha = unit[..., :-1], unit[..., -1:]
        if before[0] != model:
            color = np.repeat(color.mean(axis=2, keepdims=True), CHANNELS[model] - 1, axis=2)
        new = np.concatenate([color, alpha], axis=2) * np.iinfo(self.pixels.dtype).max
        self.pixels[:] = np.rint(new)
        self.document.did(lambda: None, lambda: None)
        return True

    def childNodes(self) -> list[Node]:
        gui_thread()
        return list(self.nodes)

    def parentNode(self) -> Node | None:
        return self.parent

    def addChildNode(self, child: Node, above: Node | None) -> bool:
        gui_thread()
        place = len(self.nodes) if above is None else self.nodes.index(above) + 1

        def redo() -> None:
            self.nodes.insert(place, child)
            child.parent, child.document = self, self.document

        def undo() -> None:
            self.nodes.remove(child)
            child.parent = None

        redo()
        self.document.did(undo, redo)
        if self.attached():
            QTimer.singleShot(10, lambda: self.document.now_active(child))
        return True

    def setChildNodes(self, nodes: list[Node]) -> None:
        """No undo step, as in Krita; bottom first."""
        gui_thread()
        self.nodes = list(nodes)
        for node in nodes:
            node.parent, node.document = self, self.document

    def duplicate(self) -> Node:
        """Outside the document, with an id of its own."""
        made = Node(self.document, self.name(), self.kind)
        made.space, made.pixels = self.space, self.pixels.copy()
        made.state = dict(self.state, name="Copy of " + self.name())
        return made

    def remove(self) -> bool:
        gui_thread()
        assert self.parent is not None
        self.parent.nodes.remove(self)
        self.parent = None
        return True

    def attached(self) -> bool:
        node: Node | None = self
        while node is not None:
            if node is self.document.root:
                return True
            node = node.parent
        return False

    def pixelData(self, x: int, y: int, w: int, h: int) -> QByteArray:
        gui_thread()
        source = np.zeros_like(self.pixels) if self.kind == "grouplayer" else self.pixels
        return self._cut(source, x, y, w, h)

    def projectionPixelData(self, x: int, y: int, w: int, h: int) -> QByteArray:
        gui_thread()
        return self._cut(self.projection(), x, y, w, h)

    def projection(self) -> np.ndarray:
        if self.kind != "grouplayer":
            return self.pixels
        out = np.zeros_like(self.pixels)
        for node in self.nodes:
            if node.visible() and not node.kind.endswith("mask"):
                top = node.projection()
                shown = top[..., -1:] > 0
                out = np.where(shown, top, out)
        return out

    def setPixelData(self, data: Any, x: int, y: int, w: int, h: int) -> bool:
        gui_thread()
        if self.kind != "paintlayer":
            return False
        flat = np.frombuffer(bytes(data), self.pixels.dtype)
        assert flat.size == w * h * self.pixels.shape[2], "exactly w·h·pixelSize bytes"
        top, left = y + MARGIN, x + MARGIN
        self.pixels[top : top + h, left : left + w] = flat.reshape(h, w, -1)
        self.writes += 1
        return True

    @staticmethod
    def _cut(pixels: np.ndarray, x: int, y: int, w: int, h: int) -> QByteArray:
        top, left = y + MARGIN, x + MARGIN
        return QByteArray(pixels[top : top + h, left : left + w].tobytes())

    def canvas(self) -> np.ndarray:
        """For tests: H×W×C of what lies on the canvas."""
        width, height = self.document.size
        return self.pixels[MARGIN : MARGIN + height, MARGIN : MARGIN + width]


class Document:
    def __init__(self, width: int, height: int, space: tuple[str, str, str]) -> None:
        self.size, self.space = (width, height), space
        self.room = self.size  # for a layer's pixels
        self.undo_steps: list[Any] = []
        self.redo_steps: list[Any] = []
        self.chosen: Selection | None = None
        self.root = Node(self, "root", "grouplayer")
        self.active: Node | None = None
        self.number = next(_numbers)
        self.refreshed = 0
        self.annotations: dict[str, bytes] = {}

    def annotationTypes(self) -> list[str]:
        gui_thread()
        return list(self.annotations)

    def annotation(self, name: str) -> QByteArray:
        gui_thread()
        return QByteArray(self.annotations.get(name, b""))

    def setAnnotation(self, name: str, description: str, data: QByteArray) -> None:
        """No undo step, as in Krita; saved with the document."""
        gui_thread()
        self.annotations[name] = bytes(data)

    def did(self, undo: Any, redo: Any) -> None:
        self.undo_steps.append((undo, redo))
        self.redo_steps.clear()

    def close(self) -> bool:
        gui_thread()
        Krita.instance().close_document(self)
        return True

    def setModified(self, value: bool) -> None:
        gui_thread()

    def undo(self) -> None:
        step = self.undo_steps.pop()
        step[0]()
        self.redo_steps.append(step)

    def redo(self) -> None:
        step = self.redo_steps.pop()
        step[1]()
        self.undo_steps.append(step)

    def now_active(self, node: Node) -> None:
        self.active = node

    def width(self) -> int:
        return self.size[0]

    def height(self) -> int:
        return self.size[1]

    def resolution(self) -> int:
        return 72

    def colorModel(self) -> str:
        return self.space[0]

    def colorDepth(self) -> str:
        return self.space[1]

    def colorProfile(self) -> str:
        return self.space[2]

    def activeNode(self) -> Node | None:
        gui_thread()
        return self.active

    def setActiveNode(self, node: Node) -> None:
        gui_thread()
        self.active = node

    def rootNode(self) -> Node:
        gui_thread()
        return self.root

    def selection(self) -> Selection | None:
        return self.chosen

    def setSelection(self, selection: Selection | None) -> None:
        gui_thread()
        self.chosen = selection

    def createNode(self, name: str, kind: str) -> Node:
        gui_thread()
        return Node(self, name, kind)

    def createGroupLayer(self, name: str) -> Node:
        gui_thread()
        return Node(self, name, "grouplayer")

    def pixelData(self, x: int, y: int, w: int, h: int) -> QByteArray:
        return self.root.projectionPixelData(x, y, w, h)

    def waitForDone(self) -> None:
        gui_thread()

    def refreshProjection(self) -> None:
        gui_thread()
        self.refreshed += 1


class Notifier(QObject):
    applicationClosing = pyqtSignal()

    def setActive(self, active: bool) -> None:
        """The fake's notifier always speaks."""


class Krita(QObject):
    _instance: Krita | None = None

    def __init__(self) -> None:
        super().__init__()
        self.told = Notifier()
        self.open: list[Document] = []
        self.current: Document | None = None
        self.settings: dict[tuple[str, str], str] = {}
        self.added: list[Any] = []

    @classmethod
    def instance(cls) -> Krita:
        if cls._instance is None:
            cls._instance = Krita()
        return cls._instance

    def version(self) -> str:
        return "5.1.5 (fake)"

    def documents(self) -> list[Document]:
        gui_thread()
        return list(self.open)

    def activeDocument(self) -> Document | None:
        gui_thread()
        return self.current

    def readSetting(self, group: str, name: str, default: str) -> str:
        return self.settings.get((group, name), default)

    def writeSetting(self, group: str, name: str, value: str) -> None:
        assert isinstance(value, str)
        self.settings[group, name] = value

    def action(self, name: str) -> None:
        """The fake has no actions of Krita's own."""

    def notifier(self) -> Notifier:
        return self.told

    def windows(self) -> list[Any]:
        return []

    def addExtension(self, extension: Any) -> None:
        self.added.append(extension)

    def addDockWidgetFactory(self, factory: Any) -> None:
        self.added.append(factory)

    def createDocument(
        self, width: int, height: int, name: str, model: str, depth: str, profile: str, ppi: float
    ) -> Document:
        """Open, but shown in no window. Its layers hold what the others' do."""
        gui_thread()
        document = Document(width, height, (model, depth, profile))
        document.room = max((other.size for other in self.open), default=document.size)
        self.open.append(document)
        return document

    def open_document(self, width: int, height: int, space: tuple[str, str, str]) -> Document:
        """For tests: a document with one layer "photo", active."""
        document = Document(width, height, space)
        self.open.append(document)
        self.current = document
        photo = Node(document, "photo", "paintlayer")
        document.root.nodes.append(photo)
        photo.parent = document.root
        document.active = photo
        return document

    def close_document(self, document: Document) -> None:
        self.open.remove(document)
        if self.current is document:
            self.current = None
