"""Loaded models, one of each kind, kept for the life of the process."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from backend.models import catalogue, download
from backend.models import device as devices
from backend.models.catalogue import Entry
from backend.values import Control, ModelUnavailable

T = TypeVar("T")


def missing_packages(entry: Entry) -> list[str]:
    """pip names of the packages that `entry` needs and this environment lacks."""
    pairs = [(need.partition(":")[0], need.partition(":")[2] or need) for need in entry.needs]
    return [pip for pip, module in pairs if importlib.util.find_spec(module) is None]


def installed(entry: Entry) -> bool:
    """Whether all files and packages of `entry` are here (files by existence, not by hash)."""
    return all(entry.path(f).is_file() for f in entry.files) and not missing_packages(entry)


def default(task: str) -> Entry:
    """The installed entry of `task` with the highest rank."""
    for entry in catalogue.entries(task):
        if installed(entry):
            return entry
    raise ModelUnavailable(
        f"No {task} model is installed. `cleanplate models list` shows what can be installed."
    )


class ModelStore:
    """Loads a model at its first use, after checking its hash, and keeps it. Thread-safe."""

    def __init__(self, device: str = "auto") -> None:
        self.device = devices.check_name(device)
        self._models: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.RLock()

    def entry(self, task: str, name: str | None = None) -> Entry:
        """The entry that `get` would load; ModelUnavailable says how to install it."""
        if name is None:
            return default(task)
        entry = catalogue.get(name, task)
        if not installed(entry):
            if entry.builtin:
                raise ModelUnavailable(
                    f"The built-in model “{entry.short}” is not part of this installation: "
                    "run `python3 install.py` again."
                )
            raise ModelUnavailable(
                f"The model “{entry.short}” is not installed. Install it with: "
                f"cleanplate models install {name}"
            )
        return entry

    def get(self, task: str, name: str | None, control: Control, device: str | None = None) -> Any:
        """The loaded model of `task` (interfaces.py), on `device` (None = the store's own)."""
        entry = self.entry(task, name)
        requested = device or self.device
        with self._lock:
            key = (task, entry.name, requested)
            if key not in self._models:
                with control.stage("load", f"Loading {entry.short}"):
                    self._models[key] = self._load(entry, requested, control)
            return self._models[key]

    def run(
        self,
        task: str,
        name: str | None,
        control: Control,
        work: Callable[[Any, float], T],
        device: str | None = None,
    ) -> T:
        """`work(model, scale)`, again with scale 0.5 when the GPU's memory is too small, then on
        the CPU; each step is told by `control.note`. Work that cannot shrink ignores `scale`."""
        requested = device or self.device
        try:
            return work(self.get(task, name, control, requested), 1.0)
        except Exception as error:
            if requested == "cpu" or not devices.is_out_of_memory(error):
                raise
        devices.release_memory()
        title = self.entry(task, name).short
        try:
            result = work(self.get(task, name, control, requested), 0.5)
            control.note(f"The GPU ran out of memory: {title} worked at half size.")
            return result
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
        self.unload(task)
        control.note(f"The GPU ran out of memory: {title} worked on the CPU.")
        return work(self.get(task, name, control, "cpu"), 1.0)

    def loaded(self) -> list[tuple[str, str, str]]:
        """(task, name, requested device) of each model in memory."""
        return list(self._models)

    def unload(self, task: str | None = None) -> None:
        """Forgets loaded models (of one task) and gives their memory back."""
        with self._lock:
            for key in [k for k in self._models if task is None or k[0] == task]:
                del self._models[key]
        devices.release_memory()

    def _load(self, entry: Entry, requested: str, control: Control) -> Any:
        files: dict[str, Path] = {}
        for file in entry.files:
            path = entry.path(file)
            if not entry.builtin:
                download.verify(file, path, control)
            files[file.name] = path
        module, _, function = entry.loader.partition(":")
        load = getattr(importlib.import_module(module), function)
        return load(entry, files, devices.pick(requested), control)
