# Runs inside Krita, in the probe's namespace: short names for the tests' questions.
import base64  # noqa: F401
import sys

from krita import Krita
from PyQt5.QtCore import QPoint
from PyQt5.QtWidgets import QApplication, QMainWindow, QMenu, QWidget

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


def active_name():
    node = doc().activeNode()
    return node.name() if node is not None else None


def menu_title_position(text):
    bar = main().menuBar()
    for action in bar.actions():
        if action.text().replace("&", "") == text:
            point = bar.mapToGlobal(bar.actionGeometry(action).center())
            return [point.x(), point.y()]


def menu_position(name):
    """Where a shown menu's entry of that action id is on the screen; None = not shown."""
    wanted = app.action(name)
    for menu in QApplication.topLevelWidgets():
        if isinstance(menu, QMenu) and menu.isVisible() and wanted in menu.actions():
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
