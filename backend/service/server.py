"""The running backend: gate, connections, jobs and idle end."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.service.auth import Gate, new_token
from backend.service.channel import PROTOCOL_CONFIG, open_channel
from backend.service.jobs import Jobs
from backend.service.kinds import Context
from backend.service.service import PlateService
from backend.service.window import Places

log = logging.getLogger("cleanplate.server")

MOST_CONNECTIONS = 64  # one thread each
IDLE_SECONDS = 1800.0


class Server:
    """`run` blocks in the main thread until `stop`, a signal, or nobody has called for `idle`
    seconds while no job runs."""

    def __init__(self, run: Path, idle: float = IDLE_SECONDS) -> None:
        self.token = new_token()
        self._idle = idle
        self._last_call = time.monotonic()
        self._calls = 0
        self._connections: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._places = Places(run)
        self._jobs = Jobs(Context())
        self._gate = Gate(self.token, self._admit)
        self.host, self.port = self._gate.host, self._gate.port
        self._jobs.start()

    def run(self) -> None:
        every = min(5.0, max(0.1, self._idle / 4))
        self._gate.run(self._end_when_idle, every)

    def stop(self) -> None:
        self._gate.stop()

    def listen_to_signals(self) -> None:
        """SIGTERM and SIGINT end the backend; SIGHUP (a closed terminal) does not."""
        signal.set_wakeup_fd(self._gate.bell.fileno(), warn_on_full_buffer=False)
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda number, frame: self.stop())
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def close(self) -> None:
        """Cancels all jobs and deletes all pixel files."""
        self._gate.close()
        self._jobs.cancel_all()
        with self._lock:
            sockets = list(self._connections.values())
        for sock in sockets:
            _shut_down(sock)  # its thread closes it
        self._places.remove()

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Around each call: a backend is not idle while it answers."""
        with self._lock:
            self._calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                self._last_call = time.monotonic()

    def _end_when_idle(self) -> None:
        if self._jobs.busy or self._calls:
            self._last_call = time.monotonic()
        elif time.monotonic() - self._last_call > self._idle:
            log.info("nobody called for %.0f s: ending", self._idle)
            self.stop()

    def _admit(self, sock: socket.socket) -> None:
        with self._lock:
            full = len(self._connections) >= MOST_CONNECTIONS
            if not full:
                self._connections[id(sock)] = sock
        if full:
            log.warning("more than %d connections: refused one", MOST_CONNECTIONS)
            sock.close()
            return
        threading.Thread(target=self._serve, args=(sock,), name="client", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        service = PlateService(self._places, self._jobs, self._calling, self.stop)
        try:
            connection = service._connect(open_channel(sock), dict(PROTOCOL_CONFIG))
            connection.serve_all()
        except Exception as error:  # what a client sends must never end more than its connection
            log.warning("a connection ended by an error: %s: %s", type(error).__name__, error)
        finally:
            with self._lock:
                self._connections.pop(id(sock), None)
            _shut_down(sock)
            sock.close()


def _shut_down(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other end closed it first
