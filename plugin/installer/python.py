"""Finding a Python that the backend can run on, and making its environment."""

import json
import os
import shutil
import sys
from typing import Any, Dict, List, Optional, Tuple

from . import apt
from .console import Console, InstallError
from .processes import output

OLDEST, NEWEST = (3, 10), (3, 14)  # the newest that the packages are known to have wheels for

# lzma, bz2 and ctypes are missing from some hand-built Pythons; torchvision and torch need them.
PROBE = """
import json, sys
missing = []
for name in ("venv", "ensurepip", "ssl", "ctypes", "bz2", "lzma", "zlib"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
print(json.dumps({"version": list(sys.version_info[:3]), "missing": missing,
                  "executable": getattr(sys, "_base_executable", None) or sys.executable,
                  "bits": 64 if sys.maxsize > 2**32 else 32}))
"""


def probe(executable: str) -> Optional[Dict[str, Any]]:
    """Version and gaps of a Python, or None when it does not run."""
    text = output([executable, "-I", "-c", PROBE], timeout=20)
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def candidates() -> List[str]:
    """Executables worth asking, best first, each once."""
    found = [sys.executable]
    names = ["python3.%d" % minor for minor in (13, 12, 11, 14, 10)] + ["python3", "python"]
    for name in names:
        found.append(shutil.which(name) or "")
    for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"):
        found.extend(os.path.join(folder, name) for name in names)
    if sys.platform == "win32" and shutil.which("py"):
        listed = output(["py", "-0p"]) or ""
        found.extend(line.split()[-1] for line in listed.splitlines() if line.strip())
    unique: List[str] = []
    for path in found:
        if path and path not in unique and os.path.isfile(path):
            unique.append(path)
    return unique


def choose() -> Tuple[Optional[Dict[str, Any]], List[Dict[str, Any]]]:
    """The best complete Python ≥ 3.10, and all that were seen (with what each lacks)."""
    seen: List[Dict[str, Any]] = []
    for path in candidates():
        known = probe(path)
        if known is None or any(known["executable"] == other["executable"] for other in seen):
            continue
        seen.append(known)
        version = tuple(known["version"][:2])
        if OLDEST <= version <= NEWEST and not known["missing"] and known["bits"] == 64:
            return known, seen
    newer = [k for k in seen
             if tuple(k["version"][:2]) > NEWEST and not k["missing"] and k["bits"] == 64]
    return (newer[0] if newer else None), seen


def require(console: Console, log: Optional[str]) -> str:
    """The executable of a fitting Python; gets python3-venv by apt as root where it is missing."""
    best, seen = choose()
    if best is None and apt.available():
        packages = _debian_packages(seen)
        left = apt.install(packages, console, log)
        best, seen = choose()
        if best is None:
            text = " ".join(left or packages)
            raise InstallError(
                "The backend needs Python 3.10 or newer with venv (found: %s). Type\n"
                "      %s\n    and start this again." % (
                    _listing(seen), apt.command_line((left or packages)) if text else "")
            )
    if best is None:
        raise InstallError(
            "The backend needs a 64-bit Python 3.10 or newer with venv (found: %s). %s, then "
            "start this again." % (_listing(seen), _advice())
        )
    return best["executable"]


def _debian_packages(seen: List[Dict[str, Any]]) -> List[str]:
    """python3-venv, and the version's own package where a Python came without it."""
    packages = ["python3-venv"]
    for known in seen:
        version = tuple(known["version"][:2])
        if version >= OLDEST and known["executable"].startswith("/usr/bin/"):
            packages.append("python3.%d-venv" % version[1])
            return packages
    return packages + ["python3"]


def _listing(seen: List[Dict[str, Any]]) -> str:
    parts = []
    for known in seen:
        text = ".".join(str(n) for n in known["version"])
        parts.append(text + (" without " + ", ".join(known["missing"]) if known["missing"] else ""))
    return "; ".join(parts) or "none"


def _advice() -> str:
    if sys.platform == "darwin":
        return "Install it with `brew install python@3.13` or from python.org"
    if sys.platform == "win32":
        return "Install it with `winget install Python.Python.3.13`"
    return "Install it with your system's package manager"
