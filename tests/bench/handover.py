"""How fast pixels go to the backend and back, beside plain RPyC and a plain memory copy.

    python tests/bench/handover.py [--rounds N] [--width W --height H]

A real backend process gets a picture and gives it back as the answer of a job (queue, status and
JSON included). Prints medians, best of the rounds, and the ratios that the project asks for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "service")]

import rpyc  # noqa: E402
from service_support import BackendProcess, serve_command  # noqa: E402

from plugin.client import Client, Image  # noqa: E402

COPIES, MEGABYTES = 3, 500  # the goals: copies' time locally, MB/s through the socket


def measured(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """(median, best) seconds; one more round first warms up."""
    work()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), min(times)


def round_trip(client: Client, image: Image) -> Callable[[], None]:
    def once() -> None:
        job = client.submit("echo", image=image)
        reply = job.result()
        job.release()
        if len(reply.blocks["data"]) != len(image.data):
            raise SystemExit("the backend sent back something else")

    return once


def plain(image: Image, rounds: int) -> tuple[float, float]:
    """RPyC's own server and client, as the documentation shows them."""
    program = Path(__file__).with_name("plain_rpyc.py")
    peer = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert peer.stdout is not None
        connection = rpyc.connect("127.0.0.1", int(peer.stdout.readline()))
        result = measured(lambda: connection.root.echo(image.data), rounds)
        connection.close()
    finally:
        peer.terminate()
        peer.wait()
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--width", type=int, default=3840)
    parser.add_argument("--height", type=int, default=2160)
    args = parser.parse_args()
    size = args.width * args.height * 4
    image = Image(args.width, args.height, 4, "u8", "BGRA", os.urandom(size))
    print(f"{args.width} × {args.height} RGBA, {size / 1e6:.1f} MB there and back")
    copy = measured(lambda: bytearray(image.data), args.rounds)
    rows = [("one memory copy", copy)]
    with tempfile.TemporaryDirectory() as folder:
        backend = BackendProcess(Path(folder), serve_command(kinds=True))
        backend.wait_ready()
        try:
            for name, share in (("ours, window", True), ("ours, socket", False)):
                with Client.connect(folder, start=False, share_files=share) as client:
                    rows.append((name, measured(round_trip(client, image), args.rounds)))
        finally:
            backend.end()
    rows.append(("plain RPyC", plain(image, max(3, args.rounds // 5))))
    print(f"{'':20} {'median':>9} {'best':>9} {'copies':>7} {'MB/s':>7}  plain RPyC / this")
    peer = rows[-1][1][0]
    for name, (median, best) in rows:
        speed = 2 * size / median / 1e6
        print(
            f"{name:20} {median * 1e3:6.1f} ms {best * 1e3:6.1f} ms {median / copy[0]:7.2f} "
            f"{speed:7.0f}  {peer / median:6.1f}"
        )
    local, wire = rows[1][1][0] / copy[0], 2 * size / rows[2][1][0] / 1e6
    met = {True: "met", False: "MISSED"}
    print(f"goal: at most {COPIES} copies locally: {local:.2f}: {met[local <= COPIES]}")
    print(f"goal: at least {MEGABYTES} MB/s by socket: {wire:.0f}: {met[wire >= MEGABYTES]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
