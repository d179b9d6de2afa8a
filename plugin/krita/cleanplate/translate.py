"""Texts in the user's language. The English text is the key; a missing one stays English.

Catalogues are `translations/LANGUAGE.json`: {"English text": "translation"}.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterable, Optional

from .qt import QtCore

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "translations")
_catalogue: Optional[Dict[str, str]] = None


def tr(text: str, *values: Any) -> str:
    """`text` translated, with `values` put in for {0}, {1}, …"""
    global _catalogue
    if _catalogue is None:
        _catalogue = load(languages())
    text = _catalogue.get(text, text)
    return text.format(*values) if values else text


def tenths(value: float) -> str:
    """A number with one digit after the language's decimal point."""
    return ("%.1f" % value).replace(".", tr("."))


def languages() -> Iterable[str]:
    """Wanted languages, best first. Krita puts its own choice into LANGUAGE at start."""
    names = os.environ.get("LANGUAGE", "").split(":")
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        names.append(os.environ.get(variable, ""))
    names.append(QtCore.QLocale.system().name())
    return [name.split(".")[0] for name in names if name]


def load(names: Iterable[str]) -> Dict[str, str]:
    """The catalogue of the first language that is English (empty) or has one."""
    for name in names:
        if name in ("C", "POSIX"):
            continue
        for form in (name, name.split("_")[0]):
            if form == "en":
                return {}
            path = os.path.join(_FOLDER, form + ".json")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    return json.load(file)
    return {}


def use(language: str) -> None:
    """Switches to one language, for texts made from now on."""
    global _catalogue
    _catalogue = load([language])
