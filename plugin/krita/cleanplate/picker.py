"""The armed canvas: glass that catches clicks and shows what is taken."""

from __future__ import annotations

from enum import Enum
from typing import Any, List, NamedTuple, Optional

from .canvas import Canvas
from .glass import Glass, Outline, around
from .qt import (
    QEvent,
    QObject,
    QPointF,
    QRectF,
    Qt,
    QtCore,
    QtGui,
    QtWidgets,
    Signal,
    event_pos,
    fingers,
    touch_begin,
)
from .translate import tr

DRAG = 6  # widget points that the pointer moves before a click becomes a box
MARK = 6  # radius of a click's mark
FINGER_DRAG = 16  # the same for a finger, which rolls while it taps


class Touch(Enum):
    NONE = "none"
    POINTS = "points"  # one finger, as the mouse with its left button
    MOVES_VIEW = "moves view"  # two or more: Krita's own gestures


class Mode(Enum):
    NEW = "new"  # plain click: this object
    ADD = "add"  # Shift: this belongs to it, too
    REMOVE = "remove"  # Alt: this does not


class Mark(NamedTuple):
    x: float
    y: float
    positive: bool


class Picker(Glass):
    """Covers the canvas. Positions are image pixels, taken with the view as it is at that time.

    Left button, pen and one finger are caught, in pairs of press and release: what went on to
    Krita would paint on the user's layer. Wheel, the other buttons, two fingers and more, and
    everything while Space is held go on to Krita, so that pan and zoom keep working.
    """

    picked = Signal(float, float, object)  # x, y, Mode
    boxed = Signal(float, float, float, float)
    taken_back = Signal()  # Backspace
    confirmed = Signal()  # Enter
    left = Signal()  # Esc, or the canvas went away

    def __init__(self, canvas: Canvas, hint: str) -> None:
        super().__init__(canvas, "cleanplate_picker")
        self._start: Optional[QPointF] = None
        self._now: Optional[QPointF] = None
        self._space = False
        self._touch = Touch.NONE
        self._drag = DRAG
        self.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
        self._marks: List[Mark] = []
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.show_hint(hint)
        # Keys go to Krita's canvas, which has the focus: only an application-wide filter sees
        # Esc before Krita's shortcuts do.
        QtWidgets.QApplication.instance().installEventFilter(self)
        canvas.widget.window().activateWindow()  # it was armed from a floating docker
        canvas.widget.setFocus(Qt.FocusReason.OtherFocusReason)

    def disarm(self) -> None:
        QtWidgets.QApplication.instance().removeEventFilter(self)
        self.remove()

    def show_marks(self, marks: List[Mark], outline: Outline) -> None:
        """`outline`: as `show_outline` takes it."""
        with self.repainting():
            self._marks = list(marks)
            self.show_outline(outline)

    def show_hint(self, hint: str) -> None:
        self.show_text(hint)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return self._on_key(event, kind)
        return super().eventFilter(watched, event)

    def event(self, event: Any) -> bool:
        kind = event.type()
        if kind == QEvent.Type.TouchBegin:
            self._touch = Touch.NONE
        elif kind not in (
            QEvent.Type.TouchUpdate, QEvent.Type.TouchEnd, QEvent.Type.TouchCancel
        ):  # fmt: skip
            return super().event(event)
        self._on_touch(event, kind)
        event.accept()
        return True

    def _on_touch(self, event: Any, kind: Any) -> None:
        """One finger clicks and draws boxes; from the second one on the canvas gets the touch."""
        places = fingers(event, self)
        ends = kind in (QEvent.Type.TouchEnd, QEvent.Type.TouchCancel)
        if self._touch is Touch.MOVES_VIEW:
            QtWidgets.QApplication.sendEvent(self._canvas.widget, event)
        elif len(places) > 1 and not ends:
            self._touch = Touch.MOVES_VIEW
            self._start = None
            self.update()
            # Qt gives the canvas all that follows, because it takes this touch.
            QtWidgets.QApplication.sendEvent(self._canvas.widget, touch_begin(event))
        elif kind == QEvent.Type.TouchBegin:
            self._touch = Touch.POINTS
            self._press(places[0], FINGER_DRAG)
        elif self._touch is Touch.POINTS and kind == QEvent.Type.TouchUpdate:
            self._move(places[0])
        elif self._touch is Touch.POINTS and kind == QEvent.Type.TouchEnd:
            self._release(places[0], event.modifiers())
        if ends:
            self._touch, self._start = Touch.NONE, None
            self.update()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._space:
            event.ignore()
            return
        self._press(event_pos(event))

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        self.mousePressEvent(event)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        if self._start is None:
            event.ignore()
            return
        self._move(event_pos(event))

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._start is None:
            event.ignore()
            return
        self._release(event_pos(event), event.modifiers())

    def tabletEvent(self, event: QtGui.QTabletEvent) -> None:
        kind = event.type()
        position = event.position() if hasattr(event, "position") else event.posF()
        if kind == QEvent.Type.TabletPress and event.button() == Qt.MouseButton.LeftButton:
            if self._space:
                event.ignore()
                return
            self._press(position)
        elif self._start is None:
            event.ignore()
            return
        elif kind == QEvent.Type.TabletMove:
            self._move(position)
        elif kind == QEvent.Type.TabletRelease:
            self._release(position, event.modifiers())
        event.accept()

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        event.ignore()

    def _paint(self, painter: QtGui.QPainter) -> None:
        self._paint_outline(painter)
        for mark in self._marks:
            self._paint_mark(painter, mark)
        if self._dragging():
            painter.setPen(QtGui.QPen(Qt.GlobalColor.white, 1.5, Qt.PenStyle.DashLine))
            painter.drawRect(QRectF(self._start, self._now).normalized())
        self._paint_text(painter)

    def _press(self, position: QPointF, drag: float = DRAG) -> None:
        self._start = self._now = QPointF(position)
        self._drag = drag

    def _move(self, position: QPointF) -> None:
        with self.repainting():
            self._now = QPointF(position)

    def _release(self, position: QPointF, modifiers: Any) -> None:
        self._now = QPointF(position)
        start, dragged = self._start, self._dragging()
        with self.repainting():
            self._start = None
        first = self._canvas.to_image(start)
        bounds = self._canvas.image_bounds()
        if dragged:
            second = self._canvas.to_image(position)
            box = QRectF(first, second).normalized() & QRectF(*bounds)
            if box.width() >= 1 and box.height() >= 1:
                self.boxed.emit(box.left(), box.top(), box.right(), box.bottom())
            return
        if not (0 <= first.x() < bounds.width and 0 <= first.y() < bounds.height):
            self.show_hint(tr("That is outside the image. Click an object, or press Esc."))
            return
        mode = Mode.NEW
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            mode = Mode.ADD
        elif modifiers & Qt.KeyboardModifier.AltModifier:
            mode = Mode.REMOVE
        self.picked.emit(first.x(), first.y(), mode)

    def _on_key(self, event: Any, kind: Any) -> bool:
        if self.window().isActiveWindow() is False and QtWidgets.QApplication.activeWindow():
            return False  # another window of Krita's has the keyboard
        if isinstance(QtWidgets.QApplication.focusWidget(), _TYPING):
            return False
        key = event.key()
        if key == Qt.Key.Key_Space:
            if not event.isAutoRepeat() and kind != QEvent.Type.ShortcutOverride:
                self._space = kind == QEvent.Type.KeyPress
            return False
        signals = {
            Qt.Key.Key_Escape: self.left,
            Qt.Key.Key_Backspace: self.taken_back,
            Qt.Key.Key_Return: self.confirmed,
            Qt.Key.Key_Enter: self.confirmed,
        }
        if key not in signals:
            return False
        if kind == QEvent.Type.ShortcutOverride:
            event.accept()  # comes back as a key press instead of Krita's shortcut
        elif kind == QEvent.Type.KeyPress and not event.isAutoRepeat():
            QtCore.QTimer.singleShot(0, signals[key].emit)
        return True

    def _dragging(self) -> bool:
        if self._start is None or self._now is None:
            return False
        return (self._now - self._start).manhattanLength() > self._drag

    def _gone(self) -> None:
        QtCore.QTimer.singleShot(0, self.left.emit)

    def _covered(self) -> QtGui.QRegion:
        region = super()._covered()
        for mark in self._marks:
            place = self._view.map(QPointF(mark.x, mark.y))
            region = region.united(around(QRectF(place, place), MARK + 2))
        if self._dragging():
            region = region.united(around(QRectF(self._start, self._now).normalized(), 2))
        return region

    def _paint_mark(self, painter: QtGui.QPainter, mark: Mark) -> None:
        center = self._view.map(QPointF(mark.x, mark.y))
        painter.setPen(QtGui.QPen(Qt.GlobalColor.white, 1.5))
        painter.setBrush(QtGui.QColor("#2e9e4f" if mark.positive else "#c8372d"))
        painter.drawEllipse(center, MARK - 0.5, MARK - 0.5)


_TYPING = (QtWidgets.QLineEdit, QtWidgets.QTextEdit, QtWidgets.QPlainTextEdit)
