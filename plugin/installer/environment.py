"""The backend's own Python environment under CLEANPLATE_HOME/env, and the program beside it."""

import json
import os
import re
import shutil
import sys
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import apt, python, requirements, torch_build
from .console import Console, InstallError
from .layout import Layout
from .processes import clean_environ, output, run, tail, write_atomically

APP_FOLDERS = ("backend", "plugin")
SPACE_NEEDED = 9 * 1024 ** 3  # bytes; the CUDA build takes 5.4 GB, and its wheels on the way

# What must import before the environment counts as whole; the library names in the message of a
# failed import tell which Debian package is missing.
CHECK = ("import numpy, PIL, cv2, scipy, rpyc, safetensors, torch, torchvision, onnxruntime;"
         "import numba, rapidocr")
LIBRARIES = {
    "libGL.so": "libgl1", "libgthread": "libglib2.0-0", "libglib": "libglib2.0-0",
    "libgomp": "libgomp1", "libstdc++": "libstdc++6", "libSM": "libsm6", "libXext": "libxext6",
    "libxcb": "libxcb1", "libX11": "libx11-6",
}


def _stamp(layout: Layout) -> Dict[str, Any]:
    try:
        with open(layout.env_stamp, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def complete(layout: Layout, root: str, extras: Sequence[str] = ()) -> bool:
    """Whether the environment was finished for just these requirements and still starts."""
    wanted = requirements.read(root)
    stamp = _stamp(layout)
    done = stamp.get("packages", {})
    return (
        all(done.get(name) == wanted.get(name) for name in ("",) + tuple(extras))
        and _has_torch(layout)
    )


def create(layout: Layout, root: str, console: Console, extras: Sequence[str] = ()) -> bool:
    """Makes or completes the environment; returns whether anything had to be done."""
    if complete(layout, root, extras):
        console.say("environment is up to date")
        return False
    wanted = requirements.read(root)
    if console.dry_run:
        console.would("make %s and install %s" % (
            layout.env, ", ".join(wanted[""] + [p for e in extras for p in wanted[e]])))
        return True
    started = time.monotonic()
    if not os.path.exists(layout.python):
        _check_space(layout)
    _make_venv(layout, console)
    done = dict(_stamp(layout).get("packages", {}))
    if done.get("") != wanted[""]:
        source = _install_packages(layout, wanted[""], console)
        _check_imports(layout, console)
        done[""] = wanted[""]
        _write_stamp(layout, done, source)
    for extra in extras:
        if done.get(extra) != wanted[extra]:
            _pip(layout, wanted[extra], console)
            done[extra] = wanted[extra]
            _write_stamp(layout, done, _stamp(layout).get("torch", ""))
    console.say("environment ready after %.0f s" % (time.monotonic() - started))
    return True


def _write_stamp(layout: Layout, packages: Dict[str, List[str]], source: str) -> None:
    text = json.dumps({"packages": packages, "torch": source}, indent=1)
    write_atomically(layout.env_stamp, text.encode("utf-8"))


def _make_venv(layout: Layout, console: Console) -> None:
    """Makes the environment anew unless one that was begun is there and still works."""
    if os.path.isdir(layout.env):
        ours = os.path.exists(os.path.join(layout.env, "pyvenv.cfg")) or not os.listdir(layout.env)
        if not ours:
            raise InstallError(
                "%s exists and is no Python environment. Move it away or set CLEANPLATE_HOME to "
                "another folder." % layout.env)
        known = python.probe(layout.python)
        if known and tuple(known["version"][:2]) >= python.OLDEST and _has_pip(layout):
            console.say("going on with the environment that is there")
            return
        shutil.rmtree(layout.env)
    base = python.require(console, layout.log)
    console.say("environment from " + base)
    if run([base, "-I", "-m", "venv", layout.env], layout.log) != 0 or not _has_pip(layout):
        raise InstallError(_failed("Python could not make the environment", layout))
    # A newer pip tells its progress and knows newer wheels; an old one does as well.
    _run_pip(layout, ["install", "--upgrade", "pip"], console)


def _has_pip(layout: Layout) -> bool:
    return output([layout.python, "-I", "-m", "pip", "--version"], timeout=60) is not None


def _check_space(layout: Layout) -> None:
    free = shutil.disk_usage(layout.home).free
    if free < SPACE_NEEDED:
        raise InstallError(
            "%s has %.1f GB free; the backend needs up to %.0f GB. Make room, or set "
            "CLEANPLATE_HOME to a folder on another disk." % (
                layout.home, free / 1e9, SPACE_NEEDED / 1e9))


def _install_packages(layout: Layout, packages: List[str], console: Console) -> str:
    """Installs everything; returns where torch came from."""
    torch = requirements.split_torch(packages)
    source = "PyPI"
    if _has_torch(layout):
        source = _stamp(layout).get("torch") or "an earlier run"
    else:
        for index in torch_build.choose():
            console.say("torch from " + index)
            code, _ = _run_pip(layout, ["install", "--index-url", index] + torch, console)
            if code == 0:
                source = index
                break
            console.say("that build cannot be had; taking the one on PyPI")
        else:
            console.say("torch from PyPI (the build for NVIDIA GPUs is large: about 5 GB)"
                        if sys.platform.startswith("linux") else "torch from PyPI")
    _pip(layout, packages, console)
    return source


def _has_torch(layout: Layout) -> bool:
    """Whether pip finished both; importing them would take seconds."""
    script = "from importlib.metadata import version as v; v('torch'), v('torchvision')"
    return output([layout.python, "-I", "-c", script], timeout=60) is not None


def _pip(layout: Layout, packages: Sequence[str], console: Console) -> None:
    code, lines = _run_pip(layout, ["install"] + list(packages), console)
    if code != 0:
        errors = [line for line in lines if line.startswith("ERROR")]
        raise InstallError(_failed("pip could not install the packages", layout, errors[-3:]))


def _run_pip(layout: Layout, arguments: List[str], console: Console) -> Tuple[int, List[str]]:
    """Runs the environment's pip with progress; returns its status and last lines."""
    bar = ["--progress-bar", "raw"] if _pip_version(layout) >= (24, 1) else []
    recent: List[str] = []
    doing = [""]

    def show(line: str) -> None:
        step = re.match(r"Progress (\d+) of (\d+)", line)
        if step:
            if int(step.group(2)) > 2e7:
                console.tick("%s  %d of %d MB" % (
                    doing[0], int(step.group(1)) // 10**6, int(step.group(2)) // 10**6))
            return
        recent.append(line)
        del recent[:-40]
        text = line.strip()
        if text.startswith("Installing collected"):
            console.say("unpacking the packages (this takes a minute)")
        elif text.startswith(("Collecting ", "Downloading ", "Building ")):
            doing[0] = text[:90]
            console.tick(doing[0])

    if arguments[0] == "install":
        # Python compiles what is used at its first use; all of it would take a minute here.
        bar = bar + ["--no-compile"]
    command = [layout.python, "-I", "-m", "pip"] + arguments[:1] + bar + arguments[1:]
    code = run(command, layout.log, show)
    console.end_tick()
    return code, recent


def _pip_version(layout: Layout) -> Tuple[int, ...]:
    text = output([layout.python, "-I", "-c", "import pip; print(pip.__version__)"]) or "0"
    return tuple(int(n) for n in re.findall(r"\d+", text)[:2])


def _check_imports(layout: Layout, console: Console) -> None:
    """Imports everything once; a missing system library is installed or named."""
    for _ in range(len(LIBRARIES)):
        lines: List[str] = []
        if run([layout.python, "-I", "-c", CHECK], layout.log, lines.append) == 0:
            return
        text = "\n".join(lines)
        package = missing_library(text)
        if package is None or not apt.available():
            raise InstallError(_failed("The packages do not work", layout, lines[-3:]))
        if apt.install([package], console, layout.log):
            raise InstallError("A system library is missing. Type\n      %s\n    and start this "
                               "again." % apt.command_line([package]))
    raise InstallError(_failed("The packages do not work", layout))


def missing_library(text: str) -> Optional[str]:
    """The Debian package of the library that an ImportError names, if it is a known one."""
    match = re.search(r"ImportError: (lib\S+): cannot open shared object", text)
    if match:
        for start, package in LIBRARIES.items():
            if match.group(1).startswith(start):
                return package
    return None


def _failed(what: str, layout: Layout, lines: Optional[List[str]] = None) -> str:
    shown = lines or tail(layout.log, 8)
    return "%s. The whole output is in %s; its end:\n      %s" % (
        what, layout.log, "\n      ".join(shown))


def copy_program(layout: Layout, root: str, console: Console) -> bool:
    """Copies the program to CLEANPLATE_HOME/app, so that the clone may go; returns if it changed.

    The new folder is made beside the old one and takes its place by rename.
    """
    files = requirements.source_files(root, APP_FOLDERS) + ["LICENSE", "THIRD_PARTY.md"]
    files = [name for name in files if os.path.exists(os.path.join(root, name))]
    print_now = requirements.fingerprint(root, files)
    try:
        with open(layout.app_stamp, encoding="utf-8") as file:
            same = file.read().strip() == print_now
    except OSError:
        same = False
    if same and os.path.exists(path_file(layout)):
        return False
    if console.dry_run:
        console.would("copy the program to " + layout.app)
        return True
    draft, old = layout.app + ".new", layout.app + ".old"
    for folder in (draft, old):
        shutil.rmtree(folder, ignore_errors=True)
    for name in files:
        target = os.path.join(draft, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(root, name), target)
    write_atomically(os.path.join(draft, os.path.basename(layout.app_stamp)),
                     print_now.encode("ascii"))
    if os.path.isdir(layout.app):
        os.rename(layout.app, old)
    os.rename(draft, layout.app)
    shutil.rmtree(old, ignore_errors=True)
    write_atomically(path_file(layout), (layout.app + "\n").encode("utf-8"))
    return True


def path_file(layout: Layout) -> str:
    """The .pth file that lets the environment import the program."""
    if layout.windows:
        return os.path.join(layout.env, "Lib", "site-packages", "cleanplate.pth")
    lib = os.path.join(layout.env, "lib")
    names = sorted(os.listdir(lib)) if os.path.isdir(lib) else []
    version = next((n for n in names if n.startswith("python3")), "python3")
    return os.path.join(lib, version, "site-packages", "cleanplate.pth")


def warm_up(layout: Layout, console: Console) -> None:
    """Lets the backend compile what it would otherwise compile at the first click."""
    script = os.path.join(layout.app, "backend", "fill", "warm.py")
    if not os.path.exists(script):
        return
    console.say("compiling the filler")
    environ = clean_environ()
    environ["CLEANPLATE_HOME"] = layout.home
    if run([layout.python, "-I", "-m", "backend.fill.warm"], layout.log, None, environ) != 0:
        console.warn("The filler could not be compiled ahead; the first fill takes longer "
                     "(see %s)." % layout.log)


def recommended_models(layout: Layout) -> List[str]:
    """For people, clicks and filling: the best official model, where it is not installed."""
    text = output([layout.python, "-I", "-m", "backend", "models", "list", "--json"],
                  timeout=60, CLEANPLATE_HOME=layout.home)
    try:
        rows = json.loads(text or "[]")
    except ValueError:
        return []
    best = []
    for task in ("people", "click", "fill"):
        of_task = [row for row in rows if row["task"] == task]  # highest rank first
        if of_task and not of_task[0]["installed"] and not of_task[0]["builtin"]:
            best.append(of_task[0]["name"])
    return best
