"""Qt for the plugin: PyQt5 in Krita 5, PyQt6 in Krita 6, chosen here and nowhere else.

PyQt6 dropped the short enum names (`Qt.AlignCenter`); the long ones used in this plugin
(`Qt.AlignmentFlag.AlignCenter`) exist in both.
"""

try:
    from PyQt5 import QtCore, QtGui, QtWidgets, sip
except ImportError:
    from PyQt6 import QtCore, QtGui, QtWidgets, sip  # type: ignore[no-redef]

QT6 = QtCore.PYQT_VERSION >= 0x060000

Qt = QtCore.Qt
QByteArray = QtCore.QByteArray
QEvent = QtCore.QEvent
QObject = QtCore.QObject
QPoint = QtCore.QPoint
QPointF = QtCore.QPointF
QRect = QtCore.QRect
QRectF = QtCore.QRectF
QSize = QtCore.QSize
QTimer = QtCore.QTimer
QUrl = QtCore.QUrl
Signal = QtCore.pyqtSignal
# QAction moved from QtWidgets to QtGui in Qt 6.
QAction = QtGui.QAction if QT6 else QtWidgets.QAction


# What QFontMetrics takes for text as QTextOption(AlignCenter) lays it out.
CENTRED = (Qt.AlignmentFlag.AlignCenter, Qt.TextFlag.TextWordWrap)
CENTRED = sum(flag.value for flag in CENTRED) if QT6 else int(CENTRED[0]) | int(CENTRED[1])


def event_pos(event):
    """Position of a mouse event as QPointF in the widget's coordinates."""
    return event.position() if hasattr(event, "position") else event.localPos()


def fingers(event, widget):
    """Positions of a touch event's points that are down, as QPointF in the widget's coordinates;
    of all of them where the last one has just gone up."""
    points = event.points() if QT6 else event.touchPoints()
    up = QtGui.QEventPoint.State.Released if QT6 else Qt.TouchPointState.TouchPointReleased
    down = [point for point in points if point.state() != up]
    if QT6:
        return [widget.mapFromGlobal(point.globalPosition()) for point in down or points]
    return [point.pos() for point in down or points]


def touch_begin(event):
    """A TouchBegin event with the points of a touch event as they are now."""
    kind, keys = QEvent.Type.TouchBegin, event.modifiers()
    if QT6:
        return QtGui.QTouchEvent(kind, event.pointingDevice(), keys, event.points())
    states, points = event.touchPointStates(), event.touchPoints()
    return QtGui.QTouchEvent(kind, event.device(), keys, states, points)


def sip_transferback(obj):
    """Gives a wrapper to Python, so that it is freed with the last reference to it."""
    if isinstance(obj, sip.simplewrapper):
        sip.transferback(obj)


def alive(obj):
    """Whether the C++ side of a wrapped Qt object still exists."""
    return obj is not None and not sip.isdeleted(obj)


__all__ = [
    "QT6",
    "QAction",
    "QByteArray",
    "QEvent",
    "QObject",
    "QPoint",
    "QPointF",
    "QRect",
    "QRectF",
    "QSize",
    "QTimer",
    "QUrl",
    "Qt",
    "QtCore",
    "QtGui",
    "QtWidgets",
    "Signal",
    "alive",
    "event_pos",
    "fingers",
    "sip_transferback",
    "touch_begin",
]
