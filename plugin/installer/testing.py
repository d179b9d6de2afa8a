"""`install.py test`: tools, a real Krita under a virtual screen, and the whole test suite."""

import sys
from typing import List, Sequence

from . import apt, editors
from .console import Console
from .layout import Layout
from .processes import clean_environ

# Krita needs python3-pyqt5 for plug-ins; the tests start it under Xvfb and click with xdotool.
EDITOR_PACKAGES = ("krita", "xvfb", "xdotool", "imagemagick", "x11-utils", "python3-pyqt5",
                   "libgl1-mesa-dri")


def system_tools(layout: Layout, console: Console) -> None:
    """The editor and the virtual screen for the end-to-end tests, where apt can bring them."""
    if not apt.available():
        console.warn("The end-to-end tests need Krita, Xvfb and xdotool; without apt they are "
                     "skipped unless those are installed.")
        return
    left = apt.install(EDITOR_PACKAGES, console, layout.log)
    if left:
        console.warn("The end-to-end tests in Krita are skipped without: %s. To get them, type\n"
                     "      %s" % (", ".join(left), apt.command_line(left)))


def run_tests(layout: Layout, root: str, console: Console, which: str,
              arguments: Sequence[str]) -> int:
    """Runs pytest over `root`/tests in the environment; returns its exit status."""
    if which == "all":
        editors.prepare(layout, console)
    environ = clean_environ()
    # Tests never see the user's installation: each makes a CLEANPLATE_HOME of its own.
    environ.pop("CLEANPLATE_HOME", None)
    environ["CLEANPLATE_TEST_EDITORS"] = which
    environ["CLEANPLATE_TEST_EDITORS_DIR"] = editors.folder(layout)
    command: List[str] = [layout.python, "-m", "pytest", "-rs", "-p", "no:cacheprovider"]
    command += list(arguments) or ["tests"]
    if console.dry_run:
        console.would("run " + " ".join(command))
        return 0
    sys.stdout.flush()
    return _call(command, environ, root)


def _call(command: Sequence[str], environ: "dict[str, str]", cwd: str) -> int:
    import subprocess

    try:
        return subprocess.call(command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write("pytest cannot be started: %s\n" % error)
        return 1
