"""The source as the backend knows it: sent and looked at before the first click asks about it."""

from __future__ import annotations

from typing import Any, List, Optional

from .backend import Backend
from .client import Image, ImageHandle
from .document import CannotRead, Document, needs_conversion, rgba_space
from .preferences import Preferences
from .qt import QObject, Signal
from .task import Steps, Task
from .values import Source


class Sight(QObject):
    """`handle` is the picture in the backend, None until it is ready there.

    Encoding takes longer than the answer to a click, so `look` is called when the canvas is
    armed, and again before the first click on an object: it does nothing while the source is
    what it was.
    """

    ready = Signal()
    unreadable = Signal(str)  # the layer cannot be a source: what to do
    failed = Signal(str, str)

    def __init__(self, document: Document, backend: Backend, choice: Preferences) -> None:
        super().__init__()
        self.handle: Optional[ImageHandle] = None
        self._document, self._backend, self._choice = document, backend, choice
        self._source: Optional[Source] = None
        self._sent: List[ImageHandle] = []  # filled by the worker
        self._work: Any = None

    def look(self) -> bool:
        """Whether the backend knows the source as it is now, or will once `ready` comes."""
        try:
            source = self._document.read(self._choice.visible)
        except CannotRead as problem:
            self.leave()
            self.unreadable.emit(str(problem))
            return False
        if self._source is not None and _same(source, self._source):
            return True
        self.leave()
        self._source = source
        if not needs_conversion(source.space):
            self._send(source, source.pixels)
            return True
        steps = Steps(
            self._document.convert(source.pixels, source.bounds, source.space, rgba_space(source))
        )
        steps.done.connect(lambda converted: self._send(source, converted))
        steps.done.connect(lambda converted: self._document.release())
        steps.failed.connect(self._failed)
        self._work = steps.start()
        return True

    def prepare(self) -> None:
        """Lets the backend prepare for corrections while the user looks at the outline."""
        handle = self.handle
        if handle is not None:
            Task(lambda task: task.wait(self._job(task, handle))).start()

    def leave(self) -> None:
        """Frees the picture in the backend. Harmless when done twice."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        self._document.release()
        sent, self._sent = self._sent, []
        self.handle, self._source = None, None
        backend = self._backend
        for handle in sent:
            Task(lambda task, handle=handle: backend.client().drop_image(handle)).start()

    def _send(self, source: Source, data: Any) -> None:
        bounds = source.bounds
        image = Image(bounds.width, bounds.height, 4, source.sent_depth, "BGRA", data)
        sent = self._sent

        def work(task: Task) -> ImageHandle:
            client = self._backend.client(task.report)
            handle = client.put_image(image)
            sent.append(handle)  # from here on `leave` frees it; it may have been called already
            try:
                task.wait(self._job(task, handle))
            except BaseException:
                client.drop_image(handle)
                raise
            return handle

        task = Task(work)
        task.done.connect(self._placed)
        task.failed.connect(self._failed)
        self._work = task.start()

    def _job(self, task: Task, handle: ImageHandle) -> Any:
        choice = self._choice
        return self._backend.client(task.report).submit_look(
            handle, choice.models.get("click"), choice.device
        )

    def _placed(self, handle: ImageHandle) -> None:
        self._work, self.handle = None, handle
        self.ready.emit()

    def _failed(self, message: str, details: str) -> None:
        self._work = None
        self.leave()
        self.failed.emit(message, details)


def _same(one: Source, other: Source) -> bool:
    return (one.layer_id, one.bounds, one.space) == (
        other.layer_id, other.bounds, other.space) and one.pixels == other.pixels  # fmt: skip
