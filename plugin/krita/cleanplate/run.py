"""One run from the click to the new layers: read → send and wait → convert → build.

Krita's calls happen on the GUI thread in small steps, everything else in a worker. Until the
last step inserts the group, nothing in the document has changed, so a cancel needs no undo.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Optional

from . import results
from .backend import Backend
from .client import CleanReply
from .document import CannotRead, Document, Inserted, needs_conversion, rgba_space
from .qt import QObject, QTimer, Signal
from .task import Steps, Task
from .translate import tr
from .values import Plan, Request, Source

ACTIVATE_MS = 50
ACTIVATE_TRIES = 20


class State(Enum):
    READY = "ready"
    WORKING = "working"
    DONE = "done"
    NOTHING = "nothing"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Run(QObject):
    """Emits exactly one of `done`, `nothing`, `failed` after `start`; none after `cancel`."""

    progress = Signal(str, float, str)  # stage, fraction in [0, 1], text
    done = Signal(str)  # message
    nothing = Signal(str)  # message
    failed = Signal(str, str)  # message, details
    ended = Signal()

    def __init__(
        self,
        document: Document,
        backend: Backend,
        request: Request,
        visible: bool = False,
        parent: Optional[QObject] = None,
    ) -> None:
        super().__init__(parent)
        self.document = document
        self.state = State.READY
        self.background: Any = None
        self._backend = backend
        self._request = request
        self._visible = visible
        self._current: Any = None
        self._source: Any = None
        self._prepared: Any = None
        self._reply: Any = None
        self._patch: Any = None

    def start(self) -> None:
        self.state = State.WORKING
        try:
            source = self.document.read(self._visible)
        except CannotRead as problem:
            self._nothing(str(problem))
            return
        self._source = source
        if self._request.needs_selection and source.selection is None:
            self._nothing(tr("Select what shall be removed first."))
        elif needs_conversion(source.space):
            copy = self.document.convert(
                source.pixels, source.bounds, source.space, rgba_space(source)
            )
            self._steps(copy, self._converted)
        else:
            self._send(source)

    def cancel(self) -> None:
        """The editor is free at once; the backend ends the job by itself."""
        if self.state is State.WORKING:
            self._end(State.CANCELLED)

    def _converted(self, pixels: Any) -> None:
        self._source = self._source._replace(converted=pixels)
        self._send(self._source)

    def _send(self, source: Source) -> None:
        request, backend = self._request, self._backend

        def work(task: Task) -> Any:
            try:
                task.report("prepare", 0.0, tr("Preparing the picture"))
                prepared = results.prepare(source, request)
                client = backend.client(task.report)
                task.report("send", 0.0, tr("Sending the picture"))
                job = client.submit_clean(
                    prepared.image, prepared.options, prepared.mask, prepared.limit
                )
                reply: CleanReply = task.wait(job)
                return prepared, reply, results.patch_of(reply, prepared)
            except results.Nothing as nothing:
                return str(nothing)

        self._task(work, self._answered)

    def _answered(self, answer: Any) -> None:
        if isinstance(answer, str):
            self._nothing(answer)
            return
        self._prepared, self._reply, patch = answer
        if not self.document.is_open:
            self._closed()
        elif self._source.converted is not None:
            back = self.document.convert(
                patch.pixels, patch.box, rgba_space(self._source), self._source.space
            )
            self._patch = patch
            self._steps(back, lambda pixels: self._plan(self._patch._replace(pixels=pixels)))
        else:
            self._plan(patch)

    def _plan(self, patch: results.Patch) -> None:
        source, prepared, reply = self._source, self._prepared, self._reply
        unknown = bool(self._request.options.get("unknown"))

        def work(task: Task) -> Plan:
            task.report("layers", 0.0, tr("Making the layers"))
            return results.plan(source, prepared, reply, patch, unknown)

        self._task(work, self._build)

    def _build(self, plan: Plan) -> None:
        if not self.document.is_open:
            self._closed()
            return
        self._message = plan.message
        self._steps(self.document.build(plan, self._source), self._inserted)

    def _inserted(self, inserted: Inserted) -> None:
        if inserted.background is None:
            self._closed()
            return
        self.background = inserted.background
        message = self._message
        if inserted.orphan:
            message += " " + tr(
                "“{0}” was deleted meanwhile, so the result lies on top.", self._source.name
            )
        self._activate(ACTIVATE_TRIES, 0)
        self._end(State.DONE)
        self.done.emit(message)

    def _activate(self, tries: int, stable: int) -> None:
        """Krita makes the inserted group active a moment later: set it until it stays."""
        if tries == 0 or stable == 2 or not self.document.is_active:
            return
        stable = stable + 1 if self.document.activate(self.background) else 0
        QTimer.singleShot(ACTIVATE_MS, lambda: self._activate(tries - 1, stable))

    def _closed(self) -> None:
        self._nothing(tr("The document was closed, so there is no result."))

    def _task(self, work: Any, then: Any) -> None:
        task = Task(work)
        task.progress.connect(self.progress)
        task.done.connect(then)
        task.failed.connect(self._failed)
        self._current = task
        task.start()

    def _steps(self, generator: Any, then: Any) -> None:
        steps = Steps(generator)
        steps.done.connect(then)
        steps.failed.connect(self._failed)
        self._current = steps
        steps.start()

    def _nothing(self, message: str) -> None:
        self._end(State.NOTHING)
        self.nothing.emit(message)

    def _failed(self, message: str, details: str) -> None:
        self._end(State.FAILED)
        self.failed.emit(message, details)

    def _end(self, state: State) -> None:
        """Lets go of all pixels; with `cancel` no signal of the current work arrives any more."""
        self.state = state
        current, self._current = self._current, None
        if current is not None:
            current.cancel()
        self._source = self._source and self._source._replace(
            pixels=None, converted=None, selection=None
        )
        self._prepared = self._reply = self._patch = None
        self.ended.emit()
