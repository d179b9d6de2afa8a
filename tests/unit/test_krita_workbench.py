"""Review, refill, separate and cut out on the fake editor with a fake backend, under PyQt6."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from tests.fake_krita.support import FakeClient, application, load, middle, spin  # noqa: E402

application()
run, refill, separate, actions, document, backend, preferences, records, review = (
    load(n) for n in ("run", "refill", "separate", "actions", "document", "backend",
                      "preferences", "records", "review"))

import krita as fake  # noqa: E402  (the fake, found once the plugin was loaded)

RGB8 = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
RGB16 = ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc")
GRAY8 = ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc")
CMYK8 = ("CMYKA", "U8", "Chemical proof")
WIDTH, HEIGHT = 60, 48
CHOICE = preferences.Preferences()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(backend, "Client", made)
    return made


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(fake.Krita, "_instance", None)
    return fake.Krita.instance()


def photo(editor: Any, space: tuple[str, str, str] = RGB8) -> Any:
    """A document whose one layer holds opaque noise."""
    doc = editor.open_document(WIDTH, HEIGHT, space)
    canvas = doc.active.canvas()
    canvas[:] = np.random.default_rng(0).integers(0, 200, canvas.shape)
    canvas[..., -1] = np.iinfo(canvas.dtype).max
    return doc


def follow(work: Any) -> dict[str, Any]:
    """Starts it; what it says at its end."""
    said: dict[str, Any] = {}
    work.done.connect(lambda text: said.update(done=text))
    work.nothing.connect(lambda text: said.update(nothing=text))
    work.failed.connect(lambda text, details: said.update(failed=text, details=details))
    work.start()
    spin(lambda: work.state is not run.State.WORKING)
    return said


def cleaned(editor: Any, client: FakeClient, space: tuple[str, str, str] = RGB8) -> Any:
    """A document with a Clean Plate group; (document, source, group)."""
    doc = photo(editor, space)
    source = doc.active.canvas().copy()
    request = actions.request(actions.REMOVE_BOTH, CHOICE)
    assert "done" in follow(run.Run(document.Document.active(), backend.Backend(), request))
    group = doc.root.nodes[1]
    spin(lambda: doc.active is group.nodes[0])
    return doc, source, group


def do_refill(**options: Any) -> dict[str, Any]:
    return follow(refill.Refill(document.Document.active(), backend.Backend(), "Refill", options))


def names(node: Any) -> list[Any]:
    return [[n.name(), names(n)] if n.nodes else n.name() for n in reversed(node.nodes)]


def layer(group: Any, name: str) -> Any:
    """The topmost one of that name."""
    return next(n for n in reversed(group.nodes) if n.name() == name)


def inverted(pixels: np.ndarray) -> np.ndarray:
    return np.iinfo(pixels.dtype).max - pixels[..., :3]


@pytest.mark.parametrize("space", [RGB8, RGB16, GRAY8, CMYK8], ids=lambda s: "-".join(s[:2]))
def test_refill_adds_takes_away_and_keeps_hand_work(editor: Any, client: Any, space: Any) -> None:
    doc, source, group = cleaned(editor, client, space)
    background = layer(group, "Background")
    background.canvas()[40:44, 50:58] = 77  # hand work
    before = background.canvas().copy()
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    layer(group, "Text mask").canvas()[16:20, 15:20] = 0  # erased: it was filled
    steps, writes = len(doc.undo_steps), background.writes
    said = do_refill()
    assert "Filled where" in said["done"] and "source is back" in said["done"]
    assert names(group) == ["Text mask", "Object mask", "Background", "Background"]
    new = layer(group, "Background")
    assert new is not background and new.space == space and new.visible()
    added, back = np.zeros((2, HEIGHT, WIDTH), bool)
    added[4:10, 6:14] = back[16:20, 15:20] = True
    assert (new.canvas()[~(added | back)] == before[~(added | back)]).all()
    assert (new.canvas()[back] == source[back]).all()
    assert (new.canvas()[added] != before[added]).any(axis=1).mean() > 0.9
    if space == RGB8:
        assert (new.canvas()[added][:, :3] == inverted(before)[added]).all()
    assert background.writes == writes and (background.canvas() == before).all()
    assert doc.root.nodes[0].writes == 0 and (doc.root.nodes[0].canvas() == source).all()
    assert len(doc.undo_steps) == steps + 1
    doc.undo()
    assert names(group) == ["Text mask", "Object mask", "Background"]
    assert client.requests[-1][1].depth == ("u8" if space in (RGB8, GRAY8) else "u16")


def test_refill_without_a_change_says_what_to_do(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    said = do_refill()
    assert "Paint on" in said["nothing"] and len(client.requests) == 1
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    assert "done" in do_refill()
    assert "Paint on" in do_refill()["nothing"], "the new masks are remembered"
    doc.undo()
    assert "done" in do_refill(), "and forgotten by the undo"


def test_what_one_refill_added_the_next_one_takes_back(editor: Any, client: Any) -> None:
    _, source, group = cleaned(editor, client)
    first = layer(group, "Background").canvas().copy()
    mask = layer(group, "Object mask").canvas()
    mask[4:10, 6:14] = 255
    do_refill()
    assert (layer(group, "Background").canvas() != first).any()
    mask[4:10, 6:14] = 0
    do_refill()
    assert (layer(group, "Background").canvas() == first).all()


@pytest.mark.parametrize("where", ["source", "mask", "other"])
def test_the_group_is_found_from_the_active_layer(editor: Any, client: Any, where: str) -> None:
    doc, _, group = cleaned(editor, client)
    other = fake.Node(doc, "other", "paintlayer")
    doc.root.addChildNode(other, None)
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    chosen = {"source": doc.root.nodes[0], "mask": layer(group, "Text mask"), "other": other}
    spin(lambda: doc.active is other)
    doc.active = chosen[where]
    assert "done" in do_refill()


def test_refill_without_a_group_is_told(editor: Any, client: Any) -> None:
    photo(editor)
    assert "no Clean Plate group" in do_refill()["nothing"]
    assert not client.requests


@pytest.mark.parametrize("data", [None, b"", b"{", b'{"version": 1, "fills": [{"size": 3}]}'])
def test_a_lost_or_damaged_record_is_told(editor: Any, client: Any, data: Any) -> None:
    """Everything that the masks show is filled then, and nothing is put back."""
    doc, source, group = cleaned(editor, client)
    doc.annotations.clear()
    if data is not None:
        doc.annotations["cleanplate"] = data
    before = layer(group, "Background").canvas().copy()
    said = do_refill()
    assert "no record" in said["done"]
    hole = middle(WIDTH, HEIGHT) > 0
    assert (layer(group, "Background").canvas()[~hole] == before[~hole]).all()
    assert client.requests[-1][5] == middle(WIDTH, HEIGHT).tobytes()


def test_refill_of_a_half_transparent_multiply_layer(editor: Any, client: Any) -> None:
    """The old background would show through: it is hidden while the new one is there."""
    doc = photo(editor)
    doc.active.setBlendingMode("multiply")
    source = doc.active.canvas().copy()
    request = actions.request(actions.REMOVE_BOTH, CHOICE)
    follow(run.Run(document.Document.active(), backend.Backend(), request))
    group = doc.root.nodes[1]
    old = layer(group, "Background")
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    layer(group, "Text mask").canvas()[16:20, 15:20] = 0
    assert "done" in do_refill()
    new = layer(group, "Background")
    assert new.blendingMode() == "multiply" and not old.visible()
    assert (new.canvas()[4:10, 6:14, :3] == inverted(source)[4:10, 6:14]).all()
    assert not new.canvas()[16:20, 15:20].any() and not new.canvas()[:4].any()
    doc.undo()
    spin(lambda: old.visible())
    doc.redo()
    spin(lambda: not old.visible())
    editor.close_document(doc)


def test_source_gone_leaves_erased_parts_filled(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    before = layer(group, "Background").canvas().copy()
    doc.root.nodes[0].remove()
    layer(group, "Text mask").canvas()[16:20, 15:20] = 0
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    said = do_refill()
    assert "keep their fill" in said["done"]
    new = layer(group, "Background").canvas()
    assert (new[16:20, 15:20] == before[16:20, 15:20]).all()
    assert (new[4:10, 6:14] != before[4:10, 6:14]).any()


def test_group_deleted_meanwhile(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    client.hold.set()
    work = refill.Refill(document.Document.active(), backend.Backend(), "Refill", {})
    said: list[str] = []
    work.nothing.connect(said.append)
    work.start()
    spin(lambda: len(client.jobs) == 2)
    group.remove()
    client.hold.clear()
    spin(lambda: work.state is not run.State.WORKING)
    assert "deleted meanwhile" in said[0] and names(doc.root) == ["photo"]


def test_a_cancelled_refill_changes_nothing(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    kept = dict(doc.annotations)
    client.hold.set()
    work = refill.Refill(document.Document.active(), backend.Backend(), "Refill", {})
    work.start()
    spin(lambda: len(client.jobs) == 2 and client.jobs[1].asked > 1)
    work.cancel()
    spin(lambda: client.jobs[1].released)
    assert client.jobs[1].cancelled and names(group)[-2:] == ["Object mask", "Background"]
    assert doc.annotations == kept


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
    request = actions.click_request(5.0, 5.0, CHOICE)
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


def test_choices_are_kept(editor: Any) -> None:
    chosen = preferences.Preferences(review=True, models={"fill": "big_lama"}, grow=3, feather=2)
    preferences.save(chosen)
    assert preferences.load() == chosen
    editor.writeSetting("cleanplate", "models", "[broken")
    assert preferences.load().models == {}


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


def test_masks_in_a_record_are_checked() -> None:
    mask = bytes([0, 255] * 50)
    text = records.pack_mask(mask)
    assert records.unpack_mask(text, 100) == mask
    for bad, area in ((text, 99), (text, 101), ("!", 100), ("AAAA", 100)):
        with pytest.raises(ValueError, match="record"):
            records.unpack_mask(bad, area)
