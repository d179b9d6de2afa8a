"""People who touch, taken apart by their heads: what there is to choose from where a model gives
one mask for all people (`--keep`, Review and Separate mean single persons).

A head is a peak of the region's upper outline that is as wide as a head, not as an arm. Between two
heads the region is cut from the valley downwards along the shortest way through it, which leads
through the gaps between arms and legs.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks.combine import components, split_instances

LEAST = 24  # px, height of a region in which heads can show
SIDE = 192  # px, long side at which a region is judged
VALLEY = 0.07  # of the region's height: how deep it lies below the lower of two heads
ROOM = 0.16  # of the height below a peak within which its head is measured
HEAD = 0.034  # of the height: radius of the largest circle in a head
ALIKE = 0.5  # the smaller of two heads beside the larger
SHARE = 0.25  # of the larger part's area, and TALL of its height: less is no person
TALL = 0.5
STRAIGHT = 0.15  # cost of leaving the plumb line by one px, beside one px through the region


def split_people(mask: np.ndarray, budget: int = 300_000_000) -> list[np.ndarray]:
    """As `combine.split_instances`, with people who touch apart where their heads show: H×W uint8
    (255 inside), largest first, at most `budget` bytes together."""
    result: list[np.ndarray] = []
    groups = split_instances(mask, budget)
    room = budget // mask.size - len(groups)  # how many more masks there may be
    for group in groups:
        labels = apart(group)
        more = 0 if labels is None else int(labels[1].max()) - 1
        if labels is None or more > room:
            result.append(group)
            continue
        room -= more
        (x, y, w, h), parts = labels
        for value in range(1, more + 2):
            own = np.zeros_like(mask)
            own[y : y + h, x : x + w][parts == value] = 255
            result.append(own)
    return sorted(result, key=lambda one: -int(np.count_nonzero(one)))


def apart(group: np.ndarray) -> tuple[tuple[int, int, int, int], np.ndarray] | None:
    """One connected mask H×W → its box (x, y, w, h) and the persons' numbers there, h×w int32
    (0 outside), or None where it shows one person or cannot be told apart."""
    x, y, w, h = (int(v) for v in cv2.boundingRect(group))
    region = (group[y : y + h, x : x + w] > 0).astype(np.uint8)
    count, _, _ = components(region)
    if count != 2 or h < LEAST:  # empty, several that share a mask for want of memory, or tiny
        return None
    scale = min(1.0, SIDE / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = (cv2.resize(region, size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    cuts = _cuts(small, y == 0)
    if not cuts:
        return None
    # Each cut is a column for every row; a pixel's number counts the cuts to its left.
    rows = np.minimum((np.arange(h) * size[1] / h).astype(int), size[1] - 1)
    columns = (np.arange(w) + 0.5) * size[0] / w
    parts = np.ones((h, w), np.int32)
    for cut in cuts:
        parts += columns[None] >= cut[rows][:, None]
    parts[region == 0] = 0
    return (x, y, w, h), parts


def _cuts(small: np.ndarray, cut_off: bool) -> list[np.ndarray]:
    """h×w uint8 → cuts from left to right, each h columns (float); none for one person.

    `cut_off`: the picture ends above; what touches its border there is no head that shows."""
    heads = _heads(small)
    if cut_off:
        tops = _tops(small)
        heads = [x for x in heads if tops[x] > 0]
    cuts: list[np.ndarray] = []
    left = 0
    while left + 1 < len(heads):
        cut = _cut(small, heads[left], heads[left + 1])
        trial = [*cuts, cut]
        if _persons(small, trial):
            cuts = trial
            left += 1
        else:  # one of the two is no head: the lower one goes
            top = _tops(small)
            worse = left if top[heads[left]] > top[heads[left + 1]] and left == 0 else left + 1
            heads.pop(worse)
    return cuts


def _tops(small: np.ndarray) -> np.ndarray:
    """Row of the highest pixel of each column; the height where there is none."""
    return np.where(small.any(0), small.argmax(0), small.shape[0]).astype(int)


def _heads(small: np.ndarray) -> list[int]:
    """Columns of the heads, from left to right."""
    height, width = small.shape
    tops = _tops(small)
    deep = max(1.0, VALLEY * height)
    peaks: list[int] = []
    # Alternating peaks and valleys that differ by at least `deep`.
    best, low = 0, None
    for x in range(1, width):
        if low is None:
            if tops[x] < tops[best]:
                best = x
            elif tops[x] >= tops[best] + deep:
                peaks.append(best)
                low = x
        elif tops[x] > tops[low]:
            low = x
        elif tops[x] <= tops[low] - deep:
            best, low = x, None
    if low is None:
        peaks.append(best)
    inside = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,))
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    room, half = max(1, round(ROOM * height)), max(2, round(0.08 * height))
    radii = [
        float(distance[tops[x] : tops[x] + room, max(0, x - half) : x + half + 1].max())
        for x in peaks
    ]
    least = max(HEAD * height, ALIKE * max(radii))
    return [x for x, radius in zip(peaks, radii, strict=True) if radius >= least]


def _cut(small: np.ndarray, first: int, second: int) -> np.ndarray:
    """h columns: from the valley between two heads down, the cheapest way through the region."""
    height = small.shape[0]
    tops = _tops(small)
    columns = np.arange(first + 1, max(first + 2, second))
    valley = int(columns[np.argmax(tops[columns])])
    start = min(int(tops[valley]), height - 1)
    wide = len(columns)
    cost = small[:, columns].astype(np.float32)
    cost += STRAIGHT * np.abs(columns - valley)[None] / max(1.0, wide / 2)
    total = np.full((height, wide), np.inf, np.float32)
    came = np.zeros((height, wide), np.int32)
    total[start, valley - columns[0]] = 0
    for y in range(start + 1, height):
        above = np.full((3, wide), np.inf, np.float32)
        above[0, 1:] = total[y - 1, :-1] + 0.4
        above[1] = total[y - 1]
        above[2, :-1] = total[y - 1, 1:] + 0.4
        step = above.argmin(0)
        total[y] = above[step, np.arange(wide)] + cost[y]
        came[y] = step - 1
    cut = np.full(height, valley + 0.5, np.float32)
    at = int(total[-1].argmin())
    for y in range(height - 1, start, -1):
        cut[y] = columns[at] + 0.5
        at += int(came[y, at])
    return cut


def _persons(small: np.ndarray, cuts: list[np.ndarray]) -> bool:
    """Whether what lies between the cuts is each large and tall enough to be a person."""
    height, width = small.shape
    numbers = sum((np.arange(width)[None] + 0.5 >= cut[:, None]).astype(int) for cut in cuts)
    areas, talls = [], []
    for value in range(len(cuts) + 1):
        own = (small > 0) & (numbers == value)
        areas.append(np.count_nonzero(own))
        talls.append(np.count_nonzero(own.any(1)))
    return min(areas) >= SHARE * max(areas) and min(talls) >= TALL * max(talls)
