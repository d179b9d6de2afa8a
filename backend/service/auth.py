"""The gate: nobody gets past it without the token, and nothing is decoded before.

One thread holds all sockets that have not shown the token yet, so that silent or wrong ones cost
neither a thread nor memory. When too many wait, the oldest is dropped: a newcomer always gets in.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import selectors
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from plugin.client.protocol import LOOPBACK, TOKEN_LENGTH, TOKEN_SECONDS

log = logging.getLogger("cleanplate.gate")

MOST_WAITING = 256


def new_token() -> str:
    """256 random bits as 64 ASCII characters."""
    return secrets.token_hex(TOKEN_LENGTH // 2)


@dataclass
class _Waiting:
    sock: socket.socket
    deadline: float
    received: bytearray = field(default_factory=bytearray)


class Gate:
    """Listens on loopback at a free port. `run` blocks until `stop`; `admit(socket)` is called
    with each socket that has shown the token."""

    def __init__(self, token: str, admit: Callable[[socket.socket], None]) -> None:
        self._token = token.encode("ascii")
        self._admit = admit
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._refused = 0
        self._told = 0.0
        self._stopped = False
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind((LOOPBACK, 0))
        self._listener.listen(256)
        self._listener.setblocking(False)
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self.host, self.port = self._listener.getsockname()[:2]

    @property
    def bell(self) -> socket.socket:
        """A byte sent here wakes `run` (signal.set_wakeup_fd)."""
        return self._bell

    def run(self, tick: Callable[[], None], every: float = 1.0) -> None:
        """Accepts and checks until `stop`; calls `tick` about every `every` seconds."""
        next_tick = time.monotonic() + every
        while not self._stopped:
            for key, _ in self._selector.select(self._patience(next_tick)):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._ear:
                    self._ear.recv(4096)
                else:
                    self._read(key.fd)
            now = time.monotonic()
            self._drop_late(now)
            if now >= next_tick:
                next_tick = now + every
                tick()

    def stop(self) -> None:
        """Ends `run`; may be called from any thread and from a signal handler."""
        self._stopped = True
        try:
            self._bell.send(b"!")
        except OSError:
            log.debug("the gate was closed already")

    def close(self) -> None:
        for descriptor in list(self._waiting):
            self._drop(descriptor)
        self._selector.close()
        for sock in (self._listener, self._bell, self._ear):
            sock.close()

    def _patience(self, next_tick: float) -> float:
        first = next(iter(self._waiting.values()), None)
        until = next_tick if first is None else min(next_tick, first.deadline)
        return max(0.0, until - time.monotonic())

    def _accept(self) -> None:
        for _ in range(64):  # then look after the others again
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors: those that wait are the only ones that can be spared.
                log.warning("a connection could not be accepted: %s", error)
                if self._waiting:
                    self._drop(next(iter(self._waiting)))
                else:
                    time.sleep(0.05)
                return
            sock.setblocking(False)
            if len(self._waiting) >= MOST_WAITING:
                self._drop(next(iter(self._waiting)))
            descriptor = sock.fileno()
            self._waiting[descriptor] = _Waiting(sock, time.monotonic() + TOKEN_SECONDS)
            self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, descriptor: int) -> None:
        waiting = self._waiting.get(descriptor)
        if waiting is None:
            return  # dropped in this very round
        try:
            data = waiting.sock.recv(TOKEN_LENGTH - len(waiting.received))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        waiting.received += data
        if data and len(waiting.received) < TOKEN_LENGTH:
            return
        if data and hmac.compare_digest(bytes(waiting.received), self._token):
            self._selector.unregister(waiting.sock)
            del self._waiting[descriptor]
            waiting.sock.setblocking(True)
            self._admit(waiting.sock)
            return
        self._drop(descriptor)
        if data:
            self._tell_refusal()

    def _drop_late(self, now: float) -> None:
        while self._waiting:
            descriptor, waiting = next(iter(self._waiting.items()))
            if waiting.deadline > now:
                return
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        waiting = self._waiting.pop(descriptor)
        self._selector.unregister(waiting.sock)
        waiting.sock.close()

    def _tell_refusal(self) -> None:
        """One line a minute at most: a flood of wrong tokens must not fill the log either."""
        self._refused += 1
        now = time.monotonic()
        if now - self._told > 60.0 or not self._told:
            log.warning("refused %d connection(s) with a wrong token", self._refused)
            self._told, self._refused = now, 0
