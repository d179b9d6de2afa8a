"""Models that answer by simple rules, so that what the pipeline does with answers can be tested.

The real models are run by the tests of the command line and by `cleanplate evaluate`.
"""

from __future__ import annotations

import itertools
import struct
from typing import Any

import cv2
import numpy as np

from backend.models.interfaces import Description, Embedding, TextFound
from backend.values import TextLine

RED, BLUE, GREEN = (220, 20, 20), (20, 20, 220), (20, 200, 20)


def is_colour(rgb: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(rgb.astype(int) - colour).max(2) < 30).astype(np.uint8) * 255


class RedPeople:
    """Red is people."""

    def __init__(self, instances: bool) -> None:
        self.description = Description("red-people", "cpu", instances=instances)

    def probability(self, rgb: np.ndarray, control: Any) -> np.ndarray:
        return is_colour(rgb, RED).astype(np.float32) / 255

    def instances(self, rgb: np.ndarray, control: Any) -> list[np.ndarray]:
        count, labels = cv2.connectedComponents(is_colour(rgb, RED))
        return [(labels == i).astype(np.uint8) * 255 for i in range(1, count)]


class StandsOut(RedPeople):
    """Red and green stand out, and two pixels around them."""

    def __init__(self) -> None:
        self.description = Description("stands-out", "cpu")

    def probability(self, rgb: np.ndarray, control: Any) -> np.ndarray:
        both = is_colour(rgb, RED) | is_colour(rgb, GREEN)
        return cv2.dilate(both, np.ones((5, 5), np.uint8)).astype(np.float32) / 255


class BlueText:
    """Blue is text; every connected blue part is a line."""

    description = Description("blue-text", "cpu")

    def find(self, rgb: np.ndarray, control: Any) -> TextFound:
        mask = is_colour(rgb, BLUE)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        lines = []
        for x, y, w, h, _ in stats[1:count]:
            polygon = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float32)
            lines.append(TextLine(polygon, float(h)))
        return TextFound(mask.astype(np.float32) / 255, mask, tuple(lines))


class GreenClick:
    """The object is the connected green part under the click."""

    description = Description("green-click", "cpu")

    def encode(self, rgb: np.ndarray, control: Any) -> Embedding:
        return Embedding(rgb.shape[:2], cv2.connectedComponents(is_colour(rgb, GREEN))[1])

    def predict(
        self, embedding: Embedding, positives: Any, negatives: Any = (), box: Any = None,
        previous: Any = None,
    ) -> np.ndarray:
        x, y = positives[0]
        label = embedding.data[int(y), int(x)]
        return ((embedding.data == label) & (label > 0)).astype(np.float32)


class MeanFill:
    """Fills with the mean of what may be sampled; remembers the holes it saw."""

    description = Description("mean-fill", "cpu")

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def fill(
        self, rgb: np.ndarray, hole: np.ndarray, control: Any, *, seed: int = 0, known: Any = None
    ) -> np.ndarray:
        self.seen.append(hole.copy())
        result = rgb.copy()
        sampled = hole == 0 if known is None else known > 0
        result[hole > 0] = rgb[sampled].mean(0)
        return result


class Store:
    """Has the interface of ModelStore that the pipeline uses."""

    device = "cpu"

    def __init__(self, instances: bool = False) -> None:
        self.models = {"people": RedPeople(instances), "text": BlueText(), "click": GreenClick(),
                       "unknown": StandsOut(), "fill": MeanFill()}
        self.used: list[str] = []

    def get(self, task: str, name: Any, control: Any, device: Any = None) -> Any:
        with control.stage("load"):
            return self.models[task]

    def run(self, task: str, name: Any, control: Any, work: Any, device: Any = None) -> Any:
        self.used.append(task)
        return work(self.get(task, name, control, device), 1.0)


def scene(width: int = 200, height: int = 120) -> np.ndarray:
    """A grey ground with noise, two red people, two blue lines (8 and 20 px) and a green thing."""
    rng = np.random.default_rng(3)
    picture = rng.integers(120, 136, (height, width, 3)).astype(np.uint8)
    picture[30:90, 20:40] = RED
    picture[30:90, 70:90] = RED
    picture[20:28, 110:180] = BLUE
    picture[60:80, 110:180] = BLUE
    picture[95:115, 120:150] = GREEN
    return picture


def cmyk_profile() -> bytes:
    """A small ICC profile (lut8, 2 grid points) whose colours differ from plain arithmetic."""
    table = []
    for c, m, y, k in itertools.product((0, 1), repeat=4):
        light = 0 if k else 255 * (1 - 0.3 * c - 0.2 * m - 0.05 * y)
        table += [light, 128 + (not k) * (60 * m - 40 * c), 128 + (not k) * (70 * y - 30 * c)]
    identity = bytes(range(256))
    unit = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unit + identity * 4
    lut += bytes(int(min(255, max(0, t))) for t in table) + identity * 3
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags = {
        b"A2B0": lut,
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(81),
        b"wtpt": b"XYZ " + bytes(4) + white,
        b"cprt": b"text" + bytes(4) + b"none\0\0\0\0",
    }
    offset, index, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        index += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", 128 + len(index + body), b"none", 0x02200000, b"prtr",
                       b"CMYK", b"Lab ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white
    return head + bytes(128 - len(head)) + index + body
