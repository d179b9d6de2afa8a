"""Review before filling in the real window, and the settings that turn it on."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SEARCH_SECONDS, Editor, changed, dilated

REACH = 40  # pixels that the hole may grow beyond the masks in this small picture
GROUP = "layer('Clean Plate: Background')"


def rows(editor: Editor) -> list[str]:
    return editor.eval("[widget('cleanplate_review_list').item(i).text() "
                       "for i in range(widget('cleanplate_review_list').count())]")


def row_at(editor: Editor, place: int, x: int) -> list[int]:
    """Where a row is on the screen, `x` points from its left end."""
    return editor.eval(
        "(lambda v, r: (lambda p: [p.x(), p.y()])(v.viewport().mapToGlobal("
        "QPoint(r.left() + x, r.center().y()))))(widget('cleanplate_review_list'), "
        "widget('cleanplate_review_list').visualItemRect("
        "widget('cleanplate_review_list').item(place)))", place=place, x=x)


def hover(editor: Editor, place: int) -> None:
    """Over a row; the list tells of a row only when the pointer comes from another one."""
    editor.ask("hand.stop()")
    editor.point(*row_at(editor, place, 160))
    editor.point(*row_at(editor, place, 150))


def shown_box(editor: Editor) -> list[float]:
    """The box of the outline that is on the canvas now, in image pixels."""
    pieces = np.array(editor.eval("widget('cleanplate_shown_outline').outline"))
    return [*pieces[:, :2].min(axis=0), *pieces[:, 2:].max(axis=0)]


def will_fill(editor: Editor) -> str:
    """What the button says; Krita's style puts a mnemonic into it."""
    return editor.eval("text_of('cleanplate_review_fill')").replace("&", "")


@pytest.fixture
def reviewed(raft: Editor) -> Editor:
    """The raft with a found headline and found people, the dialog open."""
    raft.ask("p = sys.modules['cleanplate.preferences']; p.save(p.Preferences(review=True))")
    raft.zoom(2.0)
    raft.menu("cleanplate_remove_text_and_people")
    raft.wait_for("widget('cleanplate_review') is not None", SEARCH_SECONDS)
    raft.settle()
    return raft


def test_hover_shows_untick_keeps_fill_removes_the_rest(reviewed: Editor) -> None:
    source = reviewed.pixels("Background")
    found = rows(reviewed)
    headline = next(i for i, title in enumerate(found) if title == "Text: SUMMER SALE")
    assert headline > 0 and found[0] == "Person 1"
    assert reviewed.eval("modal()") is None and len(reviewed.eval("tree()")) == 1
    hover(reviewed, headline)
    reviewed.wait(lambda: shown_box(reviewed)[3] < 70, "the headline is outlined")
    x0, y0, x1, y1 = shown_box(reviewed)
    assert x0 < 90 and x1 > 330 and y0 > 5, "SUMMER SALE stands there"
    reviewed.settle()
    reviewed.screenshot("review_text")
    hover(reviewed, 0)
    reviewed.wait(lambda: shown_box(reviewed)[3] > 70, "a person is outlined")
    reviewed.settle()
    reviewed.screenshot("review_person")

    reviewed.click(*row_at(reviewed, headline, 12))  # its tick
    reviewed.wait(lambda: will_fill(reviewed) == f"Fill ({len(found) - 1})", "one is unticked")
    reviewed.click(*reviewed.eval("center_of('cleanplate_review_fill')"))
    message = reviewed.finish()
    lines = sum(title.startswith("Text") for title in found) - 1  # there is text on the boat, too
    people = sum(title.startswith("Person") for title in found)
    crew = "1 person" if people == 1 else f"{people} people"
    counted = {0: f"Removed {crew}", 1: "1 line of text"}.get(lines, f"{lines} lines of text")
    assert counted in message and crew in message
    assert reviewed.eval("widget('cleanplate_review') is None and "
                         "widget('cleanplate_shown_outline') is None")
    assert [layer[0] for layer in reviewed.eval(f"tree({GROUP})")] == [
        "Text mask", "Object mask", "Background"]
    plate = reviewed.decode(reviewed.eval(f"raw({GROUP}.childNodes()[0])"))
    crew_mask = reviewed.mask("Object mask")
    text = reviewed.mask("Text mask")
    words = ~dilated(crew_mask | text, REACH)  # one head touches the first letter
    words[:18], words[52:], words[:, :50], words[:, 366:] = False, False, False, False
    assert words.sum() > 6000 and (plate[words] == source[words]).all(), "the words stay"
    assert crew_mask.any() and changed(source, plate)[crew_mask].mean() > 0.8
    assert not text[18:52, 50:366].any()
    reviewed.screenshot("review_result")
    reviewed.undo(layers=1)


def test_keys_untick_fill_and_leave(reviewed: Editor) -> None:
    found = rows(reviewed)
    reviewed.ask("widget('cleanplate_review').activateWindow()")
    reviewed.wait_for("widget('cleanplate_review_list').hasFocus()")
    reviewed.key("space")
    reviewed.wait(lambda: will_fill(reviewed) == f"Fill ({len(found) - 1})", "one is unticked")
    reviewed.key("Down", "space")
    reviewed.key("Escape")
    reviewed.wait_for("widget('cleanplate_review') is None and idle()")
    assert reviewed.eval("text_of('cleanplate_text')") == "Cancelled; nothing was changed."
    assert len(reviewed.eval("tree()")) == 1
    assert reviewed.eval("widget('cleanplate_shown_outline') is None")


def test_cancel_in_the_panel_closes_the_review(reviewed: Editor) -> None:
    reviewed.click(*reviewed.eval("center_of('cleanplate_cancel')"))
    reviewed.wait_for("widget('cleanplate_review') is None and idle()")
    assert len(reviewed.eval("tree()")) == 1


def test_settings_show_models_and_keep_what_is_chosen(raft: Editor) -> None:
    raft.trigger("cleanplate_remove_text")
    raft.finish()
    raft.menu("cleanplate_settings")
    raft.wait_for("widget('cleanplate_settings_dialog') is not None")
    raft.wait_for("widget('cleanplate_models').topLevelItemCount() > 5")
    raft.settle()
    raft.screenshot("settings")
    box = "widget('cleanplate_model_fill')"
    names = raft.eval(f"[{box}.itemData(i) for i in range({box}.count())]")
    assert names[0] == "" and "fill-telea" in names
    raft.ask(f"b = {box}; i = b.findData('fill-telea'); b.setCurrentIndex(i); b.activated.emit(i)")
    raft.click(*raft.eval("(lambda w: (lambda p: [p.x(), p.y()])(w.mapToGlobal(QPoint(9, "
                          "w.height() // 2))))(widget('cleanplate_settings_dialog').findChild("
                          "QWidget, 'cleanplate_review_choice'))"))
    raft.wait_for("sys.modules['cleanplate.preferences'].load().review")
    raft.screenshot("settings_chosen")
    raft.ask("widget('cleanplate_settings_dialog').close()\n"
             "p = sys.modules['cleanplate.preferences']; p.save(p.load()._replace(review=False))\n"
             "app.action('edit_undo').trigger()")
    raft.wait_for("len(doc().topLevelNodes()) == 1")
    raft.activate("Background")
    raft.trigger("cleanplate_remove_text")
    assert "Telea" in raft.finish()
