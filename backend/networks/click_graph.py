"""Two small nets on a graph of regions: how strong is the wall between neighbours, and which
regions belong to the clicked object. Everything a click changes is computed here, from distances
made once a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NODE_FEATURES, EDGE_FEATURES = 16, 14
STATIC = NODE_FEATURES + 4
DYNAMIC = 27
FAR = 4.0  # stands for "no such click" and caps all distances
COLOUR = 0.12  # width of the colour kernel, in units of 50 Lab steps


class WallNet(nn.Module):
    """E×EDGE_FEATURES → E logits: do these two regions belong to different things?"""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(EDGE_FEATURES))
        self.register_buffer("deviation", torch.ones(EDGE_FEATURES))
        self.layers = nn.Sequential(
            nn.Linear(EDGE_FEATURES, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU(),
            nn.Linear(32, 1),
        )

    def forward(self, edges: Tensor) -> Tensor:
        return self.layers((edges - self.mean) / self.deviation)[..., 0]


@dataclass(frozen=True)
class Graph:
    """One picture: N regions. `static` N×STATIC, `near`/`alike` N×K indices, `near_weight` N×K,
    `total`/`worst` N×N walls (click_regions.distances), `colour` N×3, `texture` N×4, `kernel`
    N×N colour likeness, `area` N, `border` N (> 0 on the picture's border), `centre` N×2,
    `edge_total`/`edge_worst` N distances to the picture's border."""

    static: Tensor
    near: Tensor
    near_weight: Tensor
    alike: Tensor
    total: Tensor
    worst: Tensor
    colour: Tensor
    texture: Tensor
    kernel: Tensor
    area: Tensor
    border: Tensor
    centre: Tensor
    edge_total: Tensor
    edge_worst: Tensor


def graph(
    nodes: Tensor, near: Tensor, alike: Tensor, total: Tensor, worst: Tensor, area: Tensor,
    border: Tensor, centre: Tensor,
) -> Graph:
    """The parts of a Graph that follow from the others."""
    colour, texture = nodes[:, :3], nodes[:, 6:10]
    kernel = torch.exp(-torch.cdist(colour, colour) ** 2 / (2 * COLOUR**2))
    rim = border > 0
    edge_total, edge_worst = total[:, rim].amin(1), worst[:, rim].amin(1)
    # How much of the border looks like this region: background does.
    common = (kernel[:, rim] * border[rim]).sum(1) / border[rim].sum()
    walls = torch.gather(worst, 1, near)
    weight = torch.softmax(-4 * walls.masked_fill(near == torch.arange(len(near))[:, None].to(
        near.device), FAR), 1)
    static = torch.cat((nodes, torch.stack((
        edge_total.clamp(max=FAR), edge_worst, common, torch.log(area * len(area) + 0.1)), 1)), 1)
    return Graph(static, near, weight, alike, total, worst, colour, texture, kernel, area, border,
                 centre, edge_total, edge_worst)


def click_features(
    g: Graph, positives: Tensor, negatives: Tensor, before: Tensor, box: Tensor | None,
) -> Tensor:
    """N×DYNAMIC. Clicks are indices of regions; `before` N in [0, 1] is the answer so far; `box`
    N: the share of each region inside the drawn box."""
    return with_answer(g, of_clicks(g, positives, negatives, box), before)


def of_clicks(
    g: Graph, positives: Tensor, negatives: Tensor, box: Tensor | None,
) -> Tensor:
    """The columns of `click_features` that no answer changes, N×(DYNAMIC - 3)."""
    columns = []
    found = []
    for clicks in (positives, negatives):
        if len(clicks) == 0:
            columns += [torch.full_like(g.area, FAR)] * 5
            found.append(columns[-5])
            continue
        total, nearest = g.total[clicks].min(0)
        columns += [
            total.clamp(max=FAR), g.worst[clicks].amin(0),
            torch.cdist(g.centre, g.centre[clicks]).amin(1),
            torch.cdist(g.colour, g.colour[clicks]).amin(1),
            torch.cdist(g.texture, g.texture[clicks]).amin(1),
        ]
        found.append(total)
        if clicks is positives:
            at = clicks[nearest]
            columns += [g.edge_total[at].clamp(max=FAR), g.edge_worst[at]]
    if len(positives) == 0:
        columns += [torch.full_like(g.area, FAR)] * 2
        columns = columns[:5] + columns[-2:] + columns[5:-2]
    near, away = found
    columns += [
        near / (near + g.edge_total + 0.05), near / (near + away + 0.05),
        columns[1] / (columns[1] + g.edge_worst + 0.02),
    ]
    # How large the object is, and how much of the picture's border it has, if it grows to here.
    for distance in (near, columns[1] + 0.02 * near.clamp(max=FAR), columns[2]):
        order = torch.argsort(distance)
        place = torch.argsort(order)
        columns.append(torch.cumsum(g.area[order], 0)[place].sqrt())
        rim = (g.border > 0).float()
        columns.append((torch.cumsum(rim[order], 0) / rim.sum().clamp(min=1))[place])
    none = torch.zeros_like(g.area)
    columns += [none if box is None else box, none if box is None else none + 1,
                none + (len(negatives) > 0)]
    return torch.stack(columns, 1)


def with_answer(g: Graph, fixed: Tensor, before: Tensor) -> Tensor:
    """`of_clicks` and what the answer so far tells: itself, whether a region's colour is rather
    the object's or the background's, and what its neighbours are."""
    sides = torch.stack((g.area * before, g.area * (1 - before)), 1)
    colours = (g.kernel @ sides + 1e-4) / (sides.sum(0) + 1e-3)
    columns = torch.stack((
        before, torch.log(colours[:, 0] / colours[:, 1]).clamp(-5, 5) / 3,
        (before[g.near] * g.near_weight).sum(1)), 1)
    return torch.cat((fixed[:, :-3], columns, fixed[:, -3:]), 1)


def first_guess(g: Graph, positives: Tensor, box: Tensor | None) -> Tensor:
    """N in [0, 1]: near the click, or inside the box."""
    if len(positives) == 0:
        return torch.zeros_like(g.area) if box is None else box
    guess = torch.exp(-3 * g.total[positives].amin(0))
    return guess if box is None else guess * (0.2 + 0.8 * box)


class RegionNet(nn.Module):
    """N×(STATIC+DYNAMIC) features and the graph → N logits; 0.1 M parameters."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int = 64, rounds: int = 4) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(STATIC + DYNAMIC))
        self.register_buffer("deviation", torch.ones(STATIC + DYNAMIC))
        self.start = nn.Sequential(
            nn.Linear(STATIC + DYNAMIC, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.mix = nn.ModuleList(nn.Linear(5 * width, width) for _ in range(rounds))
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(rounds))
        self.out = nn.Linear(width, 1)

    def forward(
        self, features: Tensor, near: Tensor, near_weight: Tensor, alike: Tensor,
        pool: Tensor, sample: Tensor,
    ) -> Tensor:
        """Several pictures at once: indices point into the joined nodes; `sample` N says which
        picture a node is of; `pool` N×2 weights (inside, outside the answer so far) that sum to
        1 in each picture."""
        h = self.start((features - self.mean) / self.deviation)
        rows = torch.arange(len(sample), device=sample.device)
        pools = torch.zeros(2 * int(sample[-1]) + 2, len(sample), device=sample.device)
        pools[2 * sample, rows], pools[2 * sample + 1, rows] = pool[:, 0], pool[:, 1]
        for mix, norm in zip(self.mix, self.norm, strict=True):
            x = norm(h)
            around = F.embedding_bag(near, x, mode="sum", per_sample_weights=near_weight)
            like = F.embedding_bag(alike, x, mode="mean")
            whole = (pools @ x).view(-1, 2 * x.shape[1])[sample]
            h = h + torch.relu(mix(torch.cat((x, around, like, whole), 1)))
        return self.out(h)[:, 0]


class GraphNet(nn.Module):
    """Both nets, as one file of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.walls = WallNet()
        self.regions = RegionNet()


def answer(
    net: RegionNet, graphs: list[Graph], features: list[Tensor], before: list[Tensor],
) -> list[Tensor]:
    """N logits of each picture, all in one pass."""
    starts, total = [], 0
    for g in graphs:
        starts.append(total)
        total += len(g.area)
    sample = torch.cat([torch.full_like(g.near[:, 0], i) for i, g in enumerate(graphs)])
    pool = torch.cat([
        torch.stack([w / w.sum().clamp(min=1e-4) for w in (g.area * b, g.area * (1 - b))], 1)
        for g, b in zip(graphs, before, strict=True)])
    joined = torch.cat([torch.cat((g.static, f), 1)
                        for g, f in zip(graphs, features, strict=True)])
    logits = net(
        joined, torch.cat([g.near + s for g, s in zip(graphs, starts, strict=True)]),
        torch.cat([g.near_weight for g in graphs]),
        torch.cat([g.alike + s for g, s in zip(graphs, starts, strict=True)]), pool, sample,
    )
    return list(torch.split(logits, [len(g.area) for g in graphs]))
