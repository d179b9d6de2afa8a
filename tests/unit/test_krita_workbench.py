"""Review, separate and cut out on the fake editor with a fake backend, under PyQt6."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from tests.fake_krita.bench import (  # noqa: E402
    CHOICE,
    CMYK8,
    HEIGHT,
    RGB8,
    RGB16,
    WIDTH,
    actions,
    backend,
    cleaned,
    document,
    follow,
    inverted,
    layer,
    names,
    photo,
    preferences,
    run,
)
from tests.fake_krita.support import FakeClient, load, middle  # noqa: E402

separate, review = (load("separate"), load("review"))

import krita as fake  # noqa: E402  (the fake, found once the plugin was loaded)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(backend, "Client", made)
    return made


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(fake.Krita, "_instance", None)
    return fake.Krita.instance()


def reviewed(choose: Any, **changes: Any) -> tuple[Any, dict[str, Any], list[Any]]:
    """A run with a review; `choose(run, findings)` answers it."""
    request = actions.request(actions.REMOVE_BOTH, CHOICE)._replace(**changes)
    work = run.Run(document.Document.active(), backend.Backend(), request, False, True)
    seen: list[Any] = []

    def review_it(findings: Any) -> None:
        seen.extend(findings)
        choose(work, findings)

    work.to_review.connect(review_it)
    return work, follow(work), seen


def test_review_fills_what_stays_ticked(editor: Any, client: Any) -> None:
    doc = photo(editor)
    source = doc.active.canvas().copy()
    _, said, seen = reviewed(lambda work, found: work.fill(found[:1]))
    assert [finding.title for finding in seen] == ["Person 1", "Text: SALE"]
    assert "1 person" in said["done"] and "text" not in said["done"]
    group = doc.root.nodes[1]
    assert names(group) == ["Text mask", "Object mask", "Background"]
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[2:9, 3:8] = True
    background = layer(group, "Background").canvas()
    assert (background[~hole] == source[~hole]).all()
    assert (background[hole][:, :3] == inverted(source)[hole]).all()
    assert (layer(group, "Object mask").canvas()[..., 3] > 0).tolist() == hole.tolist()
    assert not layer(group, "Text mask").canvas().any() and len(doc.undo_steps) == 1


def test_review_left_changes_nothing(editor: Any, client: Any) -> None:
    doc = photo(editor)
    _, said, _ = reviewed(lambda work, found: work.leave())
    assert "nothing was changed" in said["nothing"] and names(doc.root) == ["photo"]
    _, said, _ = reviewed(lambda work, found: work.fill([]))
    assert "nothing was changed" in said["nothing"] and names(doc.root) == ["photo"]
    assert [r[0] for r in client.requests] == ["find", "find"]


def test_review_stays_inside_the_selection(
    editor: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load("results"), "CONTEXT", 4)
    doc = photo(editor)
    source = doc.active.canvas().copy()
    doc.chosen = fake.Selection(8, 10, np.full((20, 30), 255, np.uint8))
    _, said, seen = reviewed(lambda work, found: work.fill(found))
    assert [finding.kind for finding in seen] == ["text"], "nobody stands in the selection"
    changed = (layer(doc.root.nodes[1], "Background").canvas() != source).any(axis=2)
    assert changed.any() and not changed[:10].any() and not changed[:, :8].any()


def test_a_click_needs_no_review(editor: Any, client: Any) -> None:
    photo(editor)
    request = actions.mask_request(middle(WIDTH, HEIGHT).tobytes(), CHOICE)
    work = run.Run(document.Document.active(), backend.Backend(), request, False, True)
    assert "done" in follow(work) and len(client.requests) == 1


def test_review_dialog_ticks_shows_and_fills(editor: Any, client: Any) -> None:
    from PyQt6.QtCore import Qt
    from PyQt6.QtTest import QTest
    from PyQt6.QtWidgets import QMainWindow

    photo(editor)
    main = QMainWindow()
    chosen: list[Any] = []

    def dialog(work: Any, findings: Any) -> None:
        shown = review.ReviewDialog(findings, None, main)
        shown.chosen.connect(lambda ticked: (chosen.extend(ticked), work.fill(ticked)))
        shown.show()
        rows = shown._list
        assert [rows.item(i).text() for i in range(2)] == ["Person 1", "Text: SALE"]
        assert not rows.item(0).icon().isNull()
        QTest.keyClick(rows, Qt.Key.Key_Space)  # unticks the first
        assert shown._fill.text() == "Fill (1)"
        QTest.keyClick(rows, Qt.Key.Key_Return)

    _, said, _ = reviewed(dialog)
    assert [finding.title for finding in chosen] == ["Text: SALE"] and "done" in said


@pytest.mark.parametrize("space", [RGB8, RGB16])
def test_separate_makes_named_layers_that_rebuild_the_source(
    editor: Any, client: Any, space: Any
) -> None:
    doc = photo(editor, space)
    source = doc.active.canvas().copy()
    options = actions.options(CHOICE, text=True, people=True)
    doc.chosen = fake.Selection(3, 2, np.full((7, 5), 255, np.uint8))
    client.hole = lambda width, height: middle(width, height)
    said = follow(separate.Separate(
        document.Document.active(), backend.Backend(), "Separate", options))
    assert "Separated 2 layers" in said["done"]
    assert names(doc.root) == [["Separated: photo", ["Text: SALE", "Object 1", "Background"]],
                               "photo"]
    group = doc.root.nodes[1]
    rebuilt = group.projection()[fake.MARGIN:-fake.MARGIN, fake.MARGIN:-fake.MARGIN]
    assert (rebuilt == source).all()
    assert (layer(group, "Background").canvas() != source).any()
    assert len(doc.undo_steps) == 1
    doc.undo()
    assert names(doc.root) == ["photo"]


def test_separate_in_a_group_takes_its_masks(editor: Any, client: Any) -> None:
    doc, source, group = cleaned(editor, client)
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    doc.active = layer(group, "Text mask")
    options = actions.options(CHOICE, text=True, people=True)
    assert "done" in follow(separate.Separate(
        document.Document.active(), backend.Backend(), "Separate", options))
    kind, image, objects, text, _ = client.requests[-1]
    assert kind == "separate" and np.frombuffer(objects, np.uint8).sum() == 48 * 255
    assert text == middle(WIDTH, HEIGHT).tobytes()
    assert bytes(image.data) == source.tobytes(), "of the source, not of the plate"
    assert names(doc.root)[0][0] == "Separated: photo", "above the group that would hide it"


def test_cut_out_is_a_layer_above_the_untouched_source(editor: Any, client: Any) -> None:
    doc = photo(editor, CMYK8)
    source = doc.active.canvas().copy()
    options = actions.options(CHOICE, text=False, people=True)
    said = follow(separate.CutOut(document.Document.active(), backend.Backend(), "Cut", options))
    assert "hide it to see" in said["done"]
    assert names(doc.root) == ["Cut Out: photo", "photo"]
    made = doc.root.nodes[1]
    keep = middle(WIDTH, HEIGHT) > 0
    assert made.space == CMYK8 and ((made.canvas()[..., -1] > 0) == keep).all()
    assert (doc.root.nodes[0].canvas() == source).all() and doc.root.nodes[0].visible()
    assert len(doc.undo_steps) == 1


def test_cut_out_keeps_the_selection(editor: Any, client: Any) -> None:
    doc = photo(editor)
    doc.chosen = fake.Selection(3, 2, np.full((7, 5), 255, np.uint8))
    options = actions.options(CHOICE, text=False, people=True)
    follow(separate.CutOut(document.Document.active(), backend.Backend(), "Cut", options))
    assert np.frombuffer(client.requests[-1][3], np.uint8).sum() == 35 * 255
    keep = np.zeros((HEIGHT, WIDTH), bool)
    keep[2:9, 3:8] = True
    assert ((doc.root.nodes[1].canvas()[..., 3] > 0) == keep).all()


def test_nobody_to_cut_out_is_told(editor: Any, client: Any) -> None:
    doc = photo(editor)
    client.hole = lambda width, height: np.zeros((height, width), np.uint8)
    said = follow(separate.CutOut(document.Document.active(), backend.Backend(), "Cut", {}))
    assert "Select the subject" in said["nothing"] and names(doc.root) == ["photo"]


def test_chosen_models_go_with_every_request() -> None:
    choice = CHOICE._replace(models={"people": "fcn_resnet50", "matte": "x"}, grow=7, feather=4)
    request = actions.request(actions.REMOVE_PEOPLE, choice)
    assert request.options["people_model"] == "fcn_resnet50" and request.options["grow"] == 7
    assert request.options["feather"] == 4
    assert not any(name.startswith("matte") for name in request.options)


@pytest.mark.parametrize(("ticked", "title"), [
    (("text",), "Remove Text"), (("people",), "Remove People"),
    (("unknown",), "Remove Unknown Objects"), (("text", "people"), "Remove Text and People"),
])
def test_the_dockers_button_is_named_by_what_is_ticked(ticked: Any, title: str) -> None:
    what = {name: name in ticked for name in ("text", "people", "unknown")}
    request = actions.request(actions.REMOVE_BOTH, CHOICE, what)
    assert request.title == title and not request.fills_selection
    assert {name: request.options[name] for name in what} == what


def test_choices_are_kept(editor: Any) -> None:
    chosen = preferences.Preferences(review=True, models={"fill": "big_lama"}, grow=3, feather=2)
    preferences.save(chosen)
    assert preferences.load() == chosen
    editor.writeSetting("cleanplate", "models", "[broken")
    assert preferences.load().models == {}


def test_the_wheel_passes_over_values_it_was_not_meant_for(editor: Any) -> None:
    """The docker scrolls; without this, the wheel would grow the masks on its way."""
    from PyQt6.QtCore import QPoint, QPointF, Qt
    from PyQt6.QtGui import QWheelEvent
    from PyQt6.QtWidgets import QApplication

    choices = load("choices").Choices()
    for field in (choices.grow, choices.feather, choices.device, choices.source):
        before = preferences.load()
        turned = QWheelEvent(
            QPointF(3, 3), QPointF(3, 3), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)
        QApplication.sendEvent(field, turned)
        assert preferences.load() == before and not turned.isAccepted()
    choices.grow.setValue(5)
    assert preferences.load().grow == 5


def test_settings_choose_a_model_by_name(editor: Any, client: Any) -> None:
    from PyQt6.QtWidgets import QComboBox, QMainWindow

    main = QMainWindow()
    dialog = load("settings").SettingsDialog(backend.Backend(), main)
    dialog._show_info(client.info())
    box = dialog.findChild(QComboBox, "cleanplate_model_fill")
    assert [box.itemText(i) for i in range(box.count())] == ["Automatic (Telea)", "Telea"]
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert preferences.load().models == {"fill": "fill-telea"}
    box.setCurrentIndex(0)
    box.activated.emit(0)
    assert preferences.load().models == {}
