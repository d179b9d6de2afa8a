"""The functions that a client can call. Arguments and answers are plain values."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from rpyc.core.service import Service

from backend import __version__
from backend.service import checks, kinds
from backend.service.channel import StrictConnection
from backend.service.errors import Refused
from backend.service.jobs import Jobs, JobStatus
from backend.service.session import Session
from backend.service.window import Places
from plugin.client.protocol import CHUNK, MAX_BUFFER, PROTOCOL, SLOT, SLOTS

LONGEST_WAIT = 0.25  # seconds that one call may keep its connection waiting


class PlateService(Service):
    """One of these serves one connection; each call happens inside `calling()`."""

    EXPOSED = frozenset(
        (
            "hello", "ping", "info", "stop",
            "handover_offer", "handover_accept",
            "buffer_new", "buffer_free",
            "buffer_write", "buffer_read", "buffer_load", "buffer_show",
            "image_put", "image_drop",
            "submit", "status", "wait", "cancel", "result", "release",
        )
    )  # fmt: skip

    _protocol = StrictConnection

    def __init__(
        self,
        places: Places,
        jobs: Jobs,
        calling: Callable[[], AbstractContextManager[None]],
        stop: Callable[[], None],
    ) -> None:
        self._session = Session(places)
        self._jobs = jobs
        self.calling = calling
        self._stop = stop
        self._greeted = False

    def on_disconnect(self, conn: Any) -> None:
        self._jobs.end_session(self._session)
        self._session.end()

    def hello(self, protocol: int) -> tuple[int, str, int]:
        """(protocol, version, pid); the first call of every client."""
        if checks.integer(protocol, "protocol") != PROTOCOL:
            raise Refused(
                f"The plugin speaks protocol {protocol}, this backend (version {__version__}) "
                f"speaks {PROTOCOL}: run `python3 install.py` again, then restart the editor."
            )
        self._greeted = True
        return PROTOCOL, __version__, os.getpid()

    def ping(self) -> bool:
        self._begin()
        return True

    def info(self) -> tuple[str]:
        """One JSON text: version, protocol, pid, device, device_text, models by task."""
        self._begin()
        from backend.models import device
        from backend.models.command import table

        models: dict[str, list[dict[str, Any]]] = {}
        for row in table():
            models.setdefault(row["task"], []).append(row)
        picked = device.pick()
        answer = {
            "version": __version__,
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "device": picked,
            "device_text": device.describe(picked),
            "models": models,
        }
        return (json.dumps(answer),)

    def stop(self) -> bool:
        """Ends the backend, whoever else uses it."""
        self._begin()
        self._stop()
        return True

    def handover_offer(self) -> tuple[tuple[str, str], ...]:
        self._begin()
        return self._session.buffers.offer()

    def handover_accept(self, name: str, note: bytes) -> str:
        """The path of the window, or ""."""
        self._begin()
        if type(note) is not bytes:
            raise Refused("The note must be bytes.")
        return self._session.buffers.accept(checks.text(name, "name", 16), note)

    def buffer_new(self, size: int) -> int:
        self._begin()
        return self._session.buffers.new(checks.integer(size, "size", 1, MAX_BUFFER))

    def buffer_write(self, number: int, offset: int, data: bytes) -> int:
        self._begin()
        if type(data) is not bytes or len(data) > CHUNK:
            raise Refused(f"A piece must be at most {CHUNK} bytes.")
        number, offset, _ = _place(number, offset, len(data), CHUNK)
        self._session.buffers.write(number, offset, data)
        return len(data)

    def buffer_read(self, number: int, offset: int, size: int) -> bytes:
        self._begin()
        return self._session.buffers.read(*_place(number, offset, size, CHUNK))

    def buffer_load(self, number: int, offset: int, size: int, slot: int) -> bool:
        self._begin()
        self._session.buffers.load(*_place(number, offset, size, SLOT), _slot(slot))
        return True

    def buffer_show(self, number: int, offset: int, size: int, slot: int) -> bool:
        self._begin()
        self._session.buffers.show(*_place(number, offset, size, SLOT), _slot(slot))
        return True

    def buffer_free(self, number: int) -> bool:
        self._begin()
        self._session.buffers.free(checks.integer(number, "buffer"))
        return True

    def image_put(self, image: tuple) -> int:
        self._begin()
        return self._session.put_image(image)

    def image_drop(self, number: int) -> bool:
        self._begin()
        return self._session.images.pop(checks.integer(number, "picture"), None) is not None

    def submit(self, kind: str, arguments: tuple) -> str:
        """Checks the arguments, copies the pixels out and queues the job; returns its number."""
        self._begin()
        chosen = kinds.find(checks.text(kind, "kind", 64))
        if type(arguments) is not tuple:
            raise Refused("Arguments are pairs of a name and a value.")
        request = chosen.check(self._session, kinds.arguments_of(arguments))
        return self._jobs.submit(chosen, request, self._session)

    def status(self, job: str) -> JobStatus:
        self._begin()
        return self._jobs.status(checks.text(job, "job", 64))

    def wait(self, job: str, seconds: float) -> JobStatus:
        self._begin()
        patience = checks.number(seconds, "seconds", 0.0, LONGEST_WAIT)
        return self._jobs.wait(checks.text(job, "job", 64), patience)

    def cancel(self, job: str) -> JobStatus:
        self._begin()
        return self._jobs.cancel(checks.text(job, "job", 64))

    def result(self, job: str) -> tuple[tuple[tuple[str, int, int], ...], int]:
        """(((name, offset, size), …), buffer): the block `values` is JSON."""
        self._begin()
        answer = self._jobs.answer(checks.text(job, "job", 64))
        values = json.dumps(answer.values, default=_plain_number).encode("utf-8")
        blocks = {"values": values, **answer.blocks}
        parts = []
        offset = 0
        for name, block in blocks.items():
            size = len(block) if isinstance(block, bytes) else block.nbytes
            parts.append((name, offset, size))
            offset += size
        return tuple(parts), self._session.buffers.answer(tuple(blocks.values()))

    def release(self, job: str) -> bool:
        self._begin()
        self._jobs.release(checks.text(job, "job", 64))
        return True

    def _begin(self) -> None:
        if not self._greeted:
            raise Refused("Say hello first.")


def _place(number: int, offset: int, size: int, largest: int) -> tuple[int, int, int]:
    return (
        checks.integer(number, "buffer"),
        checks.integer(offset, "offset", 0),
        checks.integer(size, "size", 1, largest),
    )


def _slot(slot: int) -> int:
    return checks.integer(slot, "slot", 0, SLOTS - 1)


def _plain_number(value: Any) -> Any:
    """numpy's numbers in a report; anything else there is a mistake of ours."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be told to a client")
