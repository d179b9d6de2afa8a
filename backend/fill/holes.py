"""From one hole mask to the groups that are filled together and the crop each one needs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.models.interfaces import Description
from backend.values import Box

MIN_CONTEXT = 128
MIN_CROP = 512


@dataclass(frozen=True)
class Group:
    """Holes that are filled in one run. `hole`: uint8, the size of `crop`, 255 = this group's."""

    crop: Box
    hole: np.ndarray


def overlap(a: Box, b: Box) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


def union(a: Box, b: Box) -> Box:
    return Box(min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))


def grow_box(box: Box, dx: int, dy: int, width: int, height: int) -> Box:
    """Grows by dx, dy on each side and cuts at the image's border."""
    return Box(
        max(0, box.x0 - dx), max(0, box.y0 - dy), min(width, box.x1 + dx), min(height, box.y1 + dy)
    )


def context_crop(box: Box, width: int, height: int, longest: int = 0) -> Box:
    """The part of the image a filler sees for a hole of this box: max(128 px, 0.6 of the hole's
    longer side) on each side, at least 512 px where the image has them. A side that meets the
    image's border is made up for on the other side, so the crop is never moved off its hole.
    longest: where the box holds several holes, the largest one's longer side, px; then it is
    max(128 px, 0.6 of that, 0.2 of the box's longer side)."""
    side = max(box.width, box.height)
    pad = max(MIN_CONTEXT, round(max(0.6 * (longest or side), 0.2 * side)))

    def span(lo: int, hi: int, limit: int) -> tuple[int, int]:
        size = min(limit, max(MIN_CROP, hi - lo + 2 * pad))
        start = min(max(0, (lo + hi - size) // 2), limit - size)
        return min(start, lo), max(start + size, hi)

    x0, x1 = span(box.x0, box.x1, width)
    y0, y1 = span(box.y0, box.y1, height)
    return Box(x0, y0, x1, y1)


def merge(boxes: list[Box], pad: int, width: int, height: int) -> list[list[int]]:
    """Indices of boxes that touch, directly or through others, when each is padded by `pad` or a
    quarter of its longer side."""
    clusters: list[tuple[Box, list[int]]] = []
    for index, box in enumerate(boxes):
        reach = max(pad, max(box.width, box.height) // 4)
        padded = grow_box(box, reach, reach, width, height)
        members = [index]
        while True:
            hit = [c for c in clusters if overlap(c[0], padded)]
            if not hit:
                break
            for cluster in hit:
                padded = union(padded, cluster[0])
                members += cluster[1]
            clusters = [c for c in clusters if not any(c is h for h in hit)]
        clusters.append((padded, members))
    return [sorted(members) for _, members in clusters]


def group_holes(hole: np.ndarray, description: Description, pad: int = 48) -> list[Group]:
    """H×W uint8 hole (non-zero = fill) → groups, smallest first, so that a big hole can lean on
    finished small ones. Every hole pixel is in exactly one group."""
    height, width = hole.shape
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    if not rows.size:
        return []
    # Only the box around all holes: a large picture must not cost time.
    top, left = int(rows[0]), int(columns[0])
    part = hole[top : rows[-1] + 1, left : columns[-1] + 1] > 0
    count, found, stats, _ = cv2.connectedComponentsWithStats(
        part.astype(np.uint8), connectivity=8
    )
    labels = np.asarray(found, np.int32)
    boxes = [
        Box(int(x) + left, int(y) + top, int(x + w) + left, int(y + h) + top)
        for x, y, w, h, _ in stats[1:]
    ]
    groups = []
    for members in merge(boxes, pad, width, height):
        box = boxes[members[0]]
        for index in members[1:]:
            box = union(box, boxes[index])
        longest = max(max(boxes[i].width, boxes[i].height) for i in members)
        crop = context_crop(box, width, height, longest)
        chosen = np.zeros(count, np.uint8)
        chosen[[index + 1 for index in members]] = 255
        mask = np.zeros((crop.height, crop.width), np.uint8)
        y, x = box.y0 - crop.y0, box.x0 - crop.x0
        inside = labels[box.y0 - top : box.y1 - top, box.x0 - left : box.x1 - left]
        mask[y : y + box.height, x : x + box.width] = chosen[inside]
        groups.append(Group(crop, mask))
    return sorted(groups, key=lambda g: int(np.count_nonzero(g.hole)))
