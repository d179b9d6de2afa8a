"""Debian and Ubuntu packages: installed as root, otherwise the one command to type."""

import os
import shutil
import sys
from typing import List, Optional, Sequence

from .console import Console
from .processes import clean_environ, output, run


def available() -> bool:
    return sys.platform.startswith("linux") and shutil.which("apt-get") is not None


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def missing(packages: Sequence[str]) -> List[str]:
    """Those of `packages` that dpkg does not have installed."""
    return [name for name in packages if not _installed(name)]


def _installed(name: str) -> bool:
    state = output(["dpkg-query", "-W", "-f=${db:Status-Status}", name])
    return state is not None and state.strip() == "installed"


def command_line(packages: Sequence[str]) -> str:
    """What a person types to get `packages`."""
    sudo = "" if is_root() else "sudo "
    return "%sapt-get install --no-install-recommends %s" % (sudo, " ".join(packages))


def install(packages: Sequence[str], console: Console, log: Optional[str]) -> List[str]:
    """Installs what is missing; returns what is still missing (all of it when not root)."""
    wanted = missing(packages)
    if not wanted or not is_root():
        return wanted
    if console.dry_run:
        console.would("run " + command_line(wanted))
        return []
    console.say("apt: " + " ".join(wanted))
    environ = clean_environ()
    environ["DEBIAN_FRONTEND"] = "noninteractive"

    def show(line: str) -> None:
        if line.startswith(("Get:", "Unpacking ", "Setting up ")):
            console.tick("apt: " + line)

    def attempt(arguments: List[str]) -> int:
        return run(["apt-get", "-q", "-o", "Dpkg::Use-Pty=0"] + arguments, log, show, environ)

    # The package lists may be missing or old, so they are fetched first; where that fails, what
    # apt already knows may still do.
    attempt(["update"])
    attempt(["install", "-y", "--no-install-recommends"] + wanted)
    console.end_tick()
    left = missing(wanted)
    if left and len(wanted) > 1:
        for name in left:
            attempt(["install", "-y", "--no-install-recommends", name])
        left = missing(left)
    return left
