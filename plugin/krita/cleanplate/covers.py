"""Hides an old background while the one that a refill put above it is in the document.

Needed only where the old one would show through. Krita's scripts hide layers without an undo
step, so an undo or redo of the refill is noticed here, and the old one shown or hidden again.
"""

from __future__ import annotations

from typing import Any

from krita import Krita

from .qt import QObject, QTimer

LOOK_MS = 200


class Cover(QObject):
    """Lives as long as the document is open."""

    def __init__(self, document: Any, old: Any, new: Any) -> None:
        super().__init__()
        self._document, self._old, self._new = document, old, new
        self._covered = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)
        self._timer.start(LOOK_MS)
        _alive.add(self)
        self._look()

    def _look(self) -> None:
        if not any(self._document == other for other in Krita.instance().documents()):
            self._timer.stop()
            self._document = self._old = self._new = None
            _alive.discard(self)
            return
        covered = self._new.parentNode() is not None
        if covered != self._covered:
            self._covered = covered
            self._old.setVisible(not covered)
            self._document.refreshProjection()


_alive = set()
