"""Gathering by several clicks, selecting, and the docker, in the real window."""

from __future__ import annotations

import os
import signal

import pytest
from conftest import RAFT, SEARCH_SECONDS, Editor

WOMAN, ROCKS = (122, 118), (330, 15)


def at(editor: Editor, x: int, y: int) -> list[int]:
    """Where an image pixel is on the screen."""
    return editor.steady("on_screen(x, y)", x=x, y=y)


def click_with(editor: Editor, key: str, x: int, y: int) -> None:
    place = at(editor, x, y)
    editor.held(key, lambda: editor.click(*place))


def settled(editor: Editor, steps: int) -> None:
    editor.wait_for(f"len(controller()._picking.steps) == {steps} and "
                    "not controller()._picking.busy", SEARCH_SECONDS)


@pytest.fixture
def armed(raft: Editor) -> Editor:
    raft.zoom(2.0)
    raft.focus()
    return raft


def corners(editor: Editor) -> int:
    """Of the outline on the canvas."""
    return editor.eval("sum(len(line) // 2 for line in controller()._picking.picker.outline)")


def test_clicks_add_take_away_take_back_and_fill(armed: Editor) -> None:
    armed.trigger("cleanplate_remove_clicked")
    armed.wait_for("widget('cleanplate_picker') is not None")
    click_with(armed, "shift", *WOMAN)
    settled(armed, 1)
    first = armed.eval("controller()._picking.mask.count(b'\\xff')")
    assert first > 50 and corners(armed) > 10
    armed.screenshot("gather_outline")
    click_with(armed, "alt", *ROCKS)
    settled(armed, 2)
    marks = armed.eval("[m.positive for m in controller()._picking.picker._marks]")
    assert marks == [True, False]
    armed.canvas_key("BackSpace")
    settled(armed, 1)
    assert armed.eval("controller()._picking.mask.count(b'\\xff')") == first
    mask = armed.decode(armed.eval(
        "base64.b64encode(controller()._picking.mask).decode()"))[..., 0] > 0
    assert mask[WOMAN[1], WOMAN[0]]
    source = armed.pixels("Background")
    armed.canvas_key("Return")
    assert "Removed" in armed.finish()
    assert (armed.mask("Object mask") == mask).all(), "as it was gathered"
    plate = armed.decode(armed.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    assert (source != plate).any(axis=2)[mask].mean() > 0.7


def test_one_click_can_still_be_changed(armed: Editor) -> None:
    """The outline stands while the clicked object is removed; a Shift-click holds that and goes
    on gathering, and Enter removes all of it."""
    armed.trigger("cleanplate_remove_clicked")
    armed.wait_for("controller()._picking._sight.handle is not None", SEARCH_SECONDS)
    pid = armed.backend_pid()
    assert pid is not None
    # The backend stops as soon as the removal begins: it cannot end before the next click.
    armed.ask("import os, signal\n"
              "launched = []\n"
              "def halt(work):\n"
              "    launched.append(work)\n"
              "    if len(launched) == 1: os.kill(pid, signal.SIGSTOP)\n"
              "controller().started.connect(halt)", pid=pid)
    try:
        armed.click(*at(armed, *WOMAN))
        armed.wait_for("len(launched) == 1", SEARCH_SECONDS)
        assert corners(armed) > 10
        armed.screenshot("one_click_outline")
        click_with(armed, "shift", WOMAN[0], WOMAN[1] + 20)
        armed.wait_for("not controller().runs and len(controller()._picking.steps) == 2")
    finally:
        os.kill(pid, signal.SIGCONT)
        armed.ask("controller().started.disconnect(halt)")
    settled(armed, 2)
    assert len(armed.eval("tree()")) == 1
    armed.canvas_key("Return")
    assert "Removed" in armed.finish()
    mask = armed.mask("Object mask")
    assert mask[WOMAN[1], WOMAN[0]] and mask[WOMAN[1] + 20, WOMAN[0]]
    armed.undo(layers=1)


def test_gathering_looks_at_the_visible_image_where_that_is_the_source(armed: Editor) -> None:
    """The active layer is empty; what the user sees and clicks lies below it."""
    armed.ask("p = sys.modules['cleanplate.preferences']; p.save(p.Preferences(visible=True))\n"
              "n = doc().createNode('empty', 'paintlayer'); doc().rootNode().addChildNode(n, None)")
    armed.activate("empty")
    armed.focus()
    armed.trigger("cleanplate_remove_clicked")
    armed.wait_for("widget('cleanplate_picker') is not None")
    click_with(armed, "shift", *WOMAN)
    settled(armed, 1)
    assert armed.eval("controller()._picking.mask.count(b'\\xff')") > 50
    armed.canvas_key("Return")
    assert "Removed" in armed.finish()
    assert armed.eval("tree()")[0][0] == "Clean Plate: visible image"
    assert armed.mask("Object mask")[WOMAN[1], WOMAN[0]]


def test_a_box_is_an_object_too(armed: Editor) -> None:
    armed.trigger("cleanplate_remove_clicked")
    armed.wait_for("widget('cleanplate_picker') is not None")
    start, end = at(armed, 95, 85), at(armed, 150, 150)
    armed.drag([(start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1]))
                for part in (0.0, 0.3, 0.6, 1.0)])
    settled(armed, 1)
    box = armed.eval("controller()._picking.steps[0].box")
    assert all(abs(a - b) <= 1.5 for a, b in zip(box, (95, 85, 150, 150), strict=True))
    armed.canvas_key("Escape")
    armed.wait_for("widget('cleanplate_picker') is None")
    assert len(armed.eval("tree()")) == 1


def test_select_clicked_object_ends_in_a_selection(armed: Editor) -> None:
    armed.menu("cleanplate_select_clicked")
    armed.wait_for("widget('cleanplate_picker') is not None")
    armed.click(*at(armed, *WOMAN))
    settled(armed, 1)
    mask = armed.decode(armed.eval(
        "base64.b64encode(controller()._picking.mask).decode()"))[..., 0]
    armed.canvas_key("Return")
    armed.wait_for("doc().selection() is not None")
    armed.settle()
    armed.screenshot("selected_object")
    chosen = armed.decode(armed.eval(
        "base64.b64encode(bytes(doc().selection().pixelData(0, 0, 384, 256))).decode()"))[..., 0]
    assert ((chosen > 127) == (mask > 127)).all()
    assert [layer[0] for layer in armed.eval("tree()")][-1] == "Background"


def test_docker_removes_what_is_ticked(raft: Editor) -> None:
    raft.ask("[d for d in app.dockers() if d.objectName() == 'cleanplate_docker'][0].show()\n"
             "[d for d in app.dockers() if d.objectName() == 'cleanplate_docker'][0].raise_()")
    raft.wait_for("widget('cleanplate_docker_remove') is not None")
    raft.settle()
    assert raft.eval("[widget('cleanplate_docker_text').isChecked(), "
                     "widget('cleanplate_docker_people').isChecked()]") == [True, True]
    raft.click(*raft.eval("center_of('cleanplate_docker_people')"))
    raft.wait_for("not widget('cleanplate_docker_people').isChecked()")
    raft.click(*raft.eval("center_of('cleanplate_docker_remove')"))
    raft.wait_for("layer('Text mask') is not None", SEARCH_SECONDS)
    assert "Removed" in raft.finish()
    assert raft.mask("Text mask").any() and not raft.mask("Object mask").any()
    assert "Removed" in raft.eval("text_of('cleanplate_docker_status')")
    assert raft.eval("sys.modules['cleanplate.preferences'].load().people") is False
    raft.screenshot("docker")
    raft.click(*raft.eval("center_of('cleanplate_docker_people')"))


def test_settings_show_the_backend_and_its_models(raft: Editor) -> None:
    raft.open(RAFT)
    raft.trigger("cleanplate_settings")
    raft.wait_for("widget('cleanplate_restart') is not None")
    raft.wait_for("widget('cleanplate_settings_dialog')._busy is None")
    before = raft.backend_pid()
    raft.click(*raft.eval("center_of('cleanplate_restart')"))
    raft.wait(lambda: raft.backend_pid() not in (None, before), "another backend runs")
    raft.wait_for(f"'process {raft.backend_pid()},' in text_of('cleanplate_state')")
    count = raft.eval("widget('cleanplate_models').topLevelItemCount()")
    assert count > 5
    assert raft.eval("widget('cleanplate_install_big_lama') is not None")
    raft.screenshot("settings")
    raft.wait_for("widget('cleanplate_settings_dialog')._busy is None")  # a click would be lost
    raft.click(*raft.eval("center_of('cleanplate_stop')"))
    raft.wait_for("'Not running' in (text_of('cleanplate_state') or '')")
    raft.wait(lambda: raft.backend_pid() is None, "the run file goes with the backend")
    raft.ask("widget('cleanplate_settings_dialog').reject()")
