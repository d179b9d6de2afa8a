"""A document of one pixel that nobody sees, for what would else be steps of undo.

Krita's scripts give a layer another colour space or blend mode only by a step in the history of
the document it was made in, even while it lies in no document yet. A layer made here brings none
along: its history is closed with the scratch. Making one takes Krita a fifth of a second, so it
is made at the first need, for documents other than plain RGBA, and kept to the end of the work.
"""

from __future__ import annotations

from typing import Any

from krita import Krita

from .nodes import space_of
from .values import MASK_SPACE, ColorSpace


class Scratch:
    """GUI thread only. Layers hold any number of pixels, whatever the document's size."""

    def __init__(self) -> None:
        self._handle: Any = None

    def node(self, name: str, space: ColorSpace, blending: str = "normal") -> Any:
        """A new paint layer that lies in no document."""
        if self._handle is None:
            self._handle = Krita.instance().createDocument(
                1, 1, "Clean Plate", *MASK_SPACE, 72.0
            )
        node = self._handle.createNode(name, "paintlayer")
        if space_of(node) != space:
            node.setColorSpace(*space)
        if node.blendingMode() != blending:
            node.setBlendingMode(blending)
        return node

    def close(self) -> None:
        """Layers made here live on. Harmless when done twice."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.setModified(False)
            handle.close()
