"""Krita's canvas: where a point of its widget lies in the image, and a layer of glass over it."""

from __future__ import annotations

from typing import Any, Optional

from krita import Krita

from .qt import QPointF, QRectF, QtGui, QtWidgets
from .values import Bounds

_CANVAS_CLASSES = ("KisOpenGLCanvas2", "KisQPainterCanvas")


class Canvas:
    """The canvas of the active view of a window; `active` gives None when none is open."""

    def __init__(self, view: Any, widget: QtWidgets.QWidget) -> None:
        self._view = view
        self.widget = widget

    @staticmethod
    def active(main: QtWidgets.QMainWindow) -> Optional[Canvas]:
        """`main`: the Qt window. Krita's own Window object lives only while it is asked for."""
        windows = [w for w in Krita.instance().windows() if w.qwindow() is main]
        view = windows[0].activeView() if windows else None
        if view is None or view.document() is None:
            return None
        area = main.findChild(QtWidgets.QMdiArea)
        # Not activeSubWindow: there is none while a floating docker has the keyboard.
        sub = area.currentSubWindow() if area is not None else None
        if sub is None:
            return None
        for widget in sub.findChildren(QtWidgets.QWidget):
            if widget.metaObject().className() in _CANVAS_CLASSES and widget.isVisible():
                return Canvas(view, widget)
        return None

    def image_bounds(self) -> Bounds:
        document = self._view.document()
        return Bounds(0, 0, document.width(), document.height())

    def to_widget(self) -> QtGui.QTransform:
        """Maps image pixels (0, 0 = the top left corner of the first) to widget points."""
        if hasattr(self._view, "flakeToCanvasTransform"):
            inverted, _ = self._view.flakeToImageTransform().inverted()
            return inverted * self._view.flakeToCanvasTransform()
        return self._from_scroll_bars()

    def to_image(self, point: QPointF) -> QPointF:
        """The image position under a point of the canvas widget."""
        inverted, _ = self.to_widget().inverted()
        return inverted.map(point)

    def _from_scroll_bars(self) -> QtGui.QTransform:
        """For Krita before 5.2, which does not tell its transformation.

        Krita scales, mirrors, then turns the image, and moves the result so that the top left of
        its bounding rectangle lies at minus the scroll bars' values.
        """
        canvas, document = self._view.canvas(), self._view.document()
        zoom = canvas.zoomLevel() * 72.0 / document.resolution()
        turned = QtGui.QTransform()
        turned.rotate(canvas.rotation())
        turned.scale(-zoom if canvas.mirror() else zoom, zoom)
        corner = turned.mapRect(QRectF(0, 0, document.width(), document.height())).topLeft()
        area = self._scroll_area()
        wanted = QPointF(-area.horizontalScrollBar().value(), -area.verticalScrollBar().value())
        move = wanted - corner
        return turned * QtGui.QTransform.fromTranslate(move.x(), move.y())

    def _scroll_area(self) -> Any:
        widget = self.widget.parentWidget()
        while widget is not None and not isinstance(widget, QtWidgets.QAbstractScrollArea):
            widget = widget.parentWidget()
        return widget
