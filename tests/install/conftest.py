"""The installer's parts, with a home folder and an environment of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from plugin.installer.console import Console  # noqa: E402
from plugin.installer.layout import Layout  # noqa: E402


@pytest.fixture
def console() -> Console:
    return Console(yes=True)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "home of ours"), windows=False)


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """A folder of packages with an rpyc as pip lays it out."""
    packages = tmp_path / "site-packages"
    (packages / "rpyc" / "core" / "__pycache__").mkdir(parents=True)
    (packages / "rpyc" / "__init__.py").write_text("from .version import __version__\n")
    (packages / "rpyc" / "version.py").write_text("__version__ = '6.0.2'\n")
    (packages / "rpyc" / "core" / "brine.py").write_text("# brine\n")
    (packages / "rpyc" / "core" / "__pycache__" / "brine.pyc").write_bytes(b"\0")
    licences = packages / "rpyc-6.0.2.dist-info" / "licenses"
    licences.mkdir(parents=True)
    (licences / "LICENSE").write_text("MIT, rpyc\n")
    return packages
