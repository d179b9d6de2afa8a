"""One authenticated RPyC connection to the backend."""

import os
import socket
import threading
from typing import Any, Dict

from .protocol import LOOPBACK, PROTOCOL
from .values import BackendError, ConnectionLost, TokenRefused
from .wire import ClientConnection, PlainChannel, PlainStream, consts

CONNECT_SECONDS = 5.0
HELLO_SECONDS = 10.0  # a backend that hangs must not keep the user waiting for long
CALL_SECONDS = 60.0
TOKEN_REFUSED = (
    "The run file's token was refused: the backend that answers is not the one that wrote "
    "run/backend.json. Run `cleanplate stop` and try again."
)


class _Nothing:
    """The client's side offers nothing to call."""

    def on_disconnect(self, connection: Any) -> None:
        """RPyC calls this at the end."""


class Link:
    """Calls the service's functions by name. Thread-safe; calls run one after the other."""

    def __init__(self, run: Dict[str, Any]) -> None:
        """Connects to the backend that `run` (the run file's contents) describes.

        Raises ConnectionLost when nobody answers there, TokenRefused when whoever answers hangs
        up at once, BackendError when the backend speaks another protocol.
        """
        self.lock = threading.RLock()
        self._ended = False
        self._patience = HELLO_SECONDS
        if run["host"] not in (LOOPBACK, "::1", "localhost"):
            raise BackendError("The run file names a host that is not this computer.")
        sock = None
        try:
            sock = socket.create_connection((run["host"], run["port"]), timeout=CONNECT_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(CALL_SECONDS)
            sock.sendall(run["token"].encode("ascii"))
        except OSError as error:
            if sock is not None:
                sock.close()
            raise ConnectionLost("The Clean Plate backend does not answer.", str(error)) from error
        config = {
            "allow_safe_attrs": False,
            "allow_exposed_attrs": False,
            "allow_getattr": False,
            "include_local_traceback": False,
            "include_local_version": False,
            "sync_request_timeout": HELLO_SECONDS,
            "bind_threads": False,
        }
        self._connection = ClientConnection(_Nothing(), PlainChannel(PlainStream(sock)), config)
        try:
            try:
                self._root = self._translated(
                    lambda: self._connection.sync_request(consts.HANDLE_GETROOT)
                )
            except ConnectionLost as error:
                # The gate hangs up on a wrong token without a word.
                if isinstance(error.__cause__, (EOFError, ConnectionError)):
                    raise TokenRefused(TOKEN_REFUSED, error.details) from error
                raise
            self.hello = self.call("hello", PROTOCOL)
            self._patience = CALL_SECONDS
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        return self._ended or self._connection.closed

    def call(self, name: str, *arguments: Any) -> Any:
        """The answer of the service's function `name`; arguments and answer are plain values."""
        with self.lock:
            return self.finish(self.start(name, *arguments))

    def start(self, name: str, *arguments: Any) -> Any:
        """Sends a call without waiting. Hold `lock` from the first start to the last finish."""
        if self.closed:
            raise ConnectionLost("The connection to the Clean Plate backend has ended.")
        return self._translated(
            lambda: self._connection.async_request(
                consts.HANDLE_CALLATTR, self._root, name, arguments, (), timeout=self._patience
            )
        )

    def finish(self, request: Any) -> Any:
        return self._translated(lambda: request.value)

    def close(self) -> None:
        self._ended = True
        self._connection.close()

    def _translated(self, work: Any) -> Any:
        try:
            return work()
        except (EOFError, OSError, AttributeError) as error:
            # AttributeError: another thread closed the connection while this one waited in it.
            if isinstance(error, AttributeError) and not self.closed:
                raise
            if type(error).__name__ == "TimeoutError" or isinstance(error, TimeoutError):
                message = "The Clean Plate backend did not answer in %d s." % self._patience
            else:
                message = "The connection to the Clean Plate backend has ended."
            self.close()
            raise ConnectionLost(message, str(error)) from error
        except (BackendError, TypeError):
            raise
        except Exception as error:
            text = str(error.args[0]) if error.args else type(error).__name__
            raise BackendError(text) from None


def same_backend(run: Dict[str, Any], link: Link) -> bool:
    """Whether the process that answers is the one that wrote the run file."""
    return bool(link.hello[2] == run["pid"])


def current_user_owns(path: str) -> bool:
    """On systems with user numbers: a run file of somebody else is never followed."""
    return not hasattr(os, "getuid") or os.stat(path).st_uid == os.getuid()
