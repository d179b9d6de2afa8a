"""The user's choices, kept in Krita's own settings."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .document import read_setting, write_setting


class Preferences(NamedTuple):
    """`device`: "auto", "cpu", "cuda:0", …; `grow`: pixels, None = automatic.

    `text`, `people`, `unknown`: what the docker's large button removes.
    """

    device: str = "auto"
    visible: bool = False  # source: the visible image instead of the active layer
    grow: Optional[int] = None
    text: bool = True
    people: bool = True
    unknown: bool = False


def load() -> Preferences:
    grow = read_setting("grow", "auto")
    return Preferences(
        device=read_setting("device", "auto") or "auto",
        visible=read_setting("source", "layer") == "visible",
        grow=int(grow) if grow.isdigit() else None,
        text=read_setting("remove_text", "yes") == "yes",
        people=read_setting("remove_people", "yes") == "yes",
        unknown=read_setting("remove_unknown", "no") == "yes",
    )


def save(preferences: Preferences) -> None:
    write_setting("device", preferences.device)
    write_setting("source", "visible" if preferences.visible else "layer")
    write_setting("grow", "auto" if preferences.grow is None else str(preferences.grow))
    write_setting("remove_text", "yes" if preferences.text else "no")
    write_setting("remove_people", "yes" if preferences.people else "no")
    write_setting("remove_unknown", "yes" if preferences.unknown else "no")
