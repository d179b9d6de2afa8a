"""What goes to the backend and what comes back, as plain values."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .protocol import DEPTH_BYTES, ENDED, MAX_PIXELS, MAX_SIDE, ORDER_CHANNELS


class BackendError(Exception):
    """The message is for the user; `details` (log lines) are for a report."""

    def __init__(self, message: str, details: str = "") -> None:
        Exception.__init__(self, message)
        self.message = message
        self.details = details


class ConnectionLost(BackendError):
    """The backend went away; a new call starts or finds it again."""


class TokenRefused(ConnectionLost):
    """Who answers at the run file's port does not take its token."""


class JobCancelled(BackendError):
    """The job was cancelled; nothing was changed."""


class Image(NamedTuple):
    """A picture as an editor hands it out.

    `data`: rows packed without padding, channels interleaved, native byte order, alpha not
    multiplied in (Krita's and GIMP's own form). `depth`: "u8", "u16" (0…65535), "f16", "f32"
    (1.0 = white, more is allowed). `order`: "BGRA", "RGBA", "GRAYA" or "GRAY". `linear`: float
    values are linear light, as in most float documents.
    """

    width: int
    height: int
    channels: int
    depth: str
    order: str
    data: bytes
    linear: bool = False

    def check(self) -> None:
        """Raises BackendError unless `data` has exactly the size that the other fields say."""
        if self.depth not in DEPTH_BYTES or self.order not in ORDER_CHANNELS:
            raise BackendError(
                "Pixels of depth %s in the order %s are not supported." % (self.depth, self.order)
            )
        if self.channels != ORDER_CHANNELS[self.order]:
            raise BackendError("%s has not %d channels." % (self.order, self.channels))
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE):
            raise BackendError("A picture of %d × %d pixels is not supported." % self[:2])
        if self.width * self.height > MAX_PIXELS:
            raise BackendError(
                "The picture has more than %d million pixels; use a smaller one or a selection."
                % (MAX_PIXELS // 1000000)
            )
        if len(self.data) != self.size:
            raise BackendError(
                "The picture has %d bytes, expected %d." % (len(self.data), self.size)
            )

    @property
    def size(self) -> int:
        return self.width * self.height * self.channels * DEPTH_BYTES[self.depth]

    @property
    def layout(self) -> Tuple[int, int, int, str, str, bool]:
        return (self.width, self.height, self.channels, self.depth, self.order, self.linear)


class ImageHandle:
    """A picture that lies in the backend, so that several clicks send it only once.

    It keeps the pixels too: after a restart of the backend they are sent again by themselves.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.number = 0
        self.link: Any = None  # the connection that knows `number`


class CleanRequest(NamedTuple):
    """One run: `options` has the names and plain values of the backend's CleanOptions.

    `mask`: width × height bytes (255 = remove), taken as it is; `limit`: the same form (255 =
    may change), an editor's selection.
    """

    image: Any
    options: Dict[str, Any]
    mask: Optional[bytes] = None
    limit: Optional[bytes] = None


class Status(NamedTuple):
    """`state`: queued, running, done, failed or cancelled; `fraction` of `stage` in [0, 1]."""

    state: str
    stage: str
    fraction: float
    text: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class CleanReply(NamedTuple):
    """Masks are width × height bytes, 255 = remove; None where nothing of that kind was found.

    `plate` has the layout of the picture that was sent and its very bytes outside `hole`; it is
    empty when the option `fill` was off.
    `lines`: dicts with `polygon` [[x, y], …], `height`, `score`, `words`. `people`: dicts with
    `box` [x0, y0, x1, y1] and `mask` (bytes of that box, row by row). A refill also tells
    `restored`: where the original's very bytes came back.
    """

    object_mask: Optional[bytes]
    text_mask: Optional[bytes]
    unknown_mask: Optional[bytes]
    hole: Optional[bytes]
    plate: bytes
    found: bool
    report: Dict[str, Any]
    lines: List[Dict[str, Any]]
    people: List[Dict[str, Any]]
    restored: Optional[bytes] = None


class Item(NamedTuple):
    """One found thing. `kind`: "person", "object" or "text"; `name`: "Person 1", "Object 1", or
    the words of a line of text ("" where they could not be read). `mask`: bytes of the `box`
    (x0, y0, x1, y1), row by row, 255 = the thing. Masks of text lines share no pixel."""

    kind: str
    name: str
    box: Tuple[int, int, int, int]
    mask: bytes


class FindReply(NamedTuple):
    """What was found: people, then objects, then text lines in reading order."""

    items: Tuple[Item, ...]
    report: Dict[str, Any]


class CutOut(NamedTuple):
    """One layer of a picture that was taken apart. `pixels`: the `box` (x0, y0, x1, y1), row by
    row, in the picture's depth and the order `order` (the picture's own; with alpha where that
    has none), alpha not multiplied in."""

    kind: str
    name: str
    box: Tuple[int, int, int, int]
    pixels: bytes
    order: str


class SeparateReply(NamedTuple):
    """`layers` from bottom to top, above `background` (as large as the picture, in its layout).
    All of them shown as Normal at 100 % rebuild the picture within 1/255."""

    layers: Tuple[CutOut, ...]
    background: bytes
    report: Dict[str, Any]


class CutOutReply(NamedTuple):
    """`pixels`: as large as the picture, in its depth and the order `order`, the subject with its
    own colours, alpha not multiplied in. `found`: whether there was a subject."""

    pixels: bytes
    found: bool
    order: str
    report: Dict[str, Any]


class ClickReply(NamedTuple):
    """`mask`: width × height bytes, 255 = the object; `box` [x0, y0, x1, y1] around it, or None.

    `answer` names this answer, to be given as `previous` to the next click on the same object.
    `whole`: False when only a glance was asked for, and the click model can look closer.
    `outline`: see `outlines`.
    """

    mask: bytes
    box: Optional[Tuple[int, int, int, int]]
    found: bool
    answer: int
    report: Dict[str, Any]
    whole: bool
    outline: bytes

    def outlines(self) -> List[Sequence[int]]:
        """Closed lines along the borders of the mask's pixels, each x0, y0, x1, y1, …; 0, 0 is
        the top left corner of the first pixel."""
        values = memoryview(self.outline).cast("B").cast("i")
        lines, at = [], 0
        while at < len(values):
            end = at + 1 + 2 * values[at]
            lines.append(values[at + 1 : end])
            at = end
        return lines


class Reply(NamedTuple):
    """The answer of any other kind of job: plain `values`, and blocks of bytes by name."""

    values: Dict[str, Any]
    blocks: Dict[str, bytes]
