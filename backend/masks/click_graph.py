"""The clicked object by regions: the built-in model that answers further clicks at once.

`encode` makes the regions of the picture and all distances between them; `predict` asks the
region net a few times, each time with what it answered before, and refines the border at full
size. A small object is looked at again in a crop of its own, which is kept too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch

from backend.masks import click_edges, click_points
from backend.masks import click_regions as regions
from backend.masks.click_grabcut import GrabCutClick
from backend.models.interfaces import Description, Embedding
from backend.networks.click_graph import (
    Graph,
    GraphNet,
    answer,
    first_guess,
    graph,
    of_clicks,
    with_answer,
)
from backend.values import Box, Control, Point

PASSES = 3
FEW = 0.012  # an object that fills less of its window than this gets a crop of its own
LATER = 0.25  # the same once the object has been corrected: then its outline matters
MARGIN = 0.4  # of the object's box, on each side of its crop
LONGEST = 3.0  # aspect from which only a window around the click is looked at
CUT_LONG = 160  # px, long side of the quick GrabCut
DOUBT, AGREED = 0.3, 1.4  # in log odds
CONTRADICTION = 0.035  # of the long side: how far a click repairs what regions cannot tell apart


def build(net: GraphNet, made: regions.Regions) -> Graph:
    """The graph of a picture's regions, its walls judged by `net`."""
    with torch.no_grad(), _one_thread():
        walls = torch.nn.functional.softplus(net.walls(torch.from_numpy(made.edges)))
    count = len(made.area)
    height = walls.numpy()
    total, worst = regions.distances(made.pairs, height, count)
    near = regions.neighbours(made.pairs, count, -height)
    alike = regions.alike(made.nodes, made.centre)
    tensors: list[Any] = [np.ascontiguousarray(a) for a in (
        made.nodes, near, alike, total, worst, made.area, made.border, made.centre)]
    return graph(*(torch.from_numpy(t) for t in tensors))


@contextmanager
def _one_thread() -> Iterator[None]:
    """These nets are too small to share out: threads that wait for each other cost more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Known:
    """What is known of one window of the picture."""

    small: np.ndarray
    lab: np.ndarray
    labels: np.ndarray
    graph: Graph


@dataclass
class Looked:
    """The picture and its windows."""

    rgb: np.ndarray
    windows: dict[Box, Known] = field(default_factory=dict)


class GraphClick:
    """See interfaces.ClickModel. Works on the CPU: its nets are tiny, the rest is graph search."""

    def __init__(self, net: GraphNet, name: str) -> None:
        self.net = net.eval()
        self.description = Description(name, "cpu", 1, 1, regions.LONG, 20000, False)

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        """H×W×3 uint8 RGB of any size. The array is kept, not copied."""
        click_points.check_image(rgb)
        control.check()
        height, width = rgb.shape[:2]
        looked = Looked(rgb)
        if max(height, width) <= LONGEST * min(height, width):
            self._window(looked, Box(0, 0, width, height))
        control.check()
        return Embedding((height, width), looked)

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32 in [0, 1], 0 far from the object. Raises BadInput (see click_points)."""
        click_points.check(embedding.size, positives, negatives, box, previous)
        looked: Looked = embedding.data
        window = _first_window(embedding.size, positives, box)
        found = self._ask(looked, window, positives, negatives, box, previous)
        few = FEW if previous is None and len(positives) + len(negatives) < 2 else LATER
        crop = self._closer(looked, window, found, positives, few)
        if crop != window:
            scale = found.shape[1] / window.width
            x0, y0 = int((crop.x0 - window.x0) * scale), int((crop.y0 - window.y0) * scale)
            part = found[y0 : y0 + max(1, int(crop.height * scale)),
                         x0 : x0 + max(1, int(crop.width * scale))]
            closer = self._ask(looked, crop, positives, negatives, box, previous, part)
            if closer.max() > 0.5 and not _cut_off(closer > 0.5, crop, window):
                found, window = closer, crop
        result = np.zeros(embedding.size, np.float32)
        result[window.slices] = click_edges.full_size(found, looked.rgb[window.slices])
        _obey(result, found, window, positives, negatives)
        return result

    def _window(self, looked: Looked, window: Box) -> Known:
        if window not in looked.windows:
            small = regions.shrink(looked.rgb[window.slices])
            whole = not looked.windows or max(window.width, window.height) == max(
                looked.rgb.shape[:2])
            made = regions.make(small, regions.COUNT if whole else regions.CLOSER)
            lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) / 50
            if len(looked.windows) > 5:  # of many crops the oldest goes
                del looked.windows[list(looked.windows)[1]]
            looked.windows[window] = Known(small, lab, made.labels, build(self.net, made))
        return looked.windows[window]

    def _ask(
        self, looked: Looked, window: Box, positives: tuple[Point, ...],
        negatives: tuple[Point, ...], box: Box | None, previous: np.ndarray | None,
        guess: np.ndarray | None = None,
    ) -> np.ndarray:
        """Probability of each pixel of the window's shrunk picture; `previous` is the whole
        picture's answer to the clicks before, `guess` one for the window to start from."""
        known = self._window(looked, window)
        labels, g = known.labels, known.graph
        h, w = labels.shape
        sx, sy = w / window.width, h / window.height

        def inside(points: tuple[Point, ...]) -> list[tuple[int, int]]:
            return [(min(w - 1, int((x - window.x0 + 0.5) * sx)),
                     min(h - 1, int((y - window.y0 + 0.5) * sy)))
                    for x, y in points
                    if window.x0 <= x < window.x1 and window.y0 <= y < window.y1]

        adds, takes = inside(positives), inside(negatives)
        plus = torch.tensor(sorted({int(labels[y, x]) for x, y in adds}), dtype=torch.long)
        minus = sorted({int(labels[y, x]) for x, y in takes} - set(plus.tolist()))
        less = torch.tensor(minus, dtype=torch.long)
        drawn = None
        if box is not None:
            plane = np.zeros((h, w), np.float32)
            x0, x1 = (max(0, round((v - window.x0) * sx)) for v in (box[0], box[2]))
            y0, y1 = (max(0, round((v - window.y0) * sy)) for v in (box[1], box[3]))
            plane[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = 1
            drawn = self._mean(plane, known)
        before = first_guess(g, plus, drawn)
        if previous is not None:
            plane = cv2.resize(previous[window.slices].astype(np.float32), (w, h),
                               interpolation=cv2.INTER_AREA)
            before = self._mean(plane, known)
        if guess is not None and guess.size:
            plane = cv2.resize(guess, (w, h), interpolation=cv2.INTER_LINEAR)
            before = self._mean(plane, known)
        with torch.no_grad(), _one_thread():
            fixed = of_clicks(g, plus, less, drawn)
            for _ in range(PASSES if previous is None else 2):
                features = with_answer(g, fixed, before)
                before = torch.sigmoid(answer(self.net.regions, [g], [features], [before])[0])
            before[plus] = before[plus].clamp(min=0.8)
            before[less] = before[less].clamp(max=0.2)
        pixels = before.numpy()[labels]
        if previous is None and drawn is None and len(adds) == 1 and not takes:
            pixels = _second_opinion(pixels, known.small, adds[0])
        _repair(pixels, known, adds, takes)
        keep = click_points.touched(pixels > 0.5, [Point(*p) for p in adds],
                                    None if drawn is None else _scaled(box, window, sx, sy))
        rim = cv2.dilate(keep.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        return np.where(rim, pixels, 0).astype(np.float32)

    @staticmethod
    def _mean(plane: np.ndarray, known: Known) -> torch.Tensor:
        count = len(known.graph.area)
        flat = known.labels.ravel()
        sums = np.bincount(flat, plane.ravel(), minlength=count)
        return torch.from_numpy((sums / np.bincount(flat, minlength=count)).astype(np.float32))

    def _closer(
        self, looked: Looked, window: Box, found: np.ndarray, positives: tuple[Point, ...],
        few: float,
    ) -> Box:
        """A crop around a small object, one that is known already where it fits."""
        mask = found > 0.5
        place = click_points.bounding(mask)
        if place is None or mask.mean() > few:
            return window
        sx, sy = window.width / found.shape[1], window.height / found.shape[0]
        xs = [window.x0 + place.x0 * sx, window.x0 + place.x1 * sx, *(p[0] for p in positives)]
        ys = [window.y0 + place.y0 * sy, window.y0 + place.y1 * sy, *(p[1] for p in positives)]
        long = max(max(xs) - min(xs), max(ys) - min(ys), 12.0)
        room = MARGIN * long
        wanted = Box(
            max(window.x0, int(min(xs) - room)), max(window.y0, int(min(ys) - room)),
            min(window.x1, int(max(xs) + room)), min(window.y1, int(max(ys) + room)),
        )
        if max(wanted.width, wanted.height) > 0.75 * max(window.width, window.height):
            return window
        slack = room / 4
        for known in looked.windows:
            holds = (known.x0 <= max(window.x0, min(xs) - slack)
                     and known.y0 <= max(window.y0, min(ys) - slack)
                     and known.x1 >= min(window.x1, max(xs) + slack)
                     and known.y1 >= min(window.y1, max(ys) + slack))
            if known != window and holds and (
                    max(known.width, known.height) < 2 * max(wanted.width, wanted.height)):
                return known
        return wanted


def _second_opinion(
    pixels: np.ndarray, small: np.ndarray, click: tuple[int, int],
) -> np.ndarray:
    """A single click says little about size: a quick GrabCut tips what is in doubt, and other
    doubt goes to the object, for who clicks means the whole thing."""
    cut = GrabCutClick(CUT_LONG, 3)
    like = cut.predict(cut.encode(small, Control()), (Point(*click),))
    sure = np.clip(pixels, 1e-4, 1 - 1e-4)
    logit = np.log(sure / (1 - sure)) + DOUBT + AGREED * like
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


def _first_window(size: tuple[int, int], positives: tuple[Point, ...], box: Box | None) -> Box:
    """The whole picture, or of a very long one the part around the clicks."""
    height, width = size
    long = int(LONGEST * min(height, width))
    if max(height, width) <= long:
        return Box(0, 0, width, height)
    along = [p[0] if width > height else p[1] for p in positives]
    if box is not None:
        along += [box[0], box[2] - 1] if width > height else [box[1], box[3] - 1]
    step = max(1, long // 4)  # steps keep the window the same for near clicks
    span = max(long, int(max(along) - min(along)) + long // 2)
    start = int((max(along) + min(along)) / 2 - span / 2) // step * step
    start = max(0, min(start, max(height, width) - span))
    end = min(max(height, width), start + span)
    return Box(start, 0, end, height) if width > height else Box(0, start, width, end)


def _cut_off(mask: np.ndarray, crop: Box, window: Box) -> bool:
    """Whether the object runs out of the crop where the picture goes on."""
    sides = ((mask[0], crop.y0 > window.y0), (mask[-1], crop.y1 < window.y1),
             (mask[:, 0], crop.x0 > window.x0), (mask[:, -1], crop.x1 < window.x1))
    return any(inner and side.mean() > 0.04 for side, inner in sides)


def _scaled(box: Box | None, window: Box, sx: float, sy: float) -> Box | None:
    if box is None:
        return None
    return Box(int((box[0] - window.x0) * sx), int((box[1] - window.y0) * sy),
               int((box[2] - window.x0) * sx), int((box[3] - window.y0) * sy))


def _repair(
    pixels: np.ndarray, known: Known, adds: list[tuple[int, int]], takes: list[tuple[int, int]],
) -> None:
    """Where the answer contradicts a click, the like-coloured pixels joined to it follow it, as
    far as they are nearer to it than to a click of the other kind."""
    h, w = pixels.shape
    reach = max(2, round(CONTRADICTION * max(h, w)))
    for clicks, others, value in ((adds, takes, 1.0), (takes, adds, 0.0)):
        for x, y in clicks:
            if (pixels[y, x] > 0.5) == (value > 0.5):
                continue
            y0, x0 = max(0, y - reach), max(0, x - reach)
            part = (slice(y0, y + reach + 1), slice(x0, x + reach + 1))
            lab = known.lab[part]
            colour = known.lab[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean((0, 1))
            ys, xs = np.mgrid[y0 : y0 + lab.shape[0], x0 : x0 + lab.shape[1]]
            far = np.hypot(ys - y, xs - x)
            like = (np.linalg.norm(lab - colour, axis=2) < 0.2) | (far < reach / 4)
            like &= far <= reach
            for ox, oy in others:
                like &= far <= np.hypot(ys - oy, xs - ox)
            like[y - y0, x - x0] = True
            _, parts = cv2.connectedComponents(like.astype(np.uint8))
            mine = parts == parts[y - y0, x - x0]
            pixels[part][mine] = 0.1 + 0.8 * value


def _obey(
    result: np.ndarray, found: np.ndarray, window: Box, positives: tuple[Point, ...],
    negatives: tuple[Point, ...],
) -> None:
    """Refining at full size may wash out a thin part that was clicked: there the answer before
    it counts. `result` is the whole picture's, `found` the window's at its small size."""
    reach = max(2, round(CONTRADICTION * max(window.width, window.height)))
    for clicks, wanted in ((positives, True), (negatives, False)):
        for x, y in clicks:
            column, row = int(x), int(y)
            inside = (window.x0 <= column < window.x1) and (window.y0 <= row < window.y1)
            if not inside or (result[row, column] > 0.5) == wanted:
                continue
            x0, x1 = max(window.x0, column - reach), min(window.x1, column + reach + 1)
            y0, y1 = max(window.y0, row - reach), min(window.y1, row + reach + 1)
            sx, sy = found.shape[1] / window.width, found.shape[0] / window.height
            xs = ((np.arange(x0, x1) - window.x0 + 0.5) * sx).astype(int)
            ys = ((np.arange(y0, y1) - window.y0 + 0.5) * sy).astype(int)
            result[y0:y1, x0:x1] = found[ys[:, None], xs[None]]
