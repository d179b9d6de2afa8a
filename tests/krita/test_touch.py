"""Fingers on the armed canvas: one picks, two pan and zoom as Krita lets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Editor
from test_click import TARGET, VIEWS, arm, recorded, seen_at, set_view, target_file

HELPERS = (Path(__file__).parent / "touch_in_krita.py").read_text()
STEPS = 12
ZOOM = "app.activeWindow().activeView().canvas().zoomLevel()"
Place = tuple[float, float]
__all__ = ["recorded", "target_file"]


@pytest.fixture
def touched(recorded: Editor) -> Iterator[Editor]:
    """Krita with fingers; clicks and boxes are recorded in `clicks` and `boxes`."""
    set_view(recorded, VIEWS[0])
    recorded.ask(HELPERS)
    recorded.ask("boxes = []; boxed = armed._boxed\n"
                 "armed._boxed = lambda self, *box: boxes.append(box)")
    yield recorded
    recorded.ask("armed._boxed = boxed; fingers.remove()")


def fingers(editor: Editor, *paths: Sequence[Place]) -> None:
    """Puts down a finger, the others beside it, moves all of them, and lifts them. Krita gets
    each event in a turn of its own, as from a screen."""
    steps = list(zip(*paths, strict=True))
    assert editor.eval("fingers.down(places)", places=[list(steps[0][0])]), "taken"
    for places in steps:
        editor.eval("fingers.move(places)", places=[list(place) for place in places])
    editor.eval("fingers.up(places)", places=[list(place) for place in steps[-1]])
    editor.settle()


def path(start: Place, dx: float, dy: float) -> list[Place]:
    return [(start[0] + dx * n / STEPS, start[1] + dy * n / STEPS) for n in range(STEPS + 1)]


def test_two_fingers_pan_and_zoom_while_armed(touched: Editor) -> None:
    left, top, width, height = touched.eval("canvas_origin()")
    x, y = left + width / 2, top + height / 2
    picture = touched.pixels("Background")
    arm(touched)
    before = touched.eval("on_screen(*target)", target=TARGET)
    fingers(touched, path((x - 60, y), 120, 90), path((x + 60, y), 120, 90))
    after = touched.eval("on_screen(*target)", target=TARGET)
    # Krita takes some points for the beginning of a drag; the rest the picture follows.
    moved = np.subtract(after, before)
    assert 60 < moved[0] <= 125 and 45 < moved[1] <= 95, moved
    zoom = touched.eval(ZOOM)
    fingers(touched, path((x - 40, y), -90, 0), path((x + 40, y), 90, 0))
    assert touched.eval(ZOOM) > 1.3 * zoom
    assert touched.eval("widget('cleanplate_picker') is not None")
    assert touched.eval("[clicks, boxes]") == [[], []]
    assert (touched.pixels("Background") == picture).all()
    where = seen_at(touched)
    fingers(touched, [where, where])
    touched.wait_for("len(clicks) == 1")
    found = touched.eval("clicks[0]")
    assert np.abs(np.subtract(found, TARGET) - 0.5).max() <= 1.0, found


def test_one_finger_draws_a_box_and_never_on_the_layer(touched: Editor) -> None:
    """Krita itself would paint: that the same finger does so on a canvas that is not armed shows
    that it is one."""
    start = touched.eval("on_screen(100, 100)")
    picture = touched.pixels("Background")
    arm(touched)
    fingers(touched, path(start, 150, 120))
    touched.wait_for("len(boxes) == 1")
    touched.settle()
    assert (touched.pixels("Background") == picture).all()
    zoom = touched.eval(ZOOM)
    assert np.abs(np.subtract(touched.eval("boxes[0]"),
                              [100, 100, 100 + 150 / zoom, 100 + 120 / zoom])).max() <= 1.5
    touched.ask("controller().disarm()")
    touched.wait_for("widget('cleanplate_picker') is None")
    fingers(touched, path(start, 150, 120))
    touched.wait(lambda: (touched.pixels("Background") != picture).any(), "Krita paints by touch")
