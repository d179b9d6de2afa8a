"""A shortcut of the user's own, set in Krita's settings by mouse and keys, before and after a
restart."""

from __future__ import annotations

import pytest
from conftest import RAFT, Editor

ACTION, TITLE = "cleanplate_remove_clicked", "Remove Clicked Object"
KEYS, SHOWN = "ctrl+alt+shift+k", "Ctrl+Alt+Shift+K"

# What the test asks the dialog Settings ▸ Configure Krita….
HELPERS = """
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QAbstractItemView, QLineEdit, QPushButton
from PyQt5.QtWidgets import QTreeWidget, QTreeWidgetItemIterator


def seen(kind, text=None):
    shown = QApplication.activeModalWidget()
    for one in shown.findChildren(kind) if shown is not None else ():
        if one.isVisible() and (text is None or one.text().replace('&', '') == text):
            return one
    return None


def middle(one):
    if one is None:
        return None
    point = one.mapToGlobal(one.rect().center())
    return [point.x(), point.y()]


def place_in(view, x, box):
    if box.height() <= 0:
        return None
    point = view.viewport().mapToGlobal(QPoint(x, box.center().y()))
    return [point.x(), point.y()]


def page_place(title):
    for view in QApplication.activeModalWidget().findChildren(QAbstractItemView):
        model = view.model()
        for row in range(model.rowCount() if model is not None and view.isVisible() else 0):
            index = model.index(row, 0)
            if str(model.data(index)).replace('\\n', ' ') == title:
                box = view.visualRect(index)
                return place_in(view, box.center().x(), box)
    return None


def cell_place(title):
    tree = seen(QTreeWidget)
    walk = QTreeWidgetItemIterator(tree)
    while walk.value():
        item = walk.value()
        if item.text(0) == title and not item.isHidden() and not item.childCount():
            return place_in(tree, tree.columnViewportPosition(1) + 20, tree.visualItemRect(item))
        walk += 1
    return None


def key_button():
    for one in seen(QTreeWidget).findChildren(QPushButton):
        if one.isVisible() and one.metaObject().className() == 'KKeySequenceButton':
            return one
    return None


def keys_shown():
    one = key_button()
    return one.text().replace('&', '').strip() if one is not None else None
"""


@pytest.fixture
def configured(own_krita: Editor) -> Editor:
    """Krita with a picture; HELPERS are there, `title` and `keys` too."""
    own_krita.open(RAFT)
    own_krita.ask(HELPERS)
    own_krita.ask("", title=TITLE, keys=SHOWN)
    return own_krita


def arms(editor: Editor) -> None:
    """The keys arm the canvas; Esc leaves it."""
    editor.canvas_key(KEYS)
    editor.wait_for("widget('cleanplate_picker') is not None")
    editor.canvas_key("Escape")
    editor.wait_for("widget('cleanplate_picker') is None")


def test_a_shortcut_of_the_users_own_works_and_stays(configured: Editor) -> None:
    krita = configured
    taken = "[n.objectName() for n in app.actions() if n.shortcut().toString() == keys]"
    assert krita.eval(taken) == [], "the keys are free"
    krita.ask("QTimer.singleShot(0, app.action('options_configure').trigger)")
    krita.wait_for("(modal() or '').endswith('Configure Krita')")
    krita.click(*krita.steady("page_place('Keyboard Shortcuts')"))
    krita.wait_for("seen(QTreeWidget) is not None and seen(QLineEdit) is not None")
    krita.click(*krita.steady("middle(seen(QLineEdit))"))
    krita.wait_for("seen(QLineEdit).hasFocus()")
    krita.xdo("type", TITLE)
    krita.wait_for("seen(QLineEdit).text() == title")
    krita.click(*krita.steady("cell_place(title)"))
    krita.click(*krita.steady("middle(key_button())"))
    krita.wait_for("'Input' in keys_shown()")
    krita.key(KEYS)
    krita.wait_for("keys_shown() == keys")  # with "..." while more keys may come
    krita.screenshot("shortcuts")
    krita.click(*krita.steady("middle(seen(QPushButton, 'OK'))"))
    krita.wait_for("modal() is None")
    assert krita.eval("app.action(name).shortcut().toString()", name=ACTION) == SHOWN
    arms(krita)
    krita.restart()
    krita.open(RAFT)
    assert krita.eval("app.action(name).shortcut().toString()", name=ACTION) == SHOWN
    arms(krita)
