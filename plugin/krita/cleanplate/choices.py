"""Device, source, growth, feather and review: one form for the settings and the docker."""

from __future__ import annotations

from typing import Any

from . import preferences
from .qt import QEvent, QObject, Qt, QtWidgets
from .translate import tr

_DEVICES = (
    ("auto", "Automatic"),
    ("cpu", "CPU"),
    ("cuda:0", "NVIDIA/AMD GPU"),
    ("mps", "Apple GPU"),
)


class Choices(QtWidgets.QWidget):
    """Shows the user's choices whenever it appears, and keeps every change at once."""

    def __init__(self) -> None:
        super().__init__()
        self.device = QtWidgets.QComboBox()
        self.device.setObjectName("cleanplate_device")
        for value, text in _DEVICES:
            self.device.addItem(tr(text), value)
        self.source = QtWidgets.QComboBox()
        self.source.setObjectName("cleanplate_source")
        self.source.addItem(tr("Active layer"), False)
        self.source.addItem(tr("Visible image"), True)
        self.grow = QtWidgets.QSpinBox()
        self.grow.setObjectName("cleanplate_grow")
        self.grow.setRange(-1, 200)
        self.grow.setSpecialValueText(tr("Automatic"))
        self.grow.setSuffix(" px")
        self.grow.setToolTip(tr("What was found grows by this much before it is filled."))
        self.feather = QtWidgets.QSpinBox()
        self.feather.setObjectName("cleanplate_feather")
        self.feather.setRange(-1, 200)
        self.feather.setSpecialValueText(tr("Automatic"))
        self.feather.setSuffix(" px")
        self.feather.setToolTip(
            tr("Width of the fill's soft edge. It lies inside the grown rim, so grow more for a "
               "wider one.")
        )
        self.review = QtWidgets.QCheckBox(tr("Review before filling"))
        self.review.setObjectName("cleanplate_review_choice")
        self.review.setToolTip(tr("Lists what was found, so that you can untick what stays."))
        form = QtWidgets.QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        # In a narrow docker a long label stands above its field.
        form.setRowWrapPolicy(QtWidgets.QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow(tr("Device:"), self.device)
        form.addRow(tr("Source:"), self.source)
        form.addRow(tr("Grow masks by:"), self.grow)
        form.addRow(tr("Feather by:"), self.feather)
        form.addRow(self.review)
        # In the docker, which scrolls, the wheel must not change a value that it passes over.
        for field in (self.device, self.source, self.grow, self.feather):
            field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            field.installEventFilter(self)
        self._loading = False
        self.load()
        self.device.currentIndexChanged.connect(self._save)
        self.source.currentIndexChanged.connect(self._save)
        self.grow.valueChanged.connect(self._save)
        self.feather.valueChanged.connect(self._save)
        self.review.toggled.connect(self._save)

    def load(self) -> None:
        chosen = preferences.load()
        self._loading = True
        if self.device.findData(chosen.device) < 0:
            self.device.addItem(chosen.device, chosen.device)
        self.device.setCurrentIndex(self.device.findData(chosen.device))
        self.source.setCurrentIndex(int(chosen.visible))
        self.grow.setValue(-1 if chosen.grow is None else chosen.grow)
        self.feather.setValue(-1 if chosen.feather is None else chosen.feather)
        self.review.setChecked(chosen.review)
        self._loading = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False

    def showEvent(self, event: Any) -> None:
        self.load()
        super().showEvent(event)

    def _save(self, *changed: Any) -> None:
        if self._loading:
            return
        grow, feather = self.grow.value(), self.feather.value()
        preferences.save(
            preferences.load()._replace(
                device=self.device.currentData(),
                visible=self.source.currentData(),
                grow=None if grow < 0 else grow,
                feather=None if feather < 0 else feather,
                review=self.review.isChecked(),
            )
        )
