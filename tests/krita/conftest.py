"""One running Krita for all tests of this folder; each test opens a picture of its own."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from krita_hand import Hand
from krita_places import Place, places

RAFT = Path(__file__).resolve().parents[1] / "data" / "raft.png"
SEARCH_SECONDS = 600  # far more than any machine needs: waiting costs nothing where it ends


class Editor(Hand):
    """Krita with what the tests of Clean Plate do again and again."""

    def open(self, path: Path) -> None:
        self.ask("close_all(); dismiss_panels(); open_file(path)", path=str(path))
        self.wait_for("doc() is not None and canvas() is not None")
        self.settle()

    def new(self, width: int, height: int, model: str = "RGBA", depth: str = "U8") -> None:
        self.ask(
            "close_all(); dismiss_panels()\n"
            "d = app.createDocument(w, h, 'test', model, depth, '', 72.0)\n"
            "app.activeWindow().addView(d)",
            w=width, h=height, model=model, depth=depth,
        )
        self.wait_for("doc() is not None and canvas() is not None")
        self.settle()

    def trigger(self, action: str) -> None:
        self.ask("app.action(name).trigger()", name=action)

    def zoom(self, level: float) -> None:
        self.ask("app.activeWindow().activeView().canvas().setZoomLevel(level)", level=level)
        self.settle()

    def activate(self, name: str) -> None:
        self.make_active("layer(name)", name=name)

    def make_active(self, node: str, **values: Any) -> None:
        """Makes a layer active until it stays so: Krita itself activates new ones, a moment
        later, and on a loaded machine that moment is long."""
        times = 0

        def stays() -> bool:
            nonlocal times
            times = 1 + times if self.eval(
                f"doc().activeNode() == {node} or "
                f"(doc().waitForDone(), doc().setActiveNode({node}), False)[2]", **values) else 0
            return times > 5

        self.wait(stays, f"{node} is active ({values})")

    @contextmanager
    def one_step(self) -> Iterator[None]:
        """What happens inside is one step in Krita's undo history, with nothing beside it."""
        before = self.eval("history()")
        yield
        self.settle()
        after = self.eval("history()")
        assert after[:-1] == before, (before, after)

    def undo(self, layers: int) -> None:
        """One step back; the picture then has so many layers at its top level. Krita takes no undo
        while it works on what was done last."""
        self.settle()
        self.ask("app.action('edit_undo').trigger()")
        self.wait_for(f"len(doc().topLevelNodes()) == {layers}")
        self.settle()

    def finish(self, seconds: float = SEARCH_SECONDS) -> str:
        """Waits for the end of all runs; what the panel says then."""
        self.wait_for("idle()", seconds)
        self.wait_for("active_name() is not None")
        return self.eval("text_of('cleanplate_text')")

    def pixels(self, name: str | None = None, dtype: type = np.uint8) -> np.ndarray:
        """H×W×C of the topmost layer of that name, or of the visible image; integers B, G, R, A."""
        code = "projection()" if name is None else "raw(layer(name))"
        return self.decode(self.eval(code, name=name), dtype)

    def decode(self, encoded: str, dtype: type = np.uint8) -> np.ndarray:
        width, height = self.eval("[doc().width(), doc().height()]")
        flat = np.frombuffer(base64.b64decode(encoded), dtype)
        return flat.reshape(height, width, -1)

    def mask(self, name: str) -> np.ndarray:
        """H×W bool: where a mask layer is white; checks that it is transparent elsewhere."""
        pixels = self.pixels(name)
        removed = pixels[..., 3] > 0
        # Where it is transparent, Krita may keep any colour (its own default pixel).
        assert (pixels[removed] == 255).all(), "white where removed, transparent elsewhere"
        return removed

    def fill_layer(self, name: str, pixels: np.ndarray) -> None:
        """Writes a layer of the test's own; `pixels` in the layer's format."""
        data = base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode()
        self.ask(
            "from PyQt5.QtCore import QByteArray\n"
            "layer(name).setPixelData(QByteArray(base64.b64decode(data)), 0, 0, w, h)\n"
            "doc().refreshProjection(); doc().waitForDone()",
            name=name, data=data, w=pixels.shape[1], h=pixels.shape[0],
        )


def start_editor(folder: Path, place: Place) -> Editor:
    lacking = place.missing()
    if lacking:
        pytest.skip(f"not on this machine: {lacking} (apt-get install krita xvfb xdotool "
                    "imagemagick python3-pyqt5)")
    return Editor(folder, place)


@pytest.fixture(scope="session", params=places(), ids=lambda place: place.name)
def krita(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
    compiled_kernels: None,
) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("krita", numbered=True)
    editor = start_editor(folder, request.param)
    try:
        editor.start()
        request.param.check_version(editor.eval("app.version()"))
        yield editor
    finally:
        editor.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=places(), ids=lambda place: place.name)
def own_krita(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
    compiled_kernels: None,
) -> Iterator[Editor]:
    """A Krita for the tests of one file alone: they move its dockers about and restart it."""
    place: Place = request.param
    folder = tmp_path_factory.mktemp("own", numbered=True)
    editor = start_editor(folder, place)
    try:
        editor.start()
        place.check_version(editor.eval("app.version()"))
        yield editor
    finally:
        editor.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def raft(krita: Editor) -> Editor:
    """Krita with the free photo of a raft: people, and a headline set on it."""
    krita.open(RAFT)
    krita.ask("sys.modules['cleanplate.preferences'].save("
              "sys.modules['cleanplate.preferences'].Preferences())")
    return krita


def dilated(mask: np.ndarray, pixels: int) -> np.ndarray:
    """`mask` grown by a square of `pixels` on each side."""
    import cv2

    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after).any(axis=2)
