"""One run from the click to the new layers: read → send and wait → convert → build.

With a review there are two jobs: one finds, the user unticks what stays, the other one fills.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

from . import results, reviewing
from .backend import Backend
from .client import CleanReply
from .document import Document, Inserted, needs_conversion, rgba_space
from .qt import QObject, Signal
from .task import Task
from .translate import tr
from .values import Plan, Request, Source
from .work import State, Work


class Run(Work):
    """`to_review` (a reviewing.Findings): `fill` goes on with what the user leaves ticked."""

    to_review = Signal(object)

    def __init__(
        self,
        document: Document,
        backend: Backend,
        request: Request,
        visible: bool = False,
        review: bool = False,
        parent: Optional[QObject] = None,
    ) -> None:
        super().__init__(document, backend, request.title, parent)
        self._request = request
        self._visible = visible
        self._review = review and reviewing.can_review(request)
        self._source: Any = None
        self._prepared: Any = None
        self._reply: Any = None
        self._patch: Any = None
        self._report: Any = None  # of the review's findings
        self._message = ""

    def _begin(self) -> None:
        source = self.document.read(self._visible)
        self._source = source
        if self._request.needs_selection and source.selection is None:
            raise results.Nothing(tr("Select what shall be removed first."))
        if needs_conversion(source.space):
            copy = self.document.convert(
                source.pixels, source.bounds, source.space, rgba_space(source)
            )
            self._steps(copy, self._converted)
        else:
            self._send(source)

    def _converted(self, pixels: Any) -> None:
        self._source = self._source._replace(converted=pixels)
        self._send(self._source)

    def _send(self, source: Source) -> None:
        request, backend, review = self._request, self._backend, self._review

        def work(task: Task) -> Any:
            task.report("prepare", 0.0, tr("Preparing the picture"))
            prepared = results.prepare(source, request)
            client = backend.client(task.report)
            task.report("send", 0.0, tr("Sending the picture"))
            if review:
                reply = task.wait(client.submit_find(prepared.image, prepared.options))
                return prepared, reviewing.findings(reply.items, prepared), reply.report
            marked = prepared.objects
            if marked is not None:  # gathered by clicks: grows, but is else taken as it is
                job = client.submit_refill(prepared.image, marked, None, prepared.options, marked)
            else:
                job = client.submit_clean(
                    prepared.image, prepared.options, prepared.mask, prepared.limit
                )
            reply = results.joined(task.wait(job), request.report)
            return prepared, reply, results.patch_of(reply, prepared)

        self._task(work, self._found if review else self._filled)

    def _found(self, answer: Any) -> None:
        self._prepared, findings, self._report = answer
        self._current = None
        self.progress.emit("review", 0.0, "")
        self.to_review.emit(findings)

    def leave(self) -> None:
        """The user left the review."""
        if self.state is State.WORKING:
            self._nothing(tr("Cancelled; nothing was changed."))

    def fill(self, chosen: Sequence[reviewing.Finding]) -> None:
        """Fills what the user left ticked; ends without a change when that is nothing."""
        if self.state is not State.WORKING:
            return
        if not chosen:
            self._nothing(tr("Nothing was ticked, so nothing was changed."))
            return
        prepared, backend, found = self._prepared, self._backend, self._report

        def work(task: Task) -> Any:
            objects, text = reviewing.masks(chosen, prepared)
            client = backend.client(task.report)
            job = client.submit_refill(prepared.image, objects, text, prepared.options)
            reply: CleanReply = reviewing.counted(task.wait(job), chosen, objects, text)
            reply = results.joined(reply, found)
            return prepared, reply, results.patch_of(reply, prepared)

        self._task(work, self._filled)

    def _filled(self, answer: Any) -> None:
        self._prepared, self._reply, patch = answer
        if self._source.converted is not None:
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
        self._message = plan.message
        self._steps(self.document.build(plan, self._source), self._inserted)

    def _inserted(self, inserted: Inserted) -> None:
        message = self._message
        if inserted.orphan:
            message += " " + tr(
                "“{0}” was deleted meanwhile, so the result lies on top.", self._source.name
            )
        self._finish(inserted.active, message)

    def _forget(self) -> None:
        self._source = self._source and self._source._replace(
            pixels=None, converted=None, selection=None
        )
        self._prepared = self._reply = self._patch = None


__all__ = ["Run", "State"]
