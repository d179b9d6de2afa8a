"""The user's choices, kept in Krita's own settings."""

from __future__ import annotations

import json
from typing import Dict, NamedTuple, Optional

from .document import read_setting, write_setting

MODEL_TASKS = ("people", "text", "fill", "click", "unknown")


class Preferences(NamedTuple):
    """`device`: "auto", "cpu", "cuda:0", …; `grow`, `feather`: pixels, None = automatic.

    `text`, `people`, `unknown`: what the docker's large button removes. `models`: a model's name
    for a task of MODEL_TASKS; one that is missing is chosen by the backend.
    """

    device: str = "auto"
    visible: bool = False  # source: the visible image instead of the active layer
    grow: Optional[int] = None
    feather: Optional[int] = None
    text: bool = True
    people: bool = True
    unknown: bool = False
    review: bool = False  # before filling
    models: Dict[str, str] = {}


def load() -> Preferences:
    return Preferences(
        device=read_setting("device", "auto") or "auto",
        visible=read_setting("source", "layer") == "visible",
        grow=_pixels(read_setting("grow", "auto")),
        feather=_pixels(read_setting("feather", "auto")),
        text=read_setting("remove_text", "yes") == "yes",
        people=read_setting("remove_people", "yes") == "yes",
        unknown=read_setting("remove_unknown", "no") == "yes",
        review=read_setting("review", "no") == "yes",
        models=_models(read_setting("models", "{}")),
    )


def save(preferences: Preferences) -> None:
    write_setting("device", preferences.device)
    write_setting("source", "visible" if preferences.visible else "layer")
    write_setting("grow", "auto" if preferences.grow is None else str(preferences.grow))
    write_setting("feather", "auto" if preferences.feather is None else str(preferences.feather))
    write_setting("remove_text", "yes" if preferences.text else "no")
    write_setting("remove_people", "yes" if preferences.people else "no")
    write_setting("remove_unknown", "yes" if preferences.unknown else "no")
    write_setting("review", "yes" if preferences.review else "no")
    write_setting("models", json.dumps(preferences.models, sort_keys=True))


def _pixels(text: str) -> Optional[int]:
    return int(text) if text.isdigit() else None


def _models(text: str) -> Dict[str, str]:
    """Settings may have been edited by hand: what is not a choice is as good as none."""
    try:
        chosen = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(chosen, dict):
        return {}
    return {str(task): name for task, name in chosen.items() if isinstance(name, str) and name}
