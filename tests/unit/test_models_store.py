"""The store: what is loaded, in which order, and what happens when the GPU is too small."""

from __future__ import annotations

import sys
import types

import pytest

from backend.models import catalogue, device, store
from backend.models.catalogue import Entry, File
from backend.values import BadInput, Control


@pytest.fixture
def fake_model(monkeypatch):
    """A model whose loader is counted; `big` ranks over it but lacks its file."""
    loads: list[str] = []
    module = types.ModuleType("fake_loader")

    def load(entry, files, device, control):
        loads.append(device)
        return types.SimpleNamespace(device=device)

    module.load = load
    monkeypatch.setitem(sys.modules, "fake_loader", module)
    small = Entry("small", "people", "Small", "MIT", 1, "fake_loader:load", builtin=True)
    big = Entry("big", "people", "Big", "MIT", 2, "fake_loader:load", (File("not-there.bin"),))
    monkeypatch.setattr(catalogue, "ENTRIES", [big, small])
    return loads


def test_the_highest_installed_rank_wins_and_loads_once(fake_model):
    models, control = store.ModelStore("cpu"), Control()
    assert models.entry("people").name == "small"
    first = models.get("people", None, control)
    assert models.get("people", "small", control) is first
    assert fake_model == ["cpu"]
    assert control.seconds["load"] >= 0
    models.unload("people")
    models.get("people", None, control)
    assert fake_model == ["cpu", "cpu"]


def test_out_of_memory_goes_smaller_then_to_the_cpu(fake_model, monkeypatch):
    monkeypatch.setattr(device, "pick", lambda requested: "cpu")
    models, control, tried = store.ModelStore("auto"), Control(), []

    def work(model, scale):
        tried.append(scale)
        if len(tried) < 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return "done"

    assert models.run("people", None, control, work) == "done"
    assert tried == [1.0, 0.5, 1.0]
    assert control.notes == ["The GPU ran out of memory: Small worked on the CPU."]


def test_other_errors_are_not_hidden(fake_model):
    def work(model, scale):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        store.ModelStore("cpu").run("people", None, Control(), work)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cpu:0", "", "auto; rm"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(BadInput, match="Unknown device"):
        store.ModelStore(name)


def test_a_device_that_is_not_there_is_not_replaced():
    with pytest.raises(BadInput, match="no device cuda:7"):
        device.pick("cuda:7")


def test_every_entry_is_complete():
    seen = set()
    for entry in catalogue.ENTRIES:
        assert entry.task in catalogue.TASKS and entry.licence and ":" in entry.loader
        assert (entry.task, entry.name) not in seen
        seen.add((entry.task, entry.name))
        for file in entry.files:
            assert entry.builtin or file.url.startswith("https://")
    for task in catalogue.TASKS:
        ranks = [e.rank for e in catalogue.entries(task)]
        assert task == "helper" or len(set(ranks)) == len(ranks)
