"""Folders with newer Kritas for the tests: made once, told when they cannot be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.installer import apt, editors
from plugin.installer.console import Console
from plugin.installer.layout import Layout


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
