"""Each flavour of Krita in a made-up home of its platform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.installer import krita
from plugin.installer.krita import Machine


class Box:
    """A file system and an environment to discover Krita in."""

    def __init__(self, folder: Path, platform: str) -> None:
        self.user, self.root = folder / "user", folder / "root"
        self.user.mkdir()
        self.root.mkdir()
        self.platform = platform
        self.environ: dict[str, str] = {}
        self.path: dict[str, str] = {}

    def file(self, path: str, text: str = "", *, root: bool = False) -> Path:
        made = (self.root if root else self.user) / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
        return made

    def find(self, resources: str | None = None) -> list[krita.Krita]:
        machine = Machine(self.platform, str(self.user), self.environ, str(self.root),
                          self.path.get)
        return krita.find(machine, resources)

    def only(self) -> krita.Krita:
        (one,) = self.find()
        return one


@pytest.fixture
def box(tmp_path: Path) -> Callable[[str], Box]:
    return lambda platform: Box(tmp_path, platform)


def test_nothing_there(box: Callable[[str], Box]) -> None:
    assert box("linux").find() == []


def test_native_by_its_executable_though_never_started(box: Callable[[str], Box]) -> None:
    linux = box("linux")
    linux.path["krita"] = "/usr/bin/krita"
    one = linux.only()
    assert one.flavour == "native"
    assert one.resources == str(linux.user / ".local/share/krita")
    assert one.kritarc == str(linux.user / ".config/kritarc")
    assert not Path(one.resources).exists()


def test_native_honours_the_xdg_folders(box: Callable[[str], Box]) -> None:
    linux = box("linux")
    linux.path["krita"] = "/usr/bin/krita"
    linux.environ = {"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/conf"}
    assert (linux.only().resources, linux.only().kritarc) == ("/data/krita", "/conf/kritarc")


@pytest.mark.parametrize("name", ["krita-5.2.9-x86_64.AppImage", "Krita.appimage"])
@pytest.mark.parametrize("folder", ["Applications", "Downloads", "."])
def test_appimage(box: Callable[[str], Box], name: str, folder: str) -> None:
    linux = box("linux")
    program = linux.file(f"{folder}/{name}")
    one = linux.only()
    assert one.flavour == "AppImage"
    assert one.executable is not None and Path(one.executable) == program
    assert one.resources == str(linux.user / ".local/share/krita")
    assert krita.version(one) == ("5.2.9" if "5.2.9" in name else "")


def test_flatpak_beside_native(box: Callable[[str], Box]) -> None:
    linux = box("linux")
    linux.path["krita"] = "/usr/bin/krita"
    (linux.root / "var/lib/flatpak/app/org.kde.krita").mkdir(parents=True)
    native, flatpak = linux.find()
    assert (native.flavour, flatpak.flavour) == ("native", "Flatpak")
    assert flatpak.resources == str(linux.user / ".var/app/org.kde.krita/data/krita")
    assert flatpak.kritarc == str(linux.user / ".var/app/org.kde.krita/config/kritarc")


def test_user_flatpak(box: Callable[[str], Box]) -> None:
    linux = box("linux")
    (linux.user / ".local/share/flatpak/app/org.kde.krita").mkdir(parents=True)
    assert linux.only().flavour == "Flatpak"


def test_snap_is_told_but_not_served(box: Callable[[str], Box]) -> None:
    linux = box("linux")
    linux.path["krita"] = "/snap/bin/krita"
    one = linux.only()
    assert one.flavour == "Snap" and not one.supported and "AppImage" in one.note


def test_windows(box: Callable[[str], Box]) -> None:
    windows = box("win32")
    windows.environ = {"APPDATA": str(windows.user / "R"), "LOCALAPPDATA": str(windows.user / "L"),
                       "ProgramFiles": str(windows.root / "Program Files")}
    program = windows.file("Program Files/Krita (x64)/bin/krita.exe", root=True)
    one = windows.only()
    assert one.executable == str(program)
    assert one.resources == str(windows.user / "R" / "krita")
    assert one.kritarc == str(windows.user / "L" / "kritarc")


def test_store(box: Callable[[str], Box]) -> None:
    windows = box("win32")
    package = windows.user / "AppData/Local/Packages/49800Krita_RANDOM"
    package.mkdir(parents=True)
    one = windows.only()
    assert one.flavour == "Microsoft Store"
    assert one.resources == str(package / "LocalCache/Roaming/krita")
    assert one.kritarc == str(package / "LocalCache/Local/kritarc")


def test_macos_with_its_version(box: Callable[[str], Box]) -> None:
    mac = box("darwin")
    mac.file("Applications/krita.app/Contents/MacOS/krita", root=True)
    mac.file("Applications/krita.app/Contents/Info.plist", root=True, text=(
        '<?xml version="1.0"?><plist version="1.0"><dict>'
        "<key>CFBundleShortVersionString</key><string>5.2.6</string></dict></plist>"))
    one = mac.only()
    assert one.resources == str(mac.user / "Library/Application Support/Krita")
    assert one.kritarc == str(mac.user / "Library/Preferences/kritarc")
    assert krita.version(one) == "5.2.6"


@pytest.mark.parametrize(("line", "expected"), [
    ("ResourceDirectory=/art/krita things", "/art/krita things"),
    ("ResourceDirectory[$e]=$HOME/art", "HOME/art"),
    (r"ResourceDirectory=/art/a\sb", "/art/a b"),
    ("ResourceDirectory=", None),
])
def test_moved_resources(box: Callable[[str], Box], line: str, expected: str | None) -> None:
    linux = box("linux")
    linux.file(".config/kritarc", f"{line}\n[python]\nenable_x=true\n")
    usual = str(linux.user / ".local/share/krita")
    wanted = (expected or usual).replace("HOME", str(linux.user))
    assert linux.only().resources == wanted


def test_moved_resources_of_another_group_do_not_count(box: Callable[[str], Box]) -> None:
    linux = box("linux")
    linux.file(".config/kritarc", "[theme]\nResourceDirectory=/wrong\n")
    assert linux.only().resources == str(linux.user / ".local/share/krita")


def test_named_folder_replaces_the_search(box: Callable[[str], Box], tmp_path: Path) -> None:
    linux = box("linux")
    linux.path["krita"] = "/usr/bin/krita"
    (one,) = linux.find(str(tmp_path / "elsewhere"))
    assert one.resources == str(tmp_path / "elsewhere")
    assert one.kritarc == str(linux.user / ".config/kritarc")


def test_running_krita_is_seen(tmp_path: Path) -> None:
    def process(number: int, name: str, user: str) -> None:
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "comm").write_text(name + "\n")
        (tmp_path / str(number) / "environ").write_text(f"A=1\0HOME={user}\0B=2\0")

    def seen() -> bool:
        return krita.running("linux", str(tmp_path), "/home/me")

    process(12, "bash", "/home/me")
    process(13, "krita", "/home/somebody")
    assert not seen()
    process(14, "krita", "/home/me")
    assert seen()
