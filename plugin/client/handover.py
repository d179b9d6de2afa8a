"""Pixels to and from the backend: through a window that both see, else by large calls.

The backend names, creates and reserves the window. It offers places and takes nothing for
granted: the client reads a random note in each and sends it back. Whatever goes wrong with the
window, the pixels then go by calls.
"""

import io
from typing import Any, List, NamedTuple, Optional, Tuple

from .protocol import CHUNK, CHUNKS_IN_FLIGHT, SLOT, SLOTS
from .values import BackendError, ConnectionLost
from .window import Window, read_note


class _WindowFailed(Exception):
    """The window is not usable any more."""


class _Piece(NamedTuple):
    """`length` bytes from `start` on of part `part`."""

    part: int
    start: int
    length: int


class Handover:
    """The pixel route of one connection. Not thread-safe: the connection's lock guards it."""

    def __init__(self, link: Any, share_files: bool = True) -> None:
        self._link = link
        self._window: Optional[Window] = None
        self.route = "socket"
        if share_files:
            self._find_window()

    def send(self, data: Any) -> int:
        """Puts `data` (bytes-like) into a buffer of the backend and returns its number."""
        view = memoryview(data).cast("B")
        number = self._link.call("buffer_new", len(view))
        if self._window is not None:
            try:
                self._send_by_window(number, view, self._window)
                return number
            except _WindowFailed:
                self._give_up_window()
                self.forget(number)
                number = self._link.call("buffer_new", len(view))

        def ask(piece: _Piece, slot: int) -> Any:
            content = bytes(view[piece.start : piece.start + piece.length])
            return self._link.start("buffer_write", number, piece.start, content)

        self._stream(_pieces([len(view)], CHUNK), CHUNKS_IN_FLIGHT, ask)
        return number

    def receive(self, number: int, parts: List[Tuple[int, int]]) -> List[bytes]:
        """The (offset, size) parts of a buffer."""
        if self._window is not None:
            try:
                return self._receive_by_window(number, parts, self._window)
            except _WindowFailed:
                self._give_up_window()
        blocks = _Blocks(parts)

        def ask(piece: _Piece, slot: int) -> Any:
            at = parts[piece.part][0] + piece.start
            return self._link.start("buffer_read", number, at, piece.length)

        def take(piece: _Piece, slot: int, answer: Any) -> None:
            if len(answer) != piece.length:
                raise BackendError("The backend sent less than it announced.")
            blocks.place(piece)[:] = answer

        self._stream(_pieces([size for _, size in parts], CHUNK), CHUNKS_IN_FLIGHT, ask, take)
        return blocks.done()

    def forget(self, number: int) -> None:
        """Gives a buffer back, without waiting for the answer."""
        self._link.start("buffer_free", number)

    def close(self) -> None:
        if self._window is not None:
            self._window.close()
            self._window = None

    def _find_window(self) -> None:
        for name, note_path in self._link.call("handover_offer"):
            note = read_note(note_path)
            path = self._link.call("handover_accept", name, note) if note else ""
            if not path:
                continue
            try:
                self._window = Window(path)
            except (OSError, ValueError):
                continue  # visible but not ours to write: the next folder, or calls
            self.route = name
            return

    def _give_up_window(self) -> None:
        self.close()
        self.route = "socket"

    def _send_by_window(self, number: int, view: memoryview, window: Window) -> None:
        def ask(piece: _Piece, slot: int) -> Any:
            content = view[piece.start : piece.start + piece.length]
            window.put(slot, content)
            return self._link.start("buffer_load", number, piece.start, piece.length, slot)

        self._by_window(_pieces([len(view)], SLOT), ask)

    def _receive_by_window(
        self, number: int, parts: List[Tuple[int, int]], window: Window
    ) -> List[bytes]:
        blocks = _Blocks(parts)

        def ask(piece: _Piece, slot: int) -> Any:
            at = parts[piece.part][0] + piece.start
            return self._link.start("buffer_show", number, at, piece.length, slot)

        def take(piece: _Piece, slot: int, answer: Any) -> None:
            window.get(slot, blocks.place(piece))

        self._by_window(_pieces([size for _, size in parts], SLOT), ask, take)
        return blocks.done()

    def _by_window(self, pieces: List[_Piece], ask: Any, take: Any = None) -> None:
        try:
            self._stream(pieces, SLOTS, ask, take)
        except ConnectionLost:
            raise
        except (BackendError, OSError) as error:
            raise _WindowFailed(str(error)) from error

    def _stream(self, pieces: List[_Piece], depth: int, ask: Any, take: Any = None) -> None:
        """Asks for each piece in turn, up to `depth` answers ahead, so that both ends copy at the
        same time. A slot is used again only when the answer for its last piece is here."""
        waiting: List[Tuple[_Piece, int, Any]] = []
        for index, piece in enumerate(pieces):
            if len(waiting) == depth:
                self._finish(waiting.pop(0), take)
            slot = index % depth
            waiting.append((piece, slot, ask(piece, slot)))
        for entry in waiting:
            self._finish(entry, take)

    def _finish(self, entry: Tuple[_Piece, int, Any], take: Any) -> None:
        piece, slot, request = entry
        answer = self._link.finish(request)
        if take is not None:
            take(piece, slot, answer)


class _Blocks:
    """Bytes objects that are filled in place. They are made at the first piece, while the backend
    is busy with the next ones. A BytesIO does it without a last copy."""

    def __init__(self, parts: List[Tuple[int, int]]) -> None:
        self._sizes = [size for _, size in parts]
        self._files: List[io.BytesIO] = []
        self._views: List[memoryview] = []

    def place(self, piece: _Piece) -> memoryview:
        self._make(piece.part + 1)
        return self._views[piece.part][piece.start : piece.start + piece.length]

    def done(self) -> List[bytes]:
        self._make(len(self._sizes))  # empty ones have no pieces
        for view in self._views:
            view.release()
        return [file.getvalue() for file in self._files]

    def _make(self, count: int) -> None:
        while len(self._files) < count:
            self._files.append(io.BytesIO(_raw_bytes(self._sizes[len(self._files)])))
            self._views.append(self._files[-1].getbuffer())


def _raw_bytes(size: int) -> bytes:
    """Bytes that are about to be overwritten: filling them with zeros takes as long as a copy."""
    try:
        from ctypes import c_char_p, c_ssize_t, py_object, pythonapi
    except ImportError:
        return bytes(size)
    make = pythonapi.PyBytes_FromStringAndSize
    make.restype, make.argtypes = py_object, (c_char_p, c_ssize_t)
    return make(None, size) if size > 1 else bytes(size)  # CPython shares the smallest ones


def _pieces(sizes: List[int], largest: int) -> List[_Piece]:
    return [
        _Piece(part, start, min(largest, size - start))
        for part, size in enumerate(sizes)
        for start in range(0, size, largest)
    ]
