"""Every colour space: the source stays, untouched pixels keep their bytes, one undo step."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from conftest import Editor, dilated

REACH = 40
SPACES = (
    ("RGBA", "U8", "ClayRGB-elle-V2-g22.icc"),  # as wide as Adobe RGB
    ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc"),
    ("RGBA", "F16", "sRGB-elle-V2-g10.icc"),
    ("RGBA", "F32", "sRGB-elle-V2-g10.icc"),
    ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc"),
    ("GRAYA", "U16", "Gray-D50-elle-V2-srgbtrc.icc"),
    ("GRAYA", "F16", "Gray-D50-elle-V2-g10.icc"),
    ("GRAYA", "F32", "Gray-D50-elle-V2-g10.icc"),
    ("CMYKA", "U8", ""),
    ("CMYKA", "U16", ""),
    ("CMYKA", "F32", ""),
    ("LABA", "U8", ""),
    ("LABA", "U16", ""),
    ("LABA", "F32", ""),
)


def raw_pixels(editor: Editor, expression: str) -> np.ndarray:
    """H×W×bytes of a pixel."""
    width, height = editor.eval("[doc().width(), doc().height()]")
    data = base64.b64decode(editor.eval(f"raw({expression})"))
    return np.frombuffer(data, np.uint8).reshape(height, width, -1)


@pytest.mark.parametrize("space", SPACES, ids=["-".join(space[:2]) for space in SPACES])
def test_untouched_pixels_keep_their_bytes(raft: Editor, space: tuple[str, str, str]) -> None:
    raft.ask(
        "p = profile or app.profiles(model, depth)[0]\n"
        "doc().setColorSpace(model, depth, p); doc().waitForDone()",
        model=space[0], depth=space[1], profile=space[2],
    )
    raft.wait_for("[doc().colorModel(), layer('Background').colorDepth(), doc().colorProfile()]"
                  f" == [*{space[:2]!r}, {space[2]!r} or doc().colorProfile()]")
    before = raft.eval("tree()")
    source = raw_pixels(raft, "layer('Background')")
    with raft.one_step():
        raft.trigger("cleanplate_remove_text_and_people")
        message = raft.finish()
    assert "Removed" in message and "of text" in message
    assert "person" in message or "people" in message
    assert "still show" not in message, "an opaque layer stays opaque in its copy"
    made = "layer('Clean Plate: Background').childNodes()[0]"
    assert raft.eval(f"[{made}.colorModel(), {made}.colorDepth(), {made}.colorProfile()]") == (
        raft.eval("[doc().colorModel(), doc().colorDepth(), doc().colorProfile()]"))
    plate = raw_pixels(raft, made)
    removed = raft.mask("Text mask") | raft.mask("Object mask")
    different = (plate != source).any(axis=2)
    assert different[removed].mean() > 0.7
    assert not (different & ~dilated(removed, REACH)).any()
    assert (raw_pixels(raft, "doc().topLevelNodes()[0]") == source).all()
    assert raft.eval("modal()") is None
    assert raft.eval("len(app.documents())") == 1, "nothing of ours is left open"
    raft.undo(layers=1)
    assert raft.eval("tree()") == before


def test_sixteen_bits_are_more_than_eight(raft: Editor) -> None:
    """A fill in a deep document uses values that 8 bits do not have."""
    raft.ask("doc().setColorSpace('RGBA', 'U16', 'sRGB-elle-V2-srgbtrc.icc'); doc().waitForDone()")
    ramp = np.zeros((256, 384, 4), np.uint16)
    ramp[..., :3] = np.linspace(20000, 24000, 384).astype(np.uint16)[None, :, None]
    ramp[..., 3] = 65535
    ramp[100:140, 150:200, :3] = 60000
    raft.fill_layer("Background", ramp)
    raft.ask("from krita import Selection\n"
             "s = Selection(); s.select(140, 90, 70, 60, 255); doc().setSelection(s)")
    raft.trigger("cleanplate_remove_selection")
    assert "Removed" in raft.finish()
    data = base64.b64decode(raft.eval("raw(layer('Clean Plate: Background').childNodes()[0])"))
    plate = np.frombuffer(data, np.uint16).reshape(256, 384, 4)
    hole = np.zeros((256, 384), bool)
    hole[90:150, 140:210] = True
    assert (plate[~hole] == ramp[~hole]).all()
    filled = plate[hole][:, 0]
    assert filled.min() > 18000 and filled.max() < 26000, "the bright block is gone"
    assert (filled % 257 != 0).mean() > 0.5, "not a multiple of an 8-bit level"
