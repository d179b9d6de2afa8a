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


def event_pos(event):
    """Position of a mouse event as QPointF in the widget's coordinates."""
    return event.position() if hasattr(event, "position") else event.localPos()


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
    "sip_transferback",
]
