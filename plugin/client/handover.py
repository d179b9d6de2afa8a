"""Pixels to and from the backend: through a file that both see, else through the connection.

The backend names, creates and reserves the files; it offers folders, and proves nothing by
itself: the client reads a random note in each and sends it back. Files are read and written by
ordinary calls, never through a memory map, so that a truncated file is an error and no SIGBUS.
"""

import os
from typing import Any, Dict, List, Tuple

from .protocol import CHUNK, CHUNKS_IN_FLIGHT, PROBE_BYTES
from .values import BackendError


class Handover:
    """The pixel route of one connection. Not thread-safe: the connection's lock guards it."""

    def __init__(self, link: Any, share_files: bool = True) -> None:
        self._link = link
        self._files: Dict[int, Any] = {}
        self.shared: List[str] = []
        if share_files:
            for name, path in link.call("handover_offer"):
                note = _read_note(path)
                if note and link.call("handover_accept", name, note):
                    self.shared.append(name)

    def send(self, data: Any) -> int:
        """Puts `data` (bytes-like) into a buffer of the backend and returns its number."""
        view = memoryview(data).cast("B")
        number, path = self._link.call("buffer_new", len(view))
        try:
            if path:
                self._write_file(number, path, view)
            else:
                self._write_chunks(number, view)
        except BaseException:
            self.forget(number)
            raise
        return number

    def receive(self, number: int, path: str, parts: List[Tuple[int, int]]) -> List[bytes]:
        """The (offset, size) pieces of a buffer."""
        if not path:
            return [self._read_chunks(number, offset, size) for offset, size in parts]
        blocks = []
        file = self._open(number, path)
        for offset, size in parts:
            file.seek(offset)
            block = file.read(size)
            if len(block) < size:
                block += _read_rest(file, size - len(block))
            blocks.append(block)
        return blocks

    def forget(self, number: int) -> None:
        """Gives a buffer back. The backend may use its file again, so it stays open here."""
        self._link.call("buffer_free", number)

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _open(self, number: int, path: str) -> Any:
        file = self._files.get(number)
        if file is None:
            if len(self._files) >= 8:
                self._files.pop(next(iter(self._files))).close()
            try:
                file = open(path, "r+b", buffering=0)
            except OSError as error:
                raise BackendError("The shared pixel file is not usable: %s" % error) from error
            self._files[number] = file
        return file

    def _write_file(self, number: int, path: str, view: memoryview) -> None:
        file = self._open(number, path)
        file.seek(0)
        done = 0
        try:
            while done < len(view):
                done += file.write(view[done:])
        except OSError as error:
            raise BackendError("The pixels could not be handed over: %s" % error) from error

    def _write_chunks(self, number: int, view: memoryview) -> None:
        waiting: List[Any] = []
        for offset in range(0, len(view), CHUNK):
            piece = bytes(view[offset : offset + CHUNK])
            waiting.append(self._link.start("buffer_write", number, offset, piece))
            if len(waiting) >= CHUNKS_IN_FLIGHT:
                self._link.finish(waiting.pop(0))
        for request in waiting:
            self._link.finish(request)

    def _read_chunks(self, number: int, offset: int, size: int) -> bytes:
        ends = offset + size
        block = bytearray(size)
        waiting: List[Tuple[int, Any]] = []
        at = offset
        while at < ends or waiting:
            while at < ends and len(waiting) < CHUNKS_IN_FLIGHT:
                length = min(CHUNK, ends - at)
                waiting.append((at, self._link.start("buffer_read", number, at, length)))
                at += length
            start, request = waiting.pop(0)
            piece = self._link.finish(request)
            if len(piece) != min(CHUNK, ends - start):
                raise BackendError("The backend sent less than it announced.")
            block[start - offset : start - offset + len(piece)] = piece
        return bytes(block)


def _read_note(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            note = file.read(PROBE_BYTES)
    except OSError:
        return b""  # not visible from here (another machine, a sandbox): that is the question
    # Reading is not enough: the files must be writable from here as well.
    return note if os.access(os.path.dirname(path), os.W_OK | os.X_OK) else b""


def _read_rest(file: Any, missing: int) -> bytes:
    parts = []
    while missing:
        part = file.read(missing)
        if not part:
            raise BackendError("The shared pixel file was cut short; try again.")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
