"""Real backend processes for the tests, and a socket to be rude to them with."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WITH_KINDS = Path(__file__).with_name("backend_with_kinds.py")
LONG = 300.0  # seconds for what surely comes, on however slow a machine


class BackendProcess:
    """`cleanplate serve` in a home of its own."""

    def __init__(self, home: Path, command: Sequence[str], **options: Any) -> None:
        self.home = home
        environment = {**os.environ, "CLEANPLATE_HOME": str(home), "OMP_NUM_THREADS": "2"}
        environment.update(options.pop("env", {}))
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.ready: dict[str, Any] = {}

    def wait_ready(self, timeout: float = LONG) -> dict[str, Any]:
        """The ready line; fails with the backend's own words."""
        watchdog = threading.Timer(timeout, self.process.kill)
        watchdog.start()
        try:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        self.ready_after = time.monotonic() - self.started
        if not line:
            _, errors = self.process.communicate(timeout=LONG)
            raise AssertionError(f"the backend did not get ready: {errors}")
        self.ready = json.loads(line)
        return self.ready

    @property
    def run_file(self) -> Path:
        return self.home / "run" / "backend.json"

    def run(self) -> dict[str, Any]:
        return json.loads(self.run_file.read_text())

    def log(self) -> str:
        return (self.home / "logs" / "backend.log").read_text()

    def memory(self) -> int:
        """Resident bytes."""
        for line in Path(f"/proc/{self.ready['pid']}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.ready['pid']}/task").iterdir()))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(LONG)
        note = self.home / "run" / "pixels.txt"
        if note.exists():  # it was killed
            shutil.rmtree(note.read_text(), ignore_errors=True)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def serve_command(*arguments: str, kinds: bool = False) -> list[str]:
    """`kinds`: with the test's own kinds of jobs (backend_with_kinds.py)."""
    program = [str(WITH_KINDS)] if kinds else ["-m", "backend", "serve"]
    return [sys.executable, *program, *arguments]


def knock(run: dict[str, Any], token: str | bytes | None = None) -> socket.socket:
    """A raw socket; `token` None = the right one, b"" = none."""
    sock = socket.create_connection((run["host"], run["port"]), timeout=LONG)
    sent = run["token"] if token is None else token
    sock.sendall(sent.encode() if isinstance(sent, str) else sent)
    return sock


def closed_by_peer(sock: socket.socket, within: float) -> bool:
    """Whether the other end closes `sock`, whatever it says before."""
    sock.settimeout(within)
    try:
        while sock.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def eventually(condition: Callable[[], Any], timeout: float = LONG) -> bool:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
