"""Trains the nets of the region graph: `python -m backend.training click --nets graph`.

First the walls, from where annotators drew borders; then the regions at simulated clicks. Small
enough for one CPU core: some minutes for the walls' graphs, half an hour for the regions.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.masks import click_regions as regions
from backend.networks.click_graph import (
    Graph,
    GraphNet,
    answer,
    click_features,
    first_guess,
)
from backend.training import click_source
from backend.training.data import Photo, read_folders
from backend.training.trainer import save_half

# Photos taken of these groups, all of the others: people are many, other things few.
LIMITS = {"people_ccp": 30, "people_portraits": 30, "people_pennfudan": 25}
PASSES = 2


@dataclass(frozen=True)
class Thing:
    """One object in one picture: `share` N of each region inside it, `depth` N how deep the
    region's middle lies in it (0 outside), `deepest` the region of its deepest pixel."""

    graph: int
    share: Tensor
    depth: Tensor
    deepest: int
    weight: float


@dataclass(frozen=True)
class View:
    """A picture before its graph: regions, the labels at their size, and whether all of the
    picture is labelled."""

    regions: regions.Regions
    labels: np.ndarray
    full: bool
    luts: list[tuple[np.ndarray, float]]


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    start = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    views = list(_views(args, rng))
    print(f"{len(views)} views after {time.time() - start:.0f} s", flush=True)
    net = GraphNet()
    if args.start:
        from backend.masks.click import read_weights

        net = read_weights(net, args.start).train()
    else:
        train_walls(net, views, rng)
    graphs, things = [], []
    for view in views:
        graphs.append(_graph(net, view))
        found = _things(view, len(graphs) - 1)
        if args.whole:
            found = [replace(t, weight=t.weight * _standing_out(t, graphs[-1])) for t in found]
        things += found
    print(f"{len(things)} things after {time.time() - start:.0f} s", flush=True)
    steps = train_regions(net, graphs, things, args, rng, start)
    print(f"{steps} steps after {time.time() - start:.0f} s", flush=True)
    return 0


def _views(args: argparse.Namespace, rng: np.random.Generator) -> Iterator[View]:
    groups = (click_source.PARTITIONS, click_source.OBJECTS, *click_source.PEOPLE)
    jobs = []
    for group in groups:
        photos = read_folders(args.data, (group,), short=360, workers=2)
        for photo in photos[: LIMITS.get(group)]:
            if photo.labels is None or not photo.labels.any():
                continue
            jobs.append((photo, None))
            if not args.whole and group in (click_source.PARTITIONS, click_source.OBJECTS):
                size = rng.uniform(0.5, 0.8)
                at = rng.uniform(0, 1, 2)
                jobs.append((photo, (size, *at)))
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda job: _view(*job, merges=not args.whole), jobs)
        yield from (view for view in made if view.luts)


def _view(
    photo: Photo, part: tuple[float, float, float] | None, merges: bool = True,
) -> View:
    rgb, labels = photo.rgb, photo.labels
    assert labels is not None
    if part is not None:
        height, width = labels.shape
        size, x, y = part
        h, w = int(size * height), int(size * width)
        top, left = int(y * (height - h)), int(x * (width - w))
        rgb, labels = rgb[top : top + h, left : left + w], labels[top : top + h, left : left + w]
    small = regions.shrink(rgb)
    made = regions.make(small)
    labels = cv2.resize(labels, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    full = photo.group == click_source.PARTITIONS
    if full:
        listed = click_source.partition_objects(small, labels, merges)
    elif labels.any():
        labels, listed = click_source.instance_objects(labels)
    else:
        listed = []
    return View(made, labels, full, [(lut, weight) for lut, _, weight in listed])


def train_walls(net: GraphNet, views: list[View], rng: np.random.Generator) -> None:
    """Logistic loss on pairs of neighbours whose regions lie clearly in one label each."""
    features, targets = [], []
    for view in views:
        made = view.regions
        table = np.zeros((len(made.area), 256), np.float32)
        np.add.at(table, (made.labels.ravel(), view.labels.ravel()), 1)
        table /= table.sum(1, keepdims=True)
        a, b = made.pairs.T
        same = (table[a] * table[b]).sum(1)
        clear = (table.max(1)[a] > 0.8) & (table.max(1)[b] > 0.8)
        if not view.full:  # beyond the labelled things nothing is known
            best = table.argmax(1)
            clear &= (best[a] > 0) | (best[b] > 0)
        features.append(made.edges[clear])
        targets.append(1 - same[clear])
    x = torch.from_numpy(np.concatenate(features))
    y = torch.from_numpy(np.concatenate(targets).astype(np.float32))
    net.walls.mean.copy_(x.mean(0))
    net.walls.deviation.copy_(x.std(0) + 1e-3)
    optimizer = torch.optim.AdamW(net.walls.parameters(), 3e-3, weight_decay=1e-3)
    steps, size = 1500, 1024
    for step in range(steps):
        index = torch.from_numpy(rng.integers(0, len(x), size))
        loss = F.binary_cross_entropy_with_logits(net.walls(x[index]), y[index])
        optimizer.param_groups[0]["lr"] = 3e-3 * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        p = torch.sigmoid(net.walls(x))
        base = F.binary_cross_entropy(torch.full_like(y, float(y.mean())), y)
        print(f"walls: {len(x)} pairs, loss {float(F.binary_cross_entropy(p, y)):.3f} "
              f"(constant {float(base):.3f})", flush=True)


@torch.no_grad()
def _graph(net: GraphNet, view: View) -> Graph:
    from backend.masks.click_graph import build

    return build(net, view.regions)


def _standing_out(thing: Thing, g: Graph) -> float:
    """Square of the mean wall around the thing: annotators agree on what stands out."""
    inside = thing.share > 0.6
    outer = inside[:, None] & ~inside[g.near]
    walls = torch.gather(g.worst, 1, g.near)
    return float((walls * outer).sum() / outer.sum().clamp(min=1)) ** 2


def _things(view: View, index: int) -> list[Thing]:
    made, things = view.regions, []
    size = np.bincount(made.labels.ravel(), minlength=len(made.area))
    for lut, weight in view.luts:
        mask = lut[view.labels]
        share = np.bincount(made.labels.ravel(), mask.ravel(), minlength=len(size)) / size
        if (share > 0.6).sum() < 2:
            continue
        inside = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        deep = np.zeros(len(size), np.float32)
        np.maximum.at(deep, made.labels.ravel(), inside.ravel())
        deep *= share > 0.6
        at = int(made.labels.ravel()[int(np.argmax(inside))])
        things.append(Thing(index, torch.from_numpy(share.astype(np.float32)),
                            torch.from_numpy(deep), at, weight))
    return things


class Clicks:
    """What a simulated user has done to one thing so far."""

    def __init__(self, thing: Thing, g: Graph, rng: np.random.Generator) -> None:
        self.thing, self.graph, self.rng = thing, g, rng
        self.positives: list[int] = []
        self.negatives: list[int] = []
        self.box: Tensor | None = None
        if rng.random() < 0.12:
            self.box = self._drawn()
        if rng.random() < 0.55:
            self.positives.append(thing.deepest)
        elif self.box is None or rng.random() < 0.7:
            chance = thing.depth.numpy().astype(float)
            if chance.sum() == 0:
                self.positives.append(thing.deepest)
            else:
                self.positives.append(int(rng.choice(len(chance), p=chance / chance.sum())))
        self.before = first_guess(g, self.tensor(self.positives), self.box)

    def tensor(self, clicks: list[int]) -> Tensor:
        return torch.tensor(clicks, dtype=torch.long)

    def _drawn(self) -> Tensor:
        on = self.graph.centre[self.thing.share > 0.5]
        slack = torch.from_numpy(self.rng.uniform(-0.01, 0.05, 4).astype(np.float32))
        low, high = on.amin(0) - slack[:2], on.amax(0) + slack[2:]
        return ((self.graph.centre >= low) & (self.graph.centre <= high)).all(1).float()

    def features(self) -> Tensor:
        return click_features(self.graph, self.tensor(self.positives),
                              self.tensor(self.negatives), self.before, self.box)

    def correct(self, probability: Tensor) -> None:
        """A click where the most of one kind of error lies together."""
        g, share = self.graph, self.thing.share
        wrong = (share - probability) * g.area
        spread = wrong + (wrong[g.near] * g.near_weight).sum(1)
        spread = spread * ((share - probability).abs() > 0.4)
        if float(spread.abs().max()) == 0:
            return
        at = int(spread.abs().argmax())
        (self.positives if spread[at] > 0 else self.negatives).append(at)


def train_regions(
    net: GraphNet, graphs: list[Graph], things: list[Thing], args: argparse.Namespace,
    rng: np.random.Generator, start: float,
) -> int:
    chance = np.array([t.weight for t in things])
    chance /= chance.sum()
    batch = args.batch or 8
    if not args.start:
        _normalise(net, graphs, things, chance, rng)
    model = net.regions
    optimizer = torch.optim.AdamW(model.parameters(), args.rate or 2e-3, weight_decay=1e-2)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    step, losses, overlaps, saved = 0, [], [], time.time()
    while True:
        progress = step / args.steps
        if args.minutes:
            progress = max(progress, (time.time() - start) / 60 / args.minutes)
        if progress >= 1:
            break
        rate = (args.rate or 2e-3) * min(1, (step + 1) / 50)
        optimizer.param_groups[0]["lr"] = rate * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))
        chosen = [things[i] for i in rng.choice(len(things), batch, p=chance)]
        users = [Clicks(t, graphs[t.graph], rng) for t in chosen]
        rounds = int(rng.choice(6, p=[0.5, 0.2, 0.12, 0.08, 0.06, 0.04]))
        for _ in range(rounds):
            with torch.no_grad():
                for user, p in zip(users, _ask(net, users), strict=True):
                    user.before = torch.sigmoid(p)
                    user.correct(user.before)
        loss = torch.zeros(())
        for turn in range(PASSES):
            logits = _ask(net, users)
            part, overlap = _loss(users, logits)
            loss = loss + part * (turn + 1) / 2
            for user, p in zip(users, logits, strict=True):
                user.before = torch.sigmoid(p.detach())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(0.995, (1 + step) / (10 + step))
        with torch.no_grad():
            for key, value in net.state_dict().items():
                average[key].lerp_(value, 1 - decay)
        losses.append(loss.item())
        if rounds == 0:
            overlaps.append(overlap)
        if step % 50 == 0:
            print(f"step {step} {100 * progress:.1f} % {time.time() - start:.0f} s "
                  f"loss {np.mean(losses[-50:]):.4f} one click {np.mean(overlaps[-30:]):.4f}",
                  flush=True)
        if time.time() - saved > 120:
            _save(average, args, step)
            saved = time.time()
    _save(average, args, step)
    return step


def _ask(net: GraphNet, users: list[Clicks]) -> list[Tensor]:
    graphs = [u.graph for u in users]
    return answer(net.regions, graphs, [u.features() for u in users], [u.before for u in users])


def _loss(users: list[Clicks], logits: list[Tensor]) -> tuple[Tensor, float]:
    """Focal cross entropy by area and soft IoU; and the mean hard IoU."""
    total, overlap = torch.zeros(()), 0.0
    for user, one in zip(users, logits, strict=True):
        t, area = user.thing.share, user.graph.area
        p = torch.sigmoid(one)
        entropy = F.binary_cross_entropy_with_logits(one, t, reduction="none")
        weight = area * (p - t).abs().detach()
        focal = (entropy * weight).sum() / weight.sum().clamp(min=0.02)
        both, either = (area * p * t).sum(), (area * (p + t - p * t)).sum()
        total = total + 0.5 * focal + (1 - both / either)
        hard = (p > 0.5).float()
        overlap += float((area * hard * t).sum() / (area * (hard + t - hard * t)).sum())
    return total / len(users), overlap / len(users)


@torch.no_grad()
def _normalise(
    net: GraphNet, graphs: list[Graph], things: list[Thing], chance: np.ndarray,
    rng: np.random.Generator,
) -> None:
    rows = []
    for i in rng.choice(len(things), 60, p=chance):
        user = Clicks(things[i], graphs[things[i].graph], rng)
        if rng.random() < 0.5:
            user.correct(user.before)
        rows.append(torch.cat((user.graph.static, user.features()), 1))
    joined = torch.cat(rows)
    net.regions.mean.copy_(joined.mean(0))
    net.regions.deviation.copy_(joined.std(0) + 0.02)


def _save(average: dict[str, Tensor], args: argparse.Namespace, step: int) -> None:
    about = {"task": "click", "kind": "graph", "step": str(step), "seed": str(args.seed)}
    save_half(average, args.out / "click-builtin.safetensors", about)
