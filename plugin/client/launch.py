"""Finds the backend of this user, or starts it."""

import json
import os
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Optional

from .connection import Link, current_user_owns, same_backend
from .protocol import PROTOCOL, RUN_FILE, RUN_KEYS
from .values import BackendError, ConnectionLost, TokenRefused

Progress = Optional[Callable[[str, float, str], None]]

TAIL_LINES = 40
REFUSED_SECONDS = 5.0  # how long a backend that is starting may take to replace the run file
# Set by AppImages, Snaps and Krita itself for their own programs; they break another Python.
_DROPPED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONNOUSERSITE", "LD_PRELOAD")
_DROPPED_PREFIXES = ("QT_", "QML")


def find_home(home: Optional[str] = None) -> str:
    """CLEANPLATE_HOME: given, else the variable, else as installed (`home.txt`), else default."""
    given = home or os.environ.get("CLEANPLATE_HOME")
    if given:
        return os.path.abspath(os.path.expanduser(given))
    note = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "home.txt")
    try:
        with open(note, encoding="utf-8") as file:
            recorded = file.read().strip()
    except OSError:
        recorded = ""  # not an installed copy: the default then
    return recorded or _default_home()


def _default_home() -> str:
    user = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(user, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(user, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or os.path.join(user, ".local", "share")
    return os.path.join(base, "cleanplate")


def read_run_file(home: str) -> Optional[Dict[str, Any]]:
    """What the running backend wrote about itself; None when there is none or it is damaged."""
    path = os.path.join(home, "run", RUN_FILE)
    try:
        if not current_user_owns(path):
            raise BackendError("The run file %s belongs to another user." % path)
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(run, dict) or any(key not in run for key in RUN_KEYS):
        return None
    return run


def log_tail(home: str, lines: int = TAIL_LINES) -> str:
    """The last lines of the backend's logs, for an error report."""
    parts = []
    for name in ("start.log", "backend.log"):
        path = os.path.join(home, "logs", name)
        try:
            with open(path, "rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 65536))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            continue  # never written: nothing to show
        tail = text.splitlines()[-lines:]
        if tail:
            parts.append("%s:\n%s" % (name, "\n".join(tail)))
    return "\n\n".join(parts)


def connect(
    home: str, start: bool = True, timeout: float = 30.0, on_progress: Progress = None
) -> Link:
    """A connection to the running backend; starts it when it does not run and `start` is set.

    Raises BackendError that says what to do, with the last log lines as `details`.
    """
    try:
        link = try_connect(home, tell_refusal=not start)
    except TokenRefused as error:
        raise BackendError(error.message, log_tail(home)) from error
    if link is not None:
        return link
    if not start:
        raise BackendError("The Clean Plate backend is not running.", log_tail(home))
    if on_progress is not None:
        on_progress("start", 0.0, "Starting the Clean Plate backend")
    process = start_backend(home)
    started = time.monotonic()
    refused: Optional[float] = None
    while True:
        passed = time.monotonic() - started
        try:
            link = try_connect(home, tell_refusal=True)
        except TokenRefused as error:
            # A run file that a killed backend left is replaced by the one that is starting now.
            refused = refused or passed
            if passed - refused > REFUSED_SECONDS:
                process.terminate()  # it waits for the place of one that we may not talk to
                raise BackendError(error.message, log_tail(home)) from error
            link = None
        else:
            refused = None
        if link is not None:
            return link
        code = process.poll()
        if code not in (None, 0):
            raise BackendError(
                "The Clean Plate backend could not start (exit code %d)." % code, log_tail(home)
            )
        if passed > timeout:
            raise BackendError(
                "The Clean Plate backend did not get ready within %d s." % timeout, log_tail(home)
            )
        if on_progress is not None:
            on_progress("start", min(0.95, passed / timeout), "Starting the Clean Plate backend")
        time.sleep(0.05)


def try_connect(home: str, tell_refusal: bool = False) -> Optional[Link]:
    """A connection to the backend that the run file names; None when nobody answers there.

    `tell_refusal`: raises TokenRefused where the token is refused, which else is no answer."""
    run = read_run_file(home)
    if run is None:
        return None
    if run["protocol"] != PROTOCOL:
        raise BackendError(
            "The running backend (version %s) does not fit this plugin: stop it with "
            "`cleanplate stop`, or run `python3 install.py` again." % run["version"]
        )
    try:
        link = Link(run)
    except TokenRefused:
        if tell_refusal:
            raise
        return None
    except ConnectionLost:
        return None
    if not same_backend(run, link):
        link.close()
        return None
    return link


def start_backend(home: str) -> "subprocess.Popen[Any]":
    """Starts `cleanplate serve` as a process that outlives this one."""
    windows = sys.platform == "win32"
    program = os.path.join(home, "bin", "cleanplate.cmd" if windows else "cleanplate")
    if os.path.exists("/.flatpak-info"):
        raise BackendError(
            "This editor runs in a Flatpak sandbox, which cannot start other programs. Start the "
            "backend in a terminal and try again:  %s serve" % program
        )
    if not os.path.isfile(program):
        raise BackendError(
            "Clean Plate's backend is not installed in %s. Run `python3 install.py`." % home
        )
    command = [program, "serve"]
    options: Dict[str, Any] = {}
    if windows:
        command = [os.environ.get("COMSPEC", "cmd.exe"), "/d", "/c"] + command
        options["creationflags"] = 0x08000000 | 0x00000200  # no window, own process group
    else:
        options["start_new_session"] = True
    logs = os.path.join(home, "logs")
    try:
        os.makedirs(logs, mode=0o700, exist_ok=True)
        with open(os.path.join(logs, "start.log"), "wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=home,
                env=clean_environment(dict(os.environ), home),
                close_fds=True,
                **options,
            )
    except OSError as error:
        raise BackendError("The Clean Plate backend could not be started: %s" % error) from error


def clean_environment(environment: Dict[str, str], home: str) -> Dict[str, str]:
    """`environment` without what an editor's package sets for its own programs."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
    }
    bundle = environment.get("APPDIR") or environment.get("SNAP") or ""
    for name in ("LD_LIBRARY_PATH", "PATH"):
        if name not in kept:
            continue
        places = [p for p in kept[name].split(os.pathsep) if p and not _inside(p, bundle)]
        if places:
            kept[name] = os.pathsep.join(places)
        else:
            del kept[name]
    kept["CLEANPLATE_HOME"] = home
    return kept


def _inside(path: str, bundle: str) -> bool:
    return "/.mount_" in path or bool(bundle) and (path + "/").startswith(bundle.rstrip("/") + "/")
