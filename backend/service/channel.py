"""The backend's end of a connection: plain values in, plain values out, nothing else reachable."""

from __future__ import annotations

import logging
import socket
from typing import Any

from backend.service.errors import Refused, message_for
from backend.values import CleanPlateError
from plugin.client.wire import Connection, PlainChannel, PlainStream, WireError, consts

__all__ = ["PROTOCOL_CONFIG", "StrictConnection", "WireError", "open_channel"]

log = logging.getLogger("cleanplate.wire")

PROTOCOL_CONFIG: dict[str, Any] = {
    "allow_safe_attrs": False,
    "allow_exposed_attrs": False,
    "allow_public_attrs": False,
    "allow_all_attrs": False,
    "allow_getattr": False,
    "allow_setattr": False,
    "allow_delattr": False,
    "allow_pickle": False,
    "include_local_traceback": False,
    "include_local_version": False,
    "instantiate_custom_exceptions": False,
    "import_custom_exceptions": False,
    "propagate_SystemExit_locally": False,
    "propagate_KeyboardInterrupt_locally": False,
    "sync_request_timeout": 5,
    "bind_threads": False,
    "logger": None,
}

PLAIN = frozenset((int, float, bool, str, bytes))
_DEEPEST = 8


def open_channel(sock: socket.socket) -> PlainChannel:
    """The channel over an authenticated socket."""
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return PlainChannel(PlainStream(sock))


def check_plain(value: Any, depth: int = 0) -> Any:
    """`value` itself if it is made of exactly int, float, bool, str, bytes and tuple."""
    if type(value) is tuple:
        if depth >= _DEEPEST:
            raise Refused("The arguments are nested too deeply.")
        for item in value:
            check_plain(item, depth + 1)
    elif type(value) not in PLAIN:
        raise Refused(f"A value of type {type(value).__name__} is not accepted.")
    return value


class StrictConnection(Connection):
    """RPyC's protocol with all but the calls of the service's own functions taken away.

    The plain rpyc client works, too: it may get the root, look up one of the names in the
    service's `EXPOSED`, and call it with plain values.
    """

    @classmethod
    def _request_handlers(cls) -> dict[int, Any]:
        return {
            consts.HANDLE_PING: cls._handle_ping,
            consts.HANDLE_CLOSE: cls._handle_close,
            consts.HANDLE_GETROOT: cls._handle_getroot,
            consts.HANDLE_GETATTR: cls._handle_getattr,
            consts.HANDLE_CALL: cls._handle_call,
            consts.HANDLE_CALLATTR: cls._handle_callattr,
            consts.HANDLE_DEL: cls._handle_del,
            consts.HANDLE_INSPECT: cls._handle_inspect,
        }

    def _dispatch_request(self, seq: Any, raw_args: Any) -> None:
        """As in RPyC, but an answer that cannot be sent is an error of this call only."""
        try:
            handler, args = raw_args
            if handler not in self._HANDLERS:
                raise Refused("This is not part of the protocol.")
            answer = self._box(self._HANDLERS[handler](self, *self._unbox(args)))
        except Exception as error:
            if self._closed:
                return
            told = self._box_exc(type(error), error, error.__traceback__)
            self._send(consts.MSG_EXCEPTION, seq, told)
        else:
            if not self._closed:
                self._send(consts.MSG_REPLY, seq, answer)

    def _unbox(self, package: Any) -> Any:
        label, value = package
        if label == consts.LABEL_VALUE:
            return value
        if label == consts.LABEL_TUPLE:
            return tuple(self._unbox(item) for item in value)
        if label == consts.LABEL_LOCAL_REF:
            return self._local_objects[value]
        raise Refused("Only plain values are accepted, no objects of the client.")

    def _box(self, obj: Any) -> Any:
        if obj is self._local_root or self._is_function(obj):
            return super()._box(obj)
        return consts.LABEL_VALUE, check_plain(obj) if obj is not None else None

    def _is_function(self, obj: Any) -> bool:
        root = self._local_root
        return (
            root is not None
            and getattr(obj, "__self__", None) is root
            and getattr(obj, "__name__", "") in root.EXPOSED
        )

    def _handle_ping(self, data: Any) -> Any:
        return check_plain(data)

    def _handle_inspect(self, id_pack: Any) -> tuple[tuple[str, str], ...]:
        return (("__call__", ""),)  # all that a plain rpyc client needs to call a function

    def _handle_getattr(self, obj: Any, name: Any) -> Any:
        if type(name) is bytes:
            name = name.decode("ascii", "replace")
        root = self._local_root
        if root is None or obj is not root or type(name) is not str or name not in root.EXPOSED:
            raise Refused("There is no such function.")
        return getattr(root, name)

    def _handle_call(self, obj: Any, args: Any, kwargs: Any = ()) -> Any:
        root = self._local_root
        if root is None or not self._is_function(obj):
            raise Refused("This cannot be called.")
        if type(args) is not tuple or type(kwargs) is not tuple or kwargs:
            raise Refused("Arguments are taken by position only.")
        with root.calling():
            return obj(*check_plain(args))

    def _handle_callattr(self, obj: Any, name: Any, args: Any, kwargs: Any = ()) -> Any:
        return self._handle_call(self._handle_getattr(obj, name), args, kwargs)

    def _handle_close(self) -> None:
        self.close()

    def _box_exc(self, typ: Any, val: Any, tb: Any) -> Any:
        known = isinstance(val, CleanPlateError)
        if not known:
            log.error("a request failed", exc_info=(typ, val, tb))
        name = "ValueError" if known else "RuntimeError"
        return ("builtins", name), (message_for(val),), (), ""

    def close(self) -> None:
        """Just closes: a goodbye would wait for a peer that may be gone or hostile."""
        if not self._closed:
            self._cleanup()
