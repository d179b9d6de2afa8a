"""Separate into Layers and Cut Out Subject: read → send and wait → convert back → build."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional

from . import apart, pixels
from .apart import Marked, Piece
from .backend import Backend
from .client import Image
from .document import CannotRead, Document, Inserted, needs_conversion, rgba_space
from .qt import QObject
from .results import Nothing
from .task import Task
from .translate import tr
from .values import Bench, Plan, Source
from .work import Work


class Apart(Work):
    """What both share: source and marks, conversion there and back, the new layers.

    In a Clean Plate group the group's source and masks are used, else the active layer (or the
    visible image) and the selection.
    """

    def __init__(
        self,
        document: Document,
        backend: Backend,
        title: str,
        options: Dict[str, Any],
        visible: bool = False,
        parent: Optional[QObject] = None,
    ) -> None:
        super().__init__(document, backend, title, parent)
        self._options = options
        self._visible = visible
        self._source: Any = None
        self._bench: Any = None
        self._report: Dict[str, Any] = {}
        self._message = ""

    def _begin(self) -> None:
        self.progress.emit("prepare", 0.0, "")
        around = self.document.bench_around()
        if around is None:
            self._read(self.document.read(self._visible))
        else:
            self._steps(around, self._read_group)

    def _read_group(self, bench: Bench) -> None:
        if bench.record is None or bench.source is None:
            raise CannotRead(
                tr(
                    "The layer that this group was made from is gone. Choose another layer in "
                    "the Layers docker."
                )
            )
        self._bench = bench
        source = self.document.read_layer(bench.record.source)
        # The result belongs above the group, whose background would hide it.
        self._read(source._replace(layer_id=bench.group))

    def _read(self, source: Source) -> None:
        self._source = source
        if needs_conversion(source.space):
            copy = self.document.convert(
                source.pixels, source.bounds, source.space, rgba_space(source)
            )
            self._steps(copy, self._converted)
        else:
            self._send()

    def _converted(self, pixels: Any) -> None:
        self._source = self._source._replace(converted=pixels)
        self._send()

    def _send(self) -> None:
        source, bench, backend = self._source, self._bench, self._backend

        def work(task: Task) -> Any:
            task.report("prepare", 0.0, tr("Preparing the picture"))
            image = apart.image_of(source)
            marked = Marked()
            if bench is not None:
                marked = apart.marked_in(bench)
            elif source.selection is not None:
                marked = Marked(pixels.marked_by(source.selection, source.bounds))
            client = backend.client(task.report)
            task.report("send", 0.0, tr("Sending the picture"))
            return self._ask(task, client, source, image, marked)

        self._task(work, self._replied)

    def _ask(
        self, task: Task, client: Any, source: Source, image: Image, marked: Marked
    ) -> Any:
        """On the worker: the backend's answer as pieces. Raises Nothing."""
        raise AssertionError("each kind asks for something else")

    def _replied(self, answer: Any) -> None:
        raise AssertionError("each kind gets another answer")

    def _own(self, pieces: List[Piece]) -> Iterator[Any]:
        """The pieces in the source's own colour space, as the last value."""
        source, result = self._source, []
        for piece in pieces:
            data = piece.pixels
            if source.converted is not None and piece.box.area:
                steps = self.document.convert(data, piece.box, rgba_space(source), source.space)
                for converted in steps:
                    data = converted
                    yield None
            result.append(piece._replace(pixels=data))
        yield result

    def _build(self, plan: Plan) -> None:
        self._message = plan.message
        self._steps(self.document.build(plan, self._source), self._inserted)

    def _inserted(self, inserted: Inserted) -> None:
        self._finish(inserted.active, self._message)

    def _forget(self) -> None:
        self._source = self._bench = None


class Separate(Apart):
    """People, objects and text lines as cut-outs above a filled background."""

    _hole = b""

    def _ask(
        self, task: Task, client: Any, source: Source, image: Image, marked: Marked
    ) -> Any:
        if marked.objects is not None and marked.text is None:
            found = task.wait(client.submit_find(image, self._options))
            marked = apart.with_found(found.items, marked, source.bounds)
        job = client.submit_separate(image, marked.objects, marked.text, self._options)
        reply = task.wait(job)
        if not reply.layers:
            raise Nothing(tr("Nothing to separate was found, so nothing was changed."))
        ground, hole = apart.background(source, reply.background)
        return [*apart.pieces(reply.layers), ground], hole, reply.report

    def _replied(self, answer: Any) -> None:
        pieces, self._hole, self._report = answer
        self._steps(self._own(pieces), self._plan)

    def _plan(self, pieces: List[Piece]) -> None:
        source, hole, report = self._source, self._hole, self._report

        def work(task: Task) -> Plan:
            task.report("layers", 0.0, tr("Making the layers"))
            return apart.separated(source, pieces[:-1], pieces[-1], hole, report)

        self._task(work, self._build)


class CutOut(Apart):
    """People, or what is marked, on transparency."""

    def _ask(
        self, task: Task, client: Any, source: Source, image: Image, marked: Marked
    ) -> Any:
        mask = marked.objects
        if mask is not None and mask.count(0) == len(mask):
            mask = None
        reply = task.wait(client.submit_cut_out(image, self._options, mask))
        if not reply.found:
            raise Nothing(
                tr(
                    "No person was found to cut out. Select the subject first, for instance with "
                    "Select Clicked Object."
                )
            )
        name = tr("Cut Out: {0}", source.name)
        return [apart.subject(source, reply.pixels, name)], reply.report

    def _replied(self, answer: Any) -> None:
        pieces, self._report = answer
        self._steps(self._own(pieces), self._plan)

    def _plan(self, pieces: List[Piece]) -> None:
        source, report = self._source, self._report

        def work(task: Task) -> Plan:
            task.report("layers", 0.0, tr("Making the layers"))
            return apart.cut_out(source, pieces[0], report)

        self._task(work, self._build)
