"""The armed canvas under PyQt6: mouse, pen and keys, and what goes on to the canvas below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt  # noqa: E402
from PyQt6.QtGui import (  # noqa: E402
    QEventPoint,
    QImage,
    QPointingDevice,
    QTabletEvent,
    QTouchEvent,
    QTransform,
    QWheelEvent,
)
from PyQt6.QtTest import QTest  # noqa: E402
from PyQt6.QtWidgets import QApplication, QWidget  # noqa: E402

from tests.fake_krita.support import application, load, spin  # noqa: E402

application()
picker, values = load("picker"), load("values")

LEFT = Qt.MouseButton.LeftButton
PLAIN = Qt.KeyboardModifier.NoModifier


class Below(QWidget):
    """Stands for Krita's canvas; counts what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.resize(400, 300)
        self.got: list[str] = []

    def mousePressEvent(self, event: Any) -> None:
        self.got.append(event.button().name)

    def keyPressEvent(self, event: Any) -> None:
        self.got.append(f"key {event.key()}")

    def event(self, event: Any) -> bool:
        if isinstance(event, QTouchEvent):
            self.got.append(f"{event.type().name} {len(event.points())}")
            event.accept()
            return True
        return super().event(event)


class View:
    """A picture of 200×150 px, shown at twice its size and 10 points to the right."""

    def __init__(self) -> None:
        self.widget = Below()
        self.transform = QTransform.fromTranslate(10, 0).scale(2, 2)

    def to_widget(self) -> QTransform:
        return self.transform

    def to_image(self, point: QPointF) -> QPointF:
        return self.transform.inverted()[0].map(point)

    def image_bounds(self) -> Any:
        return values.Bounds(0, 0, 200, 150)


@pytest.fixture
def armed() -> Iterator[tuple[View, Any, list[Any]]]:
    """(view, picker, everything that the picker has said)."""
    view, said = View(), []
    view.widget.show()
    view.widget.activateWindow()
    glass = picker.Picker(view, "Click")
    glass.picked.connect(lambda x, y, mode: said.append((mode, x, y)))
    glass.boxed.connect(lambda *box: said.append(("box", *box)))
    glass.taken_back.connect(lambda: said.append("back"))
    glass.confirmed.connect(lambda: said.append("enter"))
    glass.left.connect(lambda: said.append("left"))
    spin(glass.isVisible)
    yield view, glass, said
    glass.disarm()
    view.widget.close()


@pytest.mark.parametrize(("modifier", "mode"), [
    (PLAIN, picker.Mode.NEW),
    (Qt.KeyboardModifier.ShiftModifier, picker.Mode.ADD),
    (Qt.KeyboardModifier.AltModifier, picker.Mode.REMOVE),
])
def test_a_click_says_the_pixel_and_what_is_meant(armed: Any, modifier: Any, mode: Any) -> None:
    _, glass, said = armed
    QTest.mouseClick(glass, LEFT, modifier, QPoint(110, 60))
    assert said == [(mode, 50.0, 30.0)]


def test_the_view_at_the_time_of_the_click_counts(armed: Any) -> None:
    view, glass, said = armed
    view.transform = QTransform.fromScale(4, 4)
    QTest.mouseClick(glass, LEFT, PLAIN, QPoint(100, 60))
    assert said == [(picker.Mode.NEW, 25.0, 15.0)]


def test_a_drag_is_a_box_inside_the_picture(armed: Any) -> None:
    _, glass, said = armed
    QTest.mousePress(glass, LEFT, PLAIN, QPoint(110, 60))
    QTest.mouseMove(glass, QPoint(60, 20))
    QTest.mouseRelease(glass, LEFT, PLAIN, QPoint(0, -10))
    assert said == [("box", 0.0, 0.0, 50.0, 30.0)]


def test_outside_the_picture_only_a_hint(armed: Any) -> None:
    _, glass, said = armed
    QTest.mouseClick(glass, LEFT, PLAIN, QPoint(4, 60))
    assert said == [] and "outside" in glass._text


def test_a_long_hint_wraps_on_a_narrow_canvas(armed: Any) -> None:
    _, glass, _ = armed
    glass.show_hint("x " * 20)
    low = lines(glass)
    glass.show_hint("many words " * 20)
    assert lines(glass) > 2 * low
    assert not dark(glass)[:, :4].any() and not dark(glass)[:, -4:].any(), "inside the canvas"


def dark(glass: Any) -> np.ndarray:
    """H×W bool: the box behind the hint."""
    image = QImage(glass.size(), QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    glass.render(image, QPoint(), flags=QWidget.RenderFlag(0))
    data = image.constBits()
    assert data is not None
    pixels = np.frombuffer(data.asstring(image.sizeInBytes()), np.uint8)
    return pixels.reshape(image.height(), image.width(), 4)[..., 3] > 150


def lines(glass: Any) -> int:
    return int(dark(glass).any(axis=1).sum())


def test_a_pen_takes_the_object_too(armed: Any) -> None:
    _, glass, said = armed
    pen(glass, QEvent.Type.TabletPress, 110.5, 60.5)
    pen(glass, QEvent.Type.TabletRelease, 110.5, 60.5, Qt.KeyboardModifier.ShiftModifier)
    assert said == [(picker.Mode.ADD, 50.25, 30.25)]


def test_a_pen_draws_a_box(armed: Any) -> None:
    _, glass, said = armed
    pen(glass, QEvent.Type.TabletPress, 30, 20)
    pen(glass, QEvent.Type.TabletMove, 80, 50)
    pen(glass, QEvent.Type.TabletRelease, 110, 60)
    assert said == [("box", 10.0, 10.0, 50.0, 30.0)]


def pen(glass: Any, kind: QEvent.Type, x: float, y: float, modifiers: Any = PLAIN) -> None:
    down = kind != QEvent.Type.TabletRelease
    event = QTabletEvent(
        kind, QPointingDevice.primaryPointingDevice(), QPointF(x, y), QPointF(x, y), 0.5 * down,
        0, 0, 0.0, 0.0, 0.0, modifiers,
        Qt.MouseButton.NoButton if kind == QEvent.Type.TabletMove else LEFT,
        LEFT if down else Qt.MouseButton.NoButton)
    QApplication.sendEvent(glass, event)
    assert event.isAccepted()


def test_one_finger_taps_and_draws_boxes(armed: Any) -> None:
    """Krita's canvas would paint with it."""
    view, glass, said = armed
    touch(glass, [[(50, 50)], [(55, 53)]])
    assert said == [(picker.Mode.NEW, 20.0, 25.0)]
    touch(glass, [[(30, 20)], [(60, 40)], [(110, 60)]])
    assert said[1:] == [("box", 10.0, 10.0, 50.0, 30.0)]
    assert view.widget.got == []


def test_more_fingers_go_to_the_canvas_below(armed: Any) -> None:
    view, glass, said = armed
    view.widget.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
    touch(glass, [[(50, 50)], [(50, 50), (90, 50)], [(60, 50), (100, 50)]])
    assert view.widget.got == ["TouchBegin 2", "TouchUpdate 2", "TouchEnd 2"]
    assert said == []
    view.widget.got.clear()
    touch(glass, [[(50, 50), (90, 50), (130, 50)]])
    assert view.widget.got == ["TouchBegin 3", "TouchEnd 3"] and said == []
    touch(glass, [[(50, 50)]])
    assert said == [(picker.Mode.NEW, 20.0, 25.0)], "one finger picks again"


def test_a_cancelled_touch_picks_nothing(armed: Any) -> None:
    _, glass, said = armed
    touch(glass, [[(50, 50)]], QEvent.Type.TouchCancel)
    assert said == [] and not glass._dragging()


def touch(glass: Any, steps: list[list[tuple[int, int]]],
          end: QEvent.Type = QEvent.Type.TouchEnd) -> None:
    """Fingers at the places of each step, then up."""
    kinds = [QEvent.Type.TouchBegin, *[QEvent.Type.TouchUpdate] * (len(steps) - 1), end]
    device = QPointingDevice(
        "screen", 1, QPointingDevice.DeviceType.TouchScreen, QPointingDevice.PointerType.Finger,
        QPointingDevice.Capability.Position, 10, 0)
    for kind, places in zip(kinds, [*steps, steps[-1]], strict=True):
        state = QEventPoint.State.Updated
        if kind == QEvent.Type.TouchBegin:
            state = QEventPoint.State.Pressed
        elif kind == end:
            state = QEventPoint.State.Released
        points = []
        for number, place in enumerate(places):
            at = QPointF(*place)
            points.append(QEventPoint(number, state, at, QPointF(glass.mapToGlobal(at))))
        event = QTouchEvent(kind, device, PLAIN, points)
        QApplication.sendEvent(glass, event)
        assert event.isAccepted()


@pytest.mark.parametrize(("key", "meaning"), [
    (Qt.Key.Key_Escape, "left"), (Qt.Key.Key_Return, "enter"), (Qt.Key.Key_Enter, "enter"),
    (Qt.Key.Key_Backspace, "back"),
])
def test_keys_are_caught_before_the_canvas(armed: Any, key: Any, meaning: str) -> None:
    view, _, said = armed
    QTest.keyClick(view.widget, key)
    spin(lambda: said)
    assert said == [meaning] and view.widget.got == []


def test_all_else_goes_on_to_the_canvas(armed: Any) -> None:
    view, glass, said = armed
    wheel = QWheelEvent(QPointF(50, 50), QPointF(50, 50), QPoint(), QPoint(0, 120),
                        Qt.MouseButton.NoButton, PLAIN, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(glass, wheel)
    assert not wheel.isAccepted()
    QTest.mouseClick(glass, Qt.MouseButton.MiddleButton, PLAIN, QPoint(50, 50))
    QTest.keyClick(view.widget, Qt.Key.Key_B)
    assert view.widget.got == ["MiddleButton", f"key {Qt.Key.Key_B.value}"]
    QTest.keyPress(view.widget, Qt.Key.Key_Space)
    QTest.mouseClick(glass, LEFT, PLAIN, QPoint(50, 50))
    QTest.keyRelease(view.widget, Qt.Key.Key_Space)
    assert view.widget.got[-1] == "LeftButton" and said == []
    QTest.mouseClick(glass, LEFT, PLAIN, QPoint(110, 60))
    assert len(said) == 1
