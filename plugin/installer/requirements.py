"""Reads what pyproject.toml asks for. Python 3.8 has no TOML reader; ours is a plain file."""

import ast
import hashlib
import os
import re
from typing import Dict, List, Sequence

from .console import InstallError


def read(root: str) -> Dict[str, List[str]]:
    """`""` → the dependencies, extra name → its packages, from ROOT/pyproject.toml."""
    path = os.path.join(root, "pyproject.toml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = {"": _array(_section(text, "project"), "dependencies", path)}
    extras = _section(text, "project.optional-dependencies")
    for name in re.findall(r"^([A-Za-z0-9_-]+)\s*=", extras, re.M):
        found[name] = _array(extras, name, path)
    return found


def _section(text: str, name: str) -> str:
    match = re.search(r"^\[%s\]\s*$(.*?)(?=^\[|\Z)" % re.escape(name), text, re.M | re.S)
    return match.group(1) if match else ""


def _array(section: str, key: str, path: str) -> List[str]:
    match = re.search(r"^%s\s*=\s*(\[.*?\])\s*$" % re.escape(key), section, re.M | re.S)
    if not match:
        raise InstallError("%s lists no %s" % (path, key))
    # An array of plain strings reads the same in TOML and in Python.
    return [str(item) for item in ast.literal_eval(match.group(1))]


def split_torch(packages: Sequence[str]) -> List[str]:
    """Those packages that come from PyTorch's own index."""
    return [p for p in packages if re.match(r"^(torch|torchvision)(?![A-Za-z0-9_.-])", p)]


def source_files(root: str, folders: Sequence[str]) -> List[str]:
    """Files below ROOT/folder that belong to the program, relative, sorted."""
    files = []
    for folder in folders:
        for where, names, leaves in os.walk(os.path.join(root, folder)):
            names[:] = sorted(n for n in names if n != "__pycache__" and not n.startswith("."))
            for leaf in sorted(leaves):
                if not leaf.endswith((".pyc", ".pyo")) and not leaf.startswith("."):
                    files.append(os.path.relpath(os.path.join(where, leaf), root))
    return files


def fingerprint(root: str, files: Sequence[str]) -> str:
    """SHA-256 over names and contents."""
    total = hashlib.sha256()
    for name in files:
        total.update(name.replace(os.sep, "/").encode("utf-8") + b"\0")
        with open(os.path.join(root, name), "rb") as file:
            total.update(hashlib.sha256(file.read()).digest())
    return total.hexdigest()
