"""`python -m plugin.demo --home DIR`: photo → real backend process over RPyC → layers, picture."""

import argparse
import os
import sys
import time
from pathlib import Path

from plugin.client import BackendError, Client

from .compose import before_after, compose, to_image, write_layers


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m plugin.demo")
    parser.add_argument("--home", required=True, help="CLEANPLATE_HOME")
    home = os.path.abspath(parser.parse_args().home)
    folder = Path(home, "demo")
    try:
        return show(home, folder)
    except BackendError as error:
        print("The demo failed: %s\n%s" % (error.message, error.details), file=sys.stderr)
        return 1


def show(home: str, folder: Path) -> int:
    """Runs the demo; returns the exit status."""
    picture = compose()
    started = time.monotonic()
    ours = False  # whether the demo started the backend, and so ends it
    try:
        client = Client.connect(home, start=False)
    except BackendError:
        client, ours = Client.connect(home, on_progress=_print), True
    with client:
        info = client.info()
        print("    backend: process %d on %s, pixels by %s" % (
            info["pid"], info["device_text"] or info["device"],
            "shared memory" if info["handover"] != "socket" else "socket"))
        job = client.submit_clean(to_image(picture), {"people": True, "text": True})
        job.wait(on_progress=_print)
        reply = job.result()
        seconds = time.monotonic() - started
        if ours:
            client.stop_backend()
    if not reply.found:
        print("The demo failed: nothing was found in the sample.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    layered, shown = folder / "sample.ora", folder / "before_after.png"
    write_layers(layered, picture, reply)
    before_after(picture, reply).save(shown)
    models = reply.report.get("models", {})
    print("    found %s and %d line(s) of text; %.1f s in all, models: %s" % (
        "people" if reply.object_mask else "nobody", len(reply.lines), seconds,
        ", ".join("%s %s" % pair for pair in sorted(models.items()))))
    print("    layers:        %s\n    before, after: %s" % (layered, shown))
    return 0


_shown = [""]


def _print(*progress: object) -> None:
    """Prints each stage once; takes a Status or (stage, fraction, text)."""
    status = progress[0]
    text = str(getattr(status, "text", "") or (progress[2] if len(progress) > 2 else ""))
    if text and text != _shown[0]:
        print("    " + text, flush=True)
        _shown[0] = text


if __name__ == "__main__":
    sys.exit(main())
