"""A transparent widget over Krita's canvas that shows outlines in image pixels."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Sequence

from .canvas import Canvas
from .qt import CENTRED, QEvent, QObject, QPointF, QRect, QRectF, Qt, QtCore, QtGui, QtWidgets

FOLLOW_MS = 40
DASHES = [5.0, 3.0]
BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))
Outline = Sequence[Sequence[float]]  # lines x0, y0, x1, y1, … in image pixels


class Glass(QtWidgets.QWidget):
    """Covers the canvas and follows its size and its view. Lets all input through."""

    def __init__(self, canvas: Canvas, name: str) -> None:
        super().__init__(canvas.widget)
        self.setObjectName(name)
        self._canvas = canvas
        self._text = ""
        self.outline: Outline = []
        self._path = QtGui.QPainterPath()  # the outline in image pixels
        self._drawn = QtGui.QPainterPath()  # the same in widget points
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

    def show_outline(self, outline: Outline) -> None:
        """`outline`: lines x0, y0, x1, y1, … in image pixels."""
        if outline is self.outline:
            return
        path = QtGui.QPainterPath()
        for line in outline:
            corners = [QPointF(x, y) for x, y in zip(line[::2], line[1::2])]  # noqa: B905 (3.8)
            path.addPolygon(QtGui.QPolygonF(corners))
        with self.repainting():
            self.outline, self._path = outline, path
            self._drawn = self._view.map(path)

    def show_text(self, text: str) -> None:
        """A line at the top; "" = none."""
        if text != self._text:
            with self.repainting():
                self._text = text

    @contextmanager
    def repainting(self) -> Iterator[None]:
        """Around a change of what is shown. Only that is painted anew: the canvas below would be
        painted as well, which takes a tenth of a second where no graphics card does it."""
        before = self._covered()
        yield
        self.update(before.united(self._covered()))

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
            self._drawn = view.map(self._path)
            self.update()

    def _gone(self) -> None:
        """The canvas is hidden or gone."""

    def _covered(self) -> QtGui.QRegion:
        """At least what is painted on."""
        region = QtGui.QRegion(self._text_box().toAlignedRect())
        if self.outline:
            region = region.united(around(self._drawn.boundingRect(), 3))
        return region

    def _paint_outline(self, painter: QtGui.QPainter) -> None:
        """White dashes on a black band. Lines one point wide are painted many times faster than
        others, by an outline of thousands of corners in 2 ms instead of 30 or 200."""
        if not self.outline:
            return
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QtGui.QPen(Qt.GlobalColor.black, 1))
        for dx, dy in BESIDE:
            painter.translate(dx, dy)
            painter.drawPath(self._drawn)
            painter.translate(-dx, -dy)
        pen = QtGui.QPen(Qt.GlobalColor.white, 1)
        pen.setDashPattern(DASHES)
        painter.setPen(pen)
        painter.drawPath(self._drawn)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, True)

    def _text_box(self) -> QRectF:
        if not self._text:
            return QRectF()
        room = QRect(0, 0, max(120, self.width() - 48), self.height())  # wraps on a narrow canvas
        size = self.fontMetrics().boundingRect(room, CENTRED, self._text)
        width = size.width() + 24
        return QRectF((self.width() - width) / 2, 12, width, size.height() + 12)

    def _paint_text(self, painter: QtGui.QPainter) -> None:
        if not self._text:
            return
        box = self._text_box()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(20, 20, 20, 200))
        painter.drawRoundedRect(box, 6, 6)
        painter.setPen(Qt.GlobalColor.white)
        painter.drawText(box, self._text, QtGui.QTextOption(Qt.AlignmentFlag.AlignCenter))


def around(box: QRectF, margin: int) -> QtGui.QRegion:
    return QtGui.QRegion(box.toAlignedRect().adjusted(-margin, -margin, margin, margin))


class ShownOutline(Glass):
    """Only shows: mouse, pen and touch go to the canvas below."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas, "cleanplate_shown_outline")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
