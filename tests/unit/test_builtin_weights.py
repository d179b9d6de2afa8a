"""The weights in the package: each loads as it lies there, is small, and is described by a card."""

from pathlib import Path

import pytest
from safetensors import safe_open

from backend.models import catalogue
from backend.models.catalogue import Entry
from backend.models.store import ModelStore, installed
from backend.values import Control

SHIPPED = [e for e in catalogue.entries() if e.builtin and e.files and installed(e)]
FOLDER = Path(catalogue.__file__).parent / "weights"


def test_what_must_be_there_is_there():
    names = {e.name for e in SHIPPED}
    assert {"people-builtin", "click-builtin", "text-strokes", "psenet-builtin", "deepmask",
            "deepcrop-v1", "deepcrop-v2", "saliency-builtin", "fill-pconv",
            "matte-unet", "matte-encoder"} <= names  # fmt: skip
    on_disk = {p.name for p in FOLDER.glob("*.safetensors")}
    assert on_disk == {f.name for e in SHIPPED for f in e.files}


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda e: e.name)
def test_weights_load_on_the_cpu(entry: Entry):
    model = ModelStore("cpu").get(entry.task, entry.name, Control())
    if entry.task != "helper":
        assert model.description.name == entry.name and model.description.device == "cpu"


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda e: e.name)
def test_weights_are_small_and_in_half_precision(entry: Entry):
    path = entry.path(entry.files[0])
    assert path.stat().st_size <= 10_000_000
    with safe_open(path, "pt") as file:
        kinds = {str(file.get_slice(key).get_dtype()) for key in file.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "I64"}


@pytest.mark.parametrize("entry", SHIPPED, ids=lambda e: e.name)
def test_weights_have_a_card(entry: Entry):
    cards = [p.read_text() for p in FOLDER.glob("*.md")]
    own = [text for text in cards if entry.name in text.splitlines()[0]]
    assert len(own) == 1, f"one card's title names {entry.name}"
    for word in ("Made by", "Data", f"Licence of the weights: {entry.licence}"):
        assert word in own[0].replace("\n", " ")
