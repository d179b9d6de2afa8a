"""Scores as an aligned table for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = Mapping[str, Any]


def mean_row(rows: Sequence[Row], label: str = "mean", median: bool = False) -> dict[str, Any]:
    """The mean (or median) of every numeric column over the rows that have it.

    The first column of the rows (their name) becomes `label`.
    """
    result: dict[str, Any] = {}
    for number, column in enumerate(_columns(rows)):
        if number == 0:
            result[column] = label
            continue
        values = [row[column] for row in rows if _is_number(row.get(column))]
        if values:
            result[column] = float(np.median(values) if median else np.mean(values))
    return result


def format_table(
    rows: Sequence[Row], columns: Sequence[str] | None = None, digits: int = 3
) -> str:
    """Columns aligned, numbers to the right with `digits` decimals, a rule under the head."""
    columns = list(columns or _columns(rows))
    cells = [[_text(row.get(c), digits) for c in columns] for row in rows]
    widths = [max(len(c), *(len(r[i]) for r in cells)) if cells else len(c)
              for i, c in enumerate(columns)]
    right = [any(_is_number(row.get(c)) for row in rows) for c in columns]

    def line(parts: Sequence[str]) -> str:
        padded = (p.rjust(w) if r else p.ljust(w)
                  for p, w, r in zip(parts, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(columns), line(["-" * w for w in widths]), *map(line, cells)])


def print_table(
    title: str, rows: Sequence[Row], columns: Sequence[str] | None = None, digits: int = 3
) -> None:
    print(f"\n{title}\n{format_table(rows, columns, digits)}", flush=True)


def save_json(path: Path | str, value: Any) -> Path:
    """Writes `value` (numpy numbers allowed) by rename, so that no half file is ever seen."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)
    return path


def plain(value: Any) -> Any:
    """The value with numpy types made Python's, NaN and infinity made None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def _columns(rows: Iterable[Row]) -> list[str]:
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return list(seen)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _text(value: Any, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, (float, np.floating)):
        return f"{value:.{digits}f}" if math.isfinite(value) else str(value)
    return str(value)
