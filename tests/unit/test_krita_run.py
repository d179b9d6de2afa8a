"""A whole run of the Krita plugin on the fake editor with a fake backend, under PyQt6."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from tests.fake_krita.support import FakeClient, application, load, middle, spin  # noqa: E402

application()
run, actions, document, backend = (load(n) for n in ("run", "actions", "document", "backend"))

import krita as fake  # noqa: E402  (the fake, found once the plugin was loaded)

RGB8 = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
RGB16 = ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc")
GRAY8 = ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc")
WIDTH, HEIGHT = 60, 48


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


def start(name: str = actions.REMOVE_BOTH, **changes: Any) -> tuple[Any, dict[str, Any]]:
    """A run on the active document, and what it says."""
    said: dict[str, Any] = {"progress": []}
    request = actions.request(name, load("preferences").Preferences())._replace(**changes)
    work = run.Run(document.Document.active(), backend.Backend(), request)
    work.done.connect(lambda text: said.update(done=text))
    work.nothing.connect(lambda text: said.update(nothing=text))
    work.failed.connect(lambda text, details: said.update(failed=text, details=details))
    work.progress.connect(lambda *step: said["progress"].append(step))
    work.start()
    return work, said


def finished(work: Any) -> None:
    spin(lambda: work.state is not run.State.WORKING)


def names(node: Any) -> list[Any]:
    return [[n.name(), names(n)] if n.nodes else n.name() for n in reversed(node.nodes)]


def test_group_with_layers_above_the_source_in_one_undo_step(editor: Any, client: Any) -> None:
    doc = photo(editor)
    source = doc.active.canvas().copy()
    work, said = start()
    finished(work)
    expected = [["Clean Plate: photo", ["Text mask", "Object mask", "Background"]], "photo"]
    assert names(doc.root) == expected
    assert len(doc.undo_steps) == 1
    group = doc.root.nodes[1]
    background, objects, text = group.nodes
    assert [n.visible() for n in (background, objects, text)] == [True, False, False]
    hole = middle(WIDTH, HEIGHT) > 0
    assert (background.canvas()[~hole] == source[~hole]).all()
    assert (background.canvas()[hole][:, :3] == 255 - source[hole][:, :3]).all()
    assert (text.canvas() == middle(WIDTH, HEIGHT)[..., None]).all()
    assert not objects.canvas().any()
    assert doc.root.nodes[0].writes == 0 and (doc.root.nodes[0].canvas() == source).all()
    spin(lambda: doc.active is background)
    assert "1 line of text" in said["done"] and "fake-fill" in said["done"]
    assert ("fill", 0.5, "Filling") in said["progress"]
    doc.undo()
    assert names(doc.root) == ["photo"]
    doc.redo()
    assert names(doc.root) == expected
    assert client.jobs[0].released


@pytest.mark.parametrize("space", [RGB8, RGB16, GRAY8])
def test_untouched_pixels_stay_in_every_depth(editor: Any, client: Any, space: Any) -> None:
    doc = photo(editor, space)
    source = doc.active.canvas().copy()
    work, said = start()
    finished(work)
    background = doc.root.nodes[1].nodes[0]
    assert background.space == space
    hole = middle(WIDTH, HEIGHT) > 0
    assert (background.canvas()[~hole] == source[~hole]).all()
    assert (background.canvas()[hole] != source[hole]).any(axis=1).mean() > 0.9
    assert client.requests[0][0].depth == ("u16" if space[1] == "U16" else "u8")
    assert len(doc.undo_steps) == 1
    assert editor.documents() == [doc], "the scratch is closed"
    assert "show through" not in said["done"]


def test_blend_mode_and_opacity_give_a_background_of_only_the_hole(
    editor: Any, client: Any
) -> None:
    doc = photo(editor)
    doc.active.setBlendingMode("multiply")
    doc.active.setOpacity(128)
    steps = len(doc.undo_steps)
    work, said = start()
    finished(work)
    assert len(doc.undo_steps) == steps + 1 and editor.documents() == [doc]
    group = doc.root.nodes[1]
    background = group.nodes[0]
    hole = middle(WIDTH, HEIGHT) > 0
    assert (background.canvas()[..., 3] > 0).tolist() == hole.tolist()
    assert not background.canvas()[~hole].any()
    assert (background.blendingMode(), background.opacity()) == ("multiply", 128)
    assert group.passThroughMode(), "the blend mode must reach the layers below the group"
    assert "multiply" in said["done"] and "50 %" in said["done"] and "“photo”" in said["done"]


def test_transparency_in_the_source_gives_only_the_hole(editor: Any, client: Any) -> None:
    doc = photo(editor)
    doc.active.canvas()[:3] = 0
    work, said = start()
    finished(work)
    background = doc.root.nodes[1].nodes[0]
    assert (background.canvas()[..., 3] > 0).tolist() == (middle(WIDTH, HEIGHT) > 0).tolist()
    assert "transparency" in said["done"]


def test_selection_limits_and_is_sent_with_its_surroundings(
    editor: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load("results"), "CONTEXT", 4)
    doc = photo(editor)
    source = doc.active.canvas().copy()
    coverage = np.full((10, 8), 255, np.uint8)
    coverage[:, 0] = 100  # less than half: not selected
    doc.chosen = fake.Selection(20, 18, coverage)
    client.hole = lambda width, height: np.full((height, width), 255, np.uint8)
    work, _ = start()
    finished(work)
    image, _, mask, limit = client.requests[0]
    assert (image.width, image.height) == (18, 20) and mask is None
    selected = np.zeros((HEIGHT, WIDTH), bool)
    selected[18:28, 21:28] = True
    assert np.frombuffer(limit, np.uint8).reshape(20, 18).tolist() == (
        selected[13:33, 15:33] * 255).tolist()
    background = doc.root.nodes[1].nodes[0]
    assert ((background.canvas() != source).any(axis=2) == selected).all()


def test_remove_selection_sends_it_as_the_mask(editor: Any, client: Any) -> None:
    doc = photo(editor)
    doc.chosen = fake.Selection(5, 6, np.full((7, 9), 255, np.uint8))
    work, _ = start(actions.REMOVE_SELECTION)
    finished(work)
    _, options, mask, limit = client.requests[0]
    assert options["text"] is options["people"] is False and limit is None
    assert np.count_nonzero(np.frombuffer(mask, np.uint8)) == 63


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda doc: doc.active.canvas().fill(0), "is empty"),
        (lambda doc: setattr(doc.active, "kind", "filterlayer"), "filter layer"),
    ],
)
def test_nothing_to_do_is_told(editor: Any, client: Any, prepare: Any, expected: str) -> None:
    doc = photo(editor)
    prepare(doc)
    before = names(doc.root)
    work, said = start()
    finished(work)
    assert expected in said["nothing"]
    assert names(doc.root) == before and not client.requests


@pytest.mark.parametrize("layers", [1, 2])
def test_without_an_active_layer_only_a_single_one_is_taken(
    editor: Any, client: Any, monkeypatch: pytest.MonkeyPatch, layers: int
) -> None:
    doc = photo(editor)
    if layers == 2:
        doc.root.addChildNode(fake.Node(doc, "other", "paintlayer"), None)
    monkeypatch.setattr(doc, "activeNode", lambda: None)
    work, said = start()
    finished(work)
    if layers == 1:
        assert "Removed" in said["done"] and names(doc.root)[0][0] == "Clean Plate: photo"
    else:
        assert "Choose the layer" in said["nothing"] and not client.requests


def test_nothing_found_makes_no_layers(editor: Any, client: Any) -> None:
    doc = photo(editor)
    client.hole = lambda width, height: np.zeros((height, width), np.uint8)
    work, said = start()
    finished(work)
    assert "Nothing" in said["nothing"] and names(doc.root) == ["photo"]


def test_remove_selection_needs_one(editor: Any, client: Any) -> None:
    photo(editor)
    work, said = start(actions.REMOVE_SELECTION)
    finished(work)
    assert "Select" in said["nothing"]


def test_a_mask_below_a_layer_leads_to_the_layer(editor: Any, client: Any) -> None:
    doc = photo(editor)
    mask = fake.Node(doc, "mask", "transparencymask")
    doc.active.nodes.append(mask)
    mask.parent = doc.active
    doc.active = mask
    work, _ = start()
    finished(work)
    assert names(doc.root)[0][0] == "Clean Plate: photo"


def test_cancel_frees_the_editor_and_ends_the_job(editor: Any, client: Any) -> None:
    doc = photo(editor)
    client.hold.set()
    work, said = start()
    spin(lambda: client.jobs and client.jobs[0].asked > 1)
    work.cancel()
    assert work.state is run.State.CANCELLED
    spin(lambda: client.jobs[0].released)
    assert client.jobs[0].cancelled
    assert names(doc.root) == ["photo"] and not doc.undo_steps
    assert not {"done", "nothing", "failed"} & set(said)


def test_cancel_while_the_source_is_converted_leaves_nothing_open(
    editor: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load("document"), "STRIPE", WIDTH)  # a row in each step
    doc = photo(editor, GRAY8)
    work, _ = start()
    spin(lambda: len(editor.documents()) == 2)
    work.cancel()
    assert editor.documents() == [doc] and not doc.undo_steps
    assert not client.requests


def test_a_cancel_after_the_layers_came_says_what_was_done(editor: Any, client: Any) -> None:
    doc = photo(editor)
    work, said = start()
    spin(lambda: len(doc.root.nodes) == 2)
    work.cancel()
    assert work.state is run.State.WORKING
    finished(work)
    assert work.state is run.State.DONE and "Removed" in said["done"]
    assert names(doc.root)[0][0] == "Clean Plate: photo"


def test_backend_lost_then_a_second_run(editor: Any, client: Any) -> None:
    doc = photo(editor)
    client.lost = True
    work, said = start()
    finished(work)
    assert said["failed"] == "The backend ended." and "log" in said["details"]
    assert names(doc.root) == ["photo"]
    client.lost = False
    work, said = start()
    finished(work)
    assert "done" in said


def test_source_deleted_meanwhile(editor: Any, client: Any) -> None:
    doc = photo(editor)
    other = fake.Node(doc, "other", "paintlayer")
    doc.root.addChildNode(other, None)
    client.hold.set()
    work, said = start()
    spin(lambda: client.jobs)
    doc.root.nodes[0].remove()
    client.hold.clear()
    finished(work)
    assert "deleted meanwhile" in said["done"]
    assert names(doc.root)[0][0] == "Clean Plate: photo"


def test_document_closed_meanwhile(editor: Any, client: Any) -> None:
    doc = photo(editor)
    client.hold.set()
    work, said = start()
    spin(lambda: client.jobs)
    editor.close_document(doc)
    client.hold.clear()
    finished(work)
    assert "closed" in said["nothing"] and names(doc.root) == ["photo"]


def test_source_edited_meanwhile_gives_the_moment_of_the_click(editor: Any, client: Any) -> None:
    doc = photo(editor)
    source = doc.active.canvas().copy()
    client.hold.set()
    work, _ = start()
    spin(lambda: client.jobs)
    doc.root.nodes[0].canvas()[:] = 7
    client.hold.clear()
    finished(work)
    outside = middle(WIDTH, HEIGHT) == 0
    assert (doc.root.nodes[1].nodes[0].canvas()[outside] == source[outside]).all()


def test_a_click_outside_the_selection_is_told(
    editor: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load("results"), "CONTEXT", 2)
    doc = photo(editor)
    doc.chosen = fake.Selection(30, 30, np.full((4, 4), 255, np.uint8))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3, 2] = 255
    request = actions.mask_request(mask.tobytes(), load("preferences").Preferences())
    work = run.Run(document.Document.active(), backend.Backend(), request)
    said: list[str] = []
    work.nothing.connect(said.append)
    work.start()
    finished(work)
    assert "outside the selection" in said[0] and names(doc.root) == ["photo"]


def test_what_was_gathered_by_clicks_grows_in_the_backend(editor: Any, client: Any) -> None:
    doc = photo(editor)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:20, 8:30] = 255
    choice = load("preferences").Preferences(grow=6, feather=2)
    report = {"models": {"click": "click-builtin"}, "device_text": {"cpu": "CPU"},
              "titles": {"click-builtin": "Clean Plate's own click net"},
              "notes": ["GrabCut works on the CPU."]}
    request = actions.mask_request(mask.tobytes(), choice, report)
    work = run.Run(document.Document.active(), backend.Backend(), request)
    told: list[str] = []
    work.done.connect(told.append)
    work.start()
    finished(work)
    assert "Models: Clean Plate's own click net, fake-fill, on CPU. GrabCut" in told[0]
    kind, _, objects, text, options, changed, _ = client.requests[0]
    assert kind == "refill" and text is None and objects == changed == mask.tobytes()
    assert options["grow"] == 6 and options["feather"] == 2
    group = doc.root.nodes[-1]
    made = group.nodes[-2].canvas()
    assert group.nodes[-2].name() == "Object mask"
    assert np.array_equal(made[..., 3] > 0, mask > 0)
