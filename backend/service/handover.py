"""Buffers for pixels: files that the backend names, creates and reserves, else plain memory.

A file is only used after the client has proved that it sees the folder. Its space is reserved
before anybody writes (a full disk is an error at once), and it is read and written by ordinary
calls, never through a memory map: a file that a client truncates is a short read, not a SIGBUS.
What a client left there is copied out before any work begins.
"""

from __future__ import annotations

import errno
import hmac
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.home import private_dir
from backend.service.errors import Refused
from plugin.client.protocol import CHUNK, MAX_BUFFER, PROBE_BYTES

log = logging.getLogger("cleanplate.handover")

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "cleanplate-"
NOTE = "pixels.txt"  # in the run folder: where the shared memory of a killed backend lies
MOST_BUFFERS = 16
MOST_BYTES = 2 * MAX_BUFFER
KEPT_FREE = 2  # files of a connection that are kept for the next picture
KEPT_BYTES = 1 << 28


class Folders:
    """The folders of one backend process: `shm` where there is shared memory, and `run`."""

    def __init__(self, run: Path) -> None:
        self._note = run / NOTE
        self._remove_stale()
        self.places: dict[str, Path] = {}
        if sys.platform == "linux" and os.access(SHARED_MEMORY, os.W_OK):
            place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHARED_MEMORY))
            self._note.write_text(str(place), "utf-8")
            self.places["shm"] = place
        disk = run / "pixels"
        shutil.rmtree(disk, ignore_errors=True)
        self.places["run"] = private_dir(disk)
        self.notes: dict[str, bytes] = {}
        for name, place in self.places.items():
            self.notes[name] = secrets.token_bytes(PROBE_BYTES)
            _create(place / "note").close()
            (place / "note").write_bytes(self.notes[name])

    def remove(self) -> None:
        """Deletes everything; at the end of the process."""
        for place in self.places.values():
            shutil.rmtree(place, ignore_errors=True)
        self._note.unlink(missing_ok=True)

    def _remove_stale(self) -> None:
        try:
            place = Path(self._note.read_text("utf-8").strip())
        except OSError:
            return  # the last backend ended properly
        inside = place.parent == SHARED_MEMORY and place.name.startswith(PREFIX)
        if inside and place.is_dir() and not place.is_symlink():
            if place.stat().st_uid == os.getuid():
                shutil.rmtree(place, ignore_errors=True)
        self._note.unlink(missing_ok=True)


@dataclass
class _Buffer:
    """`file` and `path` for a shared one; else `blocks` of memory that lie one after the other."""

    size: int
    capacity: int
    number: int = 0
    file: Any = None
    path: str = ""
    blocks: tuple[memoryview, ...] = ()
    writable: bool = True

    def close(self) -> None:
        self.blocks = ()
        if self.file is not None:
            self.file.close()
            Path(self.path).unlink(missing_ok=True)


class Buffers:
    """The buffers of one connection; used by its thread only."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._accepted: list[str] = []
        self._buffers: dict[int, _Buffer] = {}
        self._free: dict[int, _Buffer] = {}
        self._next = 1

    def offer(self) -> tuple[tuple[str, str], ...]:
        """(name, path of the note) of each folder; the client returns what it reads there."""
        return tuple((name, str(place / "note")) for name, place in self._folders.places.items())

    def accept(self, name: str, note: bytes) -> bool:
        """Whether `note` is what lies there; from then on files of that folder are used."""
        right = self._folders.notes.get(name)
        if right is None or not hmac.compare_digest(note, right):
            return False
        if name not in self._accepted:
            self._accepted.append(name)
        return True

    def new(self, size: int) -> tuple[int, str]:
        """A buffer for `size` bytes: (number, path), path "" where none is shared."""
        self._check(size)
        buffer = self._reuse(size) or self._shared(size)
        if buffer is None:
            try:
                buffer = _Buffer(size, size, blocks=(memoryview(bytearray(size)),))
            except MemoryError:
                raise Refused("There is not enough memory for this picture.") from None
        return self._keep(buffer), buffer.path

    def answer(self, blocks: Sequence[np.ndarray | bytes]) -> tuple[int, str]:
        """A buffer that holds `blocks` one after the other. A full disk makes it plain memory."""
        views = tuple(_bytes_of(block) for block in blocks)
        size = sum(len(view) for view in views)
        self._check(size)
        buffer = self._reuse(size) or self._shared(size)
        if buffer is not None:
            try:
                buffer.file.seek(0)
                for view in views:
                    _write_all(buffer.file, view)
                return self._keep(buffer), buffer.path
            except OSError as error:
                log.warning("an answer goes through the connection: %s", error)
                buffer.close()
        return self._keep(_Buffer(size, size, blocks=views, writable=False)), ""

    def take(self, number: int) -> np.ndarray:
        """A copy of what the client left in a buffer, flat uint8; the buffer stays its own."""
        buffer = self._get(number)
        result = np.empty(buffer.size, np.uint8)
        view = result.data
        if buffer.file is None:
            at = 0
            for block in buffer.blocks:
                view[at : at + len(block)] = block
                at += len(block)
            return result
        buffer.file.seek(0)
        done = 0
        while done < buffer.size:
            count = buffer.file.readinto(view[done:])
            if not count:
                raise Refused("The shared pixel file was cut short; send the picture again.")
            done += count
        return result

    def write(self, number: int, offset: int, data: bytes) -> None:
        buffer = self._get(number)
        if buffer.file is not None or not buffer.writable:
            raise Refused("This buffer is not written through the connection.")
        if not 0 <= offset <= buffer.size - len(data):
            raise Refused("This is outside the buffer.")
        buffer.blocks[0][offset : offset + len(data)] = data

    def read(self, number: int, offset: int, size: int) -> bytes:
        buffer = self._get(number)
        if buffer.file is not None:
            raise Refused("This buffer is not read through the connection.")
        if not (0 < size <= CHUNK and 0 <= offset <= buffer.size - size):
            raise Refused("This is outside the buffer.")
        parts = []
        start = 0
        for block in buffer.blocks:
            first, last = max(0, offset - start), min(len(block), offset + size - start)
            if first < last:
                parts.append(block[first:last])
            start += len(block)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def free(self, number: int) -> None:
        """Gives a buffer back; a file of usual size is kept for the next picture."""
        buffer = self._buffers.pop(number, None)
        if buffer is None:
            return
        if buffer.file is None or buffer.capacity > KEPT_BYTES:
            buffer.close()
            return
        self._free[number] = buffer
        while len(self._free) > KEPT_FREE:
            self._free.pop(next(iter(self._free))).close()

    def close(self) -> None:
        for buffer in (*self._buffers.values(), *self._free.values()):
            buffer.close()
        self._buffers.clear()
        self._free.clear()

    def _get(self, number: int) -> _Buffer:
        buffer = self._buffers.get(number)
        if buffer is None:
            raise Refused("There is no such buffer.")
        return buffer

    def _check(self, size: int) -> None:
        if not 0 < size <= MAX_BUFFER:
            raise Refused(f"A buffer of {size} bytes is not possible.")
        if len(self._buffers) >= MOST_BUFFERS:
            raise Refused("Too many buffers are in use; give some back.")
        if size + sum(b.size for b in self._buffers.values()) > MOST_BYTES:
            raise Refused("Too much memory is in use; release finished jobs and pictures.")

    def _keep(self, buffer: _Buffer) -> int:
        if not buffer.number:
            buffer.number, self._next = self._next, self._next + 1
        self._buffers[buffer.number] = buffer
        return buffer.number

    def _reuse(self, size: int) -> _Buffer | None:
        """A free file that fits, under its old number: the client still has it open."""
        fitting = [b for b in self._free.values() if size <= b.capacity <= 4 * size]
        if not fitting:
            return None
        buffer = min(fitting, key=lambda b: b.capacity)
        del self._free[buffer.number]
        if os.fstat(buffer.file.fileno()).st_size < buffer.capacity:
            buffer.close()  # the client truncated it: its space is no longer reserved
            return None
        buffer.size = size
        return buffer

    def _shared(self, size: int) -> _Buffer | None:
        for name in self._accepted:
            path = self._folders.places[name] / secrets.token_hex(16)
            try:
                file = _create(path)
            except OSError as error:
                log.warning("no pixel file in %s: %s", name, error)
                continue
            try:
                _reserve(file, size)
                return _Buffer(size, size, file=file, path=str(path))
            except OSError as error:
                log.warning("no room for %d bytes in %s: %s", size, name, error)
                file.close()
                path.unlink(missing_ok=True)
        return None


def _create(path: Path) -> Any:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)


def _reserve(file: Any, size: int) -> None:
    """Takes the space now, so that a later write cannot fail for want of it."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    zeros = memoryview(bytes(min(size, 1 << 20)))
    for start in range(0, size, len(zeros)):
        _write_all(file, zeros[: min(len(zeros), size - start)])


def _write_all(file: Any, view: memoryview) -> None:
    done = 0
    while done < len(view):
        done += file.write(view[done:])


def _bytes_of(block: np.ndarray | bytes) -> memoryview:
    if isinstance(block, bytes):
        return memoryview(block)
    return np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
