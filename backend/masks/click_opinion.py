"""Other opinions beside the region graph's: a convolutional net that has seen ImageNet, and a
quick GrabCut. They are mixed as log odds; the weights were chosen on held-out training photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from backend.masks.click_grabcut import GrabCutClick
from backend.values import Control, Point

CUT_LONG = 160  # px, long side of the quick GrabCut
DOUBT, AGREED = 0.3, 1.4  # without the convolutional net
LOST = 0.5  # a random walk rounds off limbs and draws borders in: given back after it
FIRST = (0.8, 1.5, 1.4, 0.6)  # of graph, net and GrabCut after one click, and what is added
LATER = (1.0, 0.5, 0.5)  # of graph and net after corrections or with a box, and what is added


@contextmanager
def one_thread() -> Iterator[None]:
    """These nets are too small to share out: threads that wait for each other cost more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class ConvOpinion:
    """`look` once a picture, `logits` for each set of clicks."""

    def __init__(self, net: Any) -> None:
        self.net = net

    def look(self, small: np.ndarray) -> Any:
        """h×w×3 uint8 RGB → the encoder's features, at the nearest size it takes."""
        import torch

        h, w = (max(32, round(n / 32) * 32) for n in small.shape[:2])
        x = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
        with torch.inference_mode(), one_thread():
            ready = torch.from_numpy(x).permute(2, 0, 1)[None].float().div_(127.5).sub_(1)
            return self.net.encode(ready.contiguous(memory_format=torch.channels_last))

    def logits(
        self, seen: Any, size: tuple[int, int], clicks: list[tuple[int, int, bool]],
        previous: np.ndarray | None, box: np.ndarray | None,
    ) -> np.ndarray:
        """h×w float32 for the picture's `size`; clicks x, y, adds; `previous` and `box` h×w in
        [0, 1] or None."""
        import torch

        h, w = size
        stride = self.net.stride
        rows, columns = (n for n in seen.quarter.shape[-2:])
        rows, columns = rows * 4 // stride, columns * 4 // stride
        points = np.array([(x + 0.5, y + 0.5, adds) for x, y, adds in clicks] or [(0, 0, -1)],
                          np.float32)
        points[:, 0] *= columns * stride / w
        points[:, 1] *= rows * stride / h
        planes = [
            np.zeros((rows, columns), np.float32) if plane is None else cv2.resize(
                plane.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
            for plane in (previous, box)
        ]
        with torch.inference_mode(), one_thread():
            decoded = self.net.decode(
                seen, torch.from_numpy(points)[None],
                *(torch.from_numpy(p)[None, None] for p in planes),
            )
            found = decoded.logits[0, 0].float().numpy()
        return cv2.resize(found, (w, h), interpolation=cv2.INTER_LINEAR)


def at_first(
    pixels: np.ndarray, small: np.ndarray, click: tuple[int, int], conv: np.ndarray | None,
) -> np.ndarray:
    """The graph's `pixels` h×w in [0, 1] with the others' opinion. A single click says little
    about size: doubt goes to the object, for who clicks means the whole thing."""
    cut = GrabCutClick(CUT_LONG, 3)
    like = cut.predict(cut.encode(small, Control()), (Point(*click),))
    if conv is None:
        return _chance(_odds(pixels) + DOUBT + AGREED * like)
    graph, net, agreed, doubt = FIRST
    return _chance(graph * _odds(pixels) + net * conv + agreed * like + doubt)


def at_a_glance(pixels: np.ndarray, conv: np.ndarray) -> np.ndarray:
    """`at_first` without the GrabCut, which takes longer than the nets: it counts as undecided."""
    graph, net, agreed, doubt = FIRST
    return _chance(graph * _odds(pixels) + net * conv + agreed / 2 + doubt)


def later(pixels: np.ndarray, conv: np.ndarray) -> np.ndarray:
    """The same for corrections and boxes, which say more than a first click."""
    graph, net, doubt = LATER
    return _chance(graph * _odds(pixels) + net * conv + doubt)


def given_back(walked: np.ndarray) -> np.ndarray:
    """A walk's answer h×w in [0, 1] with what the walk takes from an object's border."""
    return _chance(_odds(walked) + LOST)


def _odds(pixels: np.ndarray) -> np.ndarray:
    sure = np.clip(pixels, 1e-4, 1 - 1e-4)
    return np.log(sure / (1 - sure))


def _chance(logits: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)
