"""`cleanplate serve` with jobs made for the tests: the process, socket and queue are the real ones.

Started as a program by service_support.serve_command(kinds=True).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.cli import main  # noqa: E402
from backend.service import checks  # noqa: E402
from backend.service.kinds import Answer, Context, Kind, register  # noqa: E402
from backend.service.session import Session  # noqa: E402
from backend.values import BadInput, Control  # noqa: E402

ORDER: list[str] = []


def _check_echo(session: Session, arguments: dict[str, Any]) -> Any:
    return session.image(arguments["image"])


def _echo(image: Any, context: Context, control: Control) -> Answer:
    return Answer({"size": image.layout.size}, {"before": b"", "data": image.data, "after": b""})


def _check_steps(session: Session, arguments: dict[str, Any]) -> tuple[str, float, float]:
    name = checks.text(arguments.get("name", ""), "name")
    seconds = checks.number(arguments.get("seconds", 0), "seconds", 0, 600)
    return name, seconds, checks.number(arguments.get("step", 0.02), "step", 0, 600)


def _steps(request: tuple[str, float, float], context: Context, control: Control) -> Answer:
    """Works for some seconds, and reports after each step."""
    name, seconds, step = request
    ORDER.append("begin " + name)
    with control.stage("fill", "Working on " + name):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(step, left))
            control.progress(1 - max(0.0, left) / seconds, "Working on " + name)
    ORDER.append("end " + name)
    return Answer({"order": list(ORDER)})


def _fail(request: dict[str, Any], context: Context, control: Control) -> Answer:
    if request.get("how") == "told":
        raise BadInput("The file /home/someone/secret/picture.png is not a picture.")
    if request.get("how") == "memory":
        raise MemoryError
    if request.get("how") == "exit":
        raise SystemExit(3)
    return Answer({"text": open("/home/someone/secret/weights.bin").read()})


def _unsendable(request: dict[str, Any], context: Context, control: Control) -> Answer:
    return Answer({"object": object()})


register(Kind("echo", _check_echo, _echo))
register(Kind("steps", _check_steps, _steps))
register(Kind("quick", _check_steps, _steps, interactive=True))
register(Kind("fail", lambda session, arguments: arguments, _fail))
register(Kind("unsendable", lambda session, arguments: arguments, _unsendable))

if __name__ == "__main__":
    raise SystemExit(main(["serve", *sys.argv[1:]]))
