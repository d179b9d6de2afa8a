"""The menu's entries: ids, titles and what each asks of the backend."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional

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


def request(
    name: str, device: str, grow: Optional[int], what: Optional[Dict[str, bool]] = None
) -> Request:
    """`grow`: pixels, None = the backend decides. `what`: text, people, unknown; None = as `name`
    says."""
    options: Dict[str, Any] = dict(_WHAT[name] if what is None else what, device=device)
    if grow is not None:
        options["grow"] = grow
    fills = name == REMOVE_SELECTION
    return Request(title(name), options, needs_selection=fills, fills_selection=fills)


def click_request(x: float, y: float, device: str, grow: Optional[int]) -> Request:
    """Removes the object at the pixel (x, y)."""
    options: Dict[str, Any] = {"text": False, "people": False, "device": device}
    options["clicks"] = ((x, y),)
    if grow is not None:
        options["grow"] = grow
    return Request(title(REMOVE_CLICKED), options)


def mask_request(mask: bytes, device: str, grow: Optional[int]) -> Request:
    """Removes what the user gathered by clicks; `mask` covers the canvas."""
    options = {"text": False, "people": False, "device": device}
    return Request(title(REMOVE_CLICKED), options, mask=mask, grow=grow)
