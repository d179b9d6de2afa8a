"""How long the masks of a 1920×1280 picture take, warm, and how much memory those of a large one.

    [CLEANPLATE_FLOAT32=1] python tests/bench/masks.py DATA [--count N] [--large]

DATA holds creatives_composed and click. Each advert is brought to that size; people: the best of
three calls, text: of two, after one that warms up. click: a photo of that size, each answer after
the first click. Prints each picture, then the median and the worst.
--large: only the peak of a people mask and of a click at 6000×4000 above what the idle process
holds (models loaded and used once).
CLEANPLATE_FLOAT32=1: as on a processor without AMX.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from backend.evaluate import click_protocol as protocol  # noqa: E402
from backend.evaluate import data  # noqa: E402
from backend.evaluate.people import SPEED_SIZE  # noqa: E402
from backend.models.store import ModelStore  # noqa: E402
from backend.values import Control, Point  # noqa: E402

GOALS = {"people": 0.5, "text": 0.8, "click": 0.15}  # seconds
LARGE, CLICKS = (6000, 4000), 8


def quickest(call: Callable[[], object], times: int) -> float:
    """Seconds of the quickest of some calls, after one that does not count."""
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def photos(folder: Path, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Photos and the truth of one thing in each, at SPEED_SIZE."""
    found = data.find_set(folder, "click")
    pairs = [(data.picture(found, stem), data.grey(found, stem, "mask"))
             for stem in data.stems(found)[:count]]
    return [tuple(cv2.resize(plane, SPEED_SIZE, interpolation=cv2.INTER_LINEAR)
                  for plane in pair) for pair in pairs]  # type: ignore[misc]


def peak() -> float:
    """The most memory that this process has held, in MB (Linux, macOS)."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def large(folder: Path, people: Any, click: Any) -> None:
    """Prints how far the peak rises."""
    rgb = next(data.adverts(folder, 1)).rgb
    control = Control()

    def each(picture: np.ndarray) -> list[Callable[[], object]]:
        middle = Point(picture.shape[1] / 2, picture.shape[0] / 2)
        return [
            lambda: people.probability(picture, control),
            lambda: click.predict(click.encode(picture, control), (middle,)),
        ]

    for call in each(cv2.resize(rgb, (600, 400))):
        call()
    picture = cv2.resize(rgb, LARGE, interpolation=cv2.INTER_CUBIC)
    for name, call in zip(("people", "click"), each(picture), strict=True):
        idle = peak()
        call()
        print(f"{name} at {LARGE[0]}×{LARGE[1]}: {peak() - idle:.0f} MB above {idle:.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--large", action="store_true")
    args = parser.parse_args()
    store, control = ModelStore("cpu"), Control()
    people = store.get("people", "people-builtin", control)
    text = store.get("text", "text-ppocr", control)
    click = store.get("click", "click-builtin", control)
    if args.large:
        large(args.data, people, click)
        return 0
    seconds: dict[str, list[float]] = {"people": [], "text": [], "click": []}
    for advert in data.adverts(args.data, args.count):
        rgb = cv2.resize(advert.rgb, SPEED_SIZE, interpolation=cv2.INTER_LINEAR)
        seconds["people"].append(quickest(lambda rgb=rgb: people.probability(rgb, control), 3))
        seconds["text"].append(quickest(lambda rgb=rgb: text.find(rgb, control), 2))
        print(advert.stem, *(f"{name} {seconds[name][-1]:.3f} s" for name in ("people", "text")))
    for rgb, truth in photos(args.data, args.count):
        seconds["click"] += protocol.interact(click, rgb, truth, CLICKS).seconds[1:]
    for name, taken in seconds.items():
        print(f"{name}: median {np.median(taken):.3f} s, worst {max(taken):.3f} s, "
              f"goal {GOALS[name]} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
