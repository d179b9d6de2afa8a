"""Only one installer at a time works on a CLEANPLATE_HOME."""

import hashlib
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import IO, Iterator

from .console import Console
from .layout import Layout


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lock_file(layout: Layout) -> str:
    """Not inside CLEANPLATE_HOME, because uninstall removes that folder."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    name = hashlib.sha256(os.path.normcase(layout.home).encode("utf-8")).hexdigest()[:16]
    return os.path.join(tempfile.gettempdir(), "cleanplate-install-%d-%s.lock" % (user, name))


@contextmanager
def single_run(layout: Layout, console: Console) -> Iterator[None]:
    """Waits for another installer to end; the system frees the lock however that one ends."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(_lock_file(layout), flags, 0o600), "r+b") as file:
        told = False
        while not _try_lock(file):
            if not told:
                console.say("another install.py is running; waiting for it")
                told = True
            time.sleep(0.5)
        yield
