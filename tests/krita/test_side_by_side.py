"""Two Kritas with one backend, and two windows of one Krita: no result lands in the other."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import RAFT, SEARCH_SECONDS, Editor, changed, dilated, start_editor

REACH = 40
GROUP = "Clean Plate: Background"


@pytest.fixture
def second(krita: Editor, tmp_path: Path) -> Iterator[Editor]:
    """Another Krita of another home, whose plugin finds the first one's backend."""
    folder = tmp_path / "second"
    folder.mkdir()
    editor = start_editor(folder, krita.place)
    editor.environment["CLEANPLATE_HOME"] = str(krita.home)
    try:
        editor.start()
        yield editor
    finally:
        editor.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mirrored(tmp_path: Path) -> Path:
    """The same words and people elsewhere, and darker: its result fits no other picture."""
    picture = cv2.imread(str(RAFT))
    assert picture is not None
    path = tmp_path / "mirrored.png"
    cv2.imwrite(str(path), picture[::-1, ::-1] // 2)
    return path


@contextmanager
def halted(pid: int | None) -> Iterator[None]:
    """So that no run ends before the other one begins."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def check(editor: Editor, file: str) -> np.ndarray:
    """The document of that file has its own result; where its text was."""
    picked = "next(d for d in app.documents() if d.fileName().endswith(file))"
    names = editor.eval(f"[n.name() for n in {picked}.topLevelNodes()]", file=file)
    assert names == ["Background", GROUP]

    def pixels(node: str) -> np.ndarray:
        return editor.decode(editor.ask(
            f"d = {picked}; g = d.topLevelNodes()[1]; n = {node}\n"
            "result = base64.b64encode(bytes(n.pixelData(0, 0, d.width(), d.height()))).decode()",
            file=file))

    source, plate = pixels("d.topLevelNodes()[0]"), pixels("g.childNodes()[0]")
    text = pixels("next(n for n in g.childNodes() if n.name() == 'Text mask')")[..., 3] > 0
    different = changed(source, plate)
    assert text.any() and different[text].mean() > 0.7
    assert not (different & ~dilated(text, REACH)).any()
    return text


def test_two_kritas_share_a_backend(raft: Editor, second: Editor, mirrored: Path) -> None:
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()  # now the backend runs
    raft.undo(layers=1)
    raft.activate("Background")
    second.open(mirrored)
    with halted(raft.backend_pid()):
        raft.trigger("cleanplate_remove_text")
        second.trigger("cleanplate_remove_text")
        raft.settle()
        second.settle()
        assert not raft.eval("idle()") and not second.eval("idle()")
    assert "Removed" in raft.finish() and "Removed" in second.finish()
    assert second.backend_pid() is None, "it has none of its own"
    upright, turned = check(raft, "raft.png"), check(second, "mirrored.png")
    assert upright[:60].any() and turned[-60:].any()


def test_two_windows_of_one_krita(second: Editor, krita: Editor, mirrored: Path) -> None:
    second.open(RAFT)
    second.trigger("cleanplate_remove_text")
    assert "Removed" in second.finish()
    second.undo(layers=1)
    second.activate("Background")
    second.ask("first = app.activeWindow(); other = app.openWindow(); other.qwindow().show()")
    second.wait_for("len(app.windows()) == 2 and len(plugin().controllers) == 2")
    second.ask("other.addView(app.openDocument(path))", path=str(mirrored))

    def front(window: str, file: str) -> None:
        second.wait_for(f"doc() is not None and doc().fileName().endswith({file!r}) or "
                        f"{window}.activate()")

    with halted(krita.backend_pid()):
        for window, file in (("first", "raft.png"), ("other", "mirrored.png")):
            front(window, file)
            second.ask(f"next(c for c in plugin().controllers if c.main is {window}.qwindow())"
                       ".trigger('cleanplate_remove_text')")
        second.settle()
        assert second.eval("[len(c.runs) for c in plugin().controllers]") == [1, 1]
    second.wait_for("not any(c.runs for c in plugin().controllers)", SEARCH_SECONDS)
    told = second.eval(
        "[[w.text() for w in window.qwindow().findChildren(QWidget, 'cleanplate_text')]"
        " for window in (first, other)]")
    assert all(any("Removed" in text for text in texts) for texts in told), told
    second.screenshot("two_windows")
    check(second, "raft.png")
    check(second, "mirrored.png")
