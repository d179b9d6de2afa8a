"""The files beside the code that Krita reads: shortcuts, the plugin's entry, the manual page."""

from __future__ import annotations

import configparser
import html
import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from tests.fake_krita.support import ROOT, load  # noqa: E402

FOLDER = ROOT / "plugin" / "krita"


def entries() -> dict[str, str]:
    return {entry.name: entry.title for entry in load("actions").ENTRIES if entry.name}


def test_every_menu_entry_can_have_a_shortcut_and_is_named_as_in_the_menu() -> None:
    """Krita lists what its .action files name under Configure Krita ▸ Keyboard Shortcuts."""
    files = list(FOLDER.rglob("*.action"))
    assert [path.name for path in files] == ["cleanplate.action"], "in one place"
    tree = ElementTree.parse(files[0])
    listed = {action.get("name"): action.findtext("text") for action in tree.iter("Action")}
    assert listed == entries()
    assert all(action.findtext("shortcut") is not None for action in tree.iter("Action"))


def test_krita_finds_the_manual_page_and_it_tells_of_every_entry() -> None:
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(FOLDER / "cleanplate.desktop", encoding="utf-8")
    told = entry["Desktop Entry"]
    manual = FOLDER / told["X-KDE-Library"] / told["X-Krita-Manual"]
    text = html.unescape(re.sub(r"<[^>]+>", " ", manual.read_text(encoding="utf-8")))
    text = re.sub(r"\s+", " ", text)
    for title in entries().values():
        assert title in text, title
    # Krita shows it in a QTextBrowser: nothing that it would have to fetch or run.
    assert not re.search(r"<(script|img|link|iframe)", manual.read_text(encoding="utf-8"))
