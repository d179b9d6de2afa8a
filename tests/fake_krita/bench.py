"""A document with a Clean Plate group in the fake editor, and what the tests ask of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fake_krita.support import FakeClient, application, load, spin

application()
run, refill, actions, document, backend, preferences = (
    load(n) for n in ("run", "refill", "actions", "document", "backend", "preferences"))

RGB8 = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
RGB16 = ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc")
GRAY8 = ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc")
CMYK8 = ("CMYKA", "U8", "Chemical proof")
WIDTH, HEIGHT = 60, 48
CHOICE = preferences.Preferences()


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
