"""Filter ▸ Clean Plate by the mouse: the menu, the group, its layers and pixels, undo, redo."""

from __future__ import annotations

import numpy as np
from conftest import Editor, changed, dilated

GROUP = ["Text mask", "Object mask", "Background"]
REACH = 40  # pixels that the hole may grow beyond the masks in this small picture
ENTRIES = (
    "cleanplate_remove_text_and_people",
    "cleanplate_remove_people",
    "cleanplate_remove_text",
    "cleanplate_remove_clicked",
    "cleanplate_remove_selection",
    "cleanplate_settings",
)


def test_no_dialog_is_in_the_way(raft: Editor) -> None:
    assert raft.eval("modal()") is None
    assert [w for w in raft.eval("windows()") if "KisFloatingMessage" not in w] == []


def test_menu_entries_are_shown_and_enabled(raft: Editor) -> None:
    raft.open_menu()
    last = raft.eval(
        "[m.actions()[-1] is app.action('cleanplate_menu') or "
        "m.actions()[-1].text().replace('&', '') for m in menus() "
        "if app.action('cleanplate_menu') in m.actions()]"
    )
    assert last in ([True], [1], ["Clean Plate"]), "at the end of Filter"
    shown = raft.eval("[n for n in names if menu_position(n) and app.action(n).isEnabled()]",
                      names=list(ENTRIES))
    raft.screenshot("menu")
    raft.ask("close_menus()")
    raft.wait_for("not menus()")
    assert shown == list(ENTRIES)


def test_one_click_makes_the_layers_in_one_undo_step(raft: Editor) -> None:
    source, before = raft.pixels("Background"), raft.eval("tree()")

    with raft.one_step():
        raft.menu("cleanplate_remove_text_and_people")
        raft.wait_for("widget('cleanplate_cancel') is not None")
        raft.screenshot("one_click_progress")
        message = raft.finish()

    assert "of text" in message and ("person" in message or "people" in message)
    assert "PP-OCRv6" in message and "CPU" in message, "which models, on which device"
    group, original = raft.eval("tree()")
    assert group[:5] == ["Clean Plate: Background", "grouplayer", True, "normal", 255]
    assert [layer[0] for layer in group[5]] == GROUP
    assert [layer[2] for layer in group[5]] == [False, False, True]
    assert original == before[0]
    raft.wait_for("active_name() == 'Background' and "
                  "doc().activeNode().parentNode().name().startswith('Clean Plate')")

    text, people = raft.mask("Text mask"), raft.mask("Object mask")
    assert text[18:52, 50:366].mean() > 0.2, "SUMMER SALE stands there"
    assert people.mean() > 0.01
    plate = raft.decode(raft.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    different = changed(source, plate)
    assert not (different & ~dilated(text | people, REACH)).any()
    assert different[text | people].mean() > 0.8
    assert (plate[..., 3] == 255).all()
    assert (raft.decode(raft.eval("raw(doc().topLevelNodes()[0])")) == source).all()
    raft.wait_for("projection() == raw(layer('Background'))")  # what the user sees
    raft.screenshot("one_click_result")

    raft.undo(layers=1)
    assert raft.eval("tree()") == before
    assert (raft.pixels("Background") == source).all()
    raft.ask("app.action('edit_redo').trigger()")
    raft.wait_for("len(doc().topLevelNodes()) == 2")
    assert raft.eval("tree()")[0] == group
    assert (raft.pixels("Background") == plate).all()
    assert (raft.mask("Text mask") == text).all()


def test_the_keyboard_undoes_it(raft: Editor) -> None:
    raft.trigger("cleanplate_remove_text")
    raft.finish()
    assert len(raft.eval("tree()")) == 2
    assert raft.mask("Object mask").sum() == 0
    raft.canvas_key("ctrl+z")
    raft.wait_for("len(doc().topLevelNodes()) == 1")
    raft.canvas_key("ctrl+shift+z")
    raft.wait_for("len(doc().topLevelNodes()) == 2")


def test_running_again_works_on_the_new_background(raft: Editor) -> None:
    raft.trigger("cleanplate_remove_text")
    raft.finish()
    raft.wait_for("doc().activeNode().parentNode().name() == 'Clean Plate: Background'")
    first = raft.pixels("Background")
    raft.trigger("cleanplate_remove_people")
    raft.finish()
    outer = raft.eval("tree()")[0]
    assert [layer[0] for layer in outer[5]] == ["Text mask", "Object mask",
                                                "Clean Plate: Background", "Background"]
    second = raft.pixels("Background")
    inner = "[n for n in layer('Clean Plate: Background').childNodes() if n.childNodes()][0]"
    people = raft.decode(raft.eval(f"raw(layer('Object mask', {inner}))"))[..., 3] > 0
    different = changed(first, second)
    assert different.any() and not (different & ~dilated(people, REACH)).any()


def test_nothing_found_leaves_no_layers(krita: Editor) -> None:
    krita.new(320, 240)
    flat = np.full((240, 320, 4), 255, np.uint8)
    flat[..., 0] = np.linspace(90, 160, 320)
    krita.fill_layer("Background", flat)
    before = krita.eval("tree()")
    krita.trigger("cleanplate_remove_text")
    assert "Nothing" in krita.finish()
    assert krita.eval("tree()") == before
