"""The menu Filter ▸ Clean Plate and what its entries start."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from krita import Extension, Krita

from . import actions, preferences
from .backend import Backend
from .canvas import Canvas
from .document import Document
from .panel import Panel, PanelStack
from .picking import Picking, Purpose
from .qt import QObject, QtWidgets, Signal, alive
from .refill import Refill
from .review import ReviewDialog
from .reviewing import Finding
from .run import Run
from .separate import CutOut, Separate
from .settings import SettingsDialog
from .translate import tr
from .values import Request
from .work import State, Work


class CleanPlateExtension(Extension):
    """Krita makes one of these; `createActions` is called for each window."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.backend = Backend()
        self.controllers: List[Controller] = []

    def setup(self) -> None:
        """Krita calls this once at start; nothing is loaded before the first use."""
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self._closing)

    def createActions(self, window: Any) -> None:
        self.controllers = [c for c in self.controllers if c.alive]
        self.controllers.append(Controller(window, self.backend))

    def _closing(self) -> None:
        """Krita ends: no thread of ours may speak to it any more."""
        for controller in self.controllers:
            controller.disarm()
            for run in list(controller.runs):
                run.cancel()


class Controller(QObject):
    """One window's actions, runs and panels."""

    started = Signal(object)  # a Work

    def __init__(self, window: Any, backend: Backend) -> None:
        super().__init__()
        self.runs: List[Work] = []
        self._main = window.qwindow()
        self._backend = backend
        self._stack: Optional[PanelStack] = None
        self._picking: Optional[Picking] = None
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
            # Krita takes the text of the .action file, which knows one language only.
            action.setText(tr(entry.title))
            action.triggered.connect(lambda checked=False, name=entry.name: self.trigger(name))
            self._menu.addAction(action)

    @property
    def alive(self) -> bool:
        return alive(self._main)

    @property
    def main(self) -> QtWidgets.QMainWindow:
        return self._main

    def trigger(self, name: str) -> None:
        if name == actions.SETTINGS:
            self.open_settings()
            return
        document = Document.active()
        if document is None:
            self._tell(actions.title(name), tr("Open a picture first."))
            return
        if name in (actions.REMOVE_CLICKED, actions.SELECT_CLICKED):
            self.arm(name)
            return
        choice = preferences.load()
        if name == actions.REFILL:
            wanted = actions.options(choice)
            self.launch(Refill(document, self._backend, actions.title(name), wanted))
            return
        if name == actions.SEPARATE:
            wanted = actions.options(choice, text=True, people=True)
            self.launch(
                Separate(document, self._backend, actions.title(name), wanted, choice.visible)
            )
            return
        if name == actions.CUT_OUT:
            wanted = actions.options(choice, text=False, people=True)
            self.launch(
                CutOut(document, self._backend, actions.title(name), wanted, choice.visible)
            )
            return
        self.run(document, actions.request(name, choice))

    def remove(self, what: Dict[str, bool]) -> None:
        """The docker's large button: `what` says whether text, people, unknown objects go."""
        document = Document.active()
        title = actions.title(actions.REMOVE_BOTH)
        if document is None:
            self._tell(title, tr("Open a picture first."))
        elif not any(what.values()):
            self._tell(title, tr("Tick what shall be removed."))
        else:
            self.run(document, actions.request(actions.REMOVE_BOTH, preferences.load(), what))

    def run(self, document: Document, request: Request) -> Optional[Run]:
        """Finds and fills, after a review where the user wants one."""
        choice = preferences.load()
        run = Run(document, self._backend, request, choice.visible, choice.review)
        run.to_review.connect(lambda findings: self._review(run, findings))
        return run if self.launch(run) else None

    def launch(self, work: Work, stay_armed: bool = False) -> Optional[Panel]:
        """Starts a piece of work; its panel. None when the document is still being worked on."""
        if not stay_armed:
            self.disarm()
        if any(r.state is State.WORKING and r.document == work.document for r in self.runs):
            self._tell(work.title, tr("Clean Plate is still working on this document."))
            return None
        panel = self._panels().add(work.title)
        work.progress.connect(panel.show_progress)
        work.done.connect(lambda text: panel.show_message(text, len(text) > 200))
        work.nothing.connect(panel.show_message)
        work.failed.connect(panel.show_error)
        work.ended.connect(lambda: self._ended(work, panel))
        panel.cancelled.connect(work.cancel)
        self.runs.append(work)
        self.started.emit(work)
        work.start()
        return panel

    def _review(self, run: Run, findings: List[Finding]) -> None:
        """Shows what was found; the run ends without a change when the user leaves."""
        canvas = Canvas.active(self._main) if run.document.is_active else None
        dialog = ReviewDialog(findings, canvas, self._main)
        dialog.chosen.connect(run.fill)
        dialog.rejected.connect(run.leave)
        run.ended.connect(lambda: dialog.close() if alive(dialog) else None)
        dialog.show()
        dialog.activateWindow()

    def arm(self, name: str) -> None:
        """The canvas waits for clicks: to remove what is under them, or to select it."""
        self.disarm()
        canvas, document = Canvas.active(self._main), Document.active()
        if canvas is None or document is None:
            self._tell(actions.title(name), tr("Open a picture first."))
            return
        purpose = Purpose.SELECT if name == actions.SELECT_CLICKED else Purpose.REMOVE
        picking = Picking(canvas, document, self._backend, purpose, preferences.load())
        picking.taken.connect(lambda *found: self._take(picking, *found))
        picking.gathered.connect(lambda *found: self._gathered(document, purpose, *found))
        picking.failed.connect(lambda *error: self._fail(actions.title(name), *error))
        picking.ended.connect(self._left)
        self._picking = picking

    def disarm(self) -> None:
        picking, self._picking = self._picking, None
        if picking is not None:
            picking.end()

    def _left(self) -> None:
        self._picking = None

    def open_settings(self) -> None:
        if not alive(self._settings):
            self._settings = SettingsDialog(self._backend, self._main)
        self._settings.show()
        self._settings.raise_()

    def _take(self, picking: Picking, mask: bytes, report: Dict[str, Any]) -> None:
        """One click: the object goes under its outline, unless the user changes what is taken."""
        choice = preferences.load()
        request = actions.mask_request(mask, choice, report)
        run = Run(picking.document, self._backend, request, choice.visible)
        panel = self.launch(run, stay_armed=True)
        if panel is None:
            picking.finish()
            return

        def hold() -> None:
            run.cancel()
            if run.state is State.CANCELLED and alive(panel):
                panel.dismiss()

        picking.held.connect(hold)
        picking.ended.connect(run.cancel)  # Esc
        run.ended.connect(picking.finish)

    def _gathered(
        self, document: Document, purpose: Purpose, mask: bytes, report: Dict[str, Any]
    ) -> None:
        if purpose is Purpose.SELECT:
            document.select(mask)
            return
        self.run(document, actions.mask_request(mask, preferences.load(), report))

    def _panels(self) -> PanelStack:
        if not alive(self._stack):
            self._stack = PanelStack(self._main)
        return self._stack

    def _tell(self, title: str, text: str) -> None:
        self._panels().add(title).show_message(text)

    def _fail(self, title: str, message: str, details: str) -> None:
        self._panels().add(title).show_error(message, details)

    def _ended(self, work: Work, panel: Panel) -> None:
        if work in self.runs:
            self.runs.remove(work)
        if work.state is State.CANCELLED and alive(panel):  # here, in the docker, or by the end
            panel.show_message(tr("Cancelled; nothing was changed."))
