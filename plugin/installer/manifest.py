"""CLEANPLATE_HOME/manifest.json: everything the installer made, so that uninstall takes just that.

`files` and `folders` are absolute paths, `trees` names under CLEANPLATE_HOME that are wholly ours,
`kritarc` the settings files with our line.
"""

import json
import os
import shutil
from typing import Any, Dict, List

from . import kritarc as rc
from .console import Console, InstallError
from .layout import SETTINGS, TREES, Layout
from .processes import write_atomically

MODULE = "cleanplate"


def _empty() -> Dict[str, Any]:
    return {"version": "", "trees": [], "files": [], "folders": [], "kritarc": []}


def load(layout: Layout) -> Dict[str, Any]:
    """The manifest, empty where nothing is installed; a damaged one is an error."""
    try:
        with open(layout.manifest, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return _empty()
    except (OSError, ValueError) as error:
        raise InstallError("%s cannot be read (%s). Move it away and install again." % (
            layout.manifest, error)) from error
    return dict(_empty(), **found)


def save(layout: Layout, manifest: Dict[str, Any]) -> None:
    for key in ("trees", "files", "folders", "kritarc"):
        manifest[key] = sorted(set(manifest[key]))
    write_atomically(layout.manifest, json.dumps(manifest, indent=1).encode("utf-8"))


def claim_trees(layout: Layout, manifest: Dict[str, Any]) -> None:
    """Makes our folders and records those that were not there before: only they are ours."""
    if os.path.isdir(layout.home) is False:
        os.makedirs(layout.home, mode=0o700)
        manifest["folders"].append(layout.home)
    for name in TREES:
        path = os.path.join(layout.home, name)
        if name in manifest["trees"]:
            continue
        if os.path.exists(path) and name in ("env", "app"):
            raise InstallError(
                "%s is there, but this installer did not make it. Move it away or set "
                "CLEANPLATE_HOME to another folder." % path)
        if not os.path.exists(path):
            if name not in ("env", "app", "demo", "editors"):
                os.makedirs(path, mode=0o700)
            manifest["trees"].append(name)


def make_folder(path: str, manifest: Dict[str, Any]) -> None:
    """Creates `path` and its parents, recording each that was missing."""
    missing: List[str] = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)
    manifest["folders"].extend(missing)


def remove(layout: Layout, console: Console, keep_models: bool = False) -> None:
    """Deletes what the manifest lists, then itself. Foreign files stay, and are named."""
    manifest = load(layout)
    for path in manifest["kritarc"]:
        if console.dry_run:
            console.would("take our line out of " + path)
        elif os.path.exists(path) and rc.forget(path, MODULE):
            console.say("plug-in switched off in " + path)
    for path in manifest["files"]:
        _delete(path, console)
    trees = [name for name in manifest["trees"] if not (keep_models and name == "models")]
    for name in trees:
        path = os.path.join(layout.home, name)
        if os.path.isdir(path) and not os.path.islink(path):
            if console.dry_run:
                console.would("delete " + path)
            else:
                shutil.rmtree(path)
    for name in SETTINGS:
        _delete(os.path.join(layout.home, name), console)
    if console.dry_run:
        return
    if keep_models and os.path.isdir(os.path.join(layout.home, "models")):
        left = dict(_empty(), trees=["models"], folders=[layout.home])
        save(layout, left)
        console.say("models kept in " + os.path.join(layout.home, "models"))
    else:
        _delete(layout.manifest, console)
    for path in sorted(set(manifest["folders"]), key=len, reverse=True):
        _remove_empty(path, console)
    if os.path.isdir(layout.home) and not keep_models:
        left_over = sorted(os.listdir(layout.home))
        if left_over:
            console.say("left, because the installer did not make it: %s in %s" % (
                ", ".join(left_over), layout.home))


def _delete(path: str, console: Console) -> None:
    if os.path.lexists(path) and not os.path.isdir(path):
        if console.dry_run:
            console.would("delete " + path)
        else:
            os.unlink(path)


def _remove_empty(path: str, console: Console) -> None:
    """Removes a folder that we made. Python's own caches inside do not count as contents."""
    if not os.path.isdir(path):
        return
    cache = os.path.join(path, "__pycache__")
    if os.path.isdir(cache):
        shutil.rmtree(cache)
    if os.listdir(path):
        console.say("left, because it holds other files: " + path)
    else:
        os.rmdir(path)
