"""The menu's entries: ids, titles and what each asks of the backend."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional

from .preferences import MODEL_TASKS, Preferences
from .translate import tr
from .values import Request


class Entry(NamedTuple):
    """`title` is the English text, translated when the menu is made; "" = a separator."""

    name: str
    title: str
    tip: str = ""


REMOVE_BOTH = "cleanplate_remove_text_and_people"
REMOVE_PEOPLE = "cleanplate_remove_people"
REMOVE_TEXT = "cleanplate_remove_text"
REMOVE_UNKNOWN = "cleanplate_remove_unknown"
REMOVE_SELECTION = "cleanplate_remove_selection"
REMOVE_CLICKED = "cleanplate_remove_clicked"
SELECT_CLICKED = "cleanplate_select_clicked"
REFILL = "cleanplate_refill"
SEPARATE = "cleanplate_separate"
CUT_OUT = "cleanplate_cut_out"
SETTINGS = "cleanplate_settings"

ENTRIES = (
    Entry(REMOVE_BOTH, "Remove Text and People"),
    Entry(REMOVE_PEOPLE, "Remove People"),
    Entry(REMOVE_TEXT, "Remove Text"),
    Entry(REMOVE_UNKNOWN, "Remove Unknown Objects"),
    Entry("", ""),
    Entry(REMOVE_CLICKED, "Remove Clicked Object"),
    Entry(SELECT_CLICKED, "Select Clicked Object"),
    Entry(REMOVE_SELECTION, "Remove Selection"),
    Entry("", ""),
    Entry(REFILL, "Refill from Masks"),
    Entry(SEPARATE, "Separate into Layers"),
    Entry(CUT_OUT, "Cut Out Subject"),
    Entry("", ""),
    Entry(SETTINGS, "Clean Plate Settings…"),
)

_WHAT: Dict[str, Dict[str, bool]] = {
    REMOVE_BOTH: {"text": True, "people": True},
    REMOVE_PEOPLE: {"text": False, "people": True},
    REMOVE_TEXT: {"text": True, "people": False},
    REMOVE_UNKNOWN: {"text": False, "people": False, "unknown": True},
    REMOVE_SELECTION: {"text": False, "people": False},
}


def title(name: str) -> str:
    return next(tr(entry.title) for entry in ENTRIES if entry.name == name)


def options(choice: Preferences, **what: Any) -> Dict[str, Any]:
    """Fields of the backend's CleanOptions: `what`, and what the user has chosen for all runs."""
    result: Dict[str, Any] = dict(what, device=choice.device)
    if choice.grow is not None:
        result["grow"] = choice.grow
    if choice.feather is not None:
        result["feather"] = choice.feather
    for task, name in choice.models.items():
        if task in MODEL_TASKS:
            result[task + "_model"] = name
    return result


def request(name: str, choice: Preferences, what: Optional[Dict[str, bool]] = None) -> Request:
    """`what`: text, people, unknown; None = as `name` says."""
    if what is not None:  # named by what goes, where an entry of the menu does the same
        ticked = {part for part, wanted in what.items() if wanted}
        alike = (n for n, parts in _WHAT.items() if ticked == {p for p, w in parts.items() if w})
        name = next(alike, name) if ticked else name
    fills = name == REMOVE_SELECTION
    wanted = options(choice, **(_WHAT[name] if what is None else what))
    return Request(title(name), wanted, needs_selection=fills, fills_selection=fills)


def mask_request(
    mask: bytes, choice: Preferences, report: Optional[Dict[str, Any]] = None
) -> Request:
    """Removes what the user gathered by clicks; `mask` covers the canvas, `report` tells what
    found it."""
    wanted = options(choice, text=False, people=False)
    return Request(title(REMOVE_CLICKED), wanted, mask=mask, report=report)
