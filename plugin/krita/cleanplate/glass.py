"""A transparent widget over Krita's canvas that shows outlines in image pixels."""

from __future__ import annotations

from typing import List, Sequence, Tuple

from .canvas import Canvas
from .qt import QEvent, QObject, QRectF, Qt, QtCore, QtGui, QtWidgets

FOLLOW_MS = 40
Segments = List[Tuple[float, float, float, float]]


class Glass(QtWidgets.QWidget):
    """Covers the canvas and follows its size and its view. Lets all input through."""

    def __init__(self, canvas: Canvas, name: str) -> None:
        super().__init__(canvas.widget)
        self.setObjectName(name)
        self._canvas = canvas
        self._text = ""
        self.outline: Segments = []
        self._view = canvas.to_widget()
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setGeometry(canvas.widget.rect())
        canvas.widget.installEventFilter(self)
        canvas.widget.destroyed.connect(self._gone)
        # The outline follows pan and zoom; Krita before 6 has no signal for that.
        self._follow = QtCore.QTimer(self)
        self._follow.timeout.connect(self._follow_view)
        self._follow.start(FOLLOW_MS)
        self.show()
        self.raise_()

    def remove(self) -> None:
        self._follow.stop()
        self._canvas.widget.removeEventFilter(self)
        self.hide()
        self.deleteLater()

    def show_outline(self, outline: Sequence[Tuple[float, float, float, float]]) -> None:
        """(x0, y0, x1, y1) pieces in image pixels."""
        self.outline = list(outline)
        self.update()

    def show_text(self, text: str) -> None:
        """A line at the top; "" = none."""
        self._text = text
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._canvas.widget:
            if event.type() == QEvent.Type.Resize:
                self.setGeometry(self._canvas.widget.rect())
            elif event.type() == QEvent.Type.Hide:
                self._gone()
        return False

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        self._paint(painter)

    def _paint(self, painter: QtGui.QPainter) -> None:
        self._paint_outline(painter)
        self._paint_text(painter)

    def _follow_view(self) -> None:
        view = self._canvas.to_widget()
        if view != self._view:
            self._view = view
            self.update()

    def _gone(self) -> None:
        """The canvas is hidden or gone."""

    def _paint_outline(self, painter: QtGui.QPainter) -> None:
        if not self.outline:
            return
        lines = [self._view.map(QtCore.QLineF(*piece)) for piece in self.outline]
        for color, style in (("black", Qt.PenStyle.SolidLine), ("white", Qt.PenStyle.DotLine)):
            painter.setPen(QtGui.QPen(QtGui.QColor(color), 2, style))
            painter.drawLines(lines)

    def _paint_text(self, painter: QtGui.QPainter) -> None:
        if not self._text:
            return
        style = QtGui.QTextOption(Qt.AlignmentFlag.AlignCenter)  # wraps on a narrow canvas
        room = QRectF(0, 0, max(120, self.width() - 48), self.height())
        size = painter.boundingRect(room, self._text, style)
        width = size.width() + 24
        box = QRectF((self.width() - width) / 2, 12, width, size.height() + 12)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(20, 20, 20, 200))
        painter.drawRoundedRect(box, 6, 6)
        painter.setPen(Qt.GlobalColor.white)
        painter.drawText(box, self._text, style)


class ShownOutline(Glass):
    """Only shows: mouse, pen and touch go to the canvas below."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas, "cleanplate_shown_outline")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
