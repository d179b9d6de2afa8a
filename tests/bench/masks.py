"""How long the people and the text mask of a 1920×1280 picture take, warm.

    [CLEANPLATE_FLOAT32=1] python tests/bench/masks.py DATA [--count N]

DATA holds creatives_composed. Each advert is brought to that size; people: the best of three
calls, text: of two, after one that warms up. Prints each picture, then the median and the worst.
CLEANPLATE_FLOAT32=1: as on a processor without AMX.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from backend.evaluate import data  # noqa: E402
from backend.evaluate.people import SPEED_SIZE  # noqa: E402
from backend.models.store import ModelStore  # noqa: E402
from backend.values import Control  # noqa: E402

GOALS = {"people": 0.5, "text": 0.8}  # seconds


def quickest(call: Callable[[], object], times: int) -> float:
    """Seconds of the quickest of some calls, after one that does not count."""
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=10)
    args = parser.parse_args()
    store, control = ModelStore("cpu"), Control()
    people = store.get("people", "people-builtin", control)
    text = store.get("text", "text-ppocr", control)
    seconds: dict[str, list[float]] = {"people": [], "text": []}
    for advert in data.adverts(args.data, args.count):
        rgb = cv2.resize(advert.rgb, SPEED_SIZE, interpolation=cv2.INTER_LINEAR)
        seconds["people"].append(quickest(lambda rgb=rgb: people.probability(rgb, control), 3))
        seconds["text"].append(quickest(lambda rgb=rgb: text.find(rgb, control), 2))
        print(advert.stem, *(f"{name} {taken[-1]:.3f} s" for name, taken in seconds.items()))
    for name, taken in seconds.items():
        print(f"{name}: median {np.median(taken):.3f} s, worst {max(taken):.3f} s, "
              f"goal {GOALS[name]} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
