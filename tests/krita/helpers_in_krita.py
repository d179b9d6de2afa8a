# Runs inside Krita, in the probe's namespace: short names for the tests' questions.
import base64  # noqa: F401
import sys

from krita import Krita
from PyQt5.QtCore import QEvent, QObject, QPoint, Qt  # noqa: F401
from PyQt5.QtGui import QCursor
from PyQt5.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QMainWindow,
    QMenu,
    QToolButton,
    QWidget,
)

app = Krita.instance()


def main():
    return app.activeWindow().qwindow()


def doc():
    return app.activeDocument()


def plugin():
    # Not by Krita's extensions(): in 5.3 the wrappers in its list own the extensions, which go
    # with it, this probe among them, as soon as Python tidies up.
    return sys.modules["cleanplate.docker"].CleanPlateDocker.extension


def controller():
    return plugin().controllers[-1]


def open_file(path):
    document = app.openDocument(path)
    app.activeWindow().addView(document)
    return document


def close_all():
    for document in app.documents():
        document.setModified(False)
        document.close()


def tree(node=None):
    """[[name, type, visible, blending, opacity, children], …] from top to bottom."""
    node = node or doc().rootNode()
    return [
        [n.name(), n.type(), n.visible(), n.blendingMode(), n.opacity(), tree(n)]
        for n in reversed(node.childNodes())
    ]


def layer(name, node=None):
    """The topmost layer of that name."""
    for child in reversed((node or doc().rootNode()).childNodes()):
        if child.name() == name:
            return child
        inside = layer(name, child)
        if inside is not None:
            return inside
    return None


def raw(node):
    d = doc()
    get = node.projectionPixelData if node.type() == "grouplayer" else node.pixelData
    return base64.b64encode(bytes(get(0, 0, d.width(), d.height()))).decode()


def projection():
    d = doc()
    d.waitForDone()
    return base64.b64encode(bytes(d.pixelData(0, 0, d.width(), d.height()))).decode()


def history():
    """The steps that undo goes back by, oldest first, as Krita lists them."""
    docker = next(d for d in app.dockers() if d.objectName() == "History")
    model = next(v.model() for v in docker.findChildren(QAbstractItemView) if v.model())
    return [str(model.data(model.index(row, 0))) for row in range(model.rowCount())]


def active_name():
    node = doc().activeNode()
    return node.name() if node is not None else None


def menu_title_position(text):
    bar = main().menuBar()
    for action in bar.actions():
        if action.text().replace("&", "") == text:
            point = bar.mapToGlobal(bar.actionGeometry(action).center())
            return [point.x(), point.y()]


def menus():
    """The menus that are on the screen; Qt shows a menu before the screen does."""
    return [w for w in QApplication.topLevelWidgets()
            if isinstance(w, QMenu) and w.isVisible() and w.windowHandle().isExposed()]


def close_menus():
    for menu in QApplication.topLevelWidgets():
        if isinstance(menu, QMenu) and menu.isVisible():
            menu.close()


def menu_position(name):
    """Where a shown menu's entry of that action id is on the screen; None = not shown."""
    wanted = app.action(name)
    for menu in menus():
        if wanted in menu.actions():
            point = menu.mapToGlobal(menu.actionGeometry(wanted).center())
            return [point.x(), point.y()]
    return None


def widget(name):
    """The shown widget of that object name (the newest)."""
    found = [w for w in QApplication.allWidgets() if w.objectName() == name and w.isVisible()]
    return found[-1] if found else None


def text_of(name):
    shown = widget(name)
    return shown.text() if shown is not None else None


def center_of(name):
    shown = widget(name)
    point = shown.mapToGlobal(shown.rect().center())
    return [point.x(), point.y()]


def idle():
    return not controller().runs


def texts_of(name):
    return [w.text() for w in QApplication.allWidgets() if w.objectName() == name and w.isVisible()]


def dismiss_panels():
    """Nothing of an earlier test may lie over the canvas."""
    for window in QApplication.topLevelWidgets():
        if window.isVisible() and window.windowTitle().startswith("Clean Plate"):
            window.close()
    for panel in QApplication.allWidgets():
        if panel.objectName() == "cleanplate_panel" and panel.isVisible():
            panel.dismiss()


def canvas():
    package = sys.modules["cleanplate.canvas"]
    return package.Canvas.active(main())


def canvas_origin():
    point = canvas().widget.mapToGlobal(QPoint(0, 0))
    return [point.x(), point.y(), canvas().widget.width(), canvas().widget.height()]


def modal():
    """Any dialog in the user's way."""
    shown = QApplication.activeModalWidget()
    return shown.metaObject().className() + " " + shown.windowTitle() if shown else None


def windows():
    return [
        w.metaObject().className() + " " + w.windowTitle()
        for w in QApplication.topLevelWidgets()
        if w.isVisible() and not isinstance(w, (QMainWindow, QMenu)) and isinstance(w, QWidget)
    ]


def view_state():
    """All that says where an image pixel is on the screen; None without a canvas."""
    shown = canvas() if doc() is not None else None
    if shown is None:
        return None
    t = shown.to_widget()
    return [canvas_origin(), t.m11(), t.m12(), t.m21(), t.m22(), t.dx(), t.dy()]


def zoom_level():
    return app.activeWindow().activeView().canvas().zoomLevel()


def on_screen(x, y):
    """Where an image pixel is on the screen."""
    point = canvas().widget.mapToGlobal(canvas().to_widget().map(QPoint(x, y)))
    return [point.x(), point.y()]


def painted_at(node, points):
    """Whether a layer is opaque at all those places."""
    doc().waitForDone()
    return all(bytes(node.pixelData(x, y, 1, 1))[-1] > 127 for x, y in points)


def tool_is_active(name):
    button = main().findChild(QToolButton, name)
    return button is not None and button.isChecked()


class HandProbe(QObject):
    """What of the mouse and the keys has come in from the screen since `start`."""

    def __init__(self):
        super().__init__()
        self.watching = False
        self.clear()

    def clear(self):
        self.place, self.presses, self.releases, self.keys = None, 0, 0, []

    def start(self):
        self.clear()
        if not self.watching:
            self.watching = True
            QApplication.instance().installEventFilter(self)

    def stop(self):
        self.watching = False
        QApplication.instance().removeEventFilter(self)

    def rests(self, place):
        at = QCursor.pos()
        return [at.x(), at.y()] == place

    def eventFilter(self, watched, event):
        kind = event.type()
        if kind in (QEvent.KeyPress, QEvent.ShortcutOverride):
            stroke = [event.key(), event.timestamp()]
            if stroke not in self.keys:
                self.keys.append(stroke)
        elif kind in (QEvent.MouseMove, QEvent.MouseButtonPress, QEvent.MouseButtonRelease,
                      QEvent.MouseButtonDblClick) and watched.isWindowType():
            self.place = [event.globalX(), event.globalY()]
            self.presses += kind in (QEvent.MouseButtonPress, QEvent.MouseButtonDblClick)
            self.releases += kind == QEvent.MouseButtonRelease
        return False


class Fired:
    """Counts how often an action was triggered since `watch`."""

    def __init__(self):
        self.count, self.watched = 0, set()

    def watch(self, name):
        self.count, self.name = 0, name
        if name not in self.watched:
            self.watched.add(name)
            app.action(name).triggered.connect(lambda *given: self.note(name))

    def note(self, name):
        self.count += name == self.name


hand, fired = HandProbe(), Fired()
