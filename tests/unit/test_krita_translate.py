"""Every text goes through the translation function, and the catalogues are complete."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from tests.fake_krita.support import ROOT, application, load  # noqa: E402

PLUGIN = ROOT / "plugin" / "krita" / "cleanplate"
CATALOGUES = sorted((PLUGIN / "translations").glob("*.json"))


def texts() -> set[str]:
    """All constant texts given to tr(), and those that tables hand to it."""
    application()
    found = set()
    for path in PLUGIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "tr" and isinstance(node.args[0], ast.Constant):
                    found.add(node.args[0].value)
    found |= set(load("panel").STAGES.values())
    found |= {entry.title for entry in load("actions").ENTRIES if entry.title}
    found |= set(load("settings")._TASKS.values())
    found |= set(load("said").TEMPLATES)
    found |= {text for _, text in load("choices")._DEVICES}
    found |= {text for _, text in load("docker")._WHAT}
    found |= set(load("reviewing").KINDS.values())
    found |= {title for title in ("Background", "Object mask", "Text mask", "Unknown mask")}
    return found


SHOWING = {
    "setText", "setWindowTitle", "setToolTip", "setTitle", "setSuffix", "setPlaceholderText",
    "setSpecialValueText", "setHeaderLabels", "QPushButton", "QLabel", "QCheckBox", "QGroupBox",
    "QMenu", "addRow", "addItem", "addTab", "show_hint", "show_text", "show_message", "show_error",
    "CannotRead", "Nothing", "NoGroup", "_tell", "_nothing", "createAction", "emit",
}
THE_SAME_EVERYWHERE = {" px", "filter"}  # a unit, and the place of a menu
NAMES = re.compile(r"[a-z_]*$")  # ids of actions and stages


def shown_without_translation(source: str) -> list[str]:
    """Constant texts that go straight to something the user sees."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name not in SHOWING:
            continue
        for argument in node.args:
            parts = argument.elts if isinstance(argument, (ast.List, ast.Tuple)) else [argument]
            for part in parts:
                part = part.left if isinstance(part, ast.BinOp) else part
                pieces = part.values if isinstance(part, ast.JoinedStr) else [part]
                texts = [p.value for p in pieces if isinstance(p, ast.Constant)]
                found += [t for t in texts if isinstance(t, str) and not NAMES.match(t)
                          and t not in THE_SAME_EVERYWHERE]
    return found


def test_nothing_is_shown_without_the_translation_function() -> None:
    assert shown_without_translation('box.setText("Fill (%d)" % 3); box.setText("Go on")') == [
        "Fill (%d)", "Go on"]
    for path in PLUGIN.glob("*.py"):
        assert shown_without_translation(path.read_text()) == [], path.name


def test_there_are_german_and_chinese() -> None:
    assert [path.stem for path in CATALOGUES] == ["de", "zh"]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_catalogue_is_complete_and_keeps_the_placeholders(path: Path) -> None:
    catalogue = json.loads(path.read_text(encoding="utf-8"))
    assert set(catalogue) == texts()
    for english, translated in catalogue.items():
        placeholders = sorted(re.findall(r"\{\d\}", english))
        # A placeholder may come more often where a language needs it, never less.
        assert set(placeholders) == set(re.findall(r"\{\d\}", translated)), english
        assert translated.strip(), english


def test_language_is_chosen_by_what_krita_says(monkeypatch: pytest.MonkeyPatch) -> None:
    translate = load("translate")
    for names, expected in (
        (["de_AT"], "Abbrechen"),
        (["zh_CN"], "取消"),
        (["en_GB", "de"], "Cancel"),
        (["C", "de_DE"], "Abbrechen"),
        (["xx"], "Cancel"),
    ):
        monkeypatch.setattr(translate, "_catalogue", translate.load(names))
        assert translate.tr("Cancel") == expected
    monkeypatch.setattr(translate, "_catalogue", translate.load(["de"]))
    assert "Foto" in translate.tr("Clean Plate: {0}", "Foto")
