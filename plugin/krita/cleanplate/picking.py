"""Clicking on the canvas: one click takes the object, or several gather it under an outline."""

from __future__ import annotations

from enum import Enum
from typing import Any, List, NamedTuple, Optional, Tuple

from . import pixels
from .backend import Backend
from .canvas import Canvas
from .client import ClickReply, Image, ImageHandle
from .document import CannotRead, Document, needs_conversion, rgba_space
from .picker import Mark, Mode, Picker
from .preferences import Preferences
from .qt import QObject, QTimer, Signal
from .task import Steps, Task
from .translate import tr
from .values import Bounds, Source

Box = Tuple[int, int, int, int]


class Purpose(Enum):
    REMOVE = "remove"
    SELECT = "select"


class Step(NamedTuple):
    """One action of the user, so that Backspace can take it back: a mark or a box."""

    mark: Optional[Mark]
    box: Optional[Box]


class Picking(QObject):
    """The armed canvas of one window, from the menu entry to Enter or Esc.

    A plain first click with the purpose REMOVE is `taken` at once. Everything else gathers: the
    picture is left in the backend, each step asks it for the object and shows its outline.
    """

    taken = Signal(float, float)  # one click: x, y
    gathered = Signal(bytes)  # Enter: one byte a pixel of the canvas, 255 = the object
    failed = Signal(str, str)
    ended = Signal()

    def __init__(
        self,
        canvas: Canvas,
        document: Document,
        backend: Backend,
        purpose: Purpose,
        choice: Preferences,
    ) -> None:
        super().__init__()
        self.document = document
        self.steps: List[Step] = []
        self.mask: Optional[bytes] = None
        self._backend = backend
        self._purpose = purpose
        self._choice = choice
        self._handle: Optional[ImageHandle] = None
        self._work: Any = None
        self._stale = False
        self._entered = False
        self._gathering = purpose is Purpose.SELECT
        self._bounds = document.bounds
        self.picker = Picker(canvas, self._first_hint())
        self.picker.picked.connect(self._picked)
        self.picker.boxed.connect(self._boxed)
        self.picker.taken_back.connect(self._take_back)
        self.picker.confirmed.connect(self._confirm)
        self.picker.left.connect(self.end)

    def end(self) -> None:
        """Leaves the canvas as it was. Harmless when done twice."""
        if self.picker is None:
            return
        picker, self.picker = self.picker, None
        picker.disarm()
        if self._work is not None:
            self._work.cancel()
        if self._handle is not None:
            handle, backend = self._handle, self._backend
            Task(lambda task: backend.client().drop_image(handle)).start()
        self.ended.emit()

    def _first_hint(self) -> str:
        if self._purpose is Purpose.SELECT:
            return tr("Click the object to select. Enter selects, Esc leaves.")
        return tr("Click the object to remove, or Shift-click to gather several. Esc leaves.")

    def _next_hint(self) -> str:
        if self._purpose is Purpose.SELECT:
            return tr(
                "Shift-click adds, Alt-click takes away, a drag draws a box, Backspace goes back. "
                "Enter selects it, Esc leaves."
            )
        return tr(
            "Shift-click adds, Alt-click takes away, a drag draws a box, Backspace goes back. "
            "Enter removes it, Esc leaves."
        )

    def _picked(self, x: float, y: float, mode: Mode) -> None:
        if mode is Mode.NEW and not self._gathering:
            self.end()
            self.taken.emit(x, y)
            return
        if mode is Mode.NEW:
            self.steps = []
        elif mode is Mode.REMOVE and not self.steps:
            self.picker.show_hint(tr("Click the object first, then Alt-click what is not of it."))
            return
        self._add(Step(Mark(x, y, mode is not Mode.REMOVE), None))

    def _boxed(self, x0: float, y0: float, x1: float, y1: float) -> None:
        box = (int(x0), int(y0), int(x1 + 0.999), int(y1 + 0.999))
        self.steps = [step for step in self.steps if step.box is None]
        self._add(Step(None, box))

    def _take_back(self) -> None:
        if self.steps:
            self.steps.pop()
            self._changed()

    def _confirm(self) -> None:
        if self._work is not None:
            self._entered = True  # Enter takes the outline that is on its way
        elif self.mask is not None:
            mask = self.mask
            self.end()
            self.gathered.emit(mask)
        else:
            self.picker.show_hint(self._first_hint())

    def _add(self, step: Step) -> None:
        self._gathering = True
        self.steps.append(step)
        self._changed()

    def _changed(self) -> None:
        marks = [step.mark for step in self.steps if step.mark is not None]
        if not any(mark.positive for mark in marks) and not any(s.box for s in self.steps):
            self.steps, self.mask = [], None
            self.picker.show_marks([], [])
            self.picker.show_hint(self._first_hint())
            return
        self.picker.show_marks(marks, self.picker.outline)
        self.picker.show_hint(tr("Looking at the clicked object") + "…")
        self._stale = True
        if self._work is None:
            self._ask()

    def _ask(self) -> None:
        """Asks for the object at all steps; steps that come meanwhile ask once more."""
        self._stale = False
        if self._handle is None:
            self._read()
            return
        marks = [step.mark for step in self.steps if step.mark is not None]
        positives = [(m.x, m.y) for m in marks if m.positive]
        negatives = [(m.x, m.y) for m in marks if not m.positive]
        box = next((step.box for step in self.steps if step.box is not None), None)
        handle, backend, choice = self._handle, self._backend, self._choice
        width, height = handle.image.width, handle.image.height

        def work(task: Task) -> Any:
            job = backend.client(task.report).submit_click(
                handle,
                positives,
                negatives,
                box,
                model=choice.models.get("click"),
                device=choice.device,
            )
            reply: ClickReply = task.wait(job)
            if not reply.found or reply.box is None:
                return None, []
            x0, y0, x1, y1 = reply.box
            around = Bounds(x0, y0, x1 - x0, y1 - y0)
            inside = pixels.cropped(reply.mask, Bounds(0, 0, width, height), around, 1)
            return reply.mask, pixels.edges(inside, around)

        self._start(work, self._found)

    def _found(self, answer: Any) -> None:
        self.mask, outline = answer
        if self.picker is None:
            return
        self.picker.show_marks([s.mark for s in self.steps if s.mark is not None], outline)
        if self.mask is None:
            self.picker.show_hint(tr("Nothing found there. Click elsewhere, or press Esc."))
        else:
            self.picker.show_hint(self._next_hint())

    def _read(self) -> None:
        """Leaves the source in the backend, once."""
        try:
            source = self.document.read(self._choice.visible)
        except CannotRead as problem:
            self.picker.show_hint(str(problem))
            return
        if not needs_conversion(source.space):
            self._put(source, source.pixels)
            return
        steps = Steps(
            self.document.convert(source.pixels, source.bounds, source.space, rgba_space(source))
        )
        steps.done.connect(lambda converted: self._put(source, converted))
        steps.failed.connect(self._failed)
        self._work = steps.start()

    def _put(self, source: Source, data: Any) -> None:
        bounds, backend = source.bounds, self._backend
        image = Image(bounds.width, bounds.height, 4, source.sent_depth, "BGRA", data)

        def work(task: Task) -> Any:
            return backend.client(task.report).put_image(image)

        self._start(work, self._placed)

    def _placed(self, handle: ImageHandle) -> None:
        self._handle = handle
        self._stale = True

    def _start(self, work: Any, then: Any) -> None:
        task = Task(work)
        task.done.connect(then)
        task.failed.connect(self._failed)
        task.ended.connect(self._next)
        self._work = task.start()

    def _next(self) -> None:
        """After a piece of work: what came meanwhile, or what Enter waits for."""
        self._work = None
        if self.picker is None:
            return
        if self._stale:
            self._ask()
        elif self._entered:
            self._entered = False
            self._confirm()

    def _failed(self, message: str, details: str) -> None:
        self._stale = self._entered = False
        self.failed.emit(message, details)
        QTimer.singleShot(0, self.end)
