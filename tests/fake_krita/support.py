"""Loads the Krita plugin outside Krita: the fake libkis, PyQt6 without a screen, a fake client."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from plugin.client import BackendError, CleanReply, Image, JobCancelled, Status

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    """A module of the plugin, e.g. "run"; `client` is the one of plugin/client."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    for folder in (str(ROOT / "tests" / "fake_krita"), str(ROOT / "plugin" / "krita")):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    import plugin.client

    sys.modules.setdefault("cleanplate.client", plugin.client)
    return importlib.import_module(f"cleanplate.{name}")


@lru_cache(maxsize=1)  # an application that nobody holds is gone
def application() -> Any:
    from PyQt6.QtWidgets import QApplication

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return QApplication.instance() or QApplication([])


def spin(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Runs the event loop until `condition` holds."""
    app = application()
    end = time.monotonic() + seconds
    while True:
        app.processEvents()
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


class FakeJob:
    """Runs for `steps` questions about its status, then answers."""

    def __init__(self, client: FakeClient, answer: Callable[[], Any]) -> None:
        self.client, self.answer = client, answer
        self.cancelled = self.released = False
        self.asked = 0

    def status(self) -> Status:
        assert threading.current_thread() is not threading.main_thread()
        self.asked += 1
        if self.client.lost:
            raise BackendError("The backend ended.", "last line of the log")
        if self.client.hold.is_set() or self.asked <= self.client.steps:
            return Status("running", "fill", 0.5, "Filling")
        return Status("done", "", 1.0, "")

    def cancel(self) -> None:
        self.cancelled = True

    def release(self) -> None:
        self.released = True

    def result(self) -> Any:
        if self.cancelled:
            raise JobCancelled("Cancelled")
        return self.answer()


class FakeClient:
    """The backend's answers without a backend. `hole(width, height)` says what is found."""

    def __init__(self) -> None:
        self.steps = 1
        self.lost = False
        self.hold = threading.Event()
        self.requests: list[Any] = []
        self.jobs: list[FakeJob] = []
        self.error: BackendError | None = None
        self.hole: Callable[[int, int], np.ndarray] = middle

    def connect(self, **ignored: Any) -> FakeClient:
        if self.error is not None:
            raise self.error
        return self

    def ping(self) -> bool:
        return not self.lost

    def close(self) -> None:
        self.lost = False

    def info(self) -> dict[str, Any]:
        model = {"name": "fill-telea", "title": "Telea", "installed": True, "default": True,
                 "builtin": True, "licence": "Apache-2.0", "size": 0}
        lama = dict(model, name="big_lama", title="big-LaMa", installed=False, default=False,
                    builtin=False, size=205e6)
        return {"version": "0.1.0", "protocol": 1, "pid": 4711, "device": "cpu",
                "device_text": "CPU, 2 threads", "models": {"fill": [model, lama]}}

    def submit(self, kind: str, **arguments: Any) -> FakeJob:
        self.requests.append((kind, arguments))
        self.jobs.append(FakeJob(self, lambda: None))
        return self.jobs[-1]

    def submit_clean(
        self, image: Image, options: dict[str, Any], mask: bytes | None, limit: bytes | None
    ) -> FakeJob:
        image.check()
        self.requests.append((image, options, mask, limit))
        self.jobs.append(FakeJob(self, lambda: self.reply(image, mask, limit)))
        return self.jobs[-1]

    def reply(self, image: Image, mask: bytes | None, limit: bytes | None) -> CleanReply:
        """Inverts the colours in the hole: easy to see, easy to check."""
        dtype = np.uint8 if image.depth == "u8" else np.uint16
        shape = (image.height, image.width)
        pixels = np.frombuffer(bytes(image.data), dtype).reshape(*shape, 4)
        hole = self.hole(image.width, image.height)
        if mask is not None:
            hole = np.frombuffer(mask, np.uint8).reshape(shape)
        if limit is not None:
            hole = np.minimum(hole, np.frombuffer(limit, np.uint8).reshape(shape))
        plate = pixels.copy()
        plate[hole > 0, :3] = np.iinfo(dtype).max - plate[hole > 0, :3]
        found = bool(hole.any())
        report = {"counts": {"people": 0, "text_lines": 1}, "seconds": {"total": 0.25},
                  "models": {"fill": "fake-fill"}, "device_text": {"cpu": "CPU"}, "notes": []}
        return CleanReply(None, hole.tobytes() if found else None, None,
                          hole.tobytes() if found else None, plate.tobytes(), found, report, [], [])


def middle(width: int, height: int) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    hole[height // 3 : height // 2, width // 4 : width // 2] = 255
    return hole
