"""Cancel, a killed backend, a wrong token, a document that changes meanwhile: nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest
from conftest import RAFT, SEARCH_SECONDS, Editor


@pytest.fixture
def busy(krita: Editor, tmp_path: Path) -> Editor:
    """Krita with a picture large enough that a test can act while the backend works on it."""
    picture = cv2.imread(str(RAFT))
    assert picture is not None
    large = tmp_path / "large.png"
    cv2.imwrite(str(large), cv2.resize(picture, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC))
    krita.open(large)
    krita.ask("plugin().backend.close()")
    return krita


def start(editor: Editor) -> None:
    """Starts a run and returns while the backend is at work on it."""
    editor.trigger("cleanplate_remove_text_and_people")
    editor.wait_for(
        "(text_of('cleanplate_text') or '').startswith(('Looking', 'Filling', 'Loading'))"
    )


@contextmanager
def halted(editor: Editor) -> Iterator[int]:
    """The backend stands still: what ends meanwhile did not wait for it. Its process id."""
    pid = editor.backend_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_cancel_frees_the_editor_at_once(busy: Editor) -> None:
    before = busy.eval("tree()")
    start(busy)
    with halted(busy):
        busy.click(*busy.steady("center_of('cleanplate_cancel')"))
        busy.wait_for("idle()")
        assert busy.eval("text_of('cleanplate_text')") == "Cancelled; nothing was changed."
        busy.screenshot("cancelled")
    time.sleep(2)  # whatever the backend still sends must not count
    assert busy.eval("tree()") == before
    assert busy.eval("modal()") is None


def test_a_second_run_on_the_same_document_is_told_to_wait(busy: Editor) -> None:
    start(busy)
    busy.trigger("cleanplate_remove_text")
    assert any("still working" in text for text in busy.eval("texts_of('cleanplate_text')"))
    assert busy.eval("len(controller().runs)") == 1
    busy.ask("controller().runs[0].cancel()")  # as the docker's button does
    busy.wait_for("idle()")
    assert "Cancelled; nothing was changed." in busy.eval("texts_of('cleanplate_text')")


def test_backend_killed_in_mid_job_then_a_second_run(busy: Editor) -> None:
    before = busy.eval("tree()")
    start(busy)
    pid = busy.backend_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    message = busy.finish()
    assert "ended while it was working" in message
    assert busy.eval("widget('cleanplate_copy') is not None")
    busy.screenshot("backend_killed")
    assert busy.eval("tree()") == before
    busy.open(RAFT)
    busy.trigger("cleanplate_remove_text")
    assert "Removed" in busy.finish()
    assert busy.backend_pid() not in (None, pid)


def test_wrong_token_is_explained_and_recovers(raft: Editor) -> None:
    raft.trigger("cleanplate_remove_text")
    raft.finish()
    raft.open(RAFT)
    path = raft.home / "run" / "backend.json"
    good = path.read_text()
    path.write_text(json.dumps(dict(json.loads(good), token="0" * 64)))
    raft.ask("plugin().backend.close()")
    before = raft.eval("tree()")
    raft.trigger("cleanplate_remove_text")
    message = raft.finish()
    assert "backend" in message.lower()
    assert "token" in raft.eval("widget('cleanplate_panel')._report")
    assert raft.eval("tree()") == before
    path.write_text(good)
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()


def test_a_backend_that_cannot_start_is_explained_with_its_log(raft: Editor) -> None:
    raft.stop_backend()
    raft.wait(lambda: raft.backend_pid() is None, "the backend ends")
    raft.ask("plugin().backend.close()")
    program = raft.home / "bin" / "cleanplate"
    good = program.read_text()
    program.write_text("#!/bin/sh\necho 'the disk is full of cheese' >&2\nexit 3\n")
    try:
        raft.trigger("cleanplate_remove_text")
        assert "could not start" in raft.finish()
        raft.click(*raft.eval("center_of('cleanplate_copy')"))
        raft.wait_for("'full of cheese' in QApplication.clipboard().text()")
        assert "Krita 5" in raft.eval("QApplication.clipboard().text()")
        raft.click(*raft.eval("center_of('cleanplate_details')"))
        raft.wait_for("any('details' in title for title in windows())")
        raft.settle()
        raft.screenshot("cannot_start")
    finally:
        program.write_text(good)
    assert len(raft.eval("tree()")) == 1
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()


def test_source_edited_meanwhile_gives_the_result_of_the_click(raft: Editor) -> None:
    source = raft.pixels("Background")
    edited = source.copy()
    edited[:20, :20] = (0, 0, 255, 255)
    raft.trigger("cleanplate_remove_text")
    raft.fill_layer("Background", edited)
    assert "Removed" in raft.finish()
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    assert (plate[:20, :20] == source[:20, :20]).all()
    assert (raft.decode(raft.eval("raw(doc().topLevelNodes()[0])")) == edited).all()


def test_source_deleted_meanwhile_puts_the_group_on_top(raft: Editor) -> None:
    raft.ask("doc().rootNode().addChildNode(doc().createNode('other', 'paintlayer'), None)")
    raft.activate("Background")
    raft.trigger("cleanplate_remove_text")
    raft.ask("layer('Background').remove()")
    assert "was deleted meanwhile" in raft.finish()
    assert [layer[0] for layer in raft.eval("tree()")] == ["Clean Plate: Background", "other"]


def test_document_closed_meanwhile_is_no_error(busy: Editor) -> None:
    start(busy)
    busy.ask("close_all()")
    busy.wait_for("idle()", SEARCH_SECONDS)
    assert "closed" in busy.eval("text_of('cleanplate_text')")
    assert busy.eval("modal()") is None


def test_two_documents_at_once_are_not_mixed_up(raft: Editor, tmp_path: Path) -> None:
    picture = cv2.imread(str(RAFT))
    assert picture is not None
    second = tmp_path / "darker.png"
    cv2.imwrite(str(second), picture // 2)
    raft.trigger("cleanplate_remove_text")
    raft.ask("open_file(path)", path=str(second))
    raft.wait_for("doc().fileName().endswith('darker.png')")
    raft.settle()
    raft.trigger("cleanplate_remove_text")
    raft.finish()
    for name in ("raft.png", "darker.png"):
        # The first pixel is far from the words, so Background must have its own source's.
        pixels = raft.ask(
            "d = next(d for d in app.documents() if d.fileName().endswith(name))\n"
            "group, source = d.topLevelNodes()[1], d.topLevelNodes()[0]\n"
            "background = group.childNodes()[0]\n"
            "result = [group.name(), list(bytes(background.pixelData(0, 0, 8, 1))) == "
            "list(bytes(source.pixelData(0, 0, 8, 1))), "
            "background.pixelData(0, 0, 384, 256) != source.pixelData(0, 0, 384, 256)]",
            name=name,
        )
        assert pixels == ["Clean Plate: Background", True, True]
