"""The window file as the client sees it: mapped where that is safe, else read and written."""

import mmap
import os
from typing import Any

from .protocol import PROBE_BYTES, SLOT, SLOTS


class Window:
    """Slots of a file that the backend made. Raises OSError when it is not usable (any more).

    A file is mapped only when it is sealed against shrinking: a mapped file that somebody
    truncates is a SIGBUS, and this runs inside the editor.
    """

    def __init__(self, path: str) -> None:
        self._file: Any = open(path, "r+b", buffering=0)
        self._map: Any = None
        self._view: Any = None
        if _is_sealed(self._file.fileno()):
            self._map = mmap.mmap(self._file.fileno(), SLOT * SLOTS)
            self._view = memoryview(self._map)

    def put(self, slot: int, content: memoryview) -> None:
        """Copies at most SLOT bytes into a slot."""
        start = slot * SLOT
        if self._view is not None:
            self._view[start : start + len(content)] = content
            return
        self._file.seek(start)
        done = 0
        while done < len(content):
            done += self._file.write(content[done:])

    def get(self, slot: int, target: memoryview) -> None:
        """Fills `target`, at most SLOT bytes, from a slot."""
        start = slot * SLOT
        if self._view is not None:
            target[:] = self._view[start : start + len(target)]
            return
        self._file.seek(start)
        done = 0
        while done < len(target):
            count = self._file.readinto(target[done:])
            if not count:
                raise OSError("the window was cut short")
            done += count

    def close(self) -> None:
        if self._map is not None:
            self._view.release()
            self._map.close()
        self._file.close()


def _is_sealed(descriptor: int) -> bool:
    try:
        import fcntl

        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        return bool(seals & fcntl.F_SEAL_SHRINK) and os.fstat(descriptor).st_size >= SLOT * SLOTS
    except (ImportError, AttributeError, OSError):
        return False  # no such thing on this system, or a file that cannot be sealed


def read_note(path: str) -> bytes:
    """The random note at `path`; b"" where it is not visible (a sandbox, another machine)."""
    try:
        with open(path, "rb") as file:
            return file.read(PROBE_BYTES)
    except OSError:
        return b""
