"""Separate into Layers and Cut Out Subject in the real window: pixels, names, undo."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Editor, changed

SEPARATED = "layer('Separated: Background')"


def levels(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference in levels of 255."""
    scale = 255 / np.iinfo(a.dtype).max
    return float(np.abs(a.astype(float) - b.astype(float)).max() * scale)


def group_pixels(editor: Editor, dtype: type) -> np.ndarray:
    return editor.decode(editor.eval(f"raw({SEPARATED})"), dtype)


@pytest.mark.parametrize("depth", ["U8", "U16"])
def test_separated_layers_rebuild_the_picture(raft: Editor, depth: str) -> None:
    dtype = np.uint8 if depth == "U8" else np.uint16
    if depth == "U16":
        raft.ask("doc().setColorSpace('RGBA', 'U16', 'sRGB-elle-V2-srgbtrc.icc')\n"
                 "doc().waitForDone()")
    source, before = raft.pixels("Background", dtype), raft.eval("tree()")
    with raft.one_step():
        raft.menu("cleanplate_separate")
        message = raft.finish()
    assert "Separated" in message and "CPU" in message
    group, below = raft.eval("tree()")
    assert group[:5] == ["Separated: Background", "grouplayer", True, "normal", 255]
    assert below == before[0]
    names = [layer[0] for layer in group[5]]
    assert names[-1] == "Background" and any(n.startswith("Person 1") for n in names)
    assert "Text: SUMMER SALE" in names, names
    assert all(layer[2:5] == [True, "normal", 255] for layer in group[5])
    raft.wait_for("(doc().waitForDone(), True)[1]")
    assert levels(group_pixels(raft, dtype), source) <= 1.0 + 1e-6, "all visible: the original"
    plate = raft.decode(raft.eval(f"raw({SEPARATED}.childNodes()[0])"), dtype)
    assert changed(source, plate).mean() > 0.02
    raft.ask(f"for n in {SEPARATED}.childNodes()[1:]:\n    n.setVisible(False)\n"
             "doc().refreshProjection(); doc().waitForDone()")
    assert (raft.pixels(None, dtype) == plate).all()
    raft.screenshot(f"separated_background_{depth}")
    person = raft.decode(raft.eval(f"raw(layer('Person 1', {SEPARATED}))"), dtype)
    alpha = person[..., 3] / np.iinfo(dtype).max
    assert (alpha > 0.99).any() and ((alpha > 0.05) & (alpha < 0.95)).sum() > 20, "soft edges"
    assert (raft.decode(raft.eval("raw(doc().topLevelNodes()[0])"), dtype) == source).all()
    raft.undo(layers=1)
    assert raft.eval("tree()") == before


def test_hiding_one_layer_takes_it_out(raft: Editor) -> None:
    source = raft.pixels("Background")
    raft.trigger("cleanplate_separate")
    raft.finish()
    names = [layer[0] for layer in raft.eval("tree()")[0][5]]
    title = next(n for n in names if "SUMMER" in n)
    raft.ask(f"layer(name, {SEPARATED}).setVisible(False)\n"
             "doc().refreshProjection(); doc().waitForDone()", name=title)
    shown = raft.pixels()
    text = raft.decode(raft.eval(f"raw(layer(name, {SEPARATED}))", name=title))[..., 3] > 200
    assert text.sum() > 300 and changed(source, shown)[text].mean() > 0.9
    away = raft.decode(raft.eval(f"raw(layer(name, {SEPARATED}))", name=title))[..., 3] == 0
    assert levels(shown[away], source[away]) <= 1.0 + 1e-6
    raft.settle()
    raft.screenshot("separated_without_text")


def test_cut_out_keeps_people_on_transparency(raft: Editor) -> None:
    source, before = raft.pixels("Background"), raft.eval("tree()")
    with raft.one_step():
        raft.menu("cleanplate_cut_out")
        message = raft.finish()
    assert "Cut out" in message and "hide it" in message
    assert [layer[0] for layer in raft.eval("tree()")] == ["Cut Out: Background", "Background"]
    raft.wait_for("active_name() == 'Cut Out: Background'")
    made = raft.pixels("Cut Out: Background")
    alpha = made[..., 3]
    assert 0.01 < (alpha > 127).mean() < 0.6 and (alpha == 0).mean() > 0.3
    assert ((alpha > 10) & (alpha < 245)).sum() > 50, "soft edges"
    inside = alpha == 255
    assert np.abs(made[inside].astype(int) - source[inside]).max() <= 1, "its own colours"
    assert raft.eval("tree()")[1] == before[0], "not hidden, not changed"
    assert (raft.decode(raft.eval("raw(doc().topLevelNodes()[0])")) == source).all()
    raft.ask("doc().topLevelNodes()[0].setVisible(False); doc().refreshProjection()\n"
             "doc().waitForDone()")
    raft.settle()
    raft.screenshot("cut_out")
    raft.ask("doc().topLevelNodes()[0].setVisible(True)\n"
             "app.action('edit_undo').trigger()")
    raft.wait_for("len(doc().topLevelNodes()) == 1")
    assert raft.eval("tree()") == before


def test_cut_out_keeps_the_selection(raft: Editor) -> None:
    raft.ask("from krita import Selection\n"
             "s = Selection(); s.select(95, 85, 60, 70, 255); doc().setSelection(s)")
    raft.trigger("cleanplate_cut_out")
    assert "Cut out" in raft.finish()
    alpha = raft.pixels("Cut Out: Background")[..., 3]
    inside = np.zeros(alpha.shape, bool)
    inside[65:175, 75:175] = True  # the soft edge reaches some pixels beyond the selection
    assert (alpha[95:140, 105:145] > 127).mean() > 0.5
    assert not (alpha[~inside] > 127).any()
    raft.ask("doc().setSelection(None); app.action('edit_undo').trigger()")
