"""Review before filling: what was found, each with a thumbnail and a tick. Not modal."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

from .canvas import Canvas
from .glass import ShownOutline
from .qt import QEvent, QPoint, QSize, Qt, QtGui, QtWidgets, Signal, alive
from .reviewing import THUMBNAIL, Finding
from .translate import tr

SIZE = (380, 520)
INDEX = Qt.ItemDataRole.UserRole


class ReviewDialog(QtWidgets.QDialog):
    """The row under the pointer, or the selected one, is outlined on the canvas.

    Space ticks and unticks, Enter fills, Esc leaves. The canvas stays usable meanwhile.
    """

    chosen = Signal(object)  # the findings that are ticked

    def __init__(
        self, findings: Sequence[Finding], canvas: Optional[Canvas], main: QtWidgets.QMainWindow
    ) -> None:
        super().__init__(main)
        self.setObjectName("cleanplate_review")
        self.setWindowTitle(tr("Clean Plate: review before filling"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*SIZE)
        self._findings = list(findings)
        self._canvas = canvas
        self._glass: Optional[ShownOutline] = None
        layout = QtWidgets.QVBoxLayout(self)
        text = QtWidgets.QLabel(tr("This was found. Untick what shall stay in the picture."))
        text.setWordWrap(True)
        layout.addWidget(text)
        layout.addWidget(self._rows(), 1)
        layout.addLayout(self._buttons())
        self._count()
        self._beside(main)
        self.finished.connect(lambda result: self._clear())

    def _rows(self) -> QtWidgets.QListWidget:
        self._list = rows = QtWidgets.QListWidget()
        rows.setObjectName("cleanplate_review_list")
        rows.setIconSize(QSize(*THUMBNAIL))
        rows.setSpacing(2)
        rows.setMouseTracking(True)
        rows.viewport().installEventFilter(self)
        for index, finding in enumerate(self._findings):
            item = QtWidgets.QListWidgetItem(finding.title)
            item.setIcon(QtGui.QIcon(QtGui.QPixmap.fromImage(finding.thumbnail)))
            item.setToolTip(finding.title)
            item.setData(INDEX, index)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
            rows.addItem(item)
        rows.itemEntered.connect(self._show)
        rows.currentItemChanged.connect(lambda now, before: self._show(now))
        rows.itemChanged.connect(lambda item: self._count())
        return rows

    def _buttons(self) -> QtWidgets.QHBoxLayout:
        row = QtWidgets.QHBoxLayout()
        for text, state in ((tr("All"), Qt.CheckState.Checked),
                            (tr("None"), Qt.CheckState.Unchecked)):
            button = QtWidgets.QPushButton(text)
            button.setAutoDefault(False)
            button.clicked.connect(lambda checked=False, state=state: self._tick(state))
            row.addWidget(button)
        row.addStretch(1)
        cancel = QtWidgets.QPushButton(tr("Cancel"))
        cancel.setAutoDefault(False)
        cancel.clicked.connect(lambda checked=False: self.reject())
        self._fill = QtWidgets.QPushButton()
        self._fill.setObjectName("cleanplate_review_fill")
        self._fill.setDefault(True)
        self._fill.clicked.connect(lambda checked=False: self._accept())
        row.addWidget(cancel)
        row.addWidget(self._fill)
        return row

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._list.setFocus(Qt.FocusReason.OtherFocusReason)
        self._list.setCurrentRow(0)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._show(self._list.currentItem())
        return False

    def _items(self) -> List[QtWidgets.QListWidgetItem]:
        return [self._list.item(row) for row in range(self._list.count())]

    def _tick(self, state: Any) -> None:
        for item in self._items():
            item.setCheckState(state)

    def _ticked(self) -> List[Finding]:
        return [
            self._findings[item.data(INDEX)]
            for item in self._items()
            if item.checkState() == Qt.CheckState.Checked
        ]

    def _count(self) -> None:
        number = len(self._ticked())
        self._fill.setEnabled(number > 0)
        self._fill.setText(tr("Fill ({0})", number))

    def _accept(self) -> None:
        ticked = self._ticked()
        self.accept()
        self.chosen.emit(ticked)

    def _show(self, item: Optional[QtWidgets.QListWidgetItem]) -> None:
        """Outlines one finding on the canvas, if that is still there."""
        if item is None or self._canvas is None or not alive(self._canvas.widget):
            return
        if not alive(self._glass):
            self._glass = ShownOutline(self._canvas)
        self._glass.show_outline(self._findings[item.data(INDEX)].outline)

    def _clear(self) -> None:
        glass, self._glass = self._glass, None
        if alive(glass):
            glass.remove()

    def _beside(self, main: QtWidgets.QMainWindow) -> None:
        """At the right of the window, so that it hides little of the picture."""
        self.move(main.mapToGlobal(QPoint(max(0, main.width() - SIZE[0] - 16), 120)))
