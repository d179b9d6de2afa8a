"""The one object that an editor plugin talks to."""

import json
import threading
from typing import Any, Dict, Optional, Sequence, Tuple, Union

from . import launch
from .connection import Link
from .handover import Handover
from .jobs import Job, plain
from .values import BackendError, CleanRequest, ConnectionLost, Image, ImageHandle


class Client:
    """All calls block; use them from a worker thread. Thread-safe.

    A lost connection is made again by the next call that starts something (`submit…`, `info`,
    `put_image`); a job that ran on the lost one says so.
    """

    def __init__(
        self,
        home: str,
        start: bool = True,
        timeout: float = 30.0,
        on_progress: launch.Progress = None,
        share_files: bool = True,
    ) -> None:
        self.home = home
        self._start = start
        self._timeout = timeout
        self._on_progress = on_progress
        self._share_files = share_files
        self._lock = threading.RLock()
        self._link: Optional[Link] = None
        self._control: Optional[Link] = None
        self._handover: Optional[Handover] = None

    @classmethod
    def connect(
        cls,
        home: Optional[str] = None,
        start: bool = True,
        timeout: float = 30.0,
        on_progress: launch.Progress = None,
        share_files: bool = True,
    ) -> "Client":
        """Connects, after starting the backend where it does not run and `start` is set.

        `on_progress(stage, fraction, text)` is called while it starts. `share_files=False` sends
        pixels through the connection. Raises BackendError; its `details` are log lines.
        """
        client = cls(launch.find_home(home), start, timeout, on_progress, share_files)
        client._connected()
        return client

    def close(self) -> None:
        """Ends the connections; the backend ends this client's jobs and frees its pixels."""
        with self._lock:
            if self._handover is not None:
                self._handover.close()
            for link in (self._link, self._control):
                if link is not None:
                    link.close()
            self._link = self._control = self._handover = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def info(self) -> Dict[str, Any]:
        """`version`, `protocol`, `pid`, `device`, `device_text`, `models` {task: [{`name`,
        `title`, `installed`, `default`, `builtin`, `licence`, `size`, …}]}, and how pixels go
        (`handover`: "shm", "run" or "socket")."""

        def ask(link: Link, handover: Handover) -> Dict[str, Any]:
            answer = json.loads(link.call("info")[0])
            answer["handover"] = handover.route
            return answer

        return self._retrying(ask)

    def ping(self) -> bool:
        """Whether the backend answers right now; starts nothing and raises nothing."""
        with self._lock:
            link = self._link
        try:
            return link is not None and bool(link.call("ping"))
        except BackendError:
            return False

    def stop_backend(self) -> None:
        """Asks the backend to end. Other editors' jobs in it end, too."""
        link, _ = self._connected()
        link.call("stop")
        self.close()

    def log_tail(self) -> str:
        return launch.log_tail(self.home)

    def put_image(self, image: Image) -> ImageHandle:
        """Leaves a picture in the backend for several jobs."""
        image.check()
        handle = ImageHandle(image)
        self._retrying(lambda link, handover: self._place(handle, link, handover))
        return handle

    def drop_image(self, handle: ImageHandle) -> None:
        """Frees a picture in the backend."""
        link, number = handle.link, handle.number
        handle.link, handle.number = None, 0
        if link is not None and not link.closed:
            try:
                link.call("image_drop", number)
            except ConnectionLost:
                pass  # the backend frees everything of a connection that ended

    def submit_clean(
        self,
        image: Union[Image, ImageHandle],
        options: Optional[Dict[str, Any]] = None,
        mask: Optional[bytes] = None,
        limit: Optional[bytes] = None,
    ) -> Job:
        """Finds and fills. `options`: the names of the backend's CleanOptions with plain values.

        `mask` (width × height bytes, 255 = remove) is taken as it is; `limit` (255 = may change)
        is an editor's selection. The job's result is a CleanReply.
        """
        return self.submit("clean", image=image, options=options or {}, mask=mask, limit=limit)

    def submit_request(self, request: CleanRequest) -> Job:
        """`submit_clean` with its arguments in one value."""
        return self.submit_clean(*request)

    def submit_look(
        self, handle: ImageHandle, model: Optional[str] = None, device: str = "auto"
    ) -> Job:
        """Loads the click model and encodes a picture that `put_image` left in the backend, so
        that its first click is answered at once. The job's result is a Reply with a report."""
        return self.submit("look", image=handle, model=model, device=device)

    def submit_click(
        self,
        handle: ImageHandle,
        positives: Sequence[Tuple[float, float]],
        negatives: Sequence[Tuple[float, float]] = (),
        box: Optional[Tuple[int, int, int, int]] = None,
        previous: int = 0,
        model: Optional[str] = None,
        device: str = "auto",
        glance: bool = False,
    ) -> Job:
        """Finds the object at the (x, y) points of a picture that `put_image` left there.

        `previous`: the `answer` of the click before on the same object, 0 = none. `glance`: the
        quickest answer, for an outline to show at once. Goes before long jobs. The job's result
        is a ClickReply.
        """
        points = {"positives": tuple(positives), "negatives": tuple(negatives)}
        return self.submit(
            "click", image=handle, box=box, previous=previous, model=model, device=device,
            glance=glance, **points
        )

    def submit_find(
        self, image: Union[Image, ImageHandle], options: Optional[Dict[str, Any]] = None
    ) -> Job:
        """Finds what the options ask for and fills nothing. The job's result is a FindReply."""
        return self.submit("find", image=image, options=options or {})

    def submit_refill(
        self,
        image: Union[Image, ImageHandle],
        object_mask: Optional[bytes],
        text_mask: Optional[bytes],
        options: Optional[Dict[str, Any]] = None,
        changed: Optional[bytes] = None,
        original: Union[Image, ImageHandle, None] = None,
    ) -> Job:
        """Fills behind masks (width × height bytes, 255 = remove), which grow as `clean` grows
        what it finds. `image`: the present background, or the source for a first fill.

        `changed` (255 where a mask is not what it was at the last fill; None = everywhere): only
        what follows from these pixels changes. `original`: the source; where a mask was taken
        away, its very bytes come back. The job's result is a CleanReply: `hole` was filled,
        `restored` came back, all else is as it was.
        """
        return self.submit(
            "refill", image=image, object_mask=object_mask, text_mask=text_mask,
            options=options or {}, changed=changed, original=original,
        )  # fmt: skip

    def submit_separate(
        self,
        image: Union[Image, ImageHandle],
        object_mask: Optional[bytes] = None,
        text_mask: Optional[bytes] = None,
        options: Optional[Dict[str, Any]] = None,
    ) -> Job:
        """Takes the picture apart: people, objects and text lines as cut-outs above a filled
        background. A mask that is None is found as the options say (all zero = there is none);
        a given one is taken apart. The job's result is a SeparateReply."""
        return self.submit(
            "separate", image=image, object_mask=object_mask, text_mask=text_mask,
            options=options or {},
        )  # fmt: skip

    def submit_cut_out(
        self,
        image: Union[Image, ImageHandle],
        options: Optional[Dict[str, Any]] = None,
        mask: Optional[bytes] = None,
    ) -> Job:
        """Removes the background and keeps people, the clicked objects, or what `mask` (255 =
        keep) shows. The job's result is a CutOutReply."""
        return self.submit("cut_out", image=image, options=options or {}, mask=mask)

    def submit(self, kind: str, **arguments: Any) -> Job:
        """Any kind of job. An Image, an ImageHandle or bytes go by the handover, the rest as it
        is (None = not given). The result is a Reply where the kind has no form of its own."""
        for value in arguments.values():
            if isinstance(value, Image):
                value.check()
        return self._retrying(lambda link, handover: self._submit(link, handover, kind, arguments))

    def control_call(self, link: Link, name: str, *arguments: Any) -> Any:
        """A call on the control connection, for a job of `link`."""
        try:
            return self._control_link(link).call(name, *arguments)
        except ConnectionLost:
            # It may be only this connection that broke: a new one finds the same job.
            return self._control_link(link).call(name, *arguments)

    def _control_link(self, link: Link) -> Link:
        with self._lock:
            if link is not self._link or link.closed:
                raise ConnectionLost("The connection to the Clean Plate backend has ended.")
            if self._control is None or self._control.closed:
                self._control = launch.try_connect(self.home)
            if self._control is None or self._control.hello[2] != link.hello[2]:
                raise ConnectionLost("The Clean Plate backend does not answer.")
            return self._control

    def _submit(self, link: Link, handover: Handover, kind: str, arguments: Dict[str, Any]) -> Job:
        pairs, buffers = [], []
        try:
            for name, value in arguments.items():
                if value is None:
                    continue
                if isinstance(value, ImageHandle):
                    if value.link is not link:
                        self._place(value, link, handover)
                    pairs.append((name, ("handle", value.number)))
                elif isinstance(value, Image):
                    buffers.append(handover.send(value.data))
                    pairs.append((name, ("pixels", buffers[-1]) + value.layout))
                elif isinstance(value, (bytes, bytearray, memoryview)):
                    buffers.append(handover.send(value))
                    pairs.append((name, ("bytes", buffers[-1])))
                else:
                    pairs.append((name, plain(value)))
            number = link.call("submit", kind, tuple(pairs))  # takes the buffers
        except BackendError:
            if not link.closed:
                for buffer in buffers:
                    handover.forget(buffer)
            raise
        return Job(self, link, handover, number, kind)

    def _place(self, handle: ImageHandle, link: Link, handover: Handover) -> None:
        buffer = handover.send(handle.image.data)
        try:
            handle.number = link.call("image_put", ("pixels", buffer) + handle.image.layout)
        except BackendError:
            if not link.closed:
                handover.forget(buffer)
            raise
        handle.link = link

    def _retrying(self, work: Any) -> Any:
        """`work` on the live connection; once more on a new one if the backend had gone."""
        for attempt in (1, 2):
            link, handover = self._connected()
            try:
                with link.lock:
                    return work(link, handover)
            except ConnectionLost as error:
                if attempt == 2:
                    raise BackendError(error.message, self.log_tail() or error.details) from error
        raise AssertionError("not reached")

    def _connected(self) -> Tuple[Link, Handover]:
        with self._lock:
            if self._link is None or self._link.closed or self._handover is None:
                self.close()
                link = launch.connect(self.home, self._start, self._timeout, self._on_progress)
                try:
                    self._handover = Handover(link, self._share_files)
                except BaseException:
                    link.close()
                    raise
                self._link = link
            return self._link, self._handover
