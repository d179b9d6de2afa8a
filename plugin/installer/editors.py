"""Newer editors for the tests, each in a Debian folder of its own (debootstrap, root only)."""

import os
import shutil
from typing import Dict

from . import apt
from .console import Console
from .layout import Layout
from .processes import clean_environ, run

# Suite → the Krita that it has; 5.1 is the one of Debian 12 and comes from apt itself.
SUITES: Dict[str, str] = {"trixie": "5.2", "forky": "5.3"}
PACKAGES = ("krita", "xvfb", "xdotool", "python3-pyqt5", "imagemagick", "x11-utils",
            "libgl1-mesa-dri")
DONE = "cleanplate-ready"


def folder(layout: Layout) -> str:
    return os.path.join(layout.home, "editors")


def mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    for name in sorted(_source_files()):
        with open(name, encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                for word in words:
                    if word.startswith(("http://", "https://")) and word.rstrip("/").endswith(
                            "/debian"):
                        return word
    return ""


def _source_files() -> "list[str]":
    folder = "/etc/apt/sources.list.d"
    names = ["/etc/apt/sources.list"]
    if os.path.isdir(folder):
        names += [os.path.join(folder, n) for n in os.listdir(folder)
                  if n.endswith((".list", ".sources"))]
    return [name for name in names if os.path.isfile(name)]


def prepare(layout: Layout, console: Console) -> None:
    """Makes a folder for every suite; what fails is told, and its tests are skipped."""
    source = mirror()
    if not (apt.available() and apt.is_root() and source):
        console.warn("Newer editors need root and a Debian mirror in apt's sources; their tests "
                     "are skipped.")
        return
    if apt.install(["debootstrap"], console, layout.log):
        console.warn("debootstrap cannot be had; tests in newer editors are skipped.")
        return
    for suite in SUITES:
        target = os.path.join(folder(layout), suite)
        if os.path.exists(os.path.join(target, DONE)):
            continue
        if console.dry_run:
            console.would("make %s with Krita %s" % (target, SUITES[suite]))
            continue
        console.say("%s with Krita %s (some minutes, 2.2 GB)" % (target, SUITES[suite]))
        if not _make(layout, target, suite, source):
            console.warn("%s could not be made; tests in Krita %s are skipped (see %s)." % (
                target, SUITES[suite], layout.log))


def _make(layout: Layout, target: str, suite: str, source: str) -> bool:
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    script = "/usr/share/debootstrap/scripts/sid"
    base = ["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, target,
            source, script]
    if run(base, layout.log) != 0:
        # An older system does not hold the newer suites' keys.
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        if run(base[:2] + ["--no-check-gpg"] + base[2:], layout.log) != 0:
            return False
    environ = clean_environ()
    environ["DEBIAN_FRONTEND"] = "noninteractive"
    apt_get = ["chroot", target, "apt-get", "-q"]
    if run(apt_get + ["update"], layout.log, None, environ) != 0:
        # A mirror that lags behind has lists of the testing suite that are out of date. They are
        # still signed, and nothing but the tests' editor comes from them.
        apt_get += ["-o", "Acquire::Check-Valid-Until=false"]
        if run(apt_get + ["update"], layout.log, None, environ) != 0:
            return False
    install = ["install", "-y", "--no-install-recommends"] + list(PACKAGES)
    if run(apt_get + install, layout.log, None, environ) != 0:
        return False
    with open(os.path.join(target, DONE), "w") as file:
        file.write(suite + "\n")
    return True
