"""The docker afloat, among tabs and after a restart, in the real window."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import RAFT, SEARCH_SECONDS, Editor

DOCKER = "docker()"
LARGE = 34  # points a button is high at least, to be hit with a pen
BUTTONS = ("cleanplate_docker_remove", "docker_cleanplate_remove_clicked",
           "docker_cleanplate_select_clicked", "docker_cleanplate_remove_selection",
           "docker_cleanplate_refill", "docker_cleanplate_separate", "docker_cleanplate_cut_out")


def helpers(editor: Editor) -> None:
    editor.ask("def docker():\n"
               "    return next(d for d in app.dockers()\n"
               "                if d.objectName() == 'cleanplate_docker')")


@pytest.fixture
def beside(own_krita: Editor) -> Editor:
    """A picture is open, and the docker lies at the right with everything ticked."""
    helpers(own_krita)
    own_krita.open(RAFT)
    own_krita.ask("p = sys.modules['cleanplate.preferences']; p.save(p.Preferences())\n"
                  f"{DOCKER}.hide(); {DOCKER}.setFloating(False)\n"
                  f"{DOCKER}.show(); {DOCKER}.raise_()")
    shown(own_krita)
    return own_krita


def shown(editor: Editor) -> None:
    editor.wait_for("widget('cleanplate_docker_remove') is not None and "
                    "not widget('cleanplate_docker_remove').visibleRegion().isEmpty()")
    editor.settle()


def press(editor: Editor, name: str) -> None:
    """Clicks a button of the docker with the mouse, scrolled to where it is seen."""
    editor.ask("from PyQt5.QtWidgets import QScrollArea\n"
               f"{DOCKER}.findChild(QScrollArea).ensureWidgetVisible(widget(name))", name=name)
    editor.settle()
    editor.click(*editor.steady("center_of(name)", name=name))


def sizes(editor: Editor) -> dict[str, Any]:
    """Each large button's [height, width that its text needs, width]."""
    return editor.eval("{name: [widget(name).height(), widget(name).minimumSizeHint().width(),"
                       " widget(name).width()] for name in names}", names=BUTTONS)


def test_buttons_are_large_and_their_texts_whole(beside: Editor) -> None:
    beside.screenshot("docker_beside")
    for name, (height, needed, width) in sizes(beside).items():
        assert height >= LARGE and width >= needed, name


def test_a_floating_docker_works_on_its_window(beside: Editor) -> None:
    beside.ask(f"{DOCKER}.setFloating(True); {DOCKER}.move(300, 250); {DOCKER}.resize(300, 640)")
    shown(beside)
    for name, (height, needed, width) in sizes(beside).items():
        assert height >= LARGE and width >= needed, name
    beside.ask(f"{DOCKER}.activateWindow()")
    beside.wait_for(f"{DOCKER}.isActiveWindow()")
    press(beside, "docker_cleanplate_select_clicked")
    beside.wait_for("widget('cleanplate_picker') is not None")
    beside.key("Escape")  # the canvas has the keyboard now
    beside.wait_for("widget('cleanplate_picker') is None")
    press(beside, "cleanplate_docker_people")
    beside.wait_for("not widget('cleanplate_docker_people').isChecked()")
    press(beside, "cleanplate_docker_remove")
    beside.wait_for("layer('Text mask') is not None", SEARCH_SECONDS)
    assert "Removed" in beside.finish()
    assert beside.mask("Text mask").any() and not beside.mask("Object mask").any()
    assert "Removed" in beside.eval("text_of('cleanplate_docker_status')")
    beside.screenshot("docker_floating")
    beside.undo(layers=1)


def test_a_docker_among_tabs_works(beside: Editor) -> None:
    beside.ask(
        "from PyQt5.QtWidgets import QDockWidget\n"
        "other = next(d for d in app.dockers() if d.objectName() == 'KisLayerBox')\n"
        "other.show()\n"
        f"main().tabifyDockWidget(other, {DOCKER}); other.raise_()")
    beside.wait_for(f"{DOCKER}.visibleRegion().isEmpty()")
    beside.ask(f"{DOCKER}.raise_()")
    shown(beside)
    assert beside.eval(f"{DOCKER} in main().tabifiedDockWidgets(other)")
    beside.screenshot("docker_tabs")
    press(beside, "docker_cleanplate_select_clicked")
    beside.wait_for("widget('cleanplate_picker') is not None")
    beside.canvas_key("Escape")
    beside.wait_for("widget('cleanplate_picker') is None")


def test_the_choices_are_there_after_a_restart(beside: Editor) -> None:
    beside.ask(f"{DOCKER}.setFloating(True)")
    shown(beside)
    press(beside, "cleanplate_docker_people")
    beside.wait_for("not widget('cleanplate_docker_people').isChecked()")
    beside.ask("widget('cleanplate_grow').setValue(7); "
               "widget('cleanplate_review_choice').click()")
    wanted = beside.eval("list(map(str, sys.modules['cleanplate.preferences'].load()))")
    beside.restart()
    helpers(beside)
    beside.open(RAFT)
    beside.ask(f"{DOCKER}.show(); {DOCKER}.raise_()")
    shown(beside)
    state = "[widget('cleanplate_docker_' + n).isChecked() for n in ('text', 'people', 'unknown')]"
    assert beside.eval(state) == [True, False, False]
    assert beside.eval("[widget('cleanplate_grow').value(), "
                       "widget('cleanplate_review_choice').isChecked()]") == [7, True]
    assert beside.eval("list(map(str, sys.modules['cleanplate.preferences'].load()))") == wanted
    assert beside.eval(f"{DOCKER}.isFloating()"), "where the user left it"
