"""`cleanplate serve` and `cleanplate stop`."""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import os
import sys
import time

from backend.home import home, logs_dir, private_dir, run_dir
from backend.values import CleanPlateError

LOG = "backend.log"
LOG_BYTES, LOG_FILES = 1_000_000, 3
READY_SECONDS = 30.0

log = logging.getLogger("cleanplate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    if parser.prog.endswith(" serve"):
        parser.add_argument(
            "--idle",
            type=float,
            default=None,
            metavar="SECONDS",
            help="end after this time without a call (default: 1800)",
        )


def run(args: argparse.Namespace) -> int:
    return run_stop() if args.verb == "stop" else run_serve(args.idle)


def run_stop() -> int:
    """Prints what it did; 0 also when nothing ran."""
    from backend.service import life

    print("backend: stopped" if life.stop() else "backend: not running")
    return 0


def run_serve(idle: float | None = None) -> int:
    """Serves until it is told to end; when a backend runs already, prints that one's line."""
    from backend.service import life

    private_dir(home())
    lock = life.Lock(run_dir())
    deadline = time.monotonic() + READY_SECONDS
    while not lock.take():
        other = life.running()
        if other is not None:
            _say(life.ready_line(other))
            return 0
        if time.monotonic() > deadline:
            raise CleanPlateError(
                "Another backend is starting or hangs. End it with `cleanplate stop`."
            )
        time.sleep(0.05)
    try:
        return _serve(idle)
    finally:
        lock.release()


def _serve(idle: float | None) -> int:
    from backend.service import kinds_builtin as _  # noqa: F401  (registers the jobs)
    from backend.service import kinds_layers as _layers  # noqa: F401
    from backend.service import life
    from backend.service.server import IDLE_SECONDS, Server

    life.remove_run_files()
    _log_to_file()
    server = Server(run_dir(), IDLE_SECONDS if idle is None else idle)
    try:
        server.listen_to_signals()
        contents = life.write_run_file(server.host, server.port, server.token)
        log.info("ready: pid %d, port %d", os.getpid(), server.port)
        _say(life.ready_line(contents))
        server.run()
    finally:
        life.remove_run_files()
        server.close()
        log.info("ended")
    logging.shutdown()
    # A job in a foreign library may still be computing, and such threads crash a normal exit.
    if sys.stdout is not None:
        sys.stdout.flush()
    os._exit(0)


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError:
        # Whoever started us has gone, or gave us no output; the run file says the same.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")


def _log_to_file() -> None:
    path = private_dir(logs_dir()) / LOG
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", delay=False
    )
    if sys.platform != "win32":
        path.chmod(0o600)
    form = "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s"
    handler.setFormatter(logging.Formatter(form))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
