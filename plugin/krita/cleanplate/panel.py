"""Progress with Cancel, then the message, in a small panel at the foot of Krita's window.

Never modal and never takes the keyboard focus: the user goes on painting.
"""

from __future__ import annotations

import platform
import sys
from typing import Any, List

from .document import editor_version
from .qt import QEvent, QObject, Qt, QTimer, QtWidgets, Signal, alive
from .said import match, said, telling
from .translate import tr

WIDTH = 460
SHORT_MS, LONG_MS = 8000, 20000
LEAST_CHANGE = 0.03  # of the bar

STAGES = {
    "start": "Starting the backend",
    "prepare": "Preparing the picture",
    "send": "Sending the picture",
    "queued": "Waiting for other work",
    "load": "Loading models",
    "read": "Looking at the picture",
    "people": "Looking for people",
    "text": "Looking for text",
    "click": "Looking at the clicked object",
    "unknown": "Looking for other objects",
    "fill": "Filling the background",
    "review": "Waiting for your review",
    "matte": "Finding soft edges",
    "foreground": "Freeing the colours of the edge",
    "layers": "Making the layers",
    "download": "Downloading",
}

_STYLE = """
#cleanplate_panel { background: palette(window); border: 1px solid palette(highlight);
    border-radius: 6px; }
#cleanplate_title { font-weight: bold; }
"""


class Panel(QtWidgets.QFrame):
    """Shows one piece of work; `cancelled` when the user pressed Cancel."""

    cancelled = Signal()
    closed = Signal()
    resized = Signal()

    def __init__(self, title: str, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("cleanplate_panel")
        self.setStyleSheet(_STYLE)
        self.setAutoFillBackground(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFixedWidth(WIDTH)
        self.finished = False
        self._shown = ("", 0.0)
        self._report = ""
        self._title = QtWidgets.QLabel(title)
        self._title.setObjectName("cleanplate_title")
        self._text = QtWidgets.QLabel("")
        self._text.setObjectName("cleanplate_text")
        self._text.setWordWrap(True)
        # Error texts may hold parts of logs: shown as they are, never as rich text.
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._bar = QtWidgets.QProgressBar()
        # Never the moving bar of an unknown length: each of its frames would repaint the canvas
        # below, which takes most of a second where there is no GPU.
        self._bar.setRange(0, 100)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        self._cancel = self._button(tr("Cancel"), "cleanplate_cancel", self.cancelled.emit)
        self._details = self._button(tr("Details…"), "cleanplate_details", self._show_details)
        self._copy = self._button(tr("Copy Report"), "cleanplate_copy", self._copy_report)
        self._close = self._button(tr("Close"), "cleanplate_close", self.dismiss)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addStretch(1)
        for button in (self._details, self._copy, self._close, self._cancel):
            buttons.addWidget(button)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setSpacing(6)
        for part in (self._title, self._bar, self._text):
            layout.addWidget(part)
        layout.addLayout(buttons)
        for button in (self._details, self._copy, self._close):
            button.hide()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.dismiss)

    def show_progress(self, stage: str, fraction: float, text: str) -> None:
        if self.finished:
            return  # reported before a cancel, delivered after it
        if stage == self._shown[0] and abs(fraction - self._shown[1]) < LEAST_CHANGE:
            return  # every change repaints the canvas below
        self._shown = (stage, fraction)
        set_quietly(self._bar, round(100 * fraction))
        self._text.setText(stage_text(stage, text))
        self._fit()

    def show_message(self, text: str, long: bool = False) -> None:
        """The end of the work; goes away by itself."""
        self._finish(text)
        self._timer.start(LONG_MS if long else SHORT_MS)

    def show_error(self, message: str, details: str) -> None:
        """Stays until closed; offers the details and a report to send."""
        self._finish(message)
        self._report = report(message, details)
        self._details.setVisible(bool(details))
        self._copy.show()
        self._fit()

    def dismiss(self) -> None:
        self.hide()
        self.closed.emit()
        self.deleteLater()

    def _finish(self, text: str) -> None:
        self.finished = True
        self._bar.hide()
        self._cancel.hide()
        self._close.show()
        self._text.setText(text)
        self._fit()

    def _fit(self) -> None:
        frame = self.width() - self.contentsRect().width()  # the border of the style sheet
        height = self.layout().heightForWidth(WIDTH - frame) + frame
        if height != self.height():
            self.setFixedHeight(height)
            self.resized.emit()

    def _button(self, text: str, name: str, action: Any) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(text)
        button.setObjectName(name)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda checked=False: action())
        return button

    def _copy_report(self) -> None:
        QtWidgets.QApplication.clipboard().setText(self._report)

    def _show_details(self) -> None:
        dialog = QtWidgets.QDialog(self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(tr("Clean Plate: details"))
        dialog.resize(760, 420)
        text = QtWidgets.QPlainTextEdit(self._report)
        text.setReadOnly(True)
        buttons = QtWidgets.QDialogButtonBox(QtWidgets.QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(dialog.reject)
        layout = QtWidgets.QVBoxLayout(dialog)
        layout.addWidget(text)
        layout.addWidget(buttons)
        dialog.show()


def set_quietly(bar: QtWidgets.QProgressBar, value: int) -> None:
    """Sets the value without Qt's repaint at once: one repaint shows the bar and the text, and
    each repaints the canvas below, which takes 50 ms at 4K where there is no GPU."""
    bar.setUpdatesEnabled(False)
    bar.setValue(value)
    bar.setUpdatesEnabled(True)


def stage_text(stage: str, text: str) -> str:
    """What is being done, in the user's language: the stage, or the backend's text where that
    tells more, such as which model is loaded."""
    if stage in STAGES and not telling(text):
        return tr(STAGES[stage]) + "…"
    return said(text) + "…" if match(text) else text


class PanelStack(QObject):
    """The panels of one window, one above the other at its foot."""

    def __init__(self, window: QtWidgets.QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._panels: List[Panel] = []
        window.installEventFilter(self)

    def add(self, title: str) -> Panel:
        for old in list(self._panels):
            if old.finished:
                old.dismiss()
        panel = Panel(title, self._window)
        panel.closed.connect(lambda: self._remove(panel))
        panel.resized.connect(self.arrange)
        self._panels.append(panel)
        panel.show_progress("prepare", 0.0, "")
        panel.show()
        self.arrange()
        return panel

    def arrange(self) -> None:
        self._panels = [panel for panel in self._panels if alive(panel)]
        central = self._window.centralWidget()
        area = central.geometry() if central is not None else self._window.rect()
        bottom = area.bottom() - 28
        for panel in self._panels:
            panel.move(area.center().x() - panel.width() // 2, bottom - panel.height())
            panel.raise_()
            bottom -= panel.height() + 8

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            QTimer.singleShot(0, self.arrange)
        return False

    def _remove(self, panel: Panel) -> None:
        if panel in self._panels:
            self._panels.remove(panel)
        self.arrange()


def report(message: str, details: str) -> str:
    """What a user can send to whoever helps."""
    return "\n".join(
        [
            message,
            "",
            "Editor: %s" % editor_version(),
            "Python: %s" % sys.version.split()[0],
            "System: %s" % platform.platform(),
            "",
            details,
        ]
    ).rstrip()
