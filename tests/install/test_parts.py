"""Small parts: requirements, layout, launcher, the choice of a Python, apt, options."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import install
from backend import home as backend_home
from plugin.installer import apt, launcher, manifest, python, requirements
from plugin.installer.console import Console, InstallError
from plugin.installer.layout import Layout, default_home
from plugin.installer.processes import clean_environ, run
from tests.install.conftest import ROOT


def test_requirements_are_read_as_a_toml_reader_reads_them() -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no TOML reader to compare with")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"": project["dependencies"], **project["optional-dependencies"]}
    assert requirements.read(str(ROOT)) == wanted
    assert [re.split(r"[<>=]", name)[0] for name in requirements.split_torch(wanted[""])] == [
        "torch", "torchvision"]


def test_test_tools_are_pinned() -> None:
    assert all("==" in name for name in requirements.read(str(ROOT))["test"])


@pytest.mark.parametrize("environ", [
    {}, {"CLEANPLATE_HOME": "/a/b"}, {"XDG_DATA_HOME": "/data"}, {"CLEANPLATE_HOME": "~/x"},
])
def test_home_is_the_same_for_installer_and_backend(
        environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLEANPLATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    user = os.path.expanduser("~")
    assert default_home(os.environ, sys.platform, user) == str(backend_home.home())


def test_home_on_other_platforms() -> None:
    assert default_home({}, "darwin", "/Users/a").replace("\\", "/") == (
        "/Users/a/Library/Application Support/cleanplate")
    assert default_home({"LOCALAPPDATA": "L"}, "win32", "U") == os.path.join("L", "cleanplate")


def test_environment_loses_what_belongs_to_other_pythons() -> None:
    given = {"PYTHONPATH": "x", "PYTHONHOME": "x", "VIRTUAL_ENV": "x", "PIP_TARGET": "x",
             "PYENV_VERSION": "3.8", "PATH": "/bin", "PIP_INDEX_URL": "i", "HTTPS_PROXY": "p"}
    kept = clean_environ(given)
    assert {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PYENV_VERSION"}.isdisjoint(
        kept)
    assert (kept["PATH"], kept["PIP_INDEX_URL"], kept["HTTPS_PROXY"]) == ("/bin", "i", "p")
    assert given["PYTHONPATH"] == "x"


@pytest.mark.parametrize("name", ["plain", "two words", "quote'and\"dollar$HOME`x`"])
def test_launcher_replaces_itself_by_python(tmp_path: Path, name: str) -> None:
    layout = Layout(str(tmp_path / name), windows=False)
    stand_in = Path(layout.python)
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text('#!/bin/sh\necho "$$"\necho "$@"\necho "$CLEANPLATE_HOME"\n'
                        'echo "${PYTHONPATH-unset}"\n')
    stand_in.chmod(0o755)
    assert launcher.write(layout)
    assert not launcher.write(layout)
    process = subprocess.Popen([layout.launcher, "clean", "a b"], stdout=subprocess.PIPE,
                               text=True, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "/bad"})
    out = process.communicate(timeout=300)[0].splitlines()
    assert out == [str(process.pid), "-I -m backend clean a b", layout.home, "unset"]


def test_launcher_obeys_another_home(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path), windows=False)
    Path(layout.python).parent.mkdir(parents=True)
    Path(layout.python).write_text('#!/bin/sh\necho "$CLEANPLATE_HOME"\n')
    Path(layout.python).chmod(0o755)
    launcher.write(layout)
    told = subprocess.run([layout.launcher], capture_output=True, text=True, check=True,
                          env={"PATH": "/usr/bin:/bin", "CLEANPLATE_HOME": "/other"})
    assert told.stdout == "/other\n"


def test_windows_launcher(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "100% mine"), windows=True)
    text = launcher.text(layout)
    assert layout.launcher.endswith("cleanplate.cmd")
    assert "100%% mine" in text and "-I -m backend %*" in text
    assert "\n" not in text.replace("\r\n", "")


def known(version: tuple[int, int], *missing: str, path: str = "/usr/bin/python3",
          bits: int = 64) -> dict[str, Any]:
    return {"version": [*version, 1], "missing": list(missing), "executable": path, "bits": bits}


@pytest.mark.parametrize(("pythons", "chosen"), [
    ({"a": known((3, 8), path="a"), "b": known((3, 12), path="b")}, "b"),
    ({"a": known((3, 11), "ensurepip", path="a"), "b": known((3, 10), path="b")}, "b"),
    ({"a": known((3, 15), path="a"), "b": known((3, 13), path="b")}, "b"),
    ({"a": known((3, 15), path="a")}, "a"),
    ({"a": known((3, 12), path="a", bits=32)}, None),
    ({"a": known((3, 12), "lzma", path="a")}, None),
    ({}, None),
])
def test_choice_of_python(monkeypatch: pytest.MonkeyPatch, pythons: dict[str, dict[str, Any]],
                          chosen: str | None) -> None:
    monkeypatch.setattr(python, "candidates", lambda: list(pythons))
    monkeypatch.setattr(python, "probe", pythons.get)
    best, _ = python.choose()
    assert (best["executable"] if best else None) == chosen


def test_this_python_is_probed() -> None:
    told = python.probe(sys.executable)
    assert told is not None and tuple(told["version"]) == sys.version_info[:3]
    assert python.probe("/bin/false") is None


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for apt-get and dpkg-query that keep their state in a folder."""
    folder = tmp_path / "debian"
    (folder / "bin").mkdir(parents=True)
    (folder / "have").mkdir()
    (folder / "bin" / "apt-get").write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        'for last; do :; done\n'
        'case "$*" in *" install "*) for p; do case "$p" in -*|install|Dpkg*|gone) ;; '
        f'*) touch "{folder}/have/$p";; esac; done;; esac\n'
        'case "$*" in *gone*) exit 100;; esac\n')
    (folder / "bin" / "dpkg-query").write_text(
        f'#!/bin/sh\nfor last; do :; done\n[ -e "{folder}/have/$last" ] && printf installed\n')
    for path in (folder / "bin").iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    return folder


def test_apt_as_root_installs_only_what_is_missing(
        debian: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "is_root", lambda: True)
    (debian / "have" / "xvfb").touch()
    assert apt.install(["xvfb", "krita"], console, None) == []
    calls = (debian / "calls").read_text().splitlines()
    assert len(calls) == 2 and "update" in calls[0]
    assert "krita" in calls[1] and "xvfb" not in calls[1]
    assert apt.install(["xvfb", "krita"], console, None) == []
    assert len((debian / "calls").read_text().splitlines()) == 2


def test_apt_tells_what_cannot_be_had(debian: Path, console: Console,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "is_root", lambda: True)
    assert apt.install(["krita", "gone"], console, None) == ["gone"]


def test_without_root_the_command_is_told(debian: Path, console: Console,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "is_root", lambda: False)
    assert apt.install(["krita"], console, None) == ["krita"]
    assert not (debian / "calls").exists()
    assert apt.command_line(["krita"]) == "sudo apt-get install --no-install-recommends krita"


def test_python_without_venv_gets_the_one_command(
        debian: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "is_root", lambda: False)
    monkeypatch.setattr(apt, "available", lambda: True)
    only = known((3, 11), "ensurepip")
    monkeypatch.setattr(python, "candidates", lambda: ["/usr/bin/python3"])
    monkeypatch.setattr(python, "probe", lambda path: only)
    with pytest.raises(InstallError) as told:
        python.require(console, None)
    assert "sudo apt-get install --no-install-recommends python3-venv python3.11-venv" in str(
        told.value)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run(["no-such-program"], str(log)) == 127
    assert "no-such-program" in log.read_text()


@pytest.mark.parametrize(("words", "command"), [
    ([], "install"), (["demo"], "demo"), (["test", "--yes"], "test"), (["uninstall"], "uninstall"),
])
def test_commands(words: list[str], command: str) -> None:
    assert install.arguments(words).command == command


def test_options() -> None:
    options = install.arguments(["--models", "big_lama", "migan", "--no-editors", "--yes"])
    assert options.models == ["big_lama", "migan"] and options.no_editors and options.yes
    assert install.arguments(["test", "--editors", "all"]).editors == "all"
    assert install.arguments(["test", "--pytest", "-k", "x"]).pytest == ["-k", "x"]


@pytest.mark.parametrize("words", [["wat"], ["--no-models", "--models", "a"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        install.arguments(words)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_damaged_manifest_is_told(layout: Layout) -> None:
    os.makedirs(layout.home)
    Path(layout.manifest).write_text("{")
    with pytest.raises(InstallError, match="cannot be read"):
        manifest.load(layout)


def test_foreign_environment_folder_is_refused(layout: Layout) -> None:
    os.makedirs(layout.env)
    with pytest.raises(InstallError, match="did not make it"):
        manifest.claim_trees(layout, manifest.load(layout))


def test_uninstall_keeps_what_was_there_before(layout: Layout, console: Console) -> None:
    theirs = Path(layout.home) / "models" / "theirs.bin"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    found = manifest.load(layout)
    manifest.claim_trees(layout, found)
    manifest.save(layout, found)
    (Path(layout.home) / "logs" / "a.log").write_text("ours")
    manifest.remove(layout, console)
    assert theirs.read_text() == "theirs"
    assert os.listdir(layout.home) == ["models"]


def test_uninstall_can_keep_models(layout: Layout, console: Console) -> None:
    found = manifest.load(layout)
    manifest.claim_trees(layout, found)
    manifest.save(layout, found)
    weights = Path(layout.home) / "models" / "big.pt"
    weights.write_bytes(b"1")
    manifest.remove(layout, console, keep_models=True)
    assert weights.exists() and sorted(os.listdir(layout.home)) == ["manifest.json", "models"]
    manifest.remove(layout, console)
    assert not os.path.exists(layout.home)
