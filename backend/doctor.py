"""`cleanplate doctor`: one report on editors, environment, device, models and backend."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from backend import __version__
from backend.home import home, logs_dir, run_dir

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "rpyc",
            "rapidocr", "onnxruntime", "numba", "safetensors")
LOG_LINES = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """0 when everything that a clean needs is there, else 1."""
    report = collect()
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        for line in lines(report):
            print(line)
    return 1 if report["problems"] else 0


def collect() -> dict[str, Any]:
    """The whole report as plain values; each part tells its own trouble."""
    problems: list[str] = []
    return {
        "version": __version__,
        "system": f"{platform.platform()}, {os.cpu_count() or 1} CPU threads",
        "home": str(home()),
        "free_gb": round(shutil.disk_usage(_existing(home())).free / 1e9, 1),
        "python": f"{platform.python_version()} ({sys.executable})",
        "packages": _packages(problems),
        "editors": _editors(problems),
        "device": _device(problems),
        "models": _models(problems),
        "backend": _backend(),
        "log": _log(),
        "problems": problems,
    }


def lines(report: dict[str, Any]) -> Iterator[str]:
    """The report for people."""
    yield f"Clean Plate {report['version']}"
    yield f"system       {report['system']}"
    yield f"home         {report['home']} ({report['free_gb']} GB free)"
    yield f"python       {report['python']}"
    yield "packages     " + ", ".join(f"{k} {v}" for k, v in report["packages"].items())
    if not report["editors"]:
        yield "editor       none found"
    for editor in report["editors"]:
        name = f"Krita {editor['version']}".strip()
        note = f" ({editor['note']})" if editor["note"] else ""
        yield f"editor       {name}, {editor['flavour']}: {editor['plugin']}{note}"
        yield f"             resources {editor['resources']}"
    yield f"device       {report['device']}"
    for row in report["models"]:
        default = ", default" if row["default"] else ""
        origin = "built in" if row["builtin"] else "downloaded"
        yield f"model        {row['task']}: {row['name']} ({origin}{default})"
    yield "backend: " + report["backend"]
    for line in report["log"]:
        yield "log          " + line
    for problem in report["problems"]:
        yield "problem      " + problem


def _existing(path: Path) -> Path:
    return path if path.exists() or path == path.parent else _existing(path.parent)


def _packages(problems: list[str]) -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
            problems.append(f"The package {name} is missing: run `python3 install.py` again.")
    return found


def _editors(problems: list[str]) -> list[dict[str, str]]:
    from plugin.installer import krita, krita_plugin

    found = []
    for one in krita.find():
        facts = krita.describe(one)
        facts["plugin"] = "unsupported"
        if one.supported:
            facts["plugin"] = krita_plugin.state(one, str(home()))
        found.append(facts)
    for facts in found:
        if facts["plugin"].startswith(("disabled", "for another")):
            problems.append(f"{facts['flavour']} Krita: plug-in {facts['plugin']}; close Krita and "
                            "run `python3 install.py` again.")
    return found


def _device(problems: list[str]) -> str:
    from backend.models import device

    try:
        chosen = device.pick("auto")
        text = device.describe(chosen)
    except (ImportError, OSError, RuntimeError) as error:
        problems.append(f"torch does not work: {error}")
        return "unknown"
    if chosen == "cpu" and device.gpu_in_sight():
        import torch

        text += f" (there is a GPU, but torch {torch.__version__} cannot use it)"
    return text


def _models(problems: list[str]) -> list[dict[str, Any]]:
    from backend.models.command import table

    rows = [row for row in table() if row["installed"]]
    have = {row["task"] for row in rows}
    for task in ("people", "text", "fill"):
        if task not in have:
            problems.append(f"No model for the task {task} is installed.")
    return rows


def _backend() -> str:
    from plugin.client.launch import try_connect
    from plugin.client.values import BackendError

    try:
        link = try_connect(str(home()))
    except BackendError as error:
        return f"not usable: {error.message}"
    if link is None:
        return "not running"
    link.close()
    run_file = json.loads((run_dir() / "backend.json").read_text(encoding="utf-8"))
    return f"running (pid {run_file['pid']}, port {run_file['port']})"


def _log() -> list[str]:
    from plugin.installer.processes import tail

    path = logs_dir() / "backend.log"
    if not path.exists():
        return []
    age = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    return [f"{path}, last written {age}"] + tail(str(path), LOG_LINES)
