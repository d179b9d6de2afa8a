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

from plugin.client import (
    BackendError,
    CleanReply,
    CutOut,
    CutOutReply,
    FindReply,
    Image,
    Item,
    JobCancelled,
    SeparateReply,
    Status,
)

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

    def wait(self, timeout: float) -> Status:
        assert threading.current_thread() is not threading.main_thread()
        self.asked += 1
        if self.client.lost:
            raise BackendError("The backend ended.", "last line of the log")
        if self.client.hold.is_set() or self.asked <= self.client.steps:
            time.sleep(min(timeout, 0.005))
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


    def submit_find(self, image: Image, options: dict[str, Any]) -> FakeJob:
        """A person at the top left, a line of text in `hole`."""
        image.check()
        person, text = np.zeros((2, image.height, image.width), np.uint8)
        person[2:9, 3:8] = 255
        text[:] = self.hole(image.width, image.height)
        items = (Item("text", "SALE", *cut(text)), Item("person", "Person 1", *cut(person)))
        return self._job(("find", image, options), lambda: FindReply(items, REPORT))

    def submit_refill(
        self, image: Image, objects: bytes | None, text: bytes | None, options: dict[str, Any],
        changed: bytes | None = None, original: Image | None = None,
    ) -> FakeJob:
        """Inverts what was added; what was taken away gets the original's pixels."""
        image.check()

        def answer() -> CleanReply:
            plate = as_pixels(image).copy()
            shape = plate.shape[:2]
            none = np.zeros(shape, np.uint8)
            masks = [none if m is None else np.frombuffer(m, np.uint8).reshape(shape)
                     for m in (objects, text)]
            wanted = np.maximum(*masks)
            area = np.frombuffer(changed, np.uint8).reshape(shape) if changed else wanted
            hole, back = np.minimum(wanted, area), np.where(wanted == 0, area, 0).astype(np.uint8)
            plate[hole > 0, :3] = np.iinfo(plate.dtype).max - plate[hole > 0, :3]
            if original is not None:
                plate[back > 0] = as_pixels(original)[back > 0]
            return CleanReply(objects, text, None, hole.tobytes(), plate.tobytes(), True, REPORT,
                              [], [], back.tobytes() if original is not None else None)

        return self._job(("refill", image, objects, text, options, changed, original), answer)

    def submit_separate(
        self, image: Image, objects: bytes | None, text: bytes | None, options: dict[str, Any]
    ) -> FakeJob:
        """One cut-out for each kind of mask, above a background that is inverted there."""
        image.check()

        def answer() -> SeparateReply:
            source = as_pixels(image)
            ground, layers = source.copy(), []
            found = (objects, text)
            if objects is None and text is None:
                found = (None, self.hole(image.width, image.height).tobytes())
            for kind, given in zip(("object", "text"), found, strict=True):
                if given is None or not any(given):
                    continue
                mask = np.frombuffer(given, np.uint8).reshape(source.shape[:2])
                box, _ = cut(mask)
                x0, y0, x1, y1 = box
                part = source[y0:y1, x0:x1].copy()
                part[mask[y0:y1, x0:x1] == 0] = 0
                name = "SALE" if kind == "text" else "Object 1"
                layers.append(CutOut(kind, name, box, part.tobytes(), "BGRA"))
                top = np.iinfo(source.dtype).max
                ground[mask > 0, :3] = top - ground[mask > 0, :3]
            return SeparateReply(tuple(layers), ground.tobytes(), REPORT)

        return self._job(("separate", image, objects, text, options), answer)

    def submit_cut_out(
        self, image: Image, options: dict[str, Any], mask: bytes | None
    ) -> FakeJob:
        """The mask, or else `hole`, on transparency."""
        image.check()

        def answer() -> CutOutReply:
            out = as_pixels(image).copy()
            keep = self.hole(image.width, image.height)
            if mask is not None:
                keep = np.frombuffer(mask, np.uint8).reshape(keep.shape)
            out[keep == 0] = 0
            return CutOutReply(out.tobytes(), bool(keep.any()), "BGRA", REPORT)

        return self._job(("cut_out", image, options, mask), answer)

    def _job(self, request: Any, answer: Callable[[], Any]) -> FakeJob:
        self.requests.append(request)
        self.jobs.append(FakeJob(self, answer))
        return self.jobs[-1]


REPORT = {"counts": {}, "seconds": {"total": 0.5}, "models": {"fill": "fake-fill"},
          "device_text": {"cpu": "CPU"}, "notes": []}


def as_pixels(image: Image) -> np.ndarray:
    dtype = np.uint8 if image.depth == "u8" else np.uint16
    return np.frombuffer(bytes(image.data), dtype).reshape(image.height, image.width, 4)


def cut(mask: np.ndarray) -> tuple[tuple[int, int, int, int], bytes]:
    """The box around a mask, and the mask in it."""
    rows, columns = np.nonzero(mask)
    x0, y0 = int(columns.min()), int(rows.min())
    x1, y1 = int(columns.max()) + 1, int(rows.max()) + 1
    return (x0, y0, x1, y1), np.ascontiguousarray(mask[y0:y1, x0:x1]).tobytes()


def middle(width: int, height: int) -> np.ndarray:
    hole = np.zeros((height, width), np.uint8)
    hole[height // 3 : height // 2, width // 4 : width // 2] = 255
    return hole
