"""RPyC with its doors closed: capped frames, no compression, plain values only.

Both ends use this channel and this stream. The client's connection never makes a remote
reference of an argument: what is not plain is refused here, where the mistake is.
"""

import os
import socket
import sys
from typing import Any, Tuple

from .protocol import FRAME_LIMIT

_OLDEST, _TOO_NEW = (6, 0, 1), (7,)


def _version(module: Any) -> Tuple[int, ...]:
    text = str(getattr(module, "__version__", "0"))
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def _fits(module: Any) -> bool:
    return _OLDEST <= _version(module) < _TOO_NEW


def _find_rpyc() -> Any:
    """The environment's rpyc, or the one that the installer put beside the plugin."""
    private = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_vendor")
    if os.path.isdir(private) and private not in sys.path:
        sys.path.append(private)
    loaded_before = "rpyc" in sys.modules
    try:
        import rpyc
    except ImportError as error:
        raise ImportError(
            "Clean Plate needs the Python package rpyc. Run `python3 install.py` again."
        ) from error
    if not _fits(rpyc) and not loaded_before and os.path.isdir(os.path.join(private, "rpyc")):
        # Another rpyc of this system came first, and nobody uses it yet: take our own.
        for name in [n for n in sys.modules if n.split(".")[0] == "rpyc"]:
            del sys.modules[name]
        sys.path.insert(0, private)
        try:
            import rpyc
        finally:
            sys.path.remove(private)
    if not _fits(rpyc):
        raise ImportError(
            "Clean Plate needs rpyc 6.0.1 or newer, before 7; found "
            + str(getattr(rpyc, "__version__", "unknown"))
            + ". Run `python3 install.py` again."
        )
    return rpyc


_find_rpyc()

from rpyc.core import brine, consts  # noqa: E402
from rpyc.core.channel import Channel  # noqa: E402
from rpyc.core.protocol import Connection  # noqa: E402
from rpyc.core.stream import SocketStream  # noqa: E402

_END = b"\n"  # Channel.FLUSHER
_WAIT_ALL = 0 if sys.platform == "win32" else getattr(socket, "MSG_WAITALL", 0)


class WireError(EOFError):
    """The other end sent what the protocol does not allow. RPyC closes on any EOFError."""


class PlainStream(SocketStream):
    """A socket that reads and writes large blocks without copying them in pieces."""

    __slots__ = ()
    MAX_IO_CHUNK = 16 << 20
    sock: Any

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes; EOFError when the peer is gone or silent for too long."""
        try:
            data = self.sock.recv(count, _WAIT_ALL)
            if len(data) < count:
                data = self._read_rest(data, count)
        except OSError as error:
            self.close()
            raise EOFError(str(error)) from error
        return data

    def _read_rest(self, data: bytes, count: int) -> bytes:
        parts = [data]
        left = count - len(data)
        while left:
            if not parts[-1]:
                self.close()
                raise EOFError("connection closed by peer")
            parts.append(self.sock.recv(left, _WAIT_ALL))
            left -= len(parts[-1])
        return b"".join(parts)

    def write(self, data: Any) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            self.close()
            raise EOFError(str(error)) from error


class PlainChannel(Channel):
    """Frames of at most `limit` bytes, never compressed, in both directions."""

    __slots__ = ("limit",)

    def __init__(self, stream: PlainStream, limit: int = FRAME_LIMIT) -> None:
        Channel.__init__(self, stream, compress=False)
        self.limit = limit

    def recv(self) -> memoryview:
        length, compressed = self.FRAME_HEADER.unpack(self.stream.read(self.FRAME_HEADER.size))
        if compressed:
            self.close()
            raise WireError("compressed frames are not accepted")
        if length > self.limit:
            self.close()
            raise WireError("a frame of %d bytes is too large" % length)
        data = memoryview(self.stream.read(length + len(_END)))
        if data[length:] != _END:
            self.close()
            raise WireError("a frame does not end where it says")
        return data[:length]

    def send(self, data: bytes) -> None:
        if len(data) > self.limit:
            raise ValueError("a frame of %d bytes is too large" % len(data))
        header = self.FRAME_HEADER.pack(len(data), 0)
        if len(data) < 1 << 14:
            self.stream.write(header + data + _END)
            return
        self.stream.write(header)
        self.stream.write(data)
        self.stream.write(_END)


class RemoteRoot:
    """Stands for the backend's service; the only thing that is ever named by reference."""

    __slots__ = ("id_pack",)

    def __init__(self, id_pack: Tuple[str, int, int]) -> None:
        self.id_pack = id_pack


class ClientConnection(Connection):
    """The client's end: it calls the service's functions and serves nothing itself."""

    def _box(self, obj: Any) -> Tuple[int, Any]:
        if type(obj) is RemoteRoot:
            return consts.LABEL_LOCAL_REF, obj.id_pack
        if type(obj) is tuple and not brine.dumpable(obj):
            return consts.LABEL_TUPLE, tuple(self._box(item) for item in obj)
        if not brine.dumpable(obj):
            raise TypeError("only plain values go to the backend, not " + type(obj).__name__)
        return consts.LABEL_VALUE, obj

    def _unbox(self, package: Tuple[int, Any]) -> Any:
        label, value = package
        if label == consts.LABEL_VALUE:
            return value
        if label == consts.LABEL_REMOTE_REF:
            return RemoteRoot((str(value[0]), value[1], value[2]))
        raise WireError("the backend sent something that is no plain value")

    @classmethod
    def _request_handlers(cls) -> dict:
        return {}

    def close(self) -> None:
        """Just closes: the backend takes the end of the stream as the end of the connection."""
        if not self._closed:
            self._cleanup()
