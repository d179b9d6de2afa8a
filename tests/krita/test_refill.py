"""Refill from Masks in the real window: paint on a mask, refill, undo, save, open, refill."""

from __future__ import annotations

import base64
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import RAFT, Editor, changed, dilated
from krita_hand import TRIES

GROUP = "layer('Clean Plate: Background')"
REACH = 40
RIM = 60  # pixels beside an erased mask where the rim of what stays is made anew
BOAT = (200, 170)  # painted on by the tests; far from the words
GROUPED = ["Text mask", "Object mask", "Background"]


def layers(editor: Editor) -> list[str]:
    return [layer[0] for layer in editor.eval(f"tree({GROUP})")]


def background(editor: Editor, place: int, dtype: type = np.uint8) -> np.ndarray:
    """The group's backgrounds: 0 = the lowest, as the one click made it."""
    return editor.decode(editor.eval(f"raw({GROUP}.childNodes()[place])", place=place), dtype)


def original(editor: Editor, dtype: type = np.uint8) -> np.ndarray:
    return editor.decode(editor.eval("raw(doc().topLevelNodes()[0])"), dtype)


def write(editor: Editor, name: str, pixels: np.ndarray) -> None:
    """Into a layer of the group."""
    data = base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode()
    editor.ask(
        "from PyQt5.QtCore import QByteArray\n"
        f"layer(name, {GROUP}).setPixelData(QByteArray(base64.b64decode(data)), 0, 0, w, h)\n"
        "doc().refreshProjection(); doc().waitForDone()",
        name=name, data=data, w=pixels.shape[1], h=pixels.shape[0],
    )


def paint(editor: Editor, name: str, points: list[tuple[int, int]]) -> None:
    """A stroke of Krita's own brush on a layer of the group, with the mouse.

    Krita computes a stroke after the button is up. One that it did not take is painted again:
    the stroke is only the means to a changed mask."""
    told = []
    for _ in range(TRIES):
        editor.ask(f"layer(name, {GROUP}).setVisible(True)\n"
                   "app.action('KritaShape/KisToolBrush').trigger()\n"
                   "v = app.activeWindow().activeView()\n"
                   "v.setBrushSize(18); v.setPaintingOpacity(1.0)", name=name)
        editor.wait_for("tool_is_active('KritaShape/KisToolBrush')")
        editor.make_active(f"layer(name, {GROUP})", name=name)
        editor.settle()
        editor.focus()
        editor.drag(editor.steady("[on_screen(x, y) for x, y in points]", points=points))
        if editor.comes(f"painted_at(layer(name, {GROUP}), points)", name=name,
                        points=points[1:-2]):
            return
        told.append(editor.state())
        editor.screenshot(f"refill_stroke_not_taken_{len(told)}")
    raise AssertionError(f"Krita took no stroke of the brush: {told}")


def masked(editor: Editor, name: str) -> np.ndarray:
    return editor.decode(editor.eval(f"raw(layer(name, {GROUP}))", name=name))[..., 3] > 127


def cleaned(editor: Editor) -> np.ndarray:
    """Text is removed; the source."""
    editor.zoom(2.0)
    source = editor.pixels("Background")
    editor.trigger("cleanplate_remove_text")
    assert "Removed" in editor.finish()
    editor.wait_for("doc().activeNode().parentNode().name() == 'Clean Plate: Background'")
    return source


def undo(editor: Editor) -> None:
    """Takes a refill back."""
    editor.settle()
    editor.ask("app.action('edit_undo').trigger()")
    editor.wait(lambda: layers(editor) == GROUPED, "the refill is undone")
    editor.settle()


def with_hidden(tree: list, name: str) -> list:
    """The same layers, those of that name hidden."""
    return [[n, kind, shown and n != name, *rest, with_hidden(inside, name)]
            for n, kind, shown, *rest, inside in tree]


def test_paint_on_the_mask_then_refill_then_undo(raft: Editor) -> None:
    source = cleaned(raft)
    hand = background(raft, 0).copy()
    hand[200:215, 20:60] = (10, 200, 30, 255)  # work by hand, far from all masks
    write(raft, "Background", hand)
    paint(raft, "Object mask", [(BOAT[0] + step, BOAT[1]) for step in range(0, 50, 5)])
    painted = masked(raft, "Object mask")
    assert painted[BOAT[1], BOAT[0] + 20] and 200 < painted.sum() < 5000
    raft.screenshot("refill_painted")
    tree, text = raft.eval("tree()"), masked(raft, "Text mask")

    with raft.one_step():
        raft.menu("cleanplate_refill")
        message = raft.finish()
    assert "Filled where the masks changed" in message and "CPU" in message
    assert layers(raft) == [*GROUPED, "Background"]
    raft.wait_for(f"doc().activeNode() == {GROUP}.childNodes()[1]")
    new = background(raft, 1)
    different = changed(hand, new)
    assert different[painted].mean() > 0.7
    assert not (different & ~dilated(painted, REACH)).any()
    assert (new[200:215, 20:60] == hand[200:215, 20:60]).all(), "work by hand stays"
    assert (new[text & ~dilated(painted, REACH)] == hand[text & ~dilated(painted, REACH)]).all()
    assert (original(raft) == source).all()
    assert raft.eval("layer('Object mask').visible()") is False, "it would hide the result"
    raft.wait_for("(doc().waitForDone(), True)[1]")
    raft.wait(lambda: (raft.pixels() == new).all(), "the picture shows the refill")
    raft.screenshot("refill_result")

    undo(raft)
    assert layers(raft) == GROUPED
    assert (background(raft, 0) == hand).all() and (masked(raft, "Object mask") == painted).all()
    assert raft.eval("tree()") == with_hidden(tree, "Object mask")
    raft.ask("app.action('edit_redo').trigger()")
    raft.wait(lambda: len(layers(raft)) == 4, "the redo")
    assert (background(raft, 1) == new).all()


def test_erased_text_comes_back_as_it_was(raft: Editor) -> None:
    source = cleaned(raft)
    before = background(raft, 0)
    mask = raft.decode(raft.eval(f"raw(layer('Text mask', {GROUP}))")).copy()
    gone = np.zeros(mask.shape[:2], bool)
    gone[:, :200] = True  # the left half of the words stays in the picture
    mask[gone] = 0
    write(raft, "Text mask", mask)
    raft.trigger("cleanplate_refill")
    assert "source is back" in raft.finish()
    new = background(raft, 1)
    there = changed(source, before) & gone
    there[:, 170:] = False
    assert there.any() and (new[there] == source[there]).all()
    assert (new[:, 200 + RIM :] == before[:, 200 + RIM :]).all(), "the right half stays removed"
    raft.screenshot("refill_erased")
    undo(raft)
    assert layers(raft) == GROUPED and (background(raft, 0) == before).all()


def test_refill_without_a_change_says_what_to_do(raft: Editor) -> None:
    cleaned(raft)
    raft.trigger("cleanplate_refill")
    assert "Paint on" in raft.finish()
    assert layers(raft) == GROUPED


def test_painting_over_a_mask_or_selecting_fills_anew(raft: Editor) -> None:
    cleaned(raft)
    before, text = background(raft, 0), masked(raft, "Text mask")
    row = int(np.argmax(text.sum(axis=1)))
    left, right = np.flatnonzero(text[row])[[0, -1]]
    place = (int(left + right) // 2 - 30, row)
    raft.ask("from krita import ManagedColor\n"
             "blue = ManagedColor('RGBA', 'U8', ''); blue.setComponents([0.9, 0.2, 0.1, 1.0])\n"
             "app.activeWindow().activeView().setForeGroundColor(blue)")
    paint(raft, "Text mask", [(place[0] + step, place[1]) for step in range(0, 50, 5)])
    raft.screenshot("refill_painted_over")
    over = raft.decode(raft.eval(f"raw(layer('Text mask', {GROUP}))"))
    stroke = (over[..., 3] > 127) & (over[..., :3] < 240).any(axis=2)
    assert (stroke & text).sum() > 60
    with raft.one_step():
        raft.trigger("cleanplate_refill")
        assert "Filled where" in raft.finish()
    new = background(raft, 1)
    different = changed(before, new)
    assert different[stroke].mean() > 0.7
    assert not (different & ~dilated(stroke, REACH)).any()

    raft.trigger("cleanplate_refill")
    assert "as they were" in raft.finish()
    raft.ask("from krita import Selection\n"
             "s = Selection(); s.select(x, 0, 400, 400, 255); doc().setSelection(s)",
             x=int(right) - 60)
    with raft.one_step():
        raft.trigger("cleanplate_refill")
        assert "in the selection" in raft.finish()
    again = background(raft, 2)
    different = changed(new, again)
    chosen = text.copy()
    chosen[:, : int(right) - 60] = False
    assert different[chosen].mean() > 0.5
    assert not (different & ~dilated(chosen, REACH)).any()
    raft.screenshot("refill_anew")


def test_refill_after_save_close_and_open(raft: Editor, tmp_path: Path) -> None:
    cleaned(raft)
    path = tmp_path / "work.kra"
    assert raft.eval("doc().saveAs(path)", path=str(path))
    raft.ask("doc().waitForDone()")
    raft.open(path)
    assert layers(raft) == GROUPED
    raft.trigger("cleanplate_refill")
    assert "as they were" in raft.finish(), "the record came with the file"
    before, text = background(raft, 0), masked(raft, "Text mask")
    mask = raft.decode(raft.eval(f"raw(layer('Object mask', {GROUP}))")).copy()
    mask[160:180, 190:230] = 255
    write(raft, "Object mask", mask)
    raft.ask(f"doc().setActiveNode({GROUP})")
    raft.trigger("cleanplate_refill")
    assert "Filled where" in raft.finish()
    new = background(raft, 1)
    painted = masked(raft, "Object mask")
    assert painted.sum() == 800
    different = changed(before, new)
    assert different[painted].mean() > 0.7
    assert not (different & ~dilated(painted, REACH)).any()
    assert (new[text] == before[text]).all(), "the words were filled before the file was saved"
    assert raft.eval("doc().saveAs(path)", path=str(path))
    raft.open(path)
    raft.trigger("cleanplate_refill")
    assert "as they were" in raft.finish(), "also after a refill"


@pytest.mark.parametrize("space", [("RGBA", "U16"), ("CMYKA", "U8"), ("GRAYA", "F32")],
                         ids="-".join)
def test_refill_in_deep_and_print_documents(raft: Editor, space: tuple[str, str]) -> None:
    raft.ask("p = app.profiles(model, depth)[0] if model != 'RGBA' else "
             "'sRGB-elle-V2-srgbtrc.icc'\n"
             "doc().setColorSpace(model, depth, p); doc().waitForDone()",
             model=space[0], depth=space[1])
    raft.wait_for("doc().colorModel() == model and layer('Background').colorDepth() == depth"
                  .replace("model", repr(space[0])).replace("depth", repr(space[1])))
    source = cleaned(raft)
    before = background(raft, 0)
    mask = raft.decode(raft.eval(f"raw(layer('Object mask', {GROUP}))")).copy()
    mask[160:180, 190:230] = 255
    write(raft, "Object mask", mask)
    text = raft.decode(raft.eval(f"raw(layer('Text mask', {GROUP}))")).copy()
    text[:, :150] = 0
    write(raft, "Text mask", text)
    with raft.one_step():
        raft.trigger("cleanplate_refill")
        message = raft.finish()
    assert "Filled where" in message and "source is back" in message
    new = background(raft, 1)
    node = f"{GROUP}.childNodes()[1]"
    assert raft.eval(f"[{node}.colorModel(), {node}.colorDepth()]") == list(space)
    painted = np.zeros(source.shape[:2], bool)
    painted[160:180, 190:230] = True
    erased = changed(source, before) & (np.arange(source.shape[1]) < 120)[None]
    different = changed(before, new)
    assert different[painted].mean() > 0.7
    assert erased.any() and (new[erased] == source[erased]).all(), "byte for byte"
    near = dilated(painted, REACH)
    near[:, : 150 + RIM] = True
    assert not (different & ~near).any()
    assert raft.eval("modal()") is None
    undo(raft)
    assert layers(raft) == GROUPED and (background(raft, 0) == before).all()


def show(editor: Editor, name: str) -> None:
    """Brings the document of that file to the front."""
    editor.ask("from PyQt5.QtWidgets import QMdiArea\n"
               "area = main().findChild(QMdiArea)\n"
               "area.setActiveSubWindow(next(s for s in area.subWindowList()\n"
               "                             if name in s.windowTitle()))", name=name)
    editor.wait_for("doc().fileName().endswith(name) and canvas()._view.document() == doc()"
                    .replace("name)", repr(name) + ")", 1))
    editor.settle()


def test_two_documents_refill_side_by_side(raft: Editor, tmp_path: Path) -> None:
    """Both refills are under way at once; each result lands in its own document."""
    import cv2

    picture = cv2.imread(str(RAFT))
    assert picture is not None
    second = tmp_path / "darker.png"
    cv2.imwrite(str(second), picture // 2)
    raft.ask("open_file(path)", path=str(second))
    places = {"raft.png": np.s_[160:180, 190:230], "darker.png": np.s_[200:220, 60:100]}
    source, before = {}, {}
    for name, place in places.items():
        show(raft, name)
        source[name] = cleaned(raft)
        before[name] = background(raft, 0)
        mask = raft.decode(raft.eval(f"raw(layer('Object mask', {GROUP}))")).copy()
        mask[place] = 255
        write(raft, "Object mask", mask)
    pid = raft.backend_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # so that neither ends before the other begins
    try:
        raft.trigger("cleanplate_refill")
        show(raft, "raft.png")
        raft.trigger("cleanplate_refill")
        assert raft.eval("len(controller().runs)") == 2
    finally:
        os.kill(pid, signal.SIGCONT)
    raft.finish()
    for name, place in places.items():
        show(raft, name)
        assert layers(raft) == [*GROUPED, "Background"]
        new = background(raft, 1)
        painted = np.zeros(new.shape[:2], bool)
        painted[place] = True
        different = changed(before[name], new)
        assert different[painted].mean() > 0.7, name
        assert not (different & ~dilated(painted, REACH)).any(), name
        assert (original(raft) == source[name]).all()
        undo(raft)
        assert layers(raft) == GROUPED and (background(raft, 0) == before[name]).all()
