# Runs inside Krita, for test_touch: fingers on the canvas. xdotool has none, and PyQt5 cannot make
# touch points, so Qt's own functions make them. Events are given as Qt gives a screen's: the first
# one to the widget under the finger, the others to the widget that took it.
import ctypes

from PyQt5 import sip
from PyQt5.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PyQt5.QtGui import QTouchDevice, QTouchEvent
from PyQt5.QtWidgets import QApplication


def qt_gui():
    with open("/proc/self/maps") as maps:
        return ctypes.CDLL(next(line.split()[-1] for line in maps if "libQt5Gui.so" in line))


def point_function(symbol):
    return getattr(qt_gui(), "_ZN11QTouchEvent10TouchPoint" + symbol)


class Fingers(QObject):
    STATES = {QEvent.TouchBegin: Qt.TouchPointPressed, QEvent.TouchUpdate: Qt.TouchPointMoved,
              QEvent.TouchEnd: Qt.TouchPointReleased}

    def __init__(self):
        super().__init__()
        self.device = QTouchDevice()
        self.device.setType(QTouchDevice.TouchScreen)
        self.device.setCapabilities(QTouchDevice.Position | QTouchDevice.Pressure)
        self.target, self.starts, self.before, self.kept = None, {}, {}, []
        QApplication.instance().installEventFilter(self)

    def remove(self):
        QApplication.instance().removeEventFilter(self)

    def eventFilter(self, watched, event):
        if event.type() == QEvent.TouchBegin and watched.isWidgetType():
            self.target = watched  # the last one that is asked is the one that takes it
        return False

    def down(self, places):
        self.starts, self.before = {}, {}
        self.target = QApplication.widgetAt(QPoint(*map(int, places[0])))
        return self.send(QEvent.TouchBegin, places)

    def move(self, places):
        return self.send(QEvent.TouchUpdate, places)

    def up(self, places):
        return self.send(QEvent.TouchEnd, places)

    def send(self, kind, places):
        """Whether it was taken. `places` on the screen, one a finger."""
        points = [self.point(n, place, self.STATES[kind]) for n, place in enumerate(places)]
        event = QTouchEvent(kind, self.device, Qt.NoModifier, self.STATES[kind], points)
        return QApplication.sendEvent(self.target, event) and event.isAccepted()

    def point(self, number, place, state):
        room = ctypes.create_string_buffer(8)  # a point is one pointer
        self.kept.append(room)
        here = ctypes.c_void_p(ctypes.addressof(room))
        point_function("C1Ei")(here, ctypes.c_int(number))
        screen = QPointF(*place)
        local = screen - QPointF(self.target.mapToGlobal(QPoint(0, 0)))
        start = self.starts.setdefault(number, local)
        last = self.before.get(number, local)
        self.before[number] = local
        for function, value in (("6setPosERK7QPointF", local), ("11setStartPosERK7QPointF", start),
                                ("10setLastPosERK7QPointF", last),
                                ("12setScreenPosERK7QPointF", screen)):
            point_function(function)(here, ctypes.c_void_p(sip.unwrapinstance(value)))
        point_function("11setPressureEd")(here, ctypes.c_double(1.0))
        point_function("8setStateE6QFlagsIN2Qt15TouchPointStateEE")(here, ctypes.c_int(int(state)))
        return sip.wrapinstance(ctypes.addressof(room), QTouchEvent.TouchPoint)


fingers = Fingers()
