"""Reads and changes kritarc, Krita's settings file (KConfig's INI dialect), line by line.

Every line that is not ours stays as it is, byte for byte.
"""

import os
import re
import shutil
from typing import List, Optional, Tuple

from .processes import write_atomically

GROUP = "python"
BACKUP = ".before-cleanplate"


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _group_of(line: bytes) -> Optional[str]:
    match = re.match(rb"^\s*\[(.*)\]\s*$", line)
    return match.group(1).decode("utf-8", "replace") if match else None


def resource_directory(path: str, user: str) -> Optional[str]:
    """The folder to which the user moved Krita's resources, if kritarc names one."""
    try:
        lines = _read(path).splitlines()
    except OSError:
        return None
    group: Optional[str] = None
    for line in lines:
        name = _group_of(line)
        if name is not None:
            group = name
        match = re.match(rb"^ResourceDirectory(\[\$[a-z]+\])?\s*=\s*(.*?)\s*$", line)
        if match and group in (None, "", "General", "<default>"):
            text = _unescape(match.group(2).decode("utf-8", "replace"))
            if match.group(1) and b"e" in match.group(1):
                text = text.replace("$HOME", user)
            if text.startswith("file://"):
                text = text[len("file://"):]
            return os.path.normpath(text) if text else None
    return None


def _unescape(text: str) -> str:
    """KConfig's escapes: \\\\, \\s (space), \\t, \\n, \\r, \\xNN."""
    simple = {"\\": "\\", "s": " ", "t": "\t", "n": "\n", "r": "\r"}

    def one(match: "re.Match[str]") -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if len(code) == 3 else simple.get(code, match.group(0))

    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", one, text)


def _find(lines: List[bytes], key: bytes) -> Tuple[Optional[int], Optional[int], Optional[int]]:
    """Index of the [python] line, of the end of that group, and of `key` in it."""
    start = end = at = None
    for index, line in enumerate(lines):
        name = _group_of(line)
        if name is not None:
            if start is not None and end is None:
                end = index
            if name == GROUP and start is None:
                start = index
        elif start is not None and end is None and re.match(rb"^" + key + rb"\s*=", line):
            at = index
    if start is not None and end is None:
        end = len(lines)
    return start, end, at


def enabled(path: str, module: str) -> bool:
    """Whether kritarc switches the plug-in on."""
    lines = _read(path).splitlines()
    at = _find(lines, b"enable_" + module.encode("ascii"))[2]
    return at is not None and lines[at].split(b"=", 1)[1].strip() == b"true"


def enable(path: str, module: str) -> bool:
    """Switches the plug-in on; returns whether the file was changed. Keeps the first backup."""
    path = os.path.realpath(path)
    data = _read(path)
    key = b"enable_" + module.encode("ascii")
    entry = key + b"=true"
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    lines = data.splitlines()
    start, end, at = _find(lines, key)
    if at is not None:
        if lines[at].split(b"=", 1)[1].strip() == b"true":
            return False
        lines[at] = entry
    elif start is not None and end is not None:
        place = end
        while place > start + 1 and not lines[place - 1].strip():
            place -= 1
        lines.insert(place, entry)
    else:
        if lines and lines[-1].strip():
            lines.append(b"")
        lines += [b"[" + GROUP.encode("ascii") + b"]", entry]
    if data and not os.path.exists(path + BACKUP):
        shutil.copy2(path, path + BACKUP)
    write_atomically(path, newline.join(lines) + newline, None if data else 0o600)
    return True


def forget(path: str, module: str) -> bool:
    """Takes our line out again (the group and the file too, where they hold nothing else)."""
    path = os.path.realpath(path)
    data = _read(path)
    lines = data.splitlines()
    start, end, at = _find(lines, b"enable_" + module.encode("ascii"))
    if at is None or start is None or end is None:
        return False
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    del lines[at]
    if not any(line.strip() for line in lines[start + 1:end - 1]):
        del lines[start:end - 1]
        while lines and not lines[-1].strip():
            lines.pop()
    if lines:
        write_atomically(path, newline.join(lines) + newline)
    else:
        os.unlink(path)
    return True
