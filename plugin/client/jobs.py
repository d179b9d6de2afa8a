"""A job that runs in the backend, seen from the editor's worker thread."""

import json
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from .protocol import CANCELLED, DONE
from .values import (
    BackendError,
    CleanReply,
    ClickReply,
    ConnectionLost,
    CutOut,
    CutOutReply,
    FindReply,
    Item,
    JobCancelled,
    Reply,
    SeparateReply,
    Status,
)

WAIT_SLICE = 0.05  # seconds the control connection is busy at most with one call


class Job:
    """Status and cancel use a connection of their own, so they work while pixels are moving."""

    def __init__(self, client: Any, link: Any, handover: Any, number: str, kind: str) -> None:
        self.kind = kind
        self.number = number
        self._client = client
        self._link = link
        self._handover = handover
        self._last = Status("queued", "", 0.0, "")
        self._released = False

    def status(self) -> Status:
        """Asks the backend; after the end it stays as it is. Raises BackendError when lost."""
        return self._ask("status", self.number)

    def cancel(self) -> None:
        """Ends the job. The editor is free at once; the device within half a second or so."""
        if not self._last.ended:
            try:
                self._ask("cancel", self.number)
            except ConnectionLost:
                # The backend ends a connection's jobs itself when the connection is gone.
                self._last = Status(CANCELLED, "", 0.0, "Cancelled")

    def wait(
        self,
        timeout: Optional[float] = None,
        on_progress: Optional[Callable[[Status], None]] = None,
    ) -> Status:
        """Waits for the end, or `timeout` seconds; `on_progress` is called about 20 times a s."""
        limit = None if timeout is None else time.monotonic() + timeout
        while True:
            status = self._ask("wait", self.number, WAIT_SLICE)
            if on_progress is not None:
                on_progress(status)
            if status.ended or (limit is not None and time.monotonic() >= limit):
                return status

    def result(self) -> Any:
        """Waits for the end and fetches the answer: CleanReply, ClickReply, … or Reply.

        Raises JobCancelled, or BackendError with the backend's message.
        """
        status = self.wait()
        if status.state == CANCELLED:
            raise JobCancelled("Cancelled")
        if status.state != DONE:
            raise BackendError(status.text, self._client.log_tail())
        with self._link.lock:
            parts, number = self._call("result", self.number)
            blocks = self._handover.receive(number, [part[1:] for part in parts])
            self._handover.forget(number)
        named = {part[0]: block for part, block in zip(parts, blocks)}  # noqa: B905 (3.8)
        values = json.loads(named.pop("values").decode("utf-8"))
        return _reply(self.kind, values, named)

    def release(self) -> None:
        """Lets the backend forget the job and its answer. Harmless when done twice."""
        if self._released:
            return
        self._released = True
        try:
            with self._link.lock:
                self._link.start("release", self.number)  # nobody waits for the answer
        except ConnectionLost:
            pass  # the backend released everything when the connection ended

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            return self._link.call(name, *arguments)
        except ConnectionLost as error:
            raise self._lost(error) from error

    def _ask(self, name: str, *arguments: Any) -> Status:
        if self._last.ended:
            return self._last
        try:
            answer = self._client.control_call(self._link, name, *arguments)
        except ConnectionLost as error:
            raise self._lost(error) from error
        self._last = Status(*answer)
        return self._last

    def _lost(self, error: ConnectionLost) -> ConnectionLost:
        return ConnectionLost(
            "The Clean Plate backend ended while it was working. Nothing was changed; try again.",
            self._client.log_tail() or error.details,
        )


def _reply(kind: str, values: Dict[str, Any], blocks: Dict[str, bytes]) -> Any:
    if kind in ("clean", "refill"):
        return CleanReply(
            object_mask=blocks.get("object_mask"),
            text_mask=blocks.get("text_mask"),
            unknown_mask=blocks.get("unknown_mask"),
            hole=blocks.get("hole"),
            plate=blocks.get("plate", b""),
            found=values["found"],
            report=values["report"],
            lines=values["lines"],
            people=_people(values["people"], blocks),
            restored=blocks.get("restored"),
        )
    if kind == "click":
        box = values["box"]
        return ClickReply(
            mask=blocks["mask"],
            box=None if box is None else _box(box),
            found=values["found"],
            answer=values["answer"],
            report=values["report"],
            whole=values["whole"],
            outline=blocks["outline"],
        )
    if kind == "find":
        items = [
            Item(told["kind"], told["name"], _box(told["box"]), blocks["item%d" % number])
            for number, told in enumerate(values["items"])
        ]
        return FindReply(tuple(items), values["report"])
    if kind == "separate":
        layers = [
            CutOut(told["kind"], told["name"], _box(told["box"]), blocks["layer%d" % number],
                   values["order"])
            for number, told in enumerate(values["layers"])
        ]  # fmt: skip
        return SeparateReply(tuple(layers), blocks["background"], values["report"])
    if kind == "cut_out":
        return CutOutReply(blocks["pixels"], values["found"], values["order"], values["report"])
    return Reply(values, blocks)


def _box(sides: List[int]) -> Tuple[int, int, int, int]:
    return (sides[0], sides[1], sides[2], sides[3])


def _people(boxes: List[List[int]], blocks: Dict[str, bytes]) -> List[Dict[str, Any]]:
    return [{"box": box, "mask": blocks["person%d" % i]} for i, box in enumerate(boxes)]


def plain(value: Any) -> Any:
    """`value` as the wire takes it: lists and named tuples become tuples, dicts pairs."""
    if isinstance(value, dict):
        return tuple((str(k), plain(v)) for k, v in value.items() if v is not None)
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    if type(value) in (bool, int, float, str, bytes):
        return value
    for kind in (int, float, str):  # enums and numbers of other libraries
        if isinstance(value, kind):
            return kind(value)
    raise BackendError("A value of type %s cannot be sent." % type(value).__name__)


Arguments = Tuple[Tuple[str, Any], ...]
