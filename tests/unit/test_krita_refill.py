"""Refill from Masks on the fake editor with a fake backend, under PyQt6."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from tests.fake_krita.bench import (  # noqa: E402
    CHOICE,
    CMYK8,
    GRAY8,
    HEIGHT,
    RGB8,
    RGB16,
    WIDTH,
    actions,
    backend,
    cleaned,
    do_refill,
    document,
    follow,
    inverted,
    layer,
    names,
    photo,
    refill,
    run,
)
from tests.fake_krita.support import FakeClient, load, middle, spin  # noqa: E402

records = load("records")

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


def test_a_refill_writes_only_the_part_that_changes(
    editor: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the new background is shared with the earlier one: no memory for each."""
    doc, _, group = cleaned(editor, client)
    written = []
    real = fake.Node.setPixelData
    monkeypatch.setattr(fake.Node, "setPixelData",
                        lambda self, data, *box: (written.append(box), real(self, data, *box))[1])
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    assert "done" in do_refill()
    assert written == [(6, 4, 8, 6)]


def test_masks_shown_for_painting_do_not_hide_the_result(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    mask = layer(group, "Object mask")
    mask.canvas()[4:10, 6:14] = 255
    mask.setVisible(True)
    steps = len(doc.undo_steps)
    assert "done" in do_refill()
    assert not mask.visible() and len(doc.undo_steps) == steps + 1


def test_many_earlier_backgrounds_are_told(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    for turn in range(6):
        layer(group, "Object mask").canvas()[4 + turn, 6:14] = 255
        said = do_refill()
        kept = len([n for n in group.nodes if n.name() == "Background"]) - 1
        assert ("earlier backgrounds" in said["done"]) == (kept >= 5), kept
        assert kept < 5 or f"{kept} earlier" in said["done"]


def test_a_mask_on_the_background_is_not_applied_twice(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    background = layer(group, "Background")
    background.nodes.append(fake.Node(doc, "soft", "transparencymask"))
    before = background.canvas().copy()
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    assert "done" in do_refill()
    new = layer(group, "Background")
    assert not new.nodes and (new.canvas()[20:] == before[20:]).all()


def test_refill_without_a_change_says_what_to_do(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    said = do_refill()
    assert "Paint on" in said["nothing"] and len(client.requests) == 1
    layer(group, "Object mask").canvas()[4:10, 6:14] = 255
    assert "done" in do_refill()
    assert "Paint on" in do_refill()["nothing"], "the new masks are remembered"
    doc.undo()
    assert "done" in do_refill(), "and forgotten by the undo"


def anew(doc: Any, group: Any, client: Any) -> np.ndarray:
    """Refills; where it was filled, checked against what the backend was asked for."""
    before = layer(group, "Background").canvas().copy()
    assert "done" in do_refill()
    changed = np.frombuffer(client.requests[-1][5], np.uint8).reshape(HEIGHT, WIDTH) > 0
    assert ((layer(group, "Background").canvas() != before).any(axis=2) == changed).all()
    return changed


def test_coloured_paint_over_a_mask_fills_anew(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    mask = layer(group, "Text mask").canvas()
    assert (mask[16:20, 15:20] == 255).all()
    mask[16:18, 15:20] = (20, 20, 200, 255)
    mask[18:20, 15:20] = (20, 20, 200, 90)  # more taken away than painted
    mask[0:2, 0:2] = (20, 20, 200, 90)  # too thin to count
    changed = anew(doc, group, client)
    assert changed[16:20, 15:20].all() and changed.sum() == 20
    assert "as they were" in do_refill()["nothing"], "each stroke counts once"
    mask[17:19, 30:34] = (200, 20, 20, 255)
    changed = anew(doc, group, client)
    assert changed[17:19, 30:34].all() and changed.sum() == 8
    seeds = [request[4]["seed"] for request in client.requests if request[0] == "refill"]
    assert len(set(seeds)) == 2 and 0 not in seeds, "each fill is another one"
    doc.undo()
    assert anew(doc, group, client).sum() == 8, "undone, so it is asked for again"


def test_the_selection_is_filled_anew_where_no_mask_changed(editor: Any, client: Any) -> None:
    doc, _, group = cleaned(editor, client)
    inside = middle(WIDTH, HEIGHT) > 0
    full = np.full((HEIGHT, WIDTH), 255, np.uint8)
    doc.setSelection(fake.Selection(0, 0, full[:5, :20]))
    assert "as they were" in do_refill()["nothing"], "no mask is there"
    doc.setSelection(fake.Selection(5, 14, full[:20, :20]))
    box = np.zeros((HEIGHT, WIDTH), bool)
    box[14:34, 5:25] = True
    changed = anew(doc, group, client)
    assert (changed == (box & inside)).all() and changed.any()
    layer(group, "Object mask").canvas()[4:10, 40:44] = 255
    changed = anew(doc, group, client)
    assert changed.sum() == 24, "a mask that changed says enough: the selection may be old"


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


def test_masks_in_a_record_are_checked() -> None:
    mask = bytes([0, 255] * 50)
    text = records.pack_mask(mask)
    assert records.unpack_mask(text, 100) == mask
    for bad, area in ((text, 99), (text, 101), ("!", 100), ("AAAA", 100)):
        with pytest.raises(ValueError, match="record"):
            records.unpack_mask(bad, area)
