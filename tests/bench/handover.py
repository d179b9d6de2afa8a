"""How fast pixels go to the backend and back, beside plain RPyC and a plain memory copy.

    python tests/bench/handover.py [--rounds N] [--width W --height H]

A real backend process gets a picture and gives it back as the answer of a job (queue, status and
JSON included); that, the copy and the socket take turns. Prints medians, the best of the rounds,
and the ratios that the project asks for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "service")]

import rpyc  # noqa: E402
from service_support import BackendProcess, serve_command  # noqa: E402

from plugin.client import Client, Image  # noqa: E402

COPY, WINDOW, SOCKET, PLAIN = "one memory copy", "ours, window", "ours, socket", "plain RPyC"
COPIES, MEGABYTES = 3, 500  # the goals: copies' time locally, MB/s through the socket


def measured(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each work in each round, by name. The works take turns, so that a machine which
    is slower for a while is slower for all of them; two more rounds first warm up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 2):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            if number >= 2:
                times[name].append(time.perf_counter() - begin)
    return times


def round_trip(client: Client, image: Image) -> Callable[[], None]:
    def once() -> None:
        job = client.submit("echo", image=image)
        reply = job.result()
        job.release()
        if len(reply.blocks["data"]) != len(image.data):
            raise SystemExit("the backend sent back something else")

    return once


@contextmanager
def plain(image: Image) -> Iterator[Callable[[], object]]:
    """RPyC's own server and client, as the documentation shows them."""
    program = Path(__file__).with_name("plain_rpyc.py")
    peer = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert peer.stdout is not None
        connection = rpyc.connect("127.0.0.1", int(peer.stdout.readline()))
        yield lambda: connection.root.echo(image.data)
        connection.close()
    finally:
        peer.terminate()
        peer.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--width", type=int, default=3840)
    parser.add_argument("--height", type=int, default=2160)
    args = parser.parse_args()
    size = args.width * args.height * 4
    image = Image(args.width, args.height, 4, "u8", "BGRA", os.urandom(size))
    print(f"{args.width} × {args.height} RGBA, {size / 1e6:.1f} MB there and back")
    with tempfile.TemporaryDirectory() as folder:
        backend = BackendProcess(Path(folder), serve_command(kinds=True))
        backend.wait_ready()
        try:
            with (
                Client.connect(folder, start=False) as local,
                Client.connect(folder, start=False, share_files=False) as remote,
            ):
                works = {
                    COPY: lambda: bytearray(image.data),
                    WINDOW: round_trip(local, image),
                    SOCKET: round_trip(remote, image),
                }
                times = measured(works, args.rounds)
        finally:
            backend.end()
    with plain(image) as echo:
        times |= measured({PLAIN: echo}, max(3, args.rounds // 8))
    medians = {name: statistics.median(each) for name, each in times.items()}
    print(f"{'':20} {'median':>9} {'best':>9} {'copies':>7} {'MB/s':>7}  plain RPyC / this")
    for name, each in times.items():
        median = medians[name]
        print(
            f"{name:20} {median * 1e3:6.1f} ms {min(each) * 1e3:6.1f} ms "
            f"{median / medians[COPY]:7.2f} {2 * size / median / 1e6:7.0f}  "
            f"{medians[PLAIN] / median:6.1f}"
        )
    local_copies, wire = medians[WINDOW] / medians[COPY], 2 * size / medians[SOCKET] / 1e6
    met = {True: "met", False: "MISSED"}
    print(f"goal: at most {COPIES} copies locally: {local_copies:.2f}: "
          f"{met[local_copies <= COPIES]}")
    print(f"goal: at least {MEGABYTES} MB/s by socket: {wire:.0f}: {met[wire >= MEGABYTES]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
