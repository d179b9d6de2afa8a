"""Kinds of source: selections, opacity and blend modes, groups, masks, the visible image."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from conftest import Editor, changed


def select(editor: Editor, x: int, y: int, width: int, height: int) -> None:
    editor.ask(
        "from krita import Selection\n"
        "s = Selection(); s.select(x, y, w, h, 255); doc().setSelection(s)",
        x=x, y=y, w=width, h=height,
    )


def inside(shape: tuple[int, ...], x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros(shape[:2], bool)
    mask[y : y + height, x : x + width] = True
    return mask


def test_only_the_selection_is_changed(raft: Editor) -> None:
    source = raft.pixels("Background")
    box = (40, 5, 150, 60)  # about half of the words
    select(raft, *box)
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()
    allowed = inside(source.shape, *box)
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    assert changed(source, plate)[allowed].mean() > 0.05
    assert not changed(source, plate)[~allowed].any()
    assert not raft.mask("Text mask")[~allowed].any()
    assert (plate[..., 3] == 255).all(), "Background is whole, only its change is limited"


def test_remove_selection_fills_exactly_the_selection(raft: Editor) -> None:
    source = raft.pixels("Background")
    box = (20, 20, 40, 30)
    select(raft, *box)
    raft.menu("cleanplate_remove_selection")
    raft.finish()
    selected = inside(source.shape, *box)
    assert (raft.mask("Object mask") == selected).all()
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    assert changed(source, plate)[selected].mean() > 0.9
    assert not changed(source, plate)[~selected].any()


def test_remove_selection_without_one_asks_for_it(raft: Editor) -> None:
    raft.trigger("cleanplate_remove_selection")
    assert "Select what shall be removed" in raft.finish()
    assert len(raft.eval("tree()")) == 1


def test_empty_layer_has_nothing_to_remove(raft: Editor) -> None:
    raft.ask("n = doc().createNode('empty', 'paintlayer'); doc().rootNode().addChildNode(n, None)")
    raft.activate("empty")
    raft.trigger("cleanplate_remove_text_and_people")
    assert "“empty” is empty" in raft.finish()
    assert len(raft.eval("tree()")) == 2


def test_half_transparent_multiply_layer(raft: Editor) -> None:
    """Only the hole is covered, with the source's mode and opacity; the rest looks as before."""
    raft.ask("white = doc().createNode('paper', 'paintlayer')\n"
             "doc().rootNode().addChildNode(white, None)")
    paper = np.full((256, 384, 4), 255, np.uint8)
    paper[..., 0] = np.linspace(120, 255, 384)
    raft.fill_layer("paper", paper)
    raft.ask("n = layer('Background'); p = doc().rootNode(); p.setChildNodes([layer('paper'), n])\n"
             "n = layer('Background'); n.setBlendingMode('multiply'); n.setOpacity(128)\n"
             "doc().refreshProjection(); doc().waitForDone()")
    raft.activate("Background")
    before = raft.pixels()
    source = raft.pixels("Background")
    with raft.one_step():
        raft.trigger("cleanplate_remove_text")
        message = raft.finish()
    assert "multiply" in message and "50 %" in message and "“Background”" in message
    group = raft.eval("tree()")[0]
    assert group[5][-1][:5] == ["Background", "paintlayer", True, "multiply", 128]
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    hole = plate[..., 3] > 0
    text = raft.mask("Text mask")
    assert 0 < hole.mean() < 0.4 and hole[text].mean() > 0.8
    assert not plate[~hole].any()
    raft.wait_for("(doc().waitForDone(), True)[1]")
    raft.wait(lambda: changed(before, raft.pixels()).any(), "the picture shows the result")
    assert not changed(before, raft.pixels())[~hole].any()
    assert changed(source, plate)[hole].mean() > 0.5
    raft.screenshot("multiply")


def test_layer_with_transparency_gets_only_the_hole(raft: Editor) -> None:
    source = raft.pixels("Background").copy()
    source[:, :40] = 0
    raft.fill_layer("Background", source)
    before = raft.pixels()
    raft.trigger("cleanplate_remove_text")
    assert "transparency" in raft.finish()
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    hole = plate[..., 3] > 0
    assert 0 < hole.mean() < 0.4 and not hole[:, :40].any()
    raft.wait(lambda: changed(before, raft.pixels()).any(), "the picture shows the result")
    assert not changed(before, raft.pixels())[~hole].any()


def test_group_gives_its_projection(raft: Editor) -> None:
    raft.ask("g = doc().createGroupLayer('both'); doc().rootNode().addChildNode(g, None)\n"
             "n = layer('Background'); d = n.duplicate(); n.remove(); g.addChildNode(d, None)\n"
             "doc().refreshProjection(); doc().waitForDone()")
    raft.activate("both")
    source = raft.pixels()
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()
    assert [layer[0] for layer in raft.eval("tree()")] == ["Clean Plate: both", "both"]
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: both').childNodes()[0])"))
    different = changed(source, plate)
    assert different.any() and different.mean() < 0.4


def test_visible_image_by_a_setting(raft: Editor) -> None:
    raft.ask("n = doc().createNode('stripe', 'paintlayer')\n"
             "doc().rootNode().addChildNode(n, None)\n"
             "p = sys.modules['cleanplate.preferences']; p.save(p.Preferences(visible=True))")
    stripe = np.zeros((256, 384, 4), np.uint8)
    stripe[:10] = (200, 30, 30, 255)
    raft.fill_layer("stripe", stripe)
    visible = raft.pixels()
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()
    assert raft.eval("tree()")[0][0] == "Clean Plate: visible image"
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: visible image').childNodes()[0])"))
    assert (plate[:10] == visible[:10]).all()
    assert changed(visible, plate).any()


def test_a_mask_below_the_layer_counts(raft: Editor) -> None:
    """A transparency mask hides half of the layer: hidden words are not in the way."""
    select(raft, 0, 0, 200, 256)
    raft.ask("app.action('add_new_transparency_mask').trigger()")
    raft.wait_for("doc().activeNode().type() == 'transparencymask'")
    raft.ask("doc().setSelection(None)")
    raft.trigger("cleanplate_remove_text")
    message = raft.finish()
    assert "Nothing" in message or not raft.mask("Text mask")[:, 205:].any()


def test_current_frame_of_an_animation(raft: Editor) -> None:
    """The frame that is shown is the source: the photo at frame 0, nothing at frame 10."""
    raft.ask("layer('Background').enableAnimation(); doc().setCurrentTime(10)\n"
             "doc().waitForDone(); app.action('add_blank_frame').trigger(); doc().waitForDone()")
    empty = np.frombuffer(base64.b64decode(raft.eval("raw(layer('Background'))")), np.uint8)
    if empty.any():
        pytest.skip("this Krita made no blank frame without its timeline docker")
    raft.trigger("cleanplate_remove_text")
    assert "is empty" in raft.finish()
    raft.ask("doc().setCurrentTime(0); doc().waitForDone()")
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()


def test_pixels_outside_the_canvas_are_left_alone(raft: Editor) -> None:
    raft.ask(
        "from PyQt5.QtCore import QByteArray\n"
        "dots = QByteArray(b'\\x10\\x20\\x30\\xff' * 400)\n"
        "layer('Background').setPixelData(dots, -30, -30, 20, 20)"
    )
    raft.trigger("cleanplate_remove_text")
    assert "Removed" in raft.finish()
    bounds = raft.eval("layer('Clean Plate: Background').childNodes()[0].bounds().getRect()")
    assert bounds == [0, 0, 384, 256]
    outside = raft.eval(
        "list(bytes(doc().topLevelNodes()[0].pixelData(-30, -30, 1, 1)))")
    assert outside == [0x10, 0x20, 0x30, 0xFF]
