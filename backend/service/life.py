"""One backend per user: the lock, the run file, and what a killed one left behind."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from backend import __version__
from backend.home import private_dir, run_dir
from backend.service.window import remove_stale
from backend.values import CleanPlateError
from plugin.client.launch import read_run_file, try_connect
from plugin.client.protocol import PROTOCOL, RUN_FILE
from plugin.client.values import BackendError

LOCK = "backend.lock"


class Lock:
    """An exclusive lock that the system takes back when its process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._path = private_dir(folder) / LOCK
        self._descriptor = -1

    def take(self) -> bool:
        """Whether it is ours now; never waits."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def is_held_by_another(self) -> bool:
        """Whether a backend runs (only for processes that do not hold it themselves)."""
        if not self.take():
            return True
        self.release()
        return False


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_run_file(host: str, port: int, token: str) -> dict[str, Any]:
    """Writes it whole or not at all, readable by this user only; returns its contents."""
    contents = {
        "host": host,
        "port": port,
        "token": token,
        "pid": os.getpid(),
        "protocol": PROTOCOL,
        "version": __version__,
    }
    path = private_dir(run_dir()) / RUN_FILE
    temporary = path.with_name(f"{RUN_FILE}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(contents, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return contents


def remove_run_files() -> None:
    """Also half-written ones of a killed process. Only for the holder of the lock."""
    for path in run_dir().glob(RUN_FILE + "*"):
        path.unlink(missing_ok=True)


def ready_line(run: dict[str, Any]) -> str:
    """What `serve` prints: the run file without its secret."""
    shown = {key: value for key, value in run.items() if key != "token"}
    return json.dumps({"ready": True, **shown})


def running() -> dict[str, Any] | None:
    """The run file of a backend that answers; None when there is none."""
    home = str(run_dir().parent)
    try:
        link = try_connect(home)
    except BackendError as error:
        raise CleanPlateError(error.message) from error
    if link is None:
        return None
    link.close()
    return read_run_file(home)


def stop(timeout: float = 10.0) -> bool:
    """Ends the running backend and waits until it is gone; False when there was none.

    Asks over the connection first; a backend that does not answer is ended by its process id.
    One that had waited for its place and takes it now is ended too.
    """
    lock = Lock(run_dir())
    if not lock.is_held_by_another():
        _clean_up(lock)
        return False
    told: dict[int, float] = {}
    killed: set[int] = set()
    last = time.monotonic() + 3 * timeout
    while lock.is_held_by_another():
        now = time.monotonic()
        if now > last:
            raise CleanPlateError("The backend does not end. Restart the computer's session.")
        run = read_run_file(str(run_dir().parent))
        pid = 0 if run is None else int(run["pid"])  # 0: one that is just starting
        if pid and pid not in told:
            told[pid] = now
            if not _ask_to_stop():
                _signal(pid, hard=False)
        elif pid and now > told[pid] + timeout and pid not in killed:
            killed.add(pid)
            _signal(pid, hard=True)
        time.sleep(0.05)
    _clean_up(lock)
    return True


def _clean_up(lock: Lock) -> None:
    """After a backend that was killed; one that ended by itself left nothing."""
    if lock.take():
        remove_run_files()
        remove_stale(run_dir())
        lock.release()


def _ask_to_stop() -> bool:
    try:
        link = try_connect(str(run_dir().parent))
        if link is None:
            return False
        with_answer = bool(link.call("stop"))
        link.close()
        return with_answer
    except BackendError:
        return False


def _signal(pid: int, hard: bool) -> None:
    import signal

    kind = getattr(signal, "SIGKILL", signal.SIGTERM) if hard else signal.SIGTERM
    try:
        os.kill(pid, kind)
    except ProcessLookupError:
        return  # it ended meanwhile
