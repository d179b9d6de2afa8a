"""Where windows can lie, and the windows themselves.

`sealed`: anonymous shared memory that is sealed against shrinking (Linux memfd), so that both ends
may map it without the danger of a SIGBUS. `shm` and `run`: files in /dev/shm and in the run
folder, for sandboxes and other systems, read and written by ordinary calls. All are reserved
before anybody writes, so that a full disk is an error at once.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.home import private_dir
from plugin.client.protocol import PROBE_BYTES, SLOT, SLOTS

log = logging.getLogger("cleanplate.window")

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "cleanplate-"
NOTE = "pixels.txt"  # in the run folder: where the shared memory of a killed backend lies
SEALED = "sealed"


class CutShort(OSError):
    """Somebody truncated the file."""


class FileWindow:
    """Slots in a file of its own; raises OSError when there is no room."""

    def __init__(self, folder: Path) -> None:
        path = folder / secrets.token_hex(16)
        self._file: Any = _create(path)
        self.path = str(path)
        try:
            _reserve(self._file, SLOT * SLOTS)
        except OSError:
            self.close()
            raise

    def load(self, slot: int, target: memoryview) -> None:
        """Fills `target` from a slot."""
        self._file.seek(slot * SLOT)
        done = 0
        while done < len(target):
            count = self._file.readinto(target[done:])
            if not count:
                raise CutShort(errno.ENODATA, "the window was cut short")
            done += count

    def show(self, slot: int, parts: Sequence[memoryview]) -> None:
        """Puts `parts` into a slot, one after the other."""
        self._file.seek(slot * SLOT)
        for part in parts:
            _write_all(self._file, part)

    def close(self) -> None:
        self._file.close()
        try:
            Path(self.path).unlink(missing_ok=True)
        except OSError as error:
            log.info("a window stays until the end: %s", error)  # Windows: the client has it open


class SealedWindow:
    """Slots in mapped anonymous memory that nobody can truncate."""

    def __init__(self) -> None:
        self._descriptor, self.path = _sealed_memory("cleanplate-window", SLOT * SLOTS)
        self._map = mmap.mmap(self._descriptor, SLOT * SLOTS)
        self._view = memoryview(self._map)

    def load(self, slot: int, target: memoryview) -> None:
        """Fills `target` from a slot."""
        target[:] = self._view[slot * SLOT : slot * SLOT + len(target)]

    def show(self, slot: int, parts: Sequence[memoryview]) -> None:
        """Puts `parts` into a slot, one after the other."""
        at = slot * SLOT
        for part in parts:
            self._view[at : at + len(part)] = part
            at += len(part)

    def close(self) -> None:
        self._view.release()
        self._map.close()
        os.close(self._descriptor)


class Places:
    """What one backend process offers: a note in each place, for clients to prove they see it."""

    def __init__(self, run: Path) -> None:
        self._note = run / NOTE
        remove_stale(run)
        self._folders: dict[str, Path] = {}
        self.notes: dict[str, bytes] = {}
        self.offered: list[tuple[str, str]] = []
        self._sealed_note = -1
        if sys.platform == "linux" and hasattr(os, "memfd_create"):
            self._offer_sealed()
        if sys.platform == "linux" and os.access(SHARED_MEMORY, os.W_OK):
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHARED_MEMORY))
            self._note.write_text(str(folder), "utf-8")
            self._offer_folder("shm", folder)
        self._offer_folder("run", private_dir(run / "pixels"))

    def window(self, name: str) -> FileWindow | SealedWindow | None:
        """A new window in the place `name`; None when there is no room."""
        try:
            return SealedWindow() if name == SEALED else FileWindow(self._folders[name])
        except (OSError, ValueError) as error:
            log.warning("no window in %s: %s", name, error)
            return None

    def remove(self) -> None:
        """Deletes everything; at the end of the process."""
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        if self._sealed_note >= 0:
            os.close(self._sealed_note)
        self._note.unlink(missing_ok=True)

    def _offer_sealed(self) -> None:
        try:
            descriptor, path = _sealed_memory("cleanplate-note", PROBE_BYTES)
        except OSError as error:
            log.info("no sealed memory: %s", error)
            return
        self._sealed_note = descriptor
        self.notes[SEALED] = secrets.token_bytes(PROBE_BYTES)
        os.pwrite(descriptor, self.notes[SEALED], 0)
        self.offered.append((SEALED, path))

    def _offer_folder(self, name: str, folder: Path) -> None:
        self._folders[name] = folder
        self.notes[name] = secrets.token_bytes(PROBE_BYTES)
        with _create(folder / "note") as file:
            _write_all(file, memoryview(self.notes[name]))
        self.offered.append((name, str(folder / "note")))


def remove_stale(run: Path) -> None:
    """Deletes what a killed backend left in shared memory and in the run folder. Only for the
    holder of the lock."""
    note = run / NOTE
    shutil.rmtree(run / "pixels", ignore_errors=True)
    try:
        folder = Path(note.read_text("utf-8").strip())
    except OSError:
        return  # the last backend ended properly, or this system has no shared memory
    inside = folder.parent == SHARED_MEMORY and folder.name.startswith(PREFIX)
    if inside and folder.is_dir() and not folder.is_symlink():
        if folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
    note.unlink(missing_ok=True)


def _sealed_memory(name: str, size: int) -> tuple[int, str]:
    """(descriptor, path for this user's other processes) of reserved memory of fixed size."""
    import fcntl  # POSIX only

    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(descriptor, 0, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, f"/proc/{os.getpid()}/fd/{descriptor}"


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
