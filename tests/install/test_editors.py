"""Folders with newer Kritas for the tests: made once, told when they cannot be made."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugin.installer import apt, editors
from plugin.installer.console import Console
from plugin.installer.layout import Layout

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def calls(tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for debootstrap and chroot that write down how they were called."""
    log, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    for name in ("debootstrap", "chroot"):
        (folder / name).write_text(
            f'#!/bin/sh\necho "{name} $@" >> {log}\n'
            'case "$*" in *forky*) exit 1;; esac\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(apt, "available", lambda: True)
    monkeypatch.setattr(apt, "is_root", lambda: True)
    monkeypatch.setattr(apt, "install", lambda packages, console, log: [])
    monkeypatch.setattr(editors, "mirror", lambda: "mirror:debian")
    Path(layout.logs).mkdir(parents=True)
    return log


def test_made_once_and_failures_told(calls: Path, layout: Layout, console: Console) -> None:
    editors.prepare(layout, console)
    lines = calls.read_text().splitlines()
    trixie = str(Path(editors.folder(layout)) / "trixie")
    assert lines[0].startswith("debootstrap --variant=minbase")
    assert f"trixie {trixie} mirror:debian" in lines[0]
    assert any(line.startswith(f"chroot {trixie} apt-get") and "krita" in line for line in lines)
    assert Path(trixie, editors.DONE).exists()
    assert [w for w in console.warnings if "5.3" in w], "forky could not be made, and that is told"
    before = len(lines)
    editors.prepare(layout, console)
    again = calls.read_text().splitlines()[before:]
    assert again and all("forky" in line for line in again), "a finished folder is left alone"


def test_without_root_it_is_told(layout: Layout, console: Console,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "is_root", lambda: False)
    editors.prepare(layout, console)
    assert "skipped" in console.warnings[0]


@pytest.fixture
def krita_places(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "krita"))
    return importlib.import_module("krita_places")


def test_tests_run_in_every_editor_that_is_there(krita_places: Any, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANPLATE_TEST_EDITORS_DIR", raising=False)
    monkeypatch.delenv("CLEANPLATE_TEST_EDITORS", raising=False)
    assert [place.name for place in krita_places.places()] == ["system"]
    monkeypatch.setenv("CLEANPLATE_TEST_EDITORS_DIR", str(tmp_path))
    monkeypatch.setenv("CLEANPLATE_TEST_EDITORS", "default")
    (tmp_path / "trixie").mkdir()
    assert [place.name for place in krita_places.places()] == ["system"], "not finished"
    (tmp_path / "trixie" / editors.DONE).write_text("trixie\n")
    assert [place.name for place in krita_places.places()] == ["system", "trixie"]
    monkeypatch.setenv("CLEANPLATE_TEST_EDITORS", "all")
    system, trixie, forky = krita_places.places()
    assert (system.root, trixie.root) == (None, tmp_path / "trixie")
    assert "Krita 5.3 (forky)" in forky.missing() and "--editors all" in forky.missing()
    assert "Krita 5.2 (trixie), " not in trixie.missing()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0 or sys.platform != "linux",
                    reason="chroot needs root on Linux")
def test_a_backend_is_started_from_inside_a_folder(krita_places: Any, tmp_path: Path) -> None:
    """The folder has no Python of ours: the launcher leaves it, with arguments and environment."""
    place = krita_places.Place("trixie", tmp_path)
    line = place.launcher('SEEN="a b" exec "' + sys.executable + '" -c '
                          '"import os, sys; print(os.getcwd(), os.environ[\'SEEN\'],'
                          ' sys.argv[1:])" "$@"')
    done = subprocess.run(["sh", "-c", line, "sh", "serve", "two words"], cwd="/",
                          capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"{ROOT} a b ['serve', 'two words']", done.stderr


def test_a_mirror_with_lists_that_are_out_of_date(calls: Path, layout: Layout, console: Console,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """apt refuses them at first; they are asked for again, and the editor comes from them."""
    chroot = Path(os.environ["PATH"].split(os.pathsep)[0]) / "chroot"
    chroot.write_text(chroot.read_text() + (
        'case "$*" in *Check-Valid-Until=false*) exit 0;; *update*) exit 100;; esac\n'))
    editors.prepare(layout, console)
    lines = [line for line in calls.read_text().splitlines() if "apt-get" in line]
    assert len(lines) == 3 and lines[0].endswith("update")
    assert all("Acquire::Check-Valid-Until=false" in line for line in lines[1:])
    assert "install" in lines[2]
    assert Path(editors.folder(layout), "trixie", editors.DONE).exists()
