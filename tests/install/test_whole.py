"""install.py itself, as a user starts it: install, again, doctor, uninstall.

The packages are this environment's (a real set-up takes minutes and gigabytes; `.ci/run` and
`install.py demo` do that one), everything else is as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from plugin.installer import environment, requirements
from plugin.installer.krita_plugin import HOME_FILE
from plugin.installer.layout import Layout
from tests.install.conftest import ROOT

if sys.platform == "win32":
    pytest.skip("the stand-in environment is made of links", allow_module_level=True)


class User:
    """A made-up user with a home folder, a Krita that was never started, and our home."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "user"
        self.krita = folder / "bin" / "krita"
        self.krita.parent.mkdir(parents=True)
        self.home.mkdir()
        self.krita.write_text("#!/bin/sh\n")
        self.krita.chmod(0o755)
        self.layout = Layout(str(self.home / ".local/share/cleanplate"))
        self.environ = {
            "HOME": str(self.home), "PATH": f"{self.krita.parent}:/usr/bin:/bin",
            "PYTHONPATH": "/nonsense", "PYTHONSAFEPATH": "", "LANG": "C.UTF-8",
        }

    def borrow_environment(self) -> None:
        """An environment of ours that holds this test's packages, recorded as finished."""
        layout = self.layout
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", layout.env],
                       check=True)
        borrowed = Path(environment.path_file(layout)).with_name("borrowed.pth")
        purelib = sysconfig.get_paths()["purelib"]
        borrowed.write_text(purelib + "\n")
        rpyc = Path(environment.path_file(layout)).with_name("rpyc")
        rpyc.symlink_to(Path(purelib) / "rpyc")
        wanted = requirements.read(str(ROOT))
        Path(layout.env_stamp).write_text(
            json.dumps({"packages": {"": wanted[""]}, "torch": "borrowed"}))
        Path(layout.manifest).write_text(json.dumps(
            {"trees": ["env"], "folders": [layout.home, str(self.home / ".local/share"),
                                           str(self.home / ".local")]}))

    def install_py(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(ROOT / "install.py"), *words], text=True,
                              capture_output=True, env=self.environ, cwd="/",
                              stdin=subprocess.DEVNULL, timeout=200)

    def cleanplate(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.layout.launcher, *words], text=True, capture_output=True,
                              env=self.environ, cwd="/", timeout=120)


def test_install_twice_doctor_uninstall(tmp_path: Path) -> None:
    user = User(tmp_path)
    user.borrow_environment()
    first = user.install_py("install", "--no-models", "--yes")
    assert first.returncode == 0, first.stdout + first.stderr
    resources = user.home / ".local/share/krita"
    own = resources / "pykrita" / "cleanplate"
    assert (own / HOME_FILE).read_text().strip() == user.layout.home
    kritarc = user.home / ".config" / "kritarc"
    assert "enable_cleanplate=true" in kritarc.read_text()
    version = user.cleanplate("--version")
    assert version.returncode == 0 and version.stdout.startswith("cleanplate "), version.stderr

    again = user.install_py("--no-models")
    assert again.returncode == 0, again.stderr
    assert "environment is up to date" in again.stdout, again.stdout
    assert "plug-in up to date" in again.stdout, again.stdout

    report = user.install_py("doctor")
    assert report.returncode == 0, report.stdout + report.stderr
    assert "backend: not running" in report.stdout
    assert str(resources) in report.stdout and ": installed" in report.stdout
    assert "people: people-builtin" in report.stdout

    kritarc.write_text("[theme]\nTheme=dark\n" + kritarc.read_text())
    gone = user.install_py("uninstall", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert not os.path.exists(user.layout.home)
    assert kritarc.read_text() == "[theme]\nTheme=dark\n"
    left = [path for path in user.home.rglob("*") if path.is_file()]
    assert left == [kritarc]
    assert "nothing is installed" in user.install_py("uninstall", "--yes").stdout


def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    user = User(tmp_path)
    done = user.install_py("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would make" in done.stdout and "would copy the plug-in" in done.stdout
    assert list(user.home.iterdir()) == []


def test_doctor_without_an_installation(tmp_path: Path) -> None:
    user = User(tmp_path)
    report = user.install_py("doctor")
    assert report.returncode == 1
    assert "missing" in report.stdout and "install.py" in report.stdout
    assert list(user.home.iterdir()) == []


def test_wrong_command() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "install.py"), "wat"], text=True,
                          capture_output=True)
    assert done.returncode == 2 and "invalid choice" in done.stderr
