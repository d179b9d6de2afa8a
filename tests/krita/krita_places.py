"""Which Kritas the tests run in: the system's, and newer ones in Debian folders of their own.

`install.py test --editors all` makes the folders (plugin/installer/editors.py) and names them in
CLEANPLATE_TEST_EDITORS_DIR; from then on they are tested in every run. A folder that was asked
for and is not there is a skip with its reason, never silence.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from plugin.installer.editors import DONE, SUITES  # noqa: E402

NEEDED = ("krita", "Xvfb", "xdotool", "import")
# Xvfb, xdotool and the screenshots are always the system's; the folder brings Krita alone.
NEEDED_BESIDE_A_FOLDER = ("Xvfb", "xdotool", "import", "unshare", "chroot")


class Place(NamedTuple):
    """`name`: "system" or a Debian suite; `root`: its folder, None = the system itself."""

    name: str
    root: Path | None = None

    def missing(self) -> str:
        """What lacks for tests in this Krita; empty when nothing."""
        if self.root is None:
            lacking = [name for name in NEEDED if shutil.which(name) is None]
            return ", ".join(lacking)
        krita = f"Krita {SUITES[self.name]} ({self.name})"
        if not (self.root / DONE).is_file():
            return f"the folder of {krita}, which `install.py test --editors all` makes as root"
        lacking = [name for name in NEEDED_BESIDE_A_FOLDER if shutil.which(name) is None]
        if os.geteuid() != 0:
            lacking.append(f"root, for chroot into {krita}")
        return ", ".join(lacking)

    def check_version(self, version: str) -> None:
        """The Krita that answers must be the folder's own, not another one of this machine."""
        print(f"Krita {version} ({self.name})")
        if self.root is not None:
            assert version.startswith(SUITES[self.name]), f"{self.name} has Krita {version}"

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program of this place.

        In a mount namespace of its own, so that nothing stays mounted whatever happens: the
        folder sees the system's devices, processes, /tmp (the X socket and the tests' homes) and
        this repository. The process keeps its number through unshare, sh and chroot."""
        if self.root is None:
            return list(words)
        script = ""
        for bound in ("/dev", "/proc", "/tmp", str(REPO)):
            inside = shlex.quote(f"{self.root}{bound}")
            script += f"mkdir -p {inside} && mount --rbind {shlex.quote(bound)} {inside} && "
        chroot = shutil.which("chroot") or "chroot"  # Krita's PATH has no sbin
        script += f'exec {chroot} {shlex.quote(str(self.root))} "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *words]

    def launcher(self, command: str) -> str:
        """A shell line that runs `command` with this system's own programs. From a folder the
        way out is the root of this very process, so the plugin starts a backend of its own."""
        if self.root is None:
            return command
        inner = shlex.quote(f"cd {shlex.quote(str(REPO))}; {command}")
        return f'exec /usr/sbin/chroot /proc/{os.getpid()}/root /bin/sh -c {inner} cleanplate "$@"'


def places() -> list[Place]:
    """The system's Krita, and every newer one that is there or was asked for."""
    result = [Place("system")]
    folder = os.environ.get("CLEANPLATE_TEST_EDITORS_DIR", "")
    if folder:
        wanted = os.environ.get("CLEANPLATE_TEST_EDITORS") == "all"
        for suite in SUITES:
            root = Path(folder) / suite
            if wanted or (root / DONE).is_file():
                result.append(Place(suite, root))
    return result
