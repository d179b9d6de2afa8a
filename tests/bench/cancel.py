"""How long the device stays busy after a cancel, at many moments of a real run.

    python tests/bench/cancel.py [PICTURE] [--moments N]

Cancels the whole one-click run at evenly spread moments and prints, for each, the stage it was
in, the time until the editor is free, and until the compute thread is (from the backend's log).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "service")]

from PIL import Image as Pillow  # noqa: E402
from service_support import BackendProcess, serve_command  # noqa: E402

from plugin.client import Client, Image  # noqa: E402

GOAL = 0.5  # seconds


def ended(backend: BackendProcess) -> int:
    """How many runs the backend has ended so far, by its log."""
    return len(re.findall(r"clean: (?:cancelled|done|failed) after", backend.log()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--moments", type=int, default=20)
    args = parser.parse_args()
    picture = Pillow.open(args.picture).convert("RGBA")
    image = Image(picture.width, picture.height, 4, "u8", "RGBA", picture.tobytes())
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        backend = BackendProcess(Path(folder), serve_command())
        backend.wait_ready()
        try:
            with Client.connect(folder, start=False) as client:
                begin = time.perf_counter()
                client.submit_clean(image).result()
                print(f"first run, models loaded: {time.perf_counter() - begin:.1f} s")
                begin = time.perf_counter()
                client.submit_clean(image).result()
                whole = time.perf_counter() - begin
                print(f"second run: {whole:.1f} s, {picture.width} × {picture.height}")
                for moment in range(args.moments):
                    before = ended(backend)
                    job = client.submit_clean(image)
                    status = job.wait(whole * (moment + 0.5) / args.moments)
                    begin = time.perf_counter()
                    job.cancel()
                    editor = time.perf_counter() - begin
                    while ended(backend) == before:
                        time.sleep(0.005)
                    device = time.perf_counter() - begin
                    worst = max(worst, device)
                    print(
                        f"{status.state:8} {status.stage:8} {status.text[:40]:40} editor "
                        f"{editor * 1e3:5.0f} ms, device {device * 1e3:6.0f} ms"
                    )
        finally:
            backend.end()
    print(f"worst: {worst:.2f} s; goal {GOAL} s: {'met' if worst <= GOAL else 'MISSED'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
