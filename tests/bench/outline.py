"""From the mouse press on the armed canvas to the outline on the screen, in a real Krita window.

    python tests/bench/outline.py [PICTURE…] [--editor system|trixie|forky] [--size 1920x1280]

Scales each picture to --size, arms the canvas, clicks at places spread over it (each as the first
click on its object), then corrects the last one by Shift- and Alt-clicks. Prints the times and
the longest time that Krita's event loop stood still meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "krita")]

import cv2  # noqa: E402
from conftest import RAFT, Editor  # noqa: E402
from krita_places import places  # noqa: E402

GOAL, STALL = 0.3, 0.1  # seconds
SPOTS = ((0.32, 0.46), (0.5, 0.5), (0.25, 0.3), (0.7, 0.6), (0.6, 0.25), (0.4, 0.75))

# Notes in Krita when a press comes, when an answer's outline is painted, and when it is shown:
# a timer of no time fires after the window was brought to the screen.
NOTES = """
import time
from PyQt5.QtCore import QTimer
picker, picking = sys.modules["cleanplate.picker"].Picker, sys.modules["cleanplate.picking"].Picking
noted = {}
press, paint, show = picker._press, picker._paint, picking._show
def note(name):
    noted.setdefault(name, time.perf_counter())
def pressed(self, position):
    noted.clear(); note("press"); press(self, position)
def answered(self):
    show(self); noted.setdefault("answers", []).append(time.perf_counter())
def painted(self, painter):
    paint(self, painter)
    if "answers" in noted:
        note("painted"); QTimer.singleShot(0, lambda: note("shown"))
picker._press, picker._paint, picking._show = pressed, painted, answered
"""
PICKING = "controller()._picking"


def click(editor: Editor, x: float, y: float, key: str = "") -> tuple[float, float, float]:
    """Seconds to the first outline and to the last one, and the longest stall until then."""
    place = editor.steady("on_screen(x, y)", x=int(x), y=int(y))
    editor.point(*place)

    def press() -> None:
        editor.ask("hand.stop(); noted.clear(); stalls.start()")
        editor.xdo("click", 1)
        time.sleep(1.0)  # questions would take the event loop's time

    if key:
        editor.held(key, press)
    else:
        press()
    editor.wait_for(f"'shown' in noted and not {PICKING}.busy")
    stalls = editor.eval("stalls.stop()")
    noted = editor.eval("noted")
    last = max(noted["answers"])
    long = [end - begin for begin, end in stalls if noted["press"] - 0.01 < begin < last + 0.1]
    return noted["shown"] - noted["press"], last - noted["press"], max(long, default=0.0)


def measure(editor: Editor, picture: Path, size: tuple[int, int], folder: Path) -> list[float]:
    """Prints the times of one picture; those of its first clicks."""
    pixels = cv2.imread(str(picture))
    assert pixels is not None, f"{picture} cannot be read"
    path = folder / f"{picture.stem}.png"
    cv2.imwrite(str(path), cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC))
    editor.open(path)
    editor.zoom(0.5)
    editor.focus()
    begin = time.perf_counter()
    editor.trigger("cleanplate_remove_clicked")
    editor.wait_for(f"{PICKING}._sight.handle is not None")
    print(f"{picture.name}: looked at {time.perf_counter() - begin:.2f} s after arming")
    first = []
    for x, y in SPOTS:
        spot = x * size[0], y * size[1]
        shown, whole, stall = click(editor, *spot, key="shift")
        first.append(shown)
        stalls.append(stall)
        print(f"  first click at {spot[0]:4.0f},{spot[1]:4.0f}: outline {shown:.3f} s, "
              f"refined {whole:.3f} s, longest stall {stall:.3f} s")
        if (x, y) != SPOTS[-1]:
            editor.canvas_key("BackSpace")
            editor.wait_for(f"not {PICKING}.steps")
    for key, dx, dy in (("shift", 0.06, 0.03), ("alt", -0.1, -0.08), ("shift", 0.1, -0.05)):
        shown, _, stall = click(editor, spot[0] + dx * size[0], spot[1] + dy * size[1], key)
        further.append(shown)
        stalls.append(stall)
        print(f"  {key}-click: outline {shown:.3f} s, longest stall {stall:.3f} s")
    editor.canvas_key("Escape")
    editor.wait_for("widget('cleanplate_picker') is None")
    return first


further: list[float] = []
stalls: list[float] = []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="*", default=[RAFT])
    parser.add_argument("--editor", default="system")
    parser.add_argument("--size", default="1920x1280")
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))
    place = next((p for p in places() if p.name == args.editor), None)
    if place is None or place.missing():
        parser.error(f"{args.editor}: {place.missing() if place else 'is not on this machine'}")
    first: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        editor = Editor(Path(name), place)
        try:
            editor.start()
            print(f"Krita {editor.eval('app.version()')}, {width}×{height}")
            editor.ask(NOTES)
            for picture in args.pictures:
                first += measure(editor, picture, (width, height), Path(name))
        finally:
            editor.stop()
    for what, times, goal in (("first outline", first, GOAL), ("further outlines", further, GOAL),
                              ("stall", stalls, STALL)):
        print(f"{what}: median {statistics.median(times):.3f} s, worst {max(times):.3f} s; goal "
              f"{goal} s: {'met' if max(times) <= goal else 'MISSED'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
