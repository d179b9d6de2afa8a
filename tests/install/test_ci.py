"""What `install.py test` and `.ci/run` say and return, with stand-ins for what takes long."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plugin.installer import testing
from plugin.installer.console import Console
from plugin.installer.layout import Layout
from tests.install.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")


@pytest.mark.parametrize(("body", "status"), [
    ("assert 1 + 1 == 2", 0), ("assert 1 + 1 == 3", 1),
])
def test_exit_status_is_pytests(tmp_path: Path, layout: Layout, console: Console, body: str,
                                status: int, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(
        "import os, pytest\n"
        f"def test_one():\n    {body}\n"
        "def test_home():\n    assert 'CLEANPLATE_HOME' not in os.environ\n"
        "def test_two():\n    pytest.skip('no such editor')\n")
    layout.python = sys.executable
    assert testing.run_tests(layout, str(tmp_path), console, "default", []) == status
    assert "no such editor" in capfd.readouterr().out, "skipped tests are listed with the reason"


def run_ci(folder: Path, tests: int, ruff: int, line: str) -> subprocess.CompletedProcess[str]:
    """`.ci/run` with an install.py that ends with `tests`, in an environment where ruff ends
    with `ruff`."""
    (folder / ".ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (folder / "install.py").write_text(f"import sys\nprint({line!r})\nprint('later')\n"
                                       f"sys.exit({tests})\n")
    python = folder / "home" / "env" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\ncase "$*" in *ruff*) exit {ruff};; esac\n')
    python.chmod(0o755)
    return subprocess.run(["bash", str(folder / ".ci" / "run")], text=True, capture_output=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(folder),
                               "CLEANPLATE_CI_HOME": str(folder / "home")}, timeout=60)


@pytest.mark.parametrize(("tests", "ruff", "line", "status"), [
    (0, 0, "==== 3 passed, 1 skipped in 2.00s ====", 0),
    (1, 0, "=== 1 failed, 2 passed in 2.00s (0:00:02) ===", 1),
    (0, 1, "==== 3 passed in 2.00s ====", 1),
])
def test_ci_ends_with_pytests_line(tmp_path: Path, tests: int, ruff: int, line: str,
                                   status: int) -> None:
    done = run_ci(tmp_path, tests, ruff, line)
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == line


def test_ci_fails_where_no_test_ran(tmp_path: Path) -> None:
    done = run_ci(tmp_path, 0, 0, "nothing")
    assert done.returncode == 1 and "pytest did not finish" in done.stdout
