"""The plug-in in a Krita folder: complete, importable, updated, taken away again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rpyc

from plugin.installer import krita_plugin, manifest
from plugin.installer.console import Console
from plugin.installer.krita import Krita
from plugin.installer.layout import Layout
from tests.install.conftest import ROOT


@pytest.fixture
def krita(tmp_path: Path) -> Krita:
    return Krita("native", str(tmp_path / "user/.local/share/krita"),
                 str(tmp_path / "user/.config/kritarc"))


def put(krita: Krita, packages: Path, layout: Layout, console: Console,
        root: Path = ROOT) -> tuple[bool, dict[str, Any]]:
    known = manifest.load(layout)
    changed = krita_plugin.install(krita, str(root), str(packages), layout.home, known, console)
    manifest.save(layout, known)
    return changed, known


def test_everything_is_there(krita: Krita, site_packages: Path, layout: Layout,
                             console: Console) -> None:
    changed, _ = put(krita, site_packages, layout, console)
    assert changed
    pykrita = Path(krita.resources) / "pykrita"
    own = pykrita / "cleanplate"
    assert (pykrita / "cleanplate.desktop").is_file()
    assert (own / "client" / "__init__.py").read_bytes() == (
        ROOT / "plugin/client/__init__.py").read_bytes()
    assert (Path(krita.resources) / "actions" / "cleanplate.action").is_file()
    assert (own / "home.txt").read_text() == layout.home + "\n"
    assert (own / "_vendor/rpyc/LICENSE").read_text() == "MIT, rpyc\n"
    assert (own / "_vendor/rpyc_version.txt").read_text() == "6.0.2\n"
    assert not list(pykrita.rglob("*.pyc"))
    assert krita_plugin.state(krita, layout.home) == "installed"
    assert krita_plugin.state(krita, "/another").startswith("for another backend")


def test_second_time_changes_nothing(krita: Krita, site_packages: Path, layout: Layout,
                                     console: Console) -> None:
    put(krita, site_packages, layout, console)
    own = Path(krita.resources) / "pykrita/cleanplate"
    stamps = {path: path.stat().st_mtime_ns for path in own.rglob("*") if path.is_file()}
    changed, _ = put(krita, site_packages, layout, console)
    assert not changed
    assert stamps == {p: p.stat().st_mtime_ns for p in own.rglob("*") if p.is_file()}


def test_update_drops_files_of_the_version_before(krita: Krita, site_packages: Path,
                                                  layout: Layout, console: Console) -> None:
    extra = site_packages / "rpyc" / "old.py"
    extra.write_text("# of an earlier rpyc\n")
    put(krita, site_packages, layout, console)
    copied = Path(krita.resources) / "pykrita/cleanplate/_vendor/rpyc/old.py"
    assert copied.exists()
    extra.unlink()
    changed, known = put(krita, site_packages, layout, console)
    assert changed and not copied.exists() and str(copied) not in known["files"]


def test_uninstall_leaves_foreign_files(krita: Krita, site_packages: Path, layout: Layout,
                                        console: Console) -> None:
    resources = Path(krita.resources)
    (resources / "brushes").mkdir(parents=True)
    (resources / "pykrita").mkdir()
    (resources / "pykrita" / "other.desktop").write_text("theirs")
    kritarc = Path(krita.kritarc)
    kritarc.parent.mkdir(parents=True)
    kritarc.write_text("[python]\nenable_other=true\n")
    put(krita, site_packages, layout, console)
    manifest.remove(layout, console)
    assert (resources / "pykrita" / "other.desktop").read_text() == "theirs"
    assert (resources / "brushes").is_dir()
    assert not (resources / "pykrita" / "cleanplate").exists()
    assert not (resources / "pykrita" / "cleanplate.desktop").exists()
    assert kritarc.read_text() == "[python]\nenable_other=true\n"
    assert not Path(layout.home).exists() or not list(Path(layout.home).iterdir())


def test_uninstall_of_a_never_started_krita_leaves_nothing(
        krita: Krita, site_packages: Path, layout: Layout, console: Console,
        tmp_path: Path) -> None:
    put(krita, site_packages, layout, console)
    assert (tmp_path / "user").is_dir()
    manifest.remove(layout, console)
    assert not (tmp_path / "user").exists()


def test_a_users_file_in_our_folder_stays(krita: Krita, site_packages: Path, layout: Layout,
                                          console: Console) -> None:
    put(krita, site_packages, layout, console)
    mine = Path(krita.resources) / "pykrita/cleanplate/mine.txt"
    mine.write_text("mine")
    manifest.remove(layout, console)
    assert mine.read_text() == "mine"
    assert list(mine.parent.iterdir()) == [mine]


def test_dry_run_touches_nothing(krita: Krita, site_packages: Path, layout: Layout,
                                 tmp_path: Path) -> None:
    known = manifest.load(layout)
    krita_plugin.install(krita, str(ROOT), str(site_packages), layout.home, known,
                         Console(yes=True, dry_run=True))
    assert not (tmp_path / "user").exists() and known["files"] == []


def test_copied_client_imports_with_the_bundled_rpyc_only(krita: Krita, layout: Layout,
                                                          console: Console) -> None:
    """As in an editor: a Python without our packages, the plug-in folder on its path."""
    assert rpyc.__file__ is not None
    real = Path(rpyc.__file__).parents[1]
    put(krita, real, layout, console)
    pykrita = Path(krita.resources) / "pykrita"
    script = (
        "import sys, types, os\n"
        "package = types.ModuleType('cleanplate'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['cleanplate'] = package\n"
        "import cleanplate.client, rpyc\n"
        "print(os.path.dirname(rpyc.__file__)); print(cleanplate.client.find_home())\n"
    )
    base = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run([base, "-I", "-S", "-c", script, str(pykrita / "cleanplate")],
                          capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    where, home = done.stdout.split("\n")[:2]
    assert Path(where) == pykrita / "cleanplate/_vendor/rpyc"
    assert home == layout.home
