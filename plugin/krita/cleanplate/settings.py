"""The settings: the backend's state, device, source, growth, models. Blocks nothing."""

from __future__ import annotations

from typing import Any, Dict, Optional

from . import preferences
from .backend import Backend
from .choices import Choices
from .model_choices import TITLES, ModelChoices
from .panel import stage_text
from .qt import Qt, QtWidgets
from .said import said
from .task import Task
from .translate import tenths, tr

_TASKS = dict(TITLES, matte="Soft edges", helper="Helpers")


class SettingsDialog(QtWidgets.QDialog):
    """Choices are kept at once, as in Krita's dockers; there is no OK to forget."""

    def __init__(self, backend: Backend, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("cleanplate_settings_dialog")
        self.setWindowTitle(tr("Clean Plate Settings"))
        self.resize(880, 700)
        self._backend = backend
        self._busy: Optional[Task] = None
        self._info: Optional[Dict[str, Any]] = None
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self._backend_box())
        layout.addWidget(self._choices_box())
        layout.addWidget(self._models_box(), 1)
        close = QtWidgets.QDialogButtonBox(QtWidgets.QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        layout.addWidget(close)
        self._show_info(None)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._start(lambda task: self._backend.info(), self._show_info)

    def _backend_box(self) -> QtWidgets.QGroupBox:
        box = QtWidgets.QGroupBox(tr("Backend"))
        self._state = QtWidgets.QLabel()
        self._state.setObjectName("cleanplate_state")
        self._state.setWordWrap(True)
        self._restart = QtWidgets.QPushButton(tr("Start"))
        self._restart.setObjectName("cleanplate_restart")
        self._restart.clicked.connect(lambda checked=False: self._start_backend())
        self._stop = QtWidgets.QPushButton(tr("Stop"))
        self._stop.setObjectName("cleanplate_stop")
        self._stop.clicked.connect(lambda checked=False: self._stop_backend())
        row = QtWidgets.QHBoxLayout(box)
        row.addWidget(self._state, 1)
        row.addWidget(self._restart)
        row.addWidget(self._stop)
        return box

    def _choices_box(self) -> QtWidgets.QGroupBox:
        box = QtWidgets.QGroupBox(tr("Work"))
        QtWidgets.QVBoxLayout(box).addWidget(Choices())
        return box

    def _models_box(self) -> QtWidgets.QGroupBox:
        box = QtWidgets.QGroupBox(tr("Models"))
        self._models = QtWidgets.QTreeWidget()
        self._models.setObjectName("cleanplate_models")
        self._models.setRootIsDecorated(False)
        self._models.setHeaderLabels(
            [tr("For"), tr("Model"), tr("State"), tr("Size"), tr("Licence"), ""]
        )
        # The titles take what is left, so that the buttons at the right are always in sight.
        header = self._models.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(1, QtWidgets.QHeaderView.ResizeMode.Stretch)
        button = QtWidgets.QPushButton(tr("Install…"))
        self._models.setColumnWidth(5, button.sizeHint().width())
        self._progress = QtWidgets.QProgressBar()
        self._progress.hide()
        self._cancel = QtWidgets.QPushButton(tr("Cancel"))
        self._cancel.hide()
        self._cancel.clicked.connect(lambda checked=False: self._cancel_busy())
        self._note = QtWidgets.QLabel()
        self._note.setObjectName("cleanplate_note")
        self._note.setWordWrap(True)
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self._progress, 1)
        row.addWidget(self._cancel)
        self._chosen = ModelChoices()
        self._chosen.changed.connect(lambda: self._show_info(self._info))
        layout = QtWidgets.QVBoxLayout(box)
        layout.addWidget(self._chosen)
        layout.addWidget(self._models, 1)
        layout.addWidget(self._note)
        layout.addLayout(row)
        return box

    def _show_info(self, info: Optional[Dict[str, Any]]) -> None:
        """`info` None: no backend runs."""
        self._stop.setEnabled(info is not None)
        self._restart.setText(tr("Restart") if info is not None else tr("Start"))
        self._info = info
        self._models.clear()
        self._chosen.show_models(None if info is None else info["models"])
        if info is None:
            self._state.setText(tr("Not running. It starts by itself at the first use."))
            self._note.setText(tr("Start the backend to see its models."))
            return
        self._state.setText(
            tr(
                "Running: version {0}, process {1}, {2}.",
                info["version"],
                info["pid"],
                said(info["device_text"]),
            )
        )
        self._note.setText("")
        chosen = preferences.load().models
        for task, models in info["models"].items():
            names = [model["name"] for model in models if model["installed"]]
            for model in models:
                used = model["default"]
                if chosen.get(task) in names:
                    used = model["name"] == chosen[task]
                self._add_model(tr(_TASKS.get(task, task)), model, used)
        for column in (0, 2, 3, 4):
            self._models.resizeColumnToContents(column)
        self._models.setColumnWidth(4, min(130, self._models.columnWidth(4)))

    def _add_model(self, task: str, model: Dict[str, Any], used: bool) -> None:
        size = model.get("size") or 0
        state = tr("built in") if model["builtin"] else tr("not installed")
        if model["installed"] and not model["builtin"]:
            state = tr("installed")
        if used:
            state += ", " + tr("in use")
        texts = [task, said(model["title"]), state, tenths(size / 1e6) + " MB" if size else ""]
        item = QtWidgets.QTreeWidgetItem(texts + [model["licence"]])
        item.setToolTip(1, texts[1] + "\n" + model["name"])
        item.setToolTip(4, model["licence"])
        self._models.addTopLevelItem(item)
        if not model["installed"]:
            button = QtWidgets.QPushButton(tr("Install…"))
            button.setObjectName("cleanplate_install_" + model["name"])
            button.clicked.connect(lambda checked=False: self._ask_install(model))
            self._models.setItemWidget(item, 5, button)

    def _ask_install(self, model: Dict[str, Any]) -> None:
        question = QtWidgets.QMessageBox(self)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setWindowTitle(tr("Install a model"))
        question.setTextFormat(Qt.TextFormat.PlainText)
        size = model.get("size") or 0
        question.setText(
            tr(
                "Download “{0}” ({1} MB)?",
                said(model["title"]),
                "%.0f" % (size / 1e6) if size else "?",
            )
        )
        question.setInformativeText(tr("Its licence: {0}", model["licence"]))
        button = question.addButton(tr("Download"), QtWidgets.QMessageBox.ButtonRole.AcceptRole)
        question.addButton(QtWidgets.QMessageBox.StandardButton.Cancel)
        button.clicked.connect(lambda checked=False: self._install(model["name"]))
        question.open()

    def _install(self, name: str) -> None:
        def work(task: Task) -> Any:
            client = self._backend.client(task.report)
            task.wait(client.submit("models_install", name=name))
            return client.info()

        self._start(work, self._show_info)

    def _start_backend(self) -> None:
        def work(task: Task) -> Any:
            self._backend.stop()
            return self._backend.client(task.report).info()

        self._start(work, self._show_info)

    def _stop_backend(self) -> None:
        self._start(lambda task: self._backend.stop(), lambda result: self._show_info(None))

    def _start(self, work: Any, then: Any) -> None:
        """One piece of work at a time; what it says is shown under the models."""
        if self._busy is not None:
            return
        task = Task(work, self)
        task.progress.connect(self._show_progress)
        task.done.connect(then)
        task.failed.connect(lambda message, details: self._note.setText(message))
        task.ended.connect(self._ended)
        self._busy = task
        task.start()

    def _show_progress(self, stage: str, fraction: float, text: str) -> None:
        self._progress.show()
        self._cancel.show()
        self._progress.setRange(0, 100 if fraction > 0 else 0)
        self._progress.setValue(round(100 * fraction))
        if text:
            self._note.setText(stage_text(stage, text))

    def _cancel_busy(self) -> None:
        if self._busy is not None:
            self._busy.cancel()
            self._note.setText(tr("Cancelled; nothing was changed."))

    def _ended(self) -> None:
        self._busy = None
        self._progress.hide()
        self._cancel.hide()
