"""What a client may hear of an error: no traceback, no path, no name of an inner part."""

from __future__ import annotations

import re

from backend.values import BadInput, CleanPlateError

INTERNAL = "The backend failed at this; the reason is in its log (logs/backend.log)."

# An absolute path: a drive or a slash, then at least one folder.
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\s\\/:*?\"<>|,;()“”]+)*[\\/]([^\s\\/:*?\"<>|,;()“”]+)")


class Refused(BadInput):
    """A request that this service does not take: wrong type, wrong range, not allowed."""


def without_paths(text: str) -> str:
    """`text` with each absolute path cut down to its last name; web addresses stay."""

    def short(match: re.Match[str]) -> str:
        before = text[: match.start()]
        if before.endswith(":") or before.endswith("/") or not _starts_a_word(before):
            return match.group(0)
        return match.group(1)

    return _PATH.sub(short, text)


def _starts_a_word(before: str) -> bool:
    return not before or not (before[-1].isalnum() or before[-1] in "._-~")


def message_for(error: BaseException) -> str:
    """What to tell the client about `error`; anything unexpected is only in the log."""
    if isinstance(error, CleanPlateError):
        return without_paths(str(error))
    if isinstance(error, MemoryError):
        return "There is not enough memory for this picture. Close other programs or make it less."
    return INTERNAL
