"""Clicking on the canvas: one click takes the object, or several gather it under an outline."""

from __future__ import annotations

from enum import Enum
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .backend import Backend
from .canvas import Canvas
from .client import ClickReply
from .document import Document
from .glass import Outline
from .picker import Mark, Mode, Picker
from .preferences import Preferences
from .qt import QObject, QTimer, Signal
from .sight import Sight
from .task import Task
from .translate import tr

Box = Tuple[int, int, int, int]
REST_MS = 600  # that the glass stays once the object is gone, so that a late click paints nothing
MOST_ANSWERS = 16


class Purpose(Enum):
    REMOVE = "remove"
    SELECT = "select"


class Step(NamedTuple):
    """One action of the user, so that Backspace can take it back: a mark or a box."""

    mark: Optional[Mark]
    box: Optional[Box]


class Answer(NamedTuple):
    """What the backend found for some steps. `number` names it for the next click there."""

    mask: Optional[bytes]
    outline: Outline
    number: int
    whole: bool
    report: Dict[str, Any]


Steps = Tuple[Step, ...]


class Picking(QObject):
    """The armed canvas of one window, from the menu entry to Enter or Esc.

    The picture goes to the backend at once; each step asks it for the object and shows its
    outline. A plain first click with the purpose REMOVE is `taken` as soon as its outline stands.
    The canvas stays armed until that is done: a further step is `held` and goes on gathering.
    """

    taken = Signal(bytes, object)  # one click: as `gathered`, but the canvas stays armed
    held = Signal()  # what was taken shall not be removed as it was
    # Enter: one byte a pixel of the canvas, 255 = the object; the report of what found it
    gathered = Signal(bytes, object)
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
        self._backend = backend
        self._purpose = purpose
        self._choice = choice
        self._answers: Dict[Steps, Answer] = {}
        self._work: Any = None
        self._entered = False
        self._at_once = False  # the object goes as soon as its outline stands
        self._taking = False
        self._done = False
        self._gathering = purpose is Purpose.SELECT
        self.picker = Picker(canvas, self._first_hint())
        self.picker.picked.connect(self._picked)
        self.picker.boxed.connect(self._boxed)
        self.picker.taken_back.connect(self._take_back)
        self.picker.confirmed.connect(self._confirm)
        self.picker.left.connect(self.end)
        self._sight = Sight(document, backend, choice)
        self._sight.ready.connect(self._ask)
        self._sight.unreadable.connect(lambda text: self.picker and self.picker.show_hint(text))
        self._sight.failed.connect(self._failed)
        QTimer.singleShot(0, lambda: self.picker and self._sight.look())

    @property
    def mask(self) -> Optional[bytes]:
        """The object as the outline shows it; None when there is none, or not yet."""
        answer = self._answer()
        return answer.mask if answer is not None else None

    @property
    def busy(self) -> bool:
        """Whether an outline is on its way."""
        answer = self._answer()
        unknown = answer is None or not answer.whole
        return bool(self.steps) and (self._work is not None or unknown)

    def end(self) -> None:
        """Leaves the canvas as it was. Harmless when done twice."""
        if self.picker is None:
            return
        picker, self.picker = self.picker, None
        picker.disarm()
        if self._work is not None:
            self._work.cancel()
        self._sight.leave()
        self.ended.emit()

    def finish(self) -> None:
        """What was taken is gone, or is not to be had."""
        if self._taking and self.picker is not None:
            self._done = True
            self.picker.show_marks([], [])
            self.picker.show_hint("")
            QTimer.singleShot(REST_MS, self.end)

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
        if self._taking:
            return tr(
                "Removing it. Not quite right? Shift-click adds, Alt-click takes away. Esc leaves."
            )
        return tr(
            "Shift-click adds, Alt-click takes away, a drag draws a box, Backspace goes back. "
            "Enter removes it, Esc leaves."
        )

    def _picked(self, x: float, y: float, mode: Mode) -> None:
        if mode is Mode.REMOVE and not self.steps:
            self.picker.show_hint(tr("Click the object first, then Alt-click what is not of it."))
            return
        if mode is Mode.NEW:
            self.steps = []
            self._at_once = not self._gathering
        self._add(Step(Mark(x, y, mode is not Mode.REMOVE), None), mode is not Mode.NEW)

    def _boxed(self, x0: float, y0: float, x1: float, y1: float) -> None:
        box = (int(x0), int(y0), int(x1 + 0.999), int(y1 + 0.999))
        self.steps = [step for step in self.steps if step.box is None]
        self._add(Step(None, box), True)

    def _add(self, step: Step, gathers: bool) -> None:
        if self._done or (not self.steps and not self._sight.look()):
            return
        if self._sight.handle is None:  # another picture than the one that was clicked before
            self._answers.clear()
        if gathers:
            self._gathering, self._at_once = True, False
        self.steps.append(step)
        self._changed()

    def _take_back(self) -> None:
        if self.steps and not self._done:
            self._at_once = False
            self.steps.pop()
            self._changed()

    def _confirm(self) -> None:
        if self._taking or self._done:
            return  # it goes already
        answer = self._answer()
        if self.steps and (answer is None or not answer.whole):
            self._entered = True  # Enter takes the outline that is on its way
        elif answer is not None and answer.mask is not None:
            self.end()
            self.gathered.emit(answer.mask, answer.report)
        else:
            self.picker.show_hint(self._first_hint())

    def _changed(self) -> None:
        """The steps are other ones."""
        self._entered = False
        if self._taking:
            self._taking = False
            self.held.emit()
        marks = self._marks()
        if not any(mark.positive for mark in marks) and not any(s.box for s in self.steps):
            self.steps = []
            self.picker.show_marks([], [])
            self.picker.show_hint(self._first_hint())
        elif self._answer() is not None:
            self._show()
        else:
            self.picker.show_marks(marks, self.picker.outline)
            self.picker.show_hint(tr("Looking at the clicked object") + "…")
        self._ask()

    def _ask(self) -> None:
        """Asks for the object at all steps; steps that come meanwhile are asked for then."""
        handle, key = self._sight.handle, tuple(self.steps)
        known = self._answers.get(key)
        if self._work is not None or handle is None or not key or (known and known.whole):
            return
        marks = self._marks()
        positives = [(m.x, m.y) for m in marks if m.positive]
        negatives = [(m.x, m.y) for m in marks if not m.positive]
        box = next((step.box for step in self.steps if step.box is not None), None)
        before = self._answers.get(key[:-1])
        previous = before.number if before is not None and before.mask is not None else 0
        backend, choice = self._backend, self._choice

        def work(task: Task) -> Answer:
            job = backend.client(task.report).submit_click(
                handle,
                positives,
                negatives,
                box,
                previous,
                model=choice.models.get("click"),
                device=choice.device,
                glance=known is None and not previous,
            )
            reply: ClickReply = task.wait(job)
            mask = reply.mask if reply.found else None
            return Answer(mask, reply.outlines(), reply.answer, reply.whole, reply.report)

        task = Task(work)
        task.done.connect(lambda answer: self._found(handle, key, answer))
        task.failed.connect(self._failed)
        task.ended.connect(self._next)
        self._work = task.start()

    def _found(self, handle: Any, key: Steps, answer: Answer) -> None:
        if self.picker is None or handle is not self._sight.handle:
            return
        while len(self._answers) >= MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = answer
        if key == tuple(self.steps):
            self._show()

    def _show(self) -> None:
        """The outline of the present steps, and what follows from it."""
        answer = self._answer()
        assert answer is not None
        take = self._at_once and answer.whole and answer.mask is not None
        if answer.whole:
            self._at_once, self._taking = False, take
        self.picker.show_marks(self._marks(), answer.outline)
        if answer.mask is not None:
            self.picker.show_hint(self._next_hint())
        elif answer.whole:
            self.picker.show_hint(tr("Nothing found there. Click elsewhere, or press Esc."))
        if take:
            self.taken.emit(answer.mask, answer.report)

    def _next(self) -> None:
        """After an answer: what came meanwhile, or what Enter waits for."""
        self._work = None
        if self.picker is None:
            return
        answer = self._answer()
        if self.steps and (answer is None or not answer.whole):
            self._ask()
        elif self._entered:
            self._entered = False
            self._confirm()
        elif answer is not None and not self._taking:
            self._sight.prepare()

    def _answer(self) -> Optional[Answer]:
        return self._answers.get(tuple(self.steps)) if self.steps else None

    def _marks(self) -> List[Mark]:
        return [step.mark for step in self.steps if step.mark is not None]

    def _failed(self, message: str, details: str) -> None:
        self._entered = self._at_once = False
        self.failed.emit(message, details)
        QTimer.singleShot(0, self.end)
