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
LAST_ANSWERS = 2.0  # s, for answers that are being written when the backend ends


class Server:
    """`run` blocks in the main thread until `stop`, a signal, or nobody has called for `idle`
    seconds while no job runs."""

    def __init__(self, run: Path, idle: float = IDLE_SECONDS) -> None:
        self.token = new_token()
        self._idle = idle
        self._last_call = time.monotonic()
        self._calls = 0
        self._connections: dict[int, tuple[socket.socket, threading.Thread]] = {}
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
        """Cancels all jobs, lets answers under way be written and deletes all pixel files."""
        self._gate.close()
        self._jobs.cancel_all()
        with self._lock:
            connections = list(self._connections.values())
        for sock, _ in connections:
            _shut_down(sock, socket.SHUT_RD)  # no more calls; its thread closes it
        latest = time.monotonic() + LAST_ANSWERS
        for _, thread in connections:
            thread.join(max(0.0, latest - time.monotonic()))
        for sock, _ in connections:
            _shut_down(sock)
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
        thread = threading.Thread(target=self._serve, args=(sock,), name="client", daemon=True)
        with self._lock:
            full = len(self._connections) >= MOST_CONNECTIONS
            if not full:
                self._connections[id(sock)] = (sock, thread)
        if full:
            log.warning("more than %d connections: refused one", MOST_CONNECTIONS)
            sock.close()
            return
        thread.start()

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


def _shut_down(sock: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    try:
        sock.shutdown(how)
    except OSError:
        pass  # the other end closed it first
