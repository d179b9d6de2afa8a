"""What filling costs in large pictures: `python tests/bench/fill.py DATA` (the folder with
`natural/`).

Prints the time and the memory above what the process held before for a hole of two megapixels in
6000×4000, and the time of five holes of 1 % each in 3840×2160 against that of the same holes in
the 1920×1080 part that holds them, in one go, the quickest of three each. Then how
long the large fill goes on when it is cancelled at different moments.
"""

from __future__ import annotations

import argparse
import resource
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.evaluate import data  # noqa: E402
from backend.fill.plate import fill_plate  # noqa: E402
from backend.models.interfaces import FillModel  # noqa: E402
from backend.models.store import ModelStore  # noqa: E402
from backend.values import Cancelled, Control  # noqa: E402


def peak() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def silhouette(shape: tuple[int, int], at: tuple[int, int], area: float) -> np.ndarray:
    """H×W uint8: something like a person of `area` px around `at` (x, y)."""
    high = int(np.sqrt(area / 0.292))
    mask = np.zeros(shape, np.uint8)
    x, y = at
    cv2.ellipse(mask, (x, y + high // 8), (high // 5, 3 * high // 8), 0, 0, 360, 255, -1)
    cv2.circle(mask, (x, y - 3 * high // 8), high // 8, 255, -1)
    cv2.rectangle(mask, (x - high // 8, y + high // 4), (x + high // 8, y + high // 2), 255, -1)
    return mask


def cancelled(rgb: np.ndarray, hole: np.ndarray, model: FillModel, at: float) -> float | None:
    """How long a fill that is cancelled `at` seconds after its start goes on, s; None if it was
    done before."""
    asked, when = threading.Event(), [0.0]

    def ask() -> None:
        when[0] = time.perf_counter()
        asked.set()

    timer = threading.Timer(at, ask)
    timer.start()
    try:
        fill_plate(rgb, hole, model, Control(cancelled=asked.is_set))
    except Cancelled:
        return time.perf_counter() - when[0]
    finally:
        timer.cancel()
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", help="a fill model's name; the default one without it")
    args = parser.parse_args()
    model = ModelStore("auto").get("fill", args.model, Control())
    folder = data.find_set(args.data, "natural")
    photo = data.picture(folder, data.stems(folder)[12])
    fill_plate(photo, silhouette(photo.shape[:2], (200, 200), 4000), model, Control())  # warm

    four = cv2.resize(photo, (3840, 2160), interpolation=cv2.INTER_CUBIC)
    places = ((1150, 820), (1500, 1340), (1900, 820), (2300, 1340), (2660, 820))
    holes = [silhouette((2160, 3840), place, 0.01 * 3840 * 2160) for place in places]
    hole = np.max(holes, axis=0)
    part = np.s_[540:1620, 960:2880]
    assert np.count_nonzero(hole[part]) == np.count_nonzero(hole), "the part cuts a hole"
    print(f"{model.description.name} on {model.description.device}; five holes: "
          f"{100 * np.count_nonzero(hole) / hole.size:.1f} % of 3840×2160")
    seconds = []
    for rgb, mask in ((four[part], hole[part]), (four, hole)):
        rgb, mask = np.ascontiguousarray(rgb), np.ascontiguousarray(mask)
        taken = []
        for _ in range(3):
            begin = time.perf_counter()
            fill_plate(rgb, mask, model, Control())
            taken.append(time.perf_counter() - begin)
        seconds.append(min(taken))
    print(f"1920×1080: {seconds[0]:.1f} s; 3840×2160: {seconds[1]:.1f} s, "
          f"{seconds[1] / seconds[0]:.2f} times as long")

    large = cv2.resize(photo, (6000, 4000), interpolation=cv2.INTER_CUBIC)
    hole = silhouette((4000, 6000), (3000, 2000), 2_000_000)
    before, begin = peak(), time.perf_counter()
    fill_plate(large, hole, model, Control())
    print(f"6000×4000, a hole of {np.count_nonzero(hole) / 1e6:.2f} megapixels: "
          f"{time.perf_counter() - begin:.1f} s, {peak() - before:.0f} MB more than before")
    waits = [wait for at in (0.2, 0.7, 1.5, 2.5, 5, 8, 12, 15)
             if (wait := cancelled(large, hole, model, at)) is not None]
    print(f"cancelled at {len(waits)} moments: it ended after at most {max(waits):.2f} s")


if __name__ == "__main__":
    main()
