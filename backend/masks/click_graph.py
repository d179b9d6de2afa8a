"""The clicked object by regions: the built-in model that answers further clicks at once.

`encode` makes the regions of the picture and all distances between them; `predict` asks the
region net a few times, each time with what it answered before, and refines the border at full
size. A small object is looked at again in a crop of its own, which is kept too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch

from backend.masks import (
    click_edges,
    click_fine,
    click_merge,
    click_obey,
    click_opinion,
    click_points,
)
from backend.masks import click_regions as regions
from backend.masks.click_opinion import one_thread
from backend.masks.click_windows import LONGEST, cut_off, first_window, scaled, within
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
EARLY = 3  # clicks up to which an answer may change anywhere
DEPTH = 5.0  # of a correction's depth: how far around it the net's new answer counts
ANYWHERE = 0.2  # share of the new answer elsewhere
FEW = 0.012  # an object that fills less of its window than this gets a crop of its own
LATER = 0.25  # the same once the object has been corrected: then its outline matters
MARGIN = 0.4  # of the object's box, on each side of its crop


def build(net: GraphNet, made: regions.Regions) -> Graph:
    """The graph of a picture's regions, its walls judged by `net`."""
    with torch.no_grad(), one_thread():
        walls = torch.nn.functional.softplus(net.walls(torch.from_numpy(made.edges)))
    count = len(made.area)
    height = walls.numpy()
    total, worst = regions.distances(made.pairs, height, count)
    near = regions.neighbours(made.pairs, count, -height)
    alike = regions.alike(made.nodes, made.centre)
    tensors: list[Any] = [np.ascontiguousarray(a) for a in (
        made.nodes, near, alike, total, worst, made.area, made.border, made.centre)]
    return graph(*(torch.from_numpy(t) for t in tensors))


@dataclass(frozen=True)
class Known:
    """What is known of one window of the picture."""

    small: np.ndarray
    lab: np.ndarray
    labels: np.ndarray
    graph: Graph
    seen: Any = None  # what the convolutional net made of it, see click_opinion


@dataclass
class Looked:
    """The picture and its windows."""

    rgb: np.ndarray
    windows: dict[Box, Known] = field(default_factory=dict)
    fine: dict[Box, click_fine.Fine] = field(default_factory=dict)
    ahead: Box | None = None  # the window that corrections of the last answer will look at


class GraphClick:
    """See interfaces.ClickModel. Works on the CPU: its nets are small, the rest is graph search.
    `conv` is asked beside the graph, where there is one."""

    def __init__(
        self, net: GraphNet, name: str, conv: click_opinion.ConvOpinion | None = None,
    ) -> None:
        self.net = net.eval()
        self.conv = conv
        self._asked = False
        self.description = Description(name, "cpu", 1, 1, regions.LONG, 20000, False)

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        """H×W×3 uint8 RGB of any size. The array is kept, not copied."""
        click_points.check_image(rgb)
        control.check()
        height, width = rgb.shape[:2]
        looked = Looked(rgb)
        if max(height, width) <= LONGEST * min(height, width):
            window = Box(0, 0, width, height)
            self._window(looked, window)
            control.check()
            self._detail(looked, window)
        control.check()
        return Embedding((height, width), looked)

    def prepare(self, embedding: Embedding) -> None:
        """Makes what corrections of the last answer will need, at best while nobody waits. Before
        the first click of all an answer is given away, for the first one takes longest."""
        looked: Looked = embedding.data
        if not self._asked:
            height, width = embedding.size
            self.glance(embedding, (Point(width / 2, height / 2),))
        window, looked.ahead = looked.ahead, None
        if window is not None:
            self._detail(looked, window)

    def expect(
        self, embedding: Embedding, answer: np.ndarray, positives: tuple[Point, ...],
    ) -> None:
        """Tells of an answer (H×W in [0, 1]) from elsewhere, so that `prepare` knows what its
        corrections will need."""
        looked: Looked = embedding.data
        window = first_window(embedding.size, positives, None)
        small = self._shrunk(looked, window, answer)
        assert small is not None
        looked.ahead = self._closer(looked, window, small, positives, LATER)

    def glance(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
    ) -> np.ndarray:
        """As `predict` for first clicks, in a third of its time: no closer look at small objects,
        no refined edges."""
        click_points.check(embedding.size, positives, negatives, box, None)
        looked: Looked = embedding.data
        window = first_window(embedding.size, positives, box)
        found = self._ask(looked, window, positives, negatives, box, None, quick=True)
        result = np.zeros(embedding.size, np.float32)
        result[window.slices] = cv2.resize(
            found, (window.width, window.height), interpolation=cv2.INTER_LINEAR)
        return result

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
        if previous is not None:
            self.prepare(embedding)
        wrong = [] if previous is None else click_merge.contradicted(
            previous, positives, negatives)
        window = first_window(embedding.size, positives, box)
        crop = self._familiar(looked, window, previous, positives, wrong)
        found, before = None, None
        if crop is not None:
            before = self._shrunk(looked, crop, previous)
            found = self._ask(looked, crop, positives, negatives, box, before)
            if cut_off(found > 0.5, crop, window):
                found = None
            else:
                window = crop
        if found is None:
            found, window, before = self._look(
                looked, window, positives, negatives, box, previous)
        if wrong:
            found = self._corrected(looked, window, found, before, positives, negatives)
        late = bool(wrong) and len(positives) + len(negatives) > EARLY
        if previous is not None and before is not None and late:
            result = click_merge.merge(previous, found, before, looked.rgb, window, wrong)
        else:
            result = np.zeros(embedding.size, np.float32)
            result[window.slices] = click_edges.full_size(found, looked.rgb[window.slices])
        return click_obey.obeying(result, found, window, positives, negatives)

    def _look(
        self, looked: Looked, window: Box, positives: tuple[Point, ...],
        negatives: tuple[Point, ...], box: Box | None, previous: np.ndarray | None,
    ) -> tuple[np.ndarray, Box, np.ndarray | None]:
        """The answer in the whole window, or in a crop around what was found where it is small;
        the window it is of, and the previous answer shrunk as it is."""
        before = self._shrunk(looked, window, previous)
        found = self._ask(looked, window, positives, negatives, box, before)
        first = previous is None and len(positives) + len(negatives) < 2
        crop = self._closer(looked, window, found, positives, FEW if first else LATER)
        if crop == window:
            looked.ahead = None
            if first:  # see prepare
                looked.ahead = self._closer(looked, window, found, positives, LATER)
            return found, window, before
        scale = found.shape[1] / window.width
        x0, y0 = int((crop.x0 - window.x0) * scale), int((crop.y0 - window.y0) * scale)
        part = found[y0 : y0 + max(1, int(crop.height * scale)),
                     x0 : x0 + max(1, int(crop.width * scale))]
        nearer = self._shrunk(looked, crop, previous)
        closer = self._ask(looked, crop, positives, negatives, box, nearer, part)
        looked.ahead = crop
        if closer.max() > 0.5 and not cut_off(closer > 0.5, crop, window):
            return closer, crop, nearer
        return found, window, before

    def _familiar(
        self, looked: Looked, window: Box, previous: np.ndarray | None,
        positives: tuple[Point, ...], wrong: list[tuple[Point, bool]],
    ) -> Box | None:
        """A crop looked at before that holds the answer so far and the new clicks."""
        if previous is None or not wrong:
            return None
        place = click_points.bounding(previous > 0.5)
        if place is None:
            return None
        points = [*positives, *(p for p, _ in wrong)]
        xs = [place.x0, place.x1, *(p[0] for p in points)]
        ys = [place.y0, place.y1, *(p[1] for p in points)]
        return _holding(looked, window, (min(xs), min(ys), max(xs), max(ys)))

    def _shrunk(
        self, looked: Looked, window: Box, previous: np.ndarray | None,
    ) -> np.ndarray | None:
        """The previous answer (the whole picture's) as large as the window's shrunk picture."""
        if previous is None:
            return None
        h, w = self._window(looked, window).labels.shape
        return cv2.resize(previous[window.slices].astype(np.float32, copy=False), (w, h),
                          interpolation=cv2.INTER_AREA)

    def _detail(self, looked: Looked, window: Box) -> click_fine.Fine:
        known = self._window(looked, window)
        if window not in looked.fine:
            looked.fine[window] = click_fine.make(known.small, known.lab)
        return looked.fine[window]

    def _corrected(
        self, looked: Looked, window: Box, found: np.ndarray, before: np.ndarray | None,
        positives: tuple[Point, ...], negatives: tuple[Point, ...],
    ) -> np.ndarray:
        """The answer before and, around the clicks that it contradicts, the net's new one,
        divided among the clicks in detail. A click deep in what was wrong reaches far."""
        assert before is not None
        h, w = found.shape
        clicks = within(window, (w, h), positives, negatives)
        inside = (before > 0.5).astype(np.uint8)
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3) + cv2.distanceTransform(
            1 - inside, cv2.DIST_L2, 3)
        wrong = [(x, y, float(depth[y, x])) for x, y, adds in clicks if bool(inside[y, x]) != adds]
        ys, xs = np.ogrid[:h, :w]
        new = np.full((h, w), ANYWHERE, np.float32)
        for x, y, radius in wrong:
            far = (xs - x) ** 2 + (ys - y) ** 2
            near = np.exp(-far / (DEPTH * max(2.0, radius)) ** 2)
            np.maximum(new, ANYWHERE + (1 - ANYWHERE) * near, out=new)
        mixed = before + new * (found - before)
        fine = click_fine.walk(self._detail(looked, window), mixed, clicks, wrong)
        fine = click_opinion.given_back(fine)
        keep = click_points.touched(
            fine > 0.5, [Point(x, y) for x, y, adds in clicks if adds], None)
        rim = cv2.dilate(keep.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        return np.where(rim, fine, 0).astype(np.float32)

    def _window(self, looked: Looked, window: Box) -> Known:
        if window not in looked.windows:
            small = regions.shrink(looked.rgb[window.slices])
            whole = not looked.windows or max(window.width, window.height) == max(
                looked.rgb.shape[:2])
            made = regions.make(small, regions.COUNT if whole else regions.CLOSER)
            lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) / 50
            if len(looked.windows) > 5:  # of many crops the oldest goes
                oldest = list(looked.windows)[1]
                del looked.windows[oldest]
                looked.fine.pop(oldest, None)
            seen = None if self.conv is None else self.conv.look(small)
            looked.windows[window] = Known(small, lab, made.labels, build(self.net, made), seen)
        return looked.windows[window]

    def _ask(
        self, looked: Looked, window: Box, positives: tuple[Point, ...],
        negatives: tuple[Point, ...], box: Box | None, previous: np.ndarray | None,
        guess: np.ndarray | None = None, quick: bool = False,
    ) -> np.ndarray:
        """Probability of each pixel of the window's shrunk picture; `previous` is the answer to
        the clicks before at that size, `guess` one for the window to start from."""
        self._asked = True
        known = self._window(looked, window)
        labels, g = known.labels, known.graph
        h, w = labels.shape
        sx, sy = w / window.width, h / window.height

        clicks = within(window, (w, h), positives, negatives)
        adds = [(x, y) for x, y, kind in clicks if kind]
        takes = [(x, y) for x, y, kind in clicks if not kind]
        plus = torch.tensor(sorted({int(labels[y, x]) for x, y in adds}), dtype=torch.long)
        minus = sorted({int(labels[y, x]) for x, y in takes} - set(plus.tolist()))
        less = torch.tensor(minus, dtype=torch.long)
        drawn, plane = None, None
        if box is not None:
            plane = np.zeros((h, w), np.float32)
            x0, x1 = (max(0, round((v - window.x0) * sx)) for v in (box[0], box[2]))
            y0, y1 = (max(0, round((v - window.y0) * sy)) for v in (box[1], box[3]))
            plane[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = 1
            drawn = self._mean(plane, known)
        before = first_guess(g, plus, drawn)
        if previous is not None:
            before = self._mean(previous, known)
        if guess is not None and guess.size:
            start = cv2.resize(guess, (w, h), interpolation=cv2.INTER_LINEAR)
            before = self._mean(start, known)
        with torch.no_grad(), one_thread():
            fixed = of_clicks(g, plus, less, drawn)
            for _ in range(PASSES if previous is None else 2):
                features = with_answer(g, fixed, before)
                before = torch.sigmoid(answer(self.net.regions, [g], [features], [before])[0])
            before[plus] = before[plus].clamp(min=0.8)
            before[less] = before[less].clamp(max=0.2)
        pixels = before.numpy()[labels]
        logits = None
        if self.conv is not None:
            logits = self.conv.logits(known.seen, (h, w), clicks, previous, plane)
        if quick:
            pixels = pixels if logits is None else click_opinion.at_a_glance(pixels, logits)
        elif previous is None and drawn is None and len(adds) == 1 and not takes:
            pixels = click_opinion.at_first(pixels, known.small, adds[0], logits)
        elif logits is not None:
            pixels = click_opinion.later(pixels, logits)
        click_obey.repair(pixels, known.lab, adds, takes)
        keep = click_points.touched(pixels > 0.5, [Point(*p) for p in adds],
                                    None if drawn is None else scaled(box, window, sx, sy))
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
        held = (min(xs), min(ys), max(xs), max(ys))
        return _holding(looked, window, held, room / 4, wanted) or wanted


def _holding(
    looked: Looked, window: Box, held: tuple[float, float, float, float], slack: float = 2.0,
    wanted: Box | None = None,
) -> Box | None:
    """A known crop of `window` around `held` (x0, y0, x1, y1), and not far larger than wanted."""
    x0, y0, x1, y1 = held
    for known in reversed(looked.windows):
        if known == window or not (
                known.x0 <= max(window.x0, x0 - slack) and known.y0 <= max(window.y0, y0 - slack)
                and known.x1 >= min(window.x1, x1 + slack)
                and known.y1 >= min(window.y1, y1 + slack)):
            continue
        side = max(x1 - x0, y1 - y0) * 1.5 + 16 if wanted is None else max(
            wanted.width, wanted.height)
        if max(known.width, known.height) < 2 * side:
            return known
    return None
