"""The menu Filter ▸ Clean Plate and what its entries start."""

from __future__ import annotations

from typing import Any, List, Optional

from krita import Extension

from . import actions, preferences
from .backend import Backend
from .canvas import Canvas
from .document import Document
from .panel import PanelStack
from .picker import Picker
from .qt import QtWidgets, alive
from .run import Run, State
from .settings import SettingsDialog
from .translate import tr
from .values import Request


class CleanPlateExtension(Extension):
    """Krita makes one of these; `createActions` is called for each window."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.backend = Backend()
        self.controllers: List[Controller] = []

    def setup(self) -> None:
        """Krita calls this once at start; nothing is loaded before the first use."""

    def createActions(self, window: Any) -> None:
        self.controllers = [c for c in self.controllers if c.alive]
        self.controllers.append(Controller(window, self.backend))


class Controller:
    """One window's actions, runs and panels."""

    def __init__(self, window: Any, backend: Backend) -> None:
        self.runs: List[Run] = []
        self._window = window
        self._main = window.qwindow()
        self._backend = backend
        self._stack: Optional[PanelStack] = None
        self._picker: Optional[Picker] = None
        self._settings: Optional[SettingsDialog] = None
        # Krita has no submenus in the paths of actions: one action carries the menu.
        top = window.createAction("cleanplate_menu", tr("Clean Plate"), "filter")
        self._menu = QtWidgets.QMenu(tr("Clean Plate"), self._main)
        top.setMenu(self._menu)
        for entry in actions.ENTRIES:
            if not entry.name:
                self._menu.addSeparator()
                continue
            action = window.createAction(entry.name, tr(entry.title), "")
            action.triggered.connect(lambda checked=False, name=entry.name: self.trigger(name))
            self._menu.addAction(action)

    @property
    def alive(self) -> bool:
        return alive(self._main)

    def trigger(self, name: str) -> None:
        if name == actions.SETTINGS:
            self.open_settings()
            return
        document = Document.active()
        if document is None:
            self._tell(actions.title(name), tr("Open a picture first."))
            return
        if name == actions.REMOVE_CLICKED:
            self.arm()
            return
        choice = preferences.load()
        self.run(document, actions.request(name, choice.device, choice.grow))

    def run(self, document: Document, request: Request) -> Optional[Run]:
        """Starts a run with its panel. One at a time for each document."""
        self.disarm()
        if any(r.state is State.WORKING and r.document == document for r in self.runs):
            self._tell(request.title, tr("Clean Plate is still working on this document."))
            return None
        run = Run(document, self._backend, request, preferences.load().visible)
        panel = self._panels().add(request.title)
        run.progress.connect(panel.show_progress)
        run.done.connect(lambda text: panel.show_message(text, len(text) > 200))
        run.nothing.connect(panel.show_message)
        run.failed.connect(panel.show_error)
        run.ended.connect(lambda: self._forget(run))
        panel.cancelled.connect(run.cancel)
        self.runs.append(run)
        run.start()
        return run

    def arm(self) -> None:
        """The next click on the canvas takes the object under it."""
        self.disarm()
        canvas = Canvas.active(self._window)
        if canvas is None:
            self._tell(actions.title(actions.REMOVE_CLICKED), tr("Open a picture first."))
            return
        picker = Picker(canvas, tr("Click the object to remove. Esc leaves."))
        picker.picked.connect(lambda x, y, mode: self._clicked(x, y))
        picker.left.connect(self.disarm)
        self._picker = picker

    def disarm(self) -> None:
        picker, self._picker = self._picker, None
        if picker is not None and alive(picker):
            picker.disarm()

    def open_settings(self) -> None:
        if not alive(self._settings):
            self._settings = SettingsDialog(self._backend, self._main)
        self._settings.show()
        self._settings.raise_()

    def _clicked(self, x: float, y: float) -> None:
        document = Document.active()
        if document is not None:
            choice = preferences.load()
            self.run(document, actions.click_request(x, y, choice.device, choice.grow))

    def _panels(self) -> PanelStack:
        if not alive(self._stack):
            self._stack = PanelStack(self._main)
        return self._stack

    def _tell(self, title: str, text: str) -> None:
        self._panels().add(title).show_message(text)

    def _forget(self, run: Run) -> None:
        if run in self.runs:
            self.runs.remove(run)
