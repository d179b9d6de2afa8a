"""Clicking on the canvas: what is sent and when, what Enter takes, one click that is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from PyQt6.QtCore import QPointF  # noqa: E402
from PyQt6.QtGui import QTransform  # noqa: E402
from PyQt6.QtWidgets import QMainWindow, QWidget  # noqa: E402

from backend.layers.outline import outline as lined  # noqa: E402
from backend.layers.outline import packed  # noqa: E402
from backend.values import Box  # noqa: E402
from plugin.client import ClickReply, Image, ImageHandle, Reply  # noqa: E402
from tests.fake_krita.bench import (  # noqa: E402
    CHOICE,
    GRAY8,
    HEIGHT,
    WIDTH,
    backend,
    document,
    names,
    photo,
)
from tests.fake_krita.support import FakeClient, load, spin  # noqa: E402

picking, picker, values, extension = (
    load(name) for name in ("picking", "picker", "values", "extension"))

import krita as fake  # noqa: E402  (the fake, found once the plugin was loaded)

NEW, ADD, TAKE = picker.Mode.NEW, picker.Mode.ADD, picker.Mode.REMOVE
REACH = 4  # of a click, in the fake backend


class ClickClient(FakeClient):
    """Squares around the positive clicks, without those around the negative ones. Counts what it
    is asked: ("look",), ("click", positives, negatives, box, previous, glance)."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[ImageHandle] = []
        self.small = False  # a glance is not the whole answer
        self.asked: list[tuple[Any, ...]] = []

    def put_image(self, image: Image) -> ImageHandle:
        image.check()
        self.kept.append(ImageHandle(image))
        return self.kept[-1]

    def drop_image(self, handle: ImageHandle) -> None:
        self.kept = [kept for kept in self.kept if kept is not handle]

    def submit_look(self, handle: ImageHandle, model: Any, device: str) -> Any:
        self.asked.append(("look",))
        return self._job(("look", handle.image), lambda: Reply({}, {}))

    def submit_click(
        self, handle: ImageHandle, positives: Any, negatives: Any, box: Any, previous: int,
        model: Any, device: str, glance: bool,
    ) -> Any:
        asked = ("click", tuple(positives), tuple(negatives), box, previous, glance)
        self.asked.append(asked)
        number = sum(one[0] == "click" for one in self.asked)

        def answer() -> ClickReply:
            mask = np.zeros((handle.image.height, handle.image.width), np.uint8)
            for x, y in positives:
                if x > 2 * REACH:  # at the left there is nothing
                    mask[around(y), around(x)] = 255
            for x, y in negatives:
                mask[around(y), around(x)] = 0
            found = None
            if mask.any():
                rows, columns = np.nonzero(mask)
                found = (int(columns.min()), int(rows.min()),
                         int(columns.max()) + 1, int(rows.max()) + 1)
            outline = b"" if found is None else packed(lined(mask, Box(*found))).tobytes()
            return ClickReply(mask.tobytes(), found, found is not None, number, {},
                              not (glance and self.small), outline)

        return self._job(asked, answer)

    def clicks(self) -> list[tuple[Any, ...]]:
        return [one for one in self.asked if one[0] == "click"]


def around(place: float) -> slice:
    return slice(max(0, int(place) - REACH), int(place) + REACH)


class View:
    """Krita's canvas at 100 %."""

    def __init__(self, parent: QWidget) -> None:
        self.widget = QWidget(parent)
        self.widget.resize(WIDTH, HEIGHT)

    def to_widget(self) -> QTransform:
        return QTransform()

    def to_image(self, point: QPointF) -> QPointF:
        return point

    def image_bounds(self) -> Any:
        return values.Bounds(0, 0, WIDTH, HEIGHT)


class Window:
    """Krita's Window, as far as a controller asks it."""

    def __init__(self) -> None:
        self.main = QMainWindow()

    def qwindow(self) -> QMainWindow:
        return self.main

    def createAction(self, name: str, text: str, place: str) -> Any:
        from PyQt6.QtGui import QAction

        return QAction(text, self.main)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ClickClient:
    made = ClickClient()
    monkeypatch.setattr(backend, "Client", made)
    return made


@pytest.fixture
def desk(
    monkeypatch: pytest.MonkeyPatch, client: ClickClient
) -> Iterator[tuple[Any, Any, Any]]:
    """(document, controller, view) of a fake editor with one window and one photo."""
    monkeypatch.setattr(fake.Krita, "_instance", None)
    editor = fake.Krita.instance()
    doc, window = photo(editor), Window()
    view = View(window.main)
    control = extension.Controller(window, backend.Backend())
    monkeypatch.setattr(extension.Canvas, "active", lambda main: view)
    yield doc, control, view
    control.disarm()
    for run in list(control.runs):
        run.cancel()
    spin(lambda: not client.kept)


def armed(control: Any, name: str = "cleanplate_remove_clicked") -> Any:
    control.arm(name)
    return control._picking


def click(pick: Any, x: float, y: float, mode: Any) -> None:
    pick.picker.picked.emit(x, y, mode)


def settled(pick: Any) -> None:
    spin(lambda: pick.picker is None or not pick.busy)


def area(mask: bytes | None) -> int:
    return 0 if mask is None else mask.count(b"\xff")


def test_the_picture_is_looked_at_before_the_first_click(desk: Any, client: Any) -> None:
    pick = armed(desk[1])
    spin(lambda: pick._sight.handle is not None)
    assert client.asked == [("look",)] and len(client.kept) == 1
    click(pick, 30, 20, ADD)
    settled(pick)
    click(pick, 30, 21, ADD)
    settled(pick)
    assert len(client.kept) == 1, "it is sent once"
    pick.end()
    spin(lambda: not client.kept)


def test_leaving_at_once_leaves_no_picture_in_the_backend(desk: Any, client: Any) -> None:
    for _ in range(12):
        pick = armed(desk[1])
        spin(lambda: client.asked or True)
        pick.end()
    spin(lambda: not client.kept)
    client.hold.set()  # and while it is being looked at
    count = len(client.asked)
    pick = armed(desk[1])
    spin(lambda: len(client.asked) > count)
    pick.end()
    client.hold.clear()
    spin(lambda: not client.kept)


def test_a_changed_picture_is_sent_again(desk: Any, client: Any) -> None:
    doc, control, _ = desk
    pick = armed(control)
    spin(lambda: pick._sight.handle is not None)
    doc.active.canvas()[5:9, 5:9, :3] = 3  # painted, or undone, while the canvas is armed
    click(pick, 30, 20, ADD)
    settled(pick)
    assert client.asked.count(("look",)) >= 2
    sent = [one[1] for one in client.requests if one[0] == "look"][-1]
    assert bytes(sent.data) == doc.active.canvas().tobytes() and area(pick.mask) == 64


def test_each_click_names_the_answer_before_it(desk: Any, client: Any) -> None:
    pick = armed(desk[1])
    click(pick, 20, 20, ADD)
    settled(pick)
    click(pick, 40, 20, ADD)
    settled(pick)
    assert area(pick.mask) == 128
    click(pick, 40, 20, TAKE)
    settled(pick)
    assert area(pick.mask) == 64
    assert [one[4] for one in client.clicks()] == [0, 1, 2]
    assert [one[5] for one in client.clicks()] == [True, False, False]
    pick.picker.taken_back.emit()
    assert not pick.busy and area(pick.mask) == 128, "what was known needs no question"
    pick.picker.taken_back.emit()
    pick.picker.taken_back.emit()
    assert pick.steps == [] and pick.mask is None and len(client.clicks()) == 3


def test_a_small_object_is_outlined_at_a_glance_first(desk: Any, client: Any) -> None:
    client.small = True
    pick = armed(desk[1])
    shown: list[int] = []
    real = pick.picker.show_marks
    pick.picker.show_marks = lambda marks, outline: (shown.append(len(outline)),
                                                     real(marks, outline))
    said: list[bytes] = []
    pick.gathered.connect(lambda mask, report: said.append(mask))
    click(pick, 30, 20, ADD)
    pick.picker.confirmed.emit()  # Enter waits for the closer look
    spin(lambda: said)
    assert [one[4:] for one in client.clicks()] == [(0, True), (0, False)]
    assert sum(count > 0 for count in shown) == 2 and area(said[0]) == 64


def test_one_click_removes_under_its_outline(desk: Any, client: Any) -> None:
    doc, control, _ = desk
    client.hold.set()
    pick = armed(control)
    click(pick, 30, 20, NEW)
    client.hold.clear()
    spin(lambda: control.runs)
    assert pick.picker.outline and pick.picker is not None, "armed, and shown while it works"
    pick.picker.confirmed.emit()  # a user who presses Enter, too, gets it once
    spin(lambda: not control.runs)
    spin(lambda: control._picking is None)
    assert names(doc.root) == [["Clean Plate: photo", ["Text mask", "Object mask", "Background"]],
                               "photo"]
    assert [one[0] for one in client.requests].count("refill") == 1


@pytest.mark.parametrize("mode", [ADD, TAKE])
def test_a_further_click_changes_what_one_click_took(desk: Any, client: Any, mode: Any) -> None:
    doc, control, _ = desk
    pick = armed(control)
    click(pick, 30, 20, NEW)
    settled(pick)
    client.hold.set()
    spin(lambda: control.runs)
    run = control.runs[0]
    click(pick, 34, 20, mode)
    assert not control.runs and run.state is load("work").State.CANCELLED
    client.hold.clear()
    settled(pick)
    assert control._picking is pick and not control.runs, "now Enter is waited for"
    expected = 8 * 12 if mode is ADD else 8 * 4
    assert area(pick.mask) == expected and names(doc.root) == ["photo"]
    pick.picker.confirmed.emit()
    spin(lambda: control.runs)
    spin(lambda: not control.runs)
    made = doc.root.nodes[1].nodes[1]
    assert made.name() == "Object mask" and (made.canvas()[..., 3] > 0).sum() == expected


def test_escape_stops_what_one_click_took(desk: Any, client: Any) -> None:
    doc, control, _ = desk
    pick = armed(control)
    click(pick, 30, 20, NEW)
    settled(pick)
    client.hold.set()
    spin(lambda: control.runs)
    pick.picker.left.emit()
    assert not control.runs and control._picking is None
    client.hold.clear()
    spin(lambda: not client.kept)
    assert names(doc.root) == ["photo"]


def test_another_object_instead_of_the_one_clicked_first(desk: Any, client: Any) -> None:
    doc, control, _ = desk
    pick = armed(control)
    click(pick, 20, 20, NEW)
    settled(pick)
    client.hold.set()
    spin(lambda: control.runs)
    first = control.runs[0]
    click(pick, 45, 30, NEW)
    assert first.state is load("work").State.CANCELLED
    client.hold.clear()
    spin(lambda: control.runs)
    spin(lambda: not control.runs)
    made = doc.root.nodes[1].nodes[1].canvas()[..., 3] > 0
    assert made[30, 45] and not made[20, 20]


def test_nothing_under_the_click_is_told_and_the_canvas_stays_armed(desk: Any, client: Any) -> None:
    doc, control, _ = desk
    pick = armed(control)
    click(pick, 2, 20, NEW)
    settled(pick)
    assert "Nothing found" in pick.picker._text and not control.runs
    pick.picker.confirmed.emit()
    assert "Click the object" in pick.picker._text and names(doc.root) == ["photo"]
    click(pick, 2, 20, TAKE)
    settled(pick)
    click(pick, 30, 20, ADD)
    settled(pick)
    assert area(pick.mask) > 0


def test_enter_takes_the_outline_that_is_on_its_way(desk: Any, client: Any) -> None:
    pick = armed(desk[1], "cleanplate_select_clicked")
    taken: list[bytes] = []
    pick.gathered.connect(taken.append)
    click(pick, 30, 20, NEW)  # gathers: a selection is never made at once
    pick.picker.confirmed.emit()
    assert taken == []
    spin(lambda: taken)
    assert area(taken[0]) == 64 and CHOICE.device == "auto"


def test_a_lost_backend_is_told_and_leaves(desk: Any, client: Any) -> None:
    pick = armed(desk[1])
    told: list[str] = []
    pick.failed.connect(lambda message, details: told.append(message))
    spin(lambda: pick._sight.handle is not None)
    client.hold.set()
    click(pick, 30, 20, ADD)
    client.lost = True
    spin(lambda: told)
    client.lost = False
    client.hold.clear()
    spin(lambda: pick.picker is None)
    assert "ended" in told[0]


def test_an_empty_choice_of_layer_is_told_at_the_canvas(desk: Any) -> None:
    doc, control, _ = desk
    doc.active = doc.root
    pick = armed(control)
    spin(lambda: "Layers docker" in pick.picker._text)
    click(pick, 30, 20, NEW)
    assert pick.steps == [] and document.Document.active() is not None


def test_a_gray_picture_is_converted_without_a_trace(desk: Any, client: Any) -> None:
    _, control, _ = desk
    gray = photo(fake.Krita.instance(), GRAY8)
    pick = armed(control)
    spin(lambda: client.asked == [("look",)])
    assert client.kept[0].image.channels == 4
    spin(lambda: len(fake.Krita.instance().documents()) == 2)  # the scratch is closed
    assert not gray.undo_steps
    pick.end()
