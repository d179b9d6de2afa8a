"""The plain values that flow between the stages. See STYLE: mask, hole, plate, layer.

Arrays are H×W×C RGB(A) in the order R, G, B, A; masks are H×W uint8, 255 = remove.
Points are (x, y) in image pixels, boxes (x0, y0, x1, y1) half-open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Point(NamedTuple):
    x: float
    y: float


class Box(NamedTuple):
    """Half-open box in pixels."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this box in an H×W array: `array[box.slices]`."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @classmethod
    def around(cls, mask: np.ndarray) -> Box | None:
        """Around all set pixels of an H×W mask; None when there are none."""
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size == 0:
            return None
        columns = np.flatnonzero(mask.any(axis=0))
        return cls(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


class CleanPlateError(Exception):
    """An error a user can act on: the message says what is wrong and what to do."""


class BadInput(CleanPlateError):
    """The given picture, point, mask or option cannot be used."""


class ModelUnavailable(CleanPlateError):
    """A model was named that is not installed or cannot be loaded."""


class Cancelled(Exception):
    """The user cancelled; nothing was changed."""


class Control:
    """Progress out, cancel in. Every long function takes one and calls `check` often.

    `on_progress(stage, fraction in [0, 1], text)` is called from the computing thread.
    `cancelled()` may be asked from any thread.
    """

    def __init__(
        self,
        on_progress: Callable[[str, float, str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._stage = ""
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []

    @contextmanager
    def stage(self, name: str, text: str = "") -> Iterator[None]:
        """Times a stage (`load`, `people`, `text`, `click`, `unknown`, `fill`, `write`).

        Stages nest: time spent in an inner stage is not counted in the outer one, so that all
        `seconds` add up to the whole.
        """
        outer, self._stage = self._stage, name
        start, inner_before = time.perf_counter(), sum(self.seconds.values())
        self.progress(0.0, text)
        try:
            yield
        finally:
            inner = sum(self.seconds.values()) - inner_before
            took = time.perf_counter() - start - inner
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            self._stage = outer

    def progress(self, fraction: float, text: str = "") -> None:
        """Reports progress of the current stage; raises Cancelled when the user cancelled."""
        self.check()
        if self._on_progress is not None:
            self._on_progress(self._stage, min(1.0, max(0.0, fraction)), text)

    def check(self) -> None:
        if self.is_cancelled():
            raise Cancelled()

    def is_cancelled(self) -> bool:
        return self._cancelled is not None and self._cancelled()

    def note(self, text: str) -> None:
        """Adds a sentence the user must see (fallbacks, conversions); goes into the report."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True)
class TextLine:
    """One line of text: `polygon` N×2 float (x, y) pixels, `height` px, `score` in [0, 1]."""

    polygon: np.ndarray
    height: float
    score: float = 1.0
    words: str = ""


@dataclass(frozen=True)
class CleanOptions:
    """What one run does. `None` for a model means the installed one with the highest rank."""

    text: bool = True
    people: bool = True
    unknown: bool = False
    fill: bool = True
    clicks: tuple[Point, ...] = ()
    keep: tuple[Point, ...] = ()
    grow: int | None = None  # px; None = automatic, 0 = exactly the masks' pixels
    feather: int | None = None  # px of the grown rim that go over softly; None = a third, 0 = none
    shadows: bool = False
    with_backplates: bool = False
    keep_text_below: float = 0.0  # px height of a line; 0 = take all
    only_text_in: Box | None = None
    people_model: str | None = None
    text_model: str | None = None
    click_model: str | None = None
    unknown_model: str | None = None
    fill_model: str | None = None
    device: str = "auto"
    seed: int = 0


@dataclass
class CleanResult:
    """`plate` has the shape and dtype of the source; masks are H×W uint8 (255 = remove)."""

    object_mask: np.ndarray
    text_mask: np.ndarray
    unknown_mask: np.ndarray
    hole: np.ndarray
    plate: np.ndarray
    lines: tuple[TextLine, ...] = ()
    people: tuple[np.ndarray, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        return bool(self.hole.any())
