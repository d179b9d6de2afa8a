"""Shared by all tests: where the pictures are, and a closing list of what was skipped and why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """No test may touch the user's own installation, whatever the environment says."""
    os.environ.pop("CLEANPLATE_HOME", None)
    # Compiled kernels are shared by all tests and their backends, and kept from run to run.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "tests" / "out" / "numba"))


@pytest.fixture(scope="session")
def compiled_kernels() -> None:
    """The filler's kernels are compiled (a minute in a fresh clone), so that a test that gives a
    process some seconds measures the process and not the compiler."""
    command = [sys.executable, "-m", "backend.fill.warm"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=900)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder that holds `dev/`; skips where the project's pictures are not at hand."""
    folder = Path(os.environ.get("CLEANPLATE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "dev").is_dir():
        pytest.skip(f"the pictures are not here: {folder / 'dev'} (CLEANPLATE_DATA names another)")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Groups skipped tests by reason, so that a long run says plainly what was not checked."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("not checked here")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count} skipped: {reason}")
