"""Copies the plug-in into a Krita's resource folder and switches it on."""

import glob
import os
import re
from typing import Any, Dict, List, Tuple

from . import kritarc as rc
from .console import Console, InstallError
from .krita import Krita
from .manifest import MODULE, make_folder
from .processes import write_atomically

HOME_FILE = "home.txt"  # one line beside the plug-in: the absolute CLEANPLATE_HOME


def _walk(folder: str, into: str) -> List[Tuple[str, str]]:
    """(source, path below pykrita) of every file of ours in `folder`."""
    pairs = []
    for where, names, leaves in os.walk(folder):
        names[:] = sorted(n for n in names if n != "__pycache__")
        for leaf in sorted(leaves):
            if not leaf.endswith((".pyc", ".pyo")):
                source = os.path.join(where, leaf)
                pairs.append((source, os.path.join(into, os.path.relpath(source, folder))))
    return pairs


def sources(root: str, site_packages: str) -> List[Tuple[str, str]]:
    """(source file, path below the resource folder) of all that the plug-in consists of.

    `root` is the project, `site_packages` holds the rpyc that the backend uses.
    """
    plugin = os.path.join(root, "plugin")
    pykrita = os.path.join("pykrita", MODULE)
    pairs = []
    for source, place in _walk(os.path.join(plugin, "krita"), ""):
        # Krita reads shortcuts from resources/actions and everything else from resources/pykrita.
        top = "" if place.startswith("actions" + os.sep) else "pykrita"
        pairs.append((source, os.path.join(top, place)))
    pairs += _walk(os.path.join(plugin, "client"), os.path.join(pykrita, "client"))
    vendor = os.path.join(pykrita, "_vendor")
    rpyc = os.path.join(site_packages, "rpyc")
    if not os.path.isdir(rpyc):
        raise InstallError("rpyc is missing in %s; run install again" % site_packages)
    pairs += _walk(rpyc, os.path.join(vendor, "rpyc"))
    licence = _rpyc_licence(site_packages)
    if licence:
        pairs.append((licence, os.path.join(vendor, "rpyc", "LICENSE")))
    # The .desktop file comes last: Krita lists a plug-in only once that is there.
    return sorted(pairs, key=lambda pair: pair[1].endswith(".desktop"))


def _rpyc_licence(site_packages: str) -> str:
    pattern = os.path.join(glob.escape(site_packages), "rpyc-*.dist-info", "**", "LICENSE*")
    return next(iter(sorted(glob.glob(pattern, recursive=True))), "")


def rpyc_version(site_packages: str) -> str:
    """The version that the rpyc in `site_packages` states."""
    with open(os.path.join(site_packages, "rpyc", "version.py"), encoding="utf-8") as file:
        told = re.search(r"__version__\s*=\s*['\"]([^'\"]+)", file.read())
    return told.group(1) if told else ""


def install(krita: Krita, root: str, site_packages: str, home: str, manifest: Dict[str, Any],
            console: Console) -> bool:
    """Copies and enables; returns whether anything changed. The manifest is filled, not saved."""
    resources = krita.resources
    if console.dry_run:
        console.would("copy the plug-in to %s and enable it in %s" % (
            os.path.join(resources, "pykrita"), krita.kritarc))
        return True
    changed = False
    written = set()
    for source, place in sources(root, site_packages):
        with open(source, "rb") as file:
            changed |= _put(os.path.join(resources, place), file.read(), manifest, written)
    own = os.path.join(resources, "pykrita", MODULE)
    for place, text in (
        (HOME_FILE, home + "\n"),
        (os.path.join("_vendor", "rpyc_version.txt"), rpyc_version(site_packages) + "\n"),
    ):
        changed |= _put(os.path.join(own, place), text.encode("utf-8"), manifest, written)
    changed |= _drop_old(own, written, manifest)
    folder = os.path.dirname(krita.kritarc)
    make_folder(folder, manifest)
    backup = os.path.realpath(krita.kritarc) + rc.BACKUP
    had_backup = os.path.exists(backup)
    if rc.enable(krita.kritarc, MODULE):
        changed = True
    if os.path.exists(backup) and not had_backup:
        manifest["files"].append(backup)
    manifest["kritarc"].append(krita.kritarc)
    return changed


def _put(path: str, data: bytes, manifest: Dict[str, Any], written: "set[str]") -> bool:
    written.add(path)
    make_folder(os.path.dirname(path), manifest)
    manifest["files"].append(path)
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return False
    except OSError:
        pass
    write_atomically(path, data)
    return True


def _drop_old(own: str, written: "set[str]", manifest: Dict[str, Any]) -> bool:
    """Deletes files of an earlier version that this one no longer has."""
    old = [path for path in manifest["files"]
           if path.startswith(own + os.sep) and path not in written]
    for path in old:
        if os.path.exists(path):
            os.unlink(path)
        manifest["files"].remove(path)
    return bool(old)


def state(krita: Krita, home: str) -> str:
    """What of the plug-in is in a Krita: "installed", or what is wrong."""
    own = os.path.join(krita.resources, "pykrita", MODULE)
    if not os.path.isfile(os.path.join(own, "__init__.py")):
        return "plug-in not installed"
    try:
        with open(os.path.join(own, HOME_FILE), encoding="utf-8") as file:
            recorded = file.read().strip()
    except OSError:
        recorded = ""
    if os.path.normcase(recorded) != os.path.normcase(home):
        return "for another backend (%s)" % (recorded or "not recorded")
    return "installed" if rc.enabled(krita.kritarc, MODULE) else "disabled in " + krita.kritarc
