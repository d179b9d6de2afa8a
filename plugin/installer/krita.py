"""Finds every Krita of this user: native, AppImage, Flatpak, Windows, Store, macOS, Snap, Steam.

Krita of one user keeps one resource folder per flavour, so that is what an installation is here.
Folder names are those of Krita's manual ("Resource management").
"""

import glob
import os
import plistlib
import re
import shutil
import sys
from typing import Callable, Dict, List, Mapping, Optional

from . import kritarc as rc
from .processes import output

FLATPAK = "org.kde.krita"
STORE = "49800Krita_*"


class Krita:
    """One installation: where its plug-ins go, which settings file enables them."""

    def __init__(self, flavour: str, resources: str, kritarc: str,
                 executable: Optional[str] = None, note: str = "") -> None:
        self.flavour = flavour
        self.resources = resources
        self.kritarc = kritarc
        self.executable = executable
        self.note = note

    @property
    def supported(self) -> bool:
        return self.flavour != "Snap"


class Machine:
    """What discovery looks at; a test passes folders and an environment of its own."""

    def __init__(self, platform: str = sys.platform, user: Optional[str] = None,
                 environ: Optional[Mapping[str, str]] = None, root: str = "/",
                 which: Optional[Callable[[str], Optional[str]]] = None) -> None:
        self.platform = platform
        self.user = user or os.path.expanduser("~")
        self.environ = os.environ if environ is None else environ
        self.root = root
        self.which = which or shutil.which

    def at(self, *parts: str) -> str:
        """A path below the file system's root."""
        return os.path.join(self.root, *parts)

    def own(self, *parts: str) -> str:
        """A path below the user's home."""
        return os.path.join(self.user, *parts)

    def variable(self, name: str, otherwise: str) -> str:
        return self.environ.get(name) or otherwise


def find(machine: Optional[Machine] = None, resources: Optional[str] = None) -> List[Krita]:
    """Every Krita of the user, each resource folder once. `resources` names one by hand."""
    here = machine or Machine()
    if here.platform == "win32":
        found = _windows(here)
    elif here.platform == "darwin":
        found = _macos(here)
    else:
        found = _linux(here)
    for krita in found:
        moved = rc.resource_directory(krita.kritarc, here.user)
        if moved:
            krita.resources = moved
            krita.note = "resource folder moved by the user"
    if resources:
        folder = os.path.abspath(os.path.expanduser(resources))
        kritarc = found[0].kritarc if found else _usual_kritarc(here)
        for krita in found:
            if _same(krita.resources, folder):
                return [krita]
        found = [Krita("named folder", folder, kritarc, found[0].executable if found else None)]
    return found


def _same(one: str, other: str) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _first(patterns: List[str]) -> Optional[str]:
    for pattern in patterns:
        for path in sorted(glob.glob(pattern), reverse=True):
            return path
    return None


def _usual_kritarc(here: Machine) -> str:
    if here.platform == "win32":
        local = here.variable("LOCALAPPDATA", here.own("AppData", "Local"))
        return os.path.join(local, "kritarc")
    if here.platform == "darwin":
        return here.own("Library", "Preferences", "kritarc")
    return os.path.join(here.variable("XDG_CONFIG_HOME", here.own(".config")), "kritarc")


def _linux(here: Machine) -> List[Krita]:
    found = []
    resources = os.path.join(here.variable("XDG_DATA_HOME", here.own(".local", "share")), "krita")
    kritarc = _usual_kritarc(here)
    native = here.which("krita")
    snap = None
    if native and "/snap/" in native:
        snap, native = native, None
    if not native:
        native = _first([here.at("usr", "bin", "krita"), here.at("usr", "local", "bin", "krita")])
    image = _appimage(here)
    steam = _first([
        here.own(base, "steamapps", "common", "Krita", "krita", "**", "krita*")
        for base in (".steam/steam", ".local/share/Steam")
    ])
    if native or image or steam or os.path.isdir(resources) or os.path.exists(kritarc):
        flavour = ("native" if native else "AppImage" if image else "Steam" if steam
                   else "settings only (no program found)")
        note = "shared with " + image if native and image else ""
        found.append(Krita(flavour, resources, kritarc, native or image or steam, note))
    data = here.own(".var", "app", FLATPAK)
    program = _first([
        here.at("var", "lib", "flatpak", "app", FLATPAK),
        here.own(".local", "share", "flatpak", "app", FLATPAK),
    ])
    if program or os.path.isdir(data):
        found.append(Krita(
            "Flatpak", os.path.join(data, "data", "krita"),
            os.path.join(data, "config", "kritarc"), program,
            "cannot start programs outside its sandbox: start the backend yourself"))
    if snap or os.path.isdir(here.own("snap", "krita")):
        found.append(Krita(
            "Snap", here.own("snap", "krita", "current", ".local", "share", "krita"),
            here.own("snap", "krita", "current", ".config", "kritarc"), snap,
            "the Snap has no Python plug-ins: use the AppImage, Flatpak or native package"))
    return found


def _appimage(here: Machine) -> Optional[str]:
    """A Krita AppImage in one of the places people keep them, newest name first."""
    folders = [here.own(name) for name in
               ("Applications", "AppImages", "Downloads", "Desktop", "bin", ".local/bin", "")]
    folders += [here.at("opt"), here.at("opt", "krita"), here.at("usr", "local", "bin")]
    for folder in folders:
        try:
            names = sorted(os.listdir(folder), reverse=True)
        except OSError:
            continue
        for name in names:
            if re.match(r"krita.*\.appimage$", name, re.I):
                return os.path.join(folder, name)
    return None


def _windows(here: Machine) -> List[Krita]:
    found = []
    roaming = here.variable("APPDATA", here.own("AppData", "Roaming"))
    local = here.variable("LOCALAPPDATA", here.own("AppData", "Local"))
    programs = [here.variable(name, "") for name in
                ("ProgramFiles", "ProgramW6432", "ProgramFiles(x86)")]
    patterns = [os.path.join(base, "Krita*", "bin", "krita.exe") for base in programs if base]
    patterns += [os.path.join(base, "Steam", "steamapps", "common", "Krita", "krita", "bin",
                              "krita.exe") for base in programs if base]
    patterns.append(os.path.join(local, "Programs", "Krita*", "bin", "krita.exe"))
    program = here.which("krita") or _first(patterns)
    resources, kritarc = os.path.join(roaming, "krita"), os.path.join(local, "kritarc")
    if program or os.path.isdir(resources) or os.path.exists(kritarc):
        found.append(Krita("Windows", resources, kritarc, program))
    for package in sorted(glob.glob(os.path.join(local, "Packages", STORE))):
        cache = os.path.join(package, "LocalCache")
        found.append(Krita("Microsoft Store", os.path.join(cache, "Roaming", "krita"),
                           os.path.join(cache, "Local", "kritarc")))
    return found


def _macos(here: Machine) -> List[Krita]:
    program = _first([
        os.path.join(base, "krita.app", "Contents", "MacOS", "krita")
        for base in (here.at("Applications"), here.own("Applications"))
    ]) or here.which("krita")
    resources = here.own("Library", "Application Support", "Krita")
    kritarc = _usual_kritarc(here)
    if program or os.path.isdir(resources) or os.path.exists(kritarc):
        return [Krita("macOS", resources, kritarc, program)]
    return []


def version(krita: Krita) -> str:
    """The version where it can be told without a window (Krita opens its display even for
    `--version`), else an empty string."""
    program = krita.executable or ""
    named = re.search(r"(\d+\.\d+(?:\.\d+)*)", os.path.basename(program))
    if named:
        return named.group(1)
    bundle = os.path.join(os.path.dirname(os.path.dirname(program)), "Info.plist")
    if program and os.path.exists(bundle):
        with open(bundle, "rb") as file:
            return str(plistlib.load(file).get("CFBundleShortVersionString", ""))
    if krita.flavour == "native":
        for ask in (["dpkg-query", "-W", "-f=${Version}", "krita"],
                    ["rpm", "-q", "--qf", "%{VERSION}", "krita"], ["pacman", "-Q", "krita"]):
            told = re.search(r"(\d+\.\d+(?:\.\d+)*)", output(ask) or "")
            if told:
                return told.group(1)
    if krita.flavour == "Flatpak":
        text = output(["flatpak", "info", FLATPAK]) or ""
        told = re.search(r"^\s*Version:\s*(\S+)", text, re.M)
        return told.group(1) if told else ""
    return ""


def running(platform: str = sys.platform, proc: str = "/proc",
            user: Optional[str] = None) -> bool:
    """Whether this user's Krita is open (it rewrites kritarc when it ends)."""
    if platform == "win32":
        listed = output(["tasklist", "/FI", "IMAGENAME eq krita.exe", "/NH"]) or ""
        return "krita.exe" in listed.lower()
    if platform == "darwin":
        return bool((output(["pgrep", "-x", "krita"]) or "").strip())
    user = user or os.path.expanduser("~")
    for path in glob.glob(os.path.join(proc, "[0-9]*", "comm")):
        try:
            with open(path) as file:
                if file.read().strip() != "krita":
                    continue
            # One with another home folder (a test, another session) has settings of its own.
            with open(os.path.join(os.path.dirname(path), "environ"), "rb") as file:
                if b"HOME=" + os.fsencode(user) in file.read().split(b"\0"):
                    return True
        except OSError:  # it ended meanwhile
            continue
    return False


def describe(krita: Krita) -> Dict[str, str]:
    """Facts for a report."""
    return {
        "flavour": krita.flavour, "program": krita.executable or "", "note": krita.note,
        "version": version(krita), "resources": krita.resources,
        "kritarc": krita.kritarc,
    }
