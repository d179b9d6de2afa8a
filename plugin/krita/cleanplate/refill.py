"""Refill from Masks: read the group → send what changed → a new Background above the old one."""

from __future__ import annotations

from typing import Any, Dict, Optional

from . import pixels, refilling
from .backend import Backend
from .client import CleanReply
from .document import SRGB, Document, Inserted, needs_conversion
from .qt import QObject
from .results import Nothing
from .task import Task
from .translate import tr
from .values import Bench, Bounds, ColorSpace
from .work import Work


class Refill(Work):
    """Hand work stays: only what the changed masks ask for is computed."""

    def __init__(
        self,
        document: Document,
        backend: Backend,
        title: str,
        options: Dict[str, Any],
        parent: Optional[QObject] = None,
    ) -> None:
        super().__init__(document, backend, title, parent)
        self._options = options
        self._selection: Any = None
        self._bench: Any = None
        self._found: Any = None
        self._plate: Any = None  # the picture as it looks now, as the backend gets it
        self._original: Any = None
        self._reply: Any = None
        self._back: Any = None
        self._message = ""

    def _begin(self) -> None:
        self.progress.emit("prepare", 0.0, "")
        self._selection = self.document.selection()
        self._steps(self.document.bench(), self._read)

    def _read(self, bench: Bench) -> None:
        self._bench, selection = bench, self._selection

        def work(task: Task) -> Any:
            found = refilling.changes(bench, selection)
            return found, refilling.picture(bench, found)

        self._task(work, self._compared)

    def _compared(self, answer: Any) -> None:
        self._found, self._plate = answer
        bench: Bench = self._bench
        source = bench.source
        if source is not None and source.space == bench.background.space:
            self._original = source.pixels
        if not needs_conversion(bench.background.space):
            self._send()
            return

        def plate_done(data: Any) -> None:
            self._plate = data
            if self._original is None:
                self._send()
            else:
                self._steps(self._sendable(self._original), original_done)

        def original_done(data: Any) -> None:
            self._original = data
            self._send()

        self._steps(self._sendable(self._plate), plate_done)

    def _sendable(self, data: Any) -> Any:
        bench = self._bench
        return self.document.convert(data, bench.bounds, bench.background.space, self._rgba())

    def _rgba(self) -> ColorSpace:
        return ColorSpace("RGBA", refilling.depth_of(self._bench).upper(), SRGB)

    def _send(self) -> None:
        bench, found, backend = self._bench, self._found, self._backend
        # Another seed for each fill: one that was not liked must not come again.
        options = dict(self._options, seed=bench.earlier + 1)
        depth = refilling.depth_of(bench)
        plate = refilling.image(self._plate, bench.bounds, depth)
        original = self._original
        if original is not None:
            original = refilling.image(original, bench.bounds, depth)

        def work(task: Task) -> Any:
            client = backend.client(task.report)
            task.report("send", 0.0, tr("Sending the picture"))
            job = client.submit_refill(
                plate, found.objects, found.text, options, found.changed, original
            )
            reply: CleanReply = task.wait(job)
            back = refilling.restored(reply, found, original is not None)
            box = Bounds(0, 0, 0, 0)
            patch = b""
            if reply.hole is not None:
                box = pixels.box_of(reply.hole, bench.bounds)
                patch = pixels.cropped(
                    reply.plate, bench.bounds, box, refilling.sent_size(bench)
                )
            if box.area == 0 and back.count(0) == len(back):
                raise Nothing(tr("What changed in the masks is too little to fill."))
            return reply, back, box, patch

        self._task(work, self._filled)

    def _filled(self, answer: Any) -> None:
        self._reply, self._back, box, patch = answer
        if needs_conversion(self._bench.background.space) and box.area:
            copy = self.document.convert(
                patch, box, self._rgba(), self._bench.background.space
            )
            self._steps(copy, lambda converted: self._compose(converted, box))
        else:
            self._compose(patch, box)

    def _compose(self, patch: Any, box: Bounds) -> None:
        bench, found, reply, back = self._bench, self._found, self._reply, self._back

        def work(task: Task) -> Any:
            task.report("layers", 0.0, tr("Making the layers"))
            layer = refilling.new_background(bench, reply, back, patch, box)
            fill = refilling.fill_of(bench, found, reply, back)
            return layer, fill, refilling.message(bench, found, reply, back)

        self._task(work, self._build)

    def _build(self, answer: Any) -> None:
        layer, fill, self._message = answer
        hide = refilling.hides_old(self._bench)
        self._steps(self.document.renew(self._bench, layer, fill, hide), self._inserted)

    def _inserted(self, inserted: Inserted) -> None:
        if inserted.active is None:
            self._nothing(tr("The group was deleted meanwhile, so there is no result."))
            return
        self._finish(inserted.active, self._message)

    def _forget(self) -> None:
        self._bench = self._found = self._plate = self._original = self._selection = None
        self._reply = self._back = None
