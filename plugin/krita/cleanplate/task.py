"""Work off the GUI thread, and long work on it in small steps."""

from __future__ import annotations

import threading
import traceback
from typing import Any, Callable, Iterator, Optional

from .client import BackendError, JobCancelled
from .qt import QObject, QTimer, Signal, alive
from .said import said
from .translate import tr

POLL_SECONDS = 0.1


class Task(QObject):
    """One piece of blocking work in a thread of its own; its signals arrive on the GUI thread.

    The work is `work(task)`; it may call `report` and must look at `cancelled` now and then.
    After `cancel` no signal but `ended` comes, whatever the work still does.
    """

    progress = Signal(str, float, str)  # stage, fraction in [0, 1], text
    done = Signal(object)
    failed = Signal(str, str)  # message for the user, details for a report
    ended = Signal()

    _finished = Signal(object, object)

    def __init__(self, work: Callable[[Task], Any], parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._work = work
        self._cancelled = threading.Event()
        self._finished.connect(self._finish)
        _alive.add(self)

    def start(self) -> Task:
        threading.Thread(target=self._run, name="cleanplate", daemon=True).start()
        return self

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def report(self, stage: str, fraction: float, text: str) -> None:
        if not self.cancelled and alive(self):
            self.progress.emit(stage, fraction, text)

    def wait(self, job: Any) -> Any:
        """Follows a job of the backend to its end and returns its result.

        Raises BackendError when it failed, JobCancelled when it or this task was cancelled.
        """
        try:
            while True:
                if self.cancelled:
                    job.cancel()
                    raise JobCancelled(tr("Cancelled; nothing was changed."))
                status = job.wait(POLL_SECONDS)
                self.report(status.stage or status.state, status.fraction, status.text)
                if status.ended:
                    return job.result()
        finally:
            job.release()

    def _run(self) -> None:
        result, error = None, None
        try:
            result = self._work(self)
        except BaseException as problem:  # every failure must reach the user
            error = problem
        if alive(self):  # its window may have been closed, and Krita with it
            self._finished.emit(result, error)

    def _finish(self, result: Any, error: Optional[BaseException]) -> None:
        _alive.discard(self)
        if not self.cancelled:
            if error is None:
                self.done.emit(result)
            else:
                self.failed.emit(*explained(error))
        self.ended.emit()


# A running task must outlive the object that started it.
_alive = set()


def explained(error: BaseException) -> Any:
    """Message for the user and details for a report."""
    if isinstance(error, BackendError):
        message, details = said(error.message), error.details
        if message != error.message:  # whoever helps may not read the user's language
            details = (error.message + "\n\n" + details).rstrip()
        return message, details
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return tr("Clean Plate failed unexpectedly: {0}", error), text


class Steps(QObject):
    """Runs a generator on the GUI thread, one step each time round the event loop.

    It yields None between its steps. `done` carries the first other value, its result, in the
    same turn: what the last step did cannot be cancelled any more.
    """

    done = Signal(object)
    failed = Signal(str, str)

    def __init__(self, steps: Iterator[Any], parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._steps: Optional[Iterator[Any]] = steps
        _alive.add(self)

    def start(self) -> Steps:
        QTimer.singleShot(0, self._step)
        return self

    def cancel(self) -> None:
        if self._steps is not None:
            self._steps.close()  # type: ignore[attr-defined]
            self._steps = None
        _alive.discard(self)

    def _step(self) -> None:
        if self._steps is None:
            return
        try:
            value = next(self._steps)
        except Exception as error:
            self._steps = None
            _alive.discard(self)
            self.failed.emit(*explained(error))
            return
        if value is None:
            QTimer.singleShot(0, self._step)
        else:
            self.cancel()
            self.done.emit(value)
