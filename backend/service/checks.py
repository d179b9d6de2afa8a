"""Arguments of clients, checked by exact type and by range."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any

from backend.service.errors import Refused
from backend.values import Box, CleanOptions, Point
from plugin.client.protocol import MAX_POINTS, MAX_SIDE, MAX_TEXT

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_LARGEST_INT = 1 << 53
_RANGES: dict[str, tuple[float, float]] = {
    "grow": (0, 4096),
    "feather": (0, 4096),
    "seed": (0, 2**32 - 1),
    "keep_text_below": (0, MAX_SIDE),
}


def integer(value: Any, name: str, low: int = -_LARGEST_INT, high: int = _LARGEST_INT) -> int:
    if type(value) is not int or not low <= value <= high:
        raise Refused(f"{name} must be a whole number from {low} to {high}.")
    return value


def number(value: Any, name: str, low: float, high: float) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
        raise Refused(f"{name} must be a number from {low:g} to {high:g}.")
    return float(value)


def boolean(value: Any, name: str) -> bool:
    if type(value) is not bool:
        raise Refused(f"{name} must be true or false.")
    return value


def text(value: Any, name: str, longest: int = MAX_TEXT) -> str:
    if type(value) is not str or len(value) > longest:
        raise Refused(f"{name} must be text of at most {longest} characters.")
    return value


def model_name(value: Any, name: str = "model") -> str:
    if type(value) is not str or not _NAME.match(value):
        raise Refused(f"{name} is not the name of a model.")
    return value


def device(value: Any) -> str:
    from backend.models.device import check_name

    return check_name(text(value, "device", 16))


def points(value: Any, name: str) -> tuple[Point, ...]:
    """((x, y), …) in pixels."""
    if type(value) is not tuple or len(value) > MAX_POINTS:
        raise Refused(f"{name} must be at most {MAX_POINTS} points.")
    result = []
    for pair in value:
        if type(pair) is not tuple or len(pair) != 2:
            raise Refused(f"{name} must be pairs of x and y.")
        x, y = (number(c, f"A coordinate of {name}", -MAX_SIDE, MAX_SIDE) for c in pair)
        result.append(Point(x, y))
    return tuple(result)


def box(value: Any, name: str) -> Box:
    """(x0, y0, x1, y1), half-open, in pixels."""
    if type(value) is not tuple or len(value) != 4:
        raise Refused(f"{name} must be x0, y0, x1, y1.")
    found = Box(*(integer(c, f"A side of {name}", -MAX_SIDE, MAX_SIDE) for c in value))
    if found.width <= 0 or found.height <= 0:
        raise Refused(f"{name} is empty.")
    return found


def _option(name: str, kind: str, value: Any) -> Any:
    low, high = _RANGES.get(name, (0, _LARGEST_INT))
    if name == "device":
        return device(value)
    if kind == "bool":
        return boolean(value, name)
    if kind == "int":
        return integer(value, name, int(low), int(high))
    if kind == "float":
        return number(value, name, low, high)
    if kind == "str":
        return model_name(value, name)
    if kind == "Box":
        return box(value, name)
    if kind == "tuple[Point, ...]":
        return points(value, name)
    raise Refused(f"The option {name} cannot be set from a plugin.")


def clean_options(pairs: Any) -> CleanOptions:
    """((name, value), …) → CleanOptions, each by the type its field has."""
    if type(pairs) is not tuple:
        raise Refused("The options must be pairs of a name and a value.")
    kinds = {f.name: str(f.type).removesuffix(" | None") for f in fields(CleanOptions)}
    chosen: dict[str, Any] = {}
    for pair in pairs:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str:
            raise Refused("The options must be pairs of a name and a value.")
        name, value = pair
        if name not in kinds or name in chosen:
            raise Refused(f"The option {name[:40]} is unknown or given twice.")
        chosen[name] = _option(name, kinds[name], value)
    return CleanOptions(**chosen)
