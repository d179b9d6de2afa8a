"""Buffers for pixels in private memory, filled and emptied through a window or by calls.

The backend names, creates and reserves the window, and only after the client has proved that it
sees the place. Pixels stream through it slot by slot: while one end fills a slot, the other
empties the one before, so both copies cost little more than one. What a client sent is thereby
copied out before any work begins. Where no window works, the same pieces go as arguments and
answers of calls.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.service.errors import Refused
from backend.service.window import FileWindow, Places, SealedWindow
from plugin.client.protocol import MAX_BUFFER

log = logging.getLogger("cleanplate.handover")

LARGE = 1 << 26  # only such sizes are worth asking for the free memory
MOST_BUFFERS = 32
MOST_BYTES = 2 * MAX_BUFFER


@dataclass
class _Buffer:
    """`blocks` lie one after the other; `filled` bytes of an incoming one have arrived."""

    size: int
    blocks: tuple[memoryview, ...]
    data: np.ndarray | None = None  # of an incoming one
    filled: int = 0

    def pieces(self, offset: int, size: int) -> list[memoryview]:
        """The parts of `blocks` that make up offset … offset + size."""
        parts, start = [], 0
        for block in self.blocks:
            first, last = max(0, offset - start), min(len(block), offset + size - start)
            if first < last:
                parts.append(block[first:last])
            start += len(block)
        return parts


class Buffers:
    """The buffers and the window of one connection; used by its thread only."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._buffers: dict[int, _Buffer] = {}
        self._next = 1
        self._window: FileWindow | SealedWindow | None = None

    def offer(self) -> tuple[tuple[str, str], ...]:
        """(name, path of the note) of each place, the fastest first."""
        return tuple(self._places.offered)

    def accept(self, name: str, note: bytes) -> str:
        """The path of a window in the place `name`, if `note` is what lies there; "" if it is
        not, or if there is no room for a window."""
        right = self._places.notes.get(name)
        if right is None or not hmac.compare_digest(note, right):
            return ""
        self._close_window()
        self._window = self._places.window(name)
        return "" if self._window is None else self._window.path

    def new(self, size: int) -> int:
        """The number of a new buffer for `size` bytes to come."""
        self._check(size)
        try:
            data = np.empty(size, np.uint8)
        except MemoryError:
            raise Refused("There is not enough memory for this picture.") from None
        return self._keep(_Buffer(size, (data.data,), data))

    def answer(self, blocks: Sequence[np.ndarray | bytes]) -> int:
        """The number of a new buffer that holds `blocks` one after the other; nothing is copied."""
        views = tuple(_bytes_of(block) for block in blocks)
        size = sum(len(view) for view in views)
        self._check(size)
        return self._keep(_Buffer(size, views))

    def take(self, number: int) -> np.ndarray:
        """What the client sent, flat uint8, which no client can reach any more."""
        buffer = self._get(number)
        if buffer.data is None or buffer.filled != buffer.size:
            raise Refused("The picture has not arrived completely; send it again.")
        del self._buffers[number]
        return buffer.data

    def write(self, number: int, offset: int, data: bytes) -> None:
        """Takes the next bytes of an incoming buffer from the call itself."""
        self._incoming(number, offset, len(data))[:] = data

    def load(self, number: int, offset: int, size: int, slot: int) -> None:
        """Takes the next bytes of an incoming buffer from a slot of the window."""
        target = self._incoming(number, offset, size)
        try:
            self._open_window().load(slot, target)
        except OSError as error:
            self._buffers[number].filled -= size
            log.warning("the window of a connection cannot be read: %s", error)
            raise Refused("The shared window cannot be read.") from error

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Bytes of any buffer, as the answer of the call."""
        return b"".join(self._outgoing(number, offset, size))

    def show(self, number: int, offset: int, size: int, slot: int) -> None:
        """Puts bytes of an outgoing buffer into a slot of the window."""
        parts = self._outgoing(number, offset, size)
        try:
            self._open_window().show(slot, parts)
        except OSError as error:
            log.warning("the window of a connection cannot be written: %s", error)
            raise Refused("The shared window cannot be written.") from error

    def free(self, number: int) -> None:
        self._buffers.pop(number, None)

    def close(self) -> None:
        self._buffers.clear()
        self._close_window()

    def _close_window(self) -> None:
        if self._window is not None:
            self._window.close()
            self._window = None

    def _open_window(self) -> FileWindow | SealedWindow:
        if self._window is None:
            raise Refused("There is no window.")
        return self._window

    def _incoming(self, number: int, offset: int, size: int) -> memoryview:
        buffer = self._get(number)
        if buffer.data is None or offset != buffer.filled or offset + size > buffer.size:
            raise Refused("This is not the next part of the buffer.")
        buffer.filled += size
        return buffer.blocks[0][offset : offset + size]

    def _outgoing(self, number: int, offset: int, size: int) -> list[memoryview]:
        buffer = self._get(number)
        if buffer.data is not None or offset + size > buffer.size:
            raise Refused("This is outside the buffer.")
        return buffer.pieces(offset, size)

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
        if size > LARGE and size > free_memory():
            raise Refused(
                f"There is not enough memory for {size / 1e9:.1f} GB of pixels. Close other "
                "programs, or work on a selection."
            )
        if size + sum(b.size for b in self._buffers.values()) > MOST_BYTES:
            raise Refused("Too much memory is in use; release finished jobs and pictures.")

    def _keep(self, buffer: _Buffer) -> int:
        number, self._next = self._next, self._next + 1
        self._buffers[number] = buffer
        return number


def free_memory() -> int:
    """Bytes that programs can still take without swapping; without limit where nobody tells."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 1 << 62  # not Linux: the allocation itself will tell
    return 1 << 62


def _bytes_of(block: np.ndarray | bytes) -> memoryview:
    if isinstance(block, bytes):
        return memoryview(block)
    return np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
