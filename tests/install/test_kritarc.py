"""Every foreign byte of kritarc stays; ours comes and goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.installer import kritarc

CASES = {
    "no file": (None, b"[python]\nenable_cleanplate=true\n"),
    "no group": (b"[theme]\nTheme=dark\n",
                 b"[theme]\nTheme=dark\n\n[python]\nenable_cleanplate=true\n"),
    "group": (b"[python]\nenable_x=true\n\n[theme]\nTheme=dark\n",
              b"[python]\nenable_x=true\nenable_cleanplate=true\n\n[theme]\nTheme=dark\n"),
    "switched off": (b"[python]\nenable_cleanplate=false\n",
                     b"[python]\nenable_cleanplate=true\n"),
    "no last newline": (b"A=1\n[python]\nenable_x=true",
                        b"A=1\n[python]\nenable_x=true\nenable_cleanplate=true\n"),
    "Windows line ends": (b"[python]\r\nenable_x=true\r\n",
                          b"[python]\r\nenable_x=true\r\nenable_cleanplate=true\r\n"),
    "other encoding": (b"[a]\nname=\xff\xfe\n",
                       b"[a]\nname=\xff\xfe\n\n[python]\nenable_cleanplate=true\n"),
    "same key elsewhere": (b"[other]\nenable_cleanplate=true\n",
                           b"[other]\nenable_cleanplate=true\n\n[python]\n"
                           b"enable_cleanplate=true\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_enable(tmp_path: Path, case: str) -> None:
    before, after = CASES[case]
    path = tmp_path / "kritarc"
    if before is not None:
        path.write_bytes(before)
    assert kritarc.enable(str(path), "cleanplate")
    assert path.read_bytes() == after
    assert kritarc.enabled(str(path), "cleanplate")
    assert not kritarc.enable(str(path), "cleanplate"), "a second time changes nothing"
    backup = tmp_path / ("kritarc" + kritarc.BACKUP)
    assert (backup.read_bytes() if backup.exists() else None) == before


@pytest.mark.parametrize("case", ["no file", "no group", "group", "Windows line ends",
                                  "other encoding", "same key elsewhere"])
def test_forget_undoes_enable(tmp_path: Path, case: str) -> None:
    before, _ = CASES[case]
    path = tmp_path / "kritarc"
    if before is not None:
        path.write_bytes(before)
    kritarc.enable(str(path), "cleanplate")
    assert kritarc.forget(str(path), "cleanplate")
    assert (path.read_bytes() if path.exists() else None) == before


def test_forget_without_our_line(tmp_path: Path) -> None:
    path = tmp_path / "kritarc"
    path.write_bytes(b"[python]\nenable_x=true\n")
    assert not kritarc.forget(str(path), "cleanplate")
    assert path.read_bytes() == b"[python]\nenable_x=true\n"


def test_first_backup_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "kritarc"
    path.write_bytes(b"A=1\n")
    kritarc.enable(str(path), "cleanplate")
    path.write_bytes(b"A=2\n")
    kritarc.enable(str(path), "cleanplate")
    assert (tmp_path / ("kritarc" + kritarc.BACKUP)).read_bytes() == b"A=1\n"


def test_mode_and_link_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles", tmp_path / "kritarc"
    real.write_bytes(b"A=1\n")
    real.chmod(0o640)
    link.symlink_to(real)
    kritarc.enable(str(link), "cleanplate")
    assert link.is_symlink()
    assert b"enable_cleanplate=true" in real.read_bytes()
    assert real.stat().st_mode & 0o777 == 0o640
