"""Finding the installation, a clean environment for the backend, and the bundled rpyc."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plugin.client import BackendError, launch
from plugin.client.protocol import PROTOCOL

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "plugin" / "client"


def test_home_given_variable_note_default(monkeypatch, tmp_path):
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path / "variable"))
    assert launch.find_home(str(tmp_path / "given")) == str(tmp_path / "given")
    assert launch.find_home() == str(tmp_path / "variable")
    monkeypatch.delenv("CLEANPLATE_HOME")
    installed = tmp_path / "cleanplate"
    shutil.copytree(CLIENT, installed / "client")
    (installed / "home.txt").write_text(str(tmp_path / "recorded") + "\n")
    monkeypatch.setattr(launch, "__file__", str(installed / "client" / "launch.py"))
    assert launch.find_home() == str(tmp_path / "recorded")
    (installed / "home.txt").unlink()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert launch.find_home() == str(tmp_path / "share" / "cleanplate")


def test_what_an_editor_package_sets_is_dropped(tmp_path):
    dirty = {
        "PYTHONPATH": "/krita/python",
        "PYTHONHOME": "/krita",
        "APPDIR": "/tmp/.mount_krita",
        "LD_LIBRARY_PATH": "/tmp/.mount_krita/usr/lib:/opt/cuda/lib",
        "PATH": "/tmp/.mount_krita/usr/bin:/usr/bin:/bin",
        "QT_PLUGIN_PATH": "/x",
        "QT_QPA_PLATFORM": "xcb",
        "LANG": "de_DE.UTF-8",
        "HTTPS_PROXY": "http://proxy",
    }
    clean = launch.clean_environment(dirty, str(tmp_path))
    assert clean == {
        "APPDIR": "/tmp/.mount_krita",
        "LD_LIBRARY_PATH": "/opt/cuda/lib",
        "PATH": "/usr/bin:/bin",
        "LANG": "de_DE.UTF-8",
        "HTTPS_PROXY": "http://proxy",
        "CLEANPLATE_HOME": str(tmp_path),
    }
    only = {"APPDIR": "/a", "LD_LIBRARY_PATH": "/a/lib"}
    assert "LD_LIBRARY_PATH" not in launch.clean_environment(only, "h")


def write_run_file(home: Path, **changes: object) -> Path:
    run = {"host": "127.0.0.1", "port": 1, "token": "0" * 64, "pid": 1, "protocol": PROTOCOL,
           "version": "0", **changes}  # fmt: skip
    path = home / "run" / "backend.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run))
    return path


def test_a_damaged_or_stale_run_file_is_no_backend(tmp_path):
    assert launch.try_connect(str(tmp_path)) is None
    path = write_run_file(tmp_path)  # nobody listens at port 1
    assert launch.try_connect(str(tmp_path)) is None
    for text in ("", "{", "[]", '{"port": 1}', "null"):
        path.write_text(text)
        assert launch.try_connect(str(tmp_path)) is None


def test_a_run_file_that_points_elsewhere_is_not_followed(tmp_path):
    write_run_file(tmp_path, host="192.0.2.1")
    with pytest.raises(BackendError, match="not this computer"):
        launch.try_connect(str(tmp_path))


def test_a_backend_of_another_version_is_explained(tmp_path):
    write_run_file(tmp_path, protocol=PROTOCOL + 1, version="9.9")
    with pytest.raises(BackendError, match=r"9\.9.*install\.py"):
        launch.try_connect(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to chown")
def test_a_run_file_of_somebody_else_is_not_followed(tmp_path):
    os.chown(write_run_file(tmp_path), 12345, 12345)
    with pytest.raises(BackendError, match="another user"):
        launch.try_connect(str(tmp_path))


def test_flatpak_is_explained(monkeypatch, tmp_path):
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda p: p == "/.flatpak-info" or exists(p))
    with pytest.raises(BackendError, match="Flatpak.*terminal.* serve"):
        launch.start_backend(str(tmp_path))


def test_log_tail_shows_the_last_lines_of_both_logs(tmp_path):
    assert launch.log_tail(str(tmp_path)) == ""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "start.log").write_text("cannot import torch\n")
    (tmp_path / "logs" / "backend.log").write_bytes(b"old\n" * 500 + b"\xffnew\n")
    tail = launch.log_tail(str(tmp_path), lines=3)
    assert tail.splitlines() == [
        "start.log:", "cannot import torch", "", "backend.log:", "old", "old", "\ufffdnew"
    ]  # fmt: skip


def test_the_client_is_python_3_8():
    for path in CLIENT.glob("*.py"):
        ast.parse(path.read_text("utf-8"), feature_version=(3, 8))


def import_client(folder: Path, *search: Path) -> subprocess.CompletedProcess[str]:
    """In an interpreter of its own, as the installed plugin does: package cleanplate.client."""
    code = "import cleanplate.client, rpyc; print(rpyc.__file__)"
    path = os.pathsep.join(str(p) for p in (folder, *search))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def installed_plugin(folder: Path) -> Path:
    plugin = folder / "cleanplate"
    shutil.copytree(CLIENT, plugin / "client", ignore=shutil.ignore_patterns("__pycache__"))
    (plugin / "__init__.py").write_text("")
    return plugin


def fake_rpyc(folder: Path, version: str) -> Path:
    (folder / "rpyc").mkdir(parents=True)
    (folder / "rpyc" / "__init__.py").write_text(f"__version__ = {version!r}\n")
    return folder


def test_an_rpyc_that_is_too_old_is_refused(tmp_path):
    installed_plugin(tmp_path)
    for version in ("6.0.0", "5.3.1", "7.0.0"):
        done = import_client(tmp_path, fake_rpyc(tmp_path / version, version))
        assert done.returncode != 0
        assert f"found {version}" in done.stderr and "install.py" in done.stderr


def test_the_bundled_rpyc_wins_over_a_wrong_one_of_the_system(tmp_path):
    import rpyc

    plugin = installed_plugin(tmp_path)
    shutil.copytree(Path(rpyc.__file__).parent, plugin / "_vendor" / "rpyc")
    done = import_client(tmp_path, fake_rpyc(tmp_path / "old", "4.1.0"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(plugin / "_vendor" / "rpyc" / "__init__.py")


def test_the_client_imports_nothing_but_the_standard_library_and_rpyc():
    code = (
        "import sys; before = set(sys.modules); import plugin.client;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "['plugin', 'rpyc']", done.stderr
