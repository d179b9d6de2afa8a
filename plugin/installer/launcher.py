"""CLEANPLATE_HOME/bin/cleanplate, the command line."""

import shlex

from .layout import Layout
from .processes import write_atomically

UNIX = """#!/bin/sh
# Clean Plate's command line. Another Python's settings must not reach ours.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV __PYVENV_LAUNCHER__
if [ -z "${{CLEANPLATE_HOME:-}}" ]; then CLEANPLATE_HOME={home}; fi
export CLEANPLATE_HOME
exec {python} -I -m backend "$@"
"""

WINDOWS = """@echo off
setlocal
rem Clean Plate's command line. Another Python's settings must not reach ours.
set PYTHONPATH=
set PYTHONHOME=
if not defined CLEANPLATE_HOME set "CLEANPLATE_HOME={home}"
"{python}" -I -m backend %*
"""


def text(layout: Layout) -> str:
    """The launcher's contents for this platform."""
    if layout.windows:
        home, python = (path.replace("%", "%%") for path in (layout.home, layout.python))
        return WINDOWS.format(home=home, python=python).replace("\n", "\r\n")
    return UNIX.format(home=shlex.quote(layout.home), python=shlex.quote(layout.python))


def write(layout: Layout) -> bool:
    """Writes the launcher; returns whether it changed."""
    data = text(layout).encode("utf-8")
    try:
        with open(layout.launcher, "rb") as file:
            if file.read() == data:
                return False
    except OSError:
        pass
    write_atomically(layout.launcher, data, 0o755)
    return True
