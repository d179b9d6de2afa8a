"""Where Clean Plate keeps what it owns: environment, models, logs, run files, settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """CLEANPLATE_HOME, else the platform's user-data folder `cleanplate`. Not created here."""
    given = os.environ.get("CLEANPLATE_HOME")
    if given:
        return Path(given).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "cleanplate"


def models_dir() -> Path:
    return home() / "models"


def run_dir() -> Path:
    return home() / "run"


def logs_dir() -> Path:
    return home() / "logs"


def cache_dir() -> Path:
    return home() / "cache"


def private_dir(path: Path) -> Path:
    """Creates `path` with mode 0700 (also tightens an existing one) and returns it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sys.platform != "win32":
        path.chmod(0o700)
    return path
