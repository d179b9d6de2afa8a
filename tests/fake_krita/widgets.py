"""The classes of Krita's that a plugin derives from."""

from __future__ import annotations

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QDockWidget


class Extension(QObject):
    """Krita's base class of extensions."""


class DockWidget(QDockWidget):
    """Krita's base class of dockers."""


class DockWidgetFactoryBase:
    DockRight = 1


class DockWidgetFactory:
    def __init__(self, name: str, area: int, kind: type) -> None:
        self.name, self.kind = name, kind
