"""What all pieces of work on a document share: signals, state, threads, cancel.

Krita's calls happen on the GUI thread in small steps, everything else in a worker. Until the
last step inserts its layers, nothing in the document has changed, so a cancel needs no undo.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Callable, Optional

from .backend import Backend
from .document import CannotRead, Document
from .qt import QObject, QTimer, Signal
from .results import Nothing
from .task import Steps, Task
from .translate import tr

ACTIVATE_MS = 50
ACTIVATE_TRIES = 20


class State(Enum):
    READY = "ready"
    WORKING = "working"
    DONE = "done"
    NOTHING = "nothing"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Work(QObject):
    """Emits exactly one of `done`, `nothing`, `failed` after `start`; none after `cancel`.

    A subclass begins in `_begin`, goes on by `_task` and `_steps`, ends by `_finish`, and lets go
    of its pixels in `_forget`.
    """

    progress = Signal(str, float, str)  # stage, fraction in [0, 1], text
    done = Signal(str)  # message
    nothing = Signal(str)  # message
    failed = Signal(str, str)  # message, details
    ended = Signal()

    def __init__(
        self, document: Document, backend: Backend, title: str, parent: Optional[QObject] = None
    ) -> None:
        super().__init__(parent)
        self.document = document
        self.title = title
        self.state = State.READY
        self._backend = backend
        self._current: Any = None
        self._inside = False  # the layers are in the document

    def start(self) -> None:
        self.state = State.WORKING
        try:
            self._begin()
        except (CannotRead, Nothing) as problem:
            self._nothing(str(problem))

    def cancel(self) -> None:
        """The editor is free at once; the backend ends the job by itself."""
        if self.state is State.WORKING and not self._inside:
            self._end(State.CANCELLED)

    def _begin(self) -> None:
        raise AssertionError("each kind of work begins in its own way")

    def _forget(self) -> None:
        """Lets go of all pixels."""

    def _finish(self, node: Any, message: str) -> None:
        """The layers are in the document; `node` becomes the active one.

        It is too late for a cancel now. Krita paints the new picture first, which takes most of
        a second at 4K without a GPU; the rest comes in turns of its own, to make no longer stall.
        """
        self._inside = True
        QTimer.singleShot(ACTIVATE_MS, lambda: self._told(node, message))

    def _told(self, node: Any, message: str) -> None:
        self._end(State.DONE)
        self.done.emit(message)
        QTimer.singleShot(ACTIVATE_MS, lambda: self._activate(node, ACTIVATE_TRIES, 0))

    def _activate(self, node: Any, tries: int, stable: int) -> None:
        """Krita makes the inserted group active a moment later: set it until it stays."""
        if tries == 0 or stable == 2 or not self.document.is_active:
            return
        stable = stable + 1 if self.document.activate(node) else 0
        QTimer.singleShot(ACTIVATE_MS, lambda: self._activate(node, tries - 1, stable))

    def _closed(self) -> None:
        self._nothing(tr("The document was closed, so there is no result."))

    def _task(self, work: Callable[[Task], Any], then: Callable[[Any], None]) -> None:
        """`work` in a thread, then `then` on the GUI thread while the document is open."""

        def guarded(task: Task) -> Any:
            try:
                return work(task)
            except Nothing as nothing:
                return nothing

        task = Task(guarded)
        task.progress.connect(self.progress)
        task.done.connect(lambda answer: self._answered(answer, then))
        task.failed.connect(self._failed)
        self._current = task
        task.start()

    def _steps(self, generator: Any, then: Callable[[Any], None]) -> None:
        steps = Steps(generator)
        steps.done.connect(lambda value: self._answered(value, then))
        steps.failed.connect(self._failed)
        self._current = steps
        steps.start()

    def _answered(self, answer: Any, then: Callable[[Any], None]) -> None:
        if isinstance(answer, Nothing):
            self._nothing(str(answer))
        elif not self.document.is_open:
            self._closed()
        else:
            try:
                then(answer)
            except (CannotRead, Nothing) as problem:
                self._nothing(str(problem))

    def _nothing(self, message: str) -> None:
        self._end(State.NOTHING)
        self.nothing.emit(message)

    def _failed(self, message: str, details: str) -> None:
        self._end(State.FAILED)
        self.failed.emit(message, details)

    def _end(self, state: State) -> None:
        """With `cancel` no signal of the current work arrives any more."""
        self.state = state
        current, self._current = self._current, None
        if current is not None:
            current.cancel()
        self.document.release()
        self._forget()
        self.ended.emit()
