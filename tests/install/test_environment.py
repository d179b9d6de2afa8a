"""Environment: real venv, real pip, a small package index on loopback with stand-in packages."""

from __future__ import annotations

import functools
import http.server
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin.installer import environment, torch_build
from plugin.installer.console import Console, InstallError
from plugin.installer.layout import Layout
from plugin.installer.processes import output

# Distribution → module that the installer's check imports.
STAND_INS = {"numpy": "numpy", "pillow": "PIL", "opencv-python-headless": "cv2", "scipy": "scipy",
             "rpyc": "rpyc", "safetensors": "safetensors", "onnxruntime": "onnxruntime",
             "rapidocr": "rapidocr", "numba": "numba",
             "torch": "torch", "torchvision": "torchvision"}


def wheel(folder: Path, name: str, module: str, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{module}/__init__.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{info}/METADATA",
                         f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL",
                         "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


class Index:
    """`pypi/simple` and `whl/cpu` as an HTTP server hands them out."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        for name, module in STAND_INS.items():
            wheel(folder / "pypi" / name, name, module, "99.0")

    def add_cpu_build(self) -> None:
        for name in ("torch", "torchvision"):
            wheel(self.folder / "whl" / "cpu" / name, name, name, "99.0+cpu")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/pypi/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setattr(torch_build, "INDEX", f"{address}/whl/")
    monkeypatch.setattr(torch_build, "has_gpu", lambda: False)
    try:
        yield Index(folder, address)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    names = ",\n".join(f'  "{name}>=1"' for name in STAND_INS)
    (root / "pyproject.toml").write_text(
        f'[project]\ndependencies = [\n{names},\n]\n\n'
        '[project.optional-dependencies]\ntest = ["extra-tool==99.0"]\n')
    return root


def version_of(layout: Layout, module: str) -> str:
    script = f"import {module}; print({module}.__version__)"
    return (output([layout.python, "-I", "-c", script]) or "").strip()


def test_cpu_build_then_resumed_then_quick(index: Index, project: Path, layout: Layout,
                                           console: Console,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    index.add_cpu_build()
    missing = index.folder / "pypi" / "rapidocr"
    missing.rename(index.folder / "away")
    os.makedirs(layout.logs)
    monkeypatch.setenv("PYTHONPATH", "/nonsense")
    # Interrupted by a network that lacks one package: a clear error, nothing counts as finished.
    with pytest.raises(InstallError, match="rapidocr"):
        environment.create(layout, str(project), console)
    assert not environment.complete(layout, str(project))
    assert version_of(layout, "torch") == "99.0+cpu"
    began = os.stat(layout.python, follow_symlinks=False).st_ino
    # Started again: goes on where it was.
    (index.folder / "away").rename(missing)
    assert environment.create(layout, str(project), console)
    assert environment.complete(layout, str(project))
    assert os.stat(layout.python, follow_symlinks=False).st_ino == began
    assert version_of(layout, "rapidocr") == "99.0"
    # A second time does nothing, without asking the network.
    log = Path(layout.log).read_bytes()
    assert not environment.create(layout, str(project), console)
    assert Path(layout.log).read_bytes() == log
    # A new tool is added; the packages that are there are left alone.
    wheel(index.folder / "pypi" / "extra-tool", "extra-tool", "extra_tool", "99.0")
    assert environment.create(layout, str(project), console, ["test"])
    assert version_of(layout, "extra_tool") == "99.0"


def test_plain_index_where_no_cpu_build_can_be_had(index: Index, project: Path, layout: Layout,
                                                   console: Console) -> None:
    os.makedirs(layout.logs)
    # An environment whose Python is gone (a system upgrade, a broken link) is made anew.
    os.makedirs(os.path.dirname(layout.python))
    Path(layout.env, "pyvenv.cfg").write_text("home = /nowhere\n")
    os.symlink("/nowhere/python3", layout.python)
    assert not environment.complete(layout, str(project))
    assert torch_build.choose() == []
    assert environment.create(layout, str(project), console)
    assert version_of(layout, "torch") == "99.0"


def test_cpu_index_is_used_only_when_it_has_both(index: Index) -> None:
    index.add_cpu_build()
    assert torch_build.choose() == [index.address + "/whl/cpu"]
    (index.folder / "whl/cpu/torchvision").rename(index.folder / "gone")
    assert torch_build.choose() == []


@pytest.mark.parametrize(("platform", "gpu", "names"), [
    ("linux", False, ["cpu"]), ("linux", True, []), ("darwin", False, []),
    ("win32", False, ["cpu"]), ("win32", True, ["cu130", "cu128", "cu126"]),
])
def test_which_builds_are_tried(platform: str, gpu: bool, names: list[str]) -> None:
    assert torch_build.indexes(platform, gpu) == [torch_build.INDEX + name for name in names]


def test_a_foreign_folder_is_not_taken(project: Path, layout: Layout, console: Console) -> None:
    os.makedirs(layout.env)
    theirs = Path(layout.env) / "production.env"
    theirs.write_text("theirs")
    with pytest.raises(InstallError, match="no Python environment"):
        environment.create(layout, str(project), console)
    assert theirs.read_text() == "theirs"


def test_full_disk_is_told_before_the_download(index: Index, project: Path, layout: Layout,
                                               console: Console,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    os.makedirs(layout.logs)
    monkeypatch.setattr(environment, "SPACE_NEEDED", 1 << 60)
    with pytest.raises(InstallError, match="GB free"):
        environment.create(layout, str(project), console)
    assert not os.path.exists(layout.env)


@pytest.mark.parametrize(("text", "package"), [
    ("ImportError: libGL.so.1: cannot open shared object file: No such file", "libgl1"),
    ("ImportError: libgthread-2.0.so.0: cannot open shared object file: x", "libglib2.0-0"),
    ("ImportError: libgomp.so.1: cannot open shared object file: x", "libgomp1"),
    ("ImportError: cannot import name x", None),
])
def test_missing_library_names_its_package(text: str, package: str | None) -> None:
    assert environment.missing_library(text) == package


def test_program_is_copied_and_replaced(project: Path, layout: Layout, console: Console) -> None:
    (project / "backend").mkdir()
    (project / "plugin").mkdir()
    code = project / "backend" / "a.py"
    code.write_text("A = 1\n")
    (project / "backend" / "__pycache__").mkdir()
    (project / "backend" / "__pycache__" / "a.pyc").write_bytes(b"")
    os.makedirs(os.path.dirname(environment.path_file(layout)))
    assert environment.copy_program(layout, str(project), console)
    assert Path(environment.path_file(layout)).read_text() == layout.app + "\n"
    assert not (Path(layout.app) / "backend" / "__pycache__").exists()
    assert not environment.copy_program(layout, str(project), console)
    (project / "backend" / "b.py").write_text("B = 1\n")
    code.unlink()
    assert environment.copy_program(layout, str(project), console)
    assert sorted(p.name for p in Path(layout.app, "backend").iterdir()) == ["b.py"]
    assert sorted(p for p in os.listdir(layout.home) if p.startswith("app")) == ["app"]
