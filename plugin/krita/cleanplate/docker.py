"""The docker “Clean Plate”: the actions as large buttons, progress with Cancel, the choices."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from krita import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Krita

from . import actions, preferences
from .choices import Choices
from .extension import CleanPlateExtension, Controller
from .panel import set_quietly, stage_text
from .qt import Qt, QtWidgets
from .translate import tr
from .work import Work

DOCKER_ID = "cleanplate_docker"
_BUTTONS = (
    actions.REMOVE_CLICKED,
    actions.SELECT_CLICKED,
    actions.REMOVE_SELECTION,
    actions.REFILL,
    actions.SEPARATE,
    actions.CUT_OUT,
)
_WHAT = (("text", "Text"), ("people", "People"), ("unknown", "Unknown objects"))


class What(QtWidgets.QWidget):
    """What the large button removes. Shows the user's choice whenever it appears, and keeps every
    change at once; another window's docker may have made one meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(len(_WHAT), 1)
        self._boxes = {}
        for place, (name, text) in enumerate(_WHAT):
            box = QtWidgets.QCheckBox(tr(text))
            box.setObjectName("cleanplate_docker_" + name)
            box.clicked.connect(
                lambda checked, name=name: preferences.save(
                    preferences.load()._replace(**{name: checked})
                )
            )
            # The last one is long in most languages: in a line of its own the docker stays narrow.
            last = place == len(_WHAT) - 1
            grid.addWidget(box, int(last), 0 if last else place, 1, len(_WHAT) if last else 1)
            self._boxes[name] = box
        self.load()

    def ticked(self) -> Dict[str, bool]:
        return {name: box.isChecked() for name, box in self._boxes.items()}

    def load(self) -> None:
        chosen = preferences.load()
        for name, box in self._boxes.items():
            box.setChecked(getattr(chosen, name))

    def showEvent(self, event: Any) -> None:
        self.load()
        super().showEvent(event)


class CleanPlateDocker(DockWidget):
    """One in each window; finds its window's controller when a button is pressed."""

    extension: Optional[CleanPlateExtension] = None

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle(tr("Clean Plate"))
        self._run: Optional[Work] = None
        self._known: List[Controller] = []
        body = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(body)
        layout.addWidget(self._remove_button())
        self._what = What()
        layout.addWidget(self._what)
        layout.addLayout(self._progress_row())
        self._status = QtWidgets.QLabel()
        self._status.setObjectName("cleanplate_docker_status")
        self._status.setWordWrap(True)
        self._status.hide()  # no gap while there is nothing to say
        layout.addWidget(self._status)
        for name in _BUTTONS:
            layout.addWidget(self._button(actions.title(name), name))
        layout.addWidget(Choices())
        layout.addWidget(self._button(tr("Settings and Models…"), actions.SETTINGS, large=False))
        layout.addStretch(1)
        # Scrolls, so that it takes no height from the dockers above it.
        area = QtWidgets.QScrollArea()
        area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        area.setMinimumWidth(body.minimumSizeHint().width())
        self.setWidget(area)

    def canvasChanged(self, canvas: Any) -> None:
        """Krita calls this when another document comes to the front."""
        controller = self._controller()
        if controller is not None and controller not in self._known:
            self._known = [controller]
            controller.started.connect(self._follow)

    def _controller(self) -> Optional[Controller]:
        if self.extension is None:
            return None
        for controller in self.extension.controllers:
            if controller.alive and controller.main is self.window():
                return controller
        # A floating docker is a window of its own; its parent is Krita's.
        for controller in self.extension.controllers:
            if controller.alive and controller.main is self.parentWidget():
                return controller
        return None

    def _trigger(self, name: str) -> None:
        controller = self._controller()
        if controller is not None:
            controller.trigger(name)

    def _remove(self) -> None:
        controller = self._controller()
        if controller is not None:
            controller.remove(self._what.ticked())

    def _remove_button(self) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(tr("Remove"))
        button.setObjectName("cleanplate_docker_remove")
        button.setMinimumHeight(44)
        font = button.font()
        font.setBold(True)
        button.setFont(font)
        button.clicked.connect(lambda checked=False: self._remove())
        return button

    def _button(self, text: str, name: str, large: bool = True) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(text)
        button.setObjectName("docker_" + name)
        if large:
            button.setMinimumHeight(34)
        button.clicked.connect(lambda checked=False: self._trigger(name))
        return button

    def _progress_row(self) -> QtWidgets.QHBoxLayout:
        self._bar = QtWidgets.QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 100)
        self._cancel = QtWidgets.QPushButton(tr("Cancel"))
        self._cancel.clicked.connect(lambda checked=False: self._run and self._run.cancel())
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self._bar, 1)
        row.addWidget(self._cancel)
        self._bar.hide()
        self._cancel.hide()
        return row

    def _follow(self, run: Work) -> None:
        self._run = run
        run.progress.connect(self._show_progress)
        run.done.connect(self._say)
        run.nothing.connect(self._say)
        run.failed.connect(lambda message, details: self._say(message))
        run.ended.connect(lambda: self._ended(run))
        self._show_progress("prepare", 0.0, "")

    def _show_progress(self, stage: str, fraction: float, text: str) -> None:
        if self._run is None:
            return
        self._bar.show()
        self._cancel.show()
        set_quietly(self._bar, round(100 * fraction))
        self._say(stage_text(stage, text))

    def _say(self, text: str) -> None:
        self._status.setText(text)
        self._status.setVisible(bool(text))

    def _ended(self, run: Work) -> None:
        if run is self._run:
            self._run = None
            self._bar.hide()
            self._cancel.hide()
            self._say("")


def register(extension: CleanPlateExtension) -> None:
    CleanPlateDocker.extension = extension
    Krita.instance().addDockWidgetFactory(
        DockWidgetFactory(DOCKER_ID, DockWidgetFactoryBase.DockRight, CleanPlateDocker)
    )
