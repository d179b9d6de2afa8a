"""Which installed model does what: one list for each task, “Automatic” first."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from . import preferences
from .qt import QtWidgets, Signal
from .said import said
from .translate import tr

TITLES = {
    "people": "People",
    "text": "Text",
    "fill": "Background",
    "click": "Clicked object",
    "unknown": "Unknown objects",
}


class ModelChoices(QtWidgets.QWidget):
    """Choices are kept at once. Automatic is the best installed model."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self._boxes: Dict[str, QtWidgets.QComboBox] = {}
        for place, task in enumerate(preferences.MODEL_TASKS):
            box = QtWidgets.QComboBox()
            box.setObjectName("cleanplate_model_" + task)
            box.setSizeAdjustPolicy(
                QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(18)
            row, column = divmod(place, 2)
            grid.addWidget(QtWidgets.QLabel(tr(TITLES[task]) + ":"), row, 2 * column)
            grid.addWidget(box, row, 2 * column + 1)
            grid.setColumnStretch(2 * column + 1, 1)
            self._boxes[task] = box
            box.activated.connect(lambda index, task=task: self._save(task))
        self.show_models(None)

    def show_models(self, models: Optional[Dict[str, List[Dict[str, Any]]]]) -> None:
        """`models` as in the backend's info; None: no backend runs, nothing can be chosen."""
        chosen = preferences.load().models
        for task, box in self._boxes.items():
            box.clear()
            titles = {m["name"]: said(m["title"]) for m in (models or {}).get(task, [])}
            known = [m for m in (models or {}).get(task, []) if m["installed"]]
            default = next((said(m["title"]) for m in known if m["default"]), "")
            box.addItem(tr("Automatic ({0})", default) if default else tr("Automatic"), "")
            for model in known:
                box.addItem(said(model["title"]), model["name"])
            name = chosen.get(task, "")
            if name and box.findData(name) < 0:
                title = titles.get(name, name)
                text = tr("{0} (not installed)", title) if models is not None else title
                box.addItem(text, name)
            box.setCurrentIndex(max(0, box.findData(name)))
            box.setToolTip(box.currentText())  # often longer than its field
            box.setEnabled(models is not None)

    def _save(self, task: str) -> None:
        chosen = preferences.load()
        models = dict(chosen.models)
        name = self._boxes[task].currentData()
        if name:
            models[task] = name
        else:
            models.pop(task, None)
        preferences.save(chosen._replace(models=models))
        self.changed.emit()
