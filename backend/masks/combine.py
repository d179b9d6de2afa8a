"""From masks to the hole: cleaned, and grown so that no ghost of an edge stays behind.

A mask that follows an object exactly leaves its anti-aliased rim in the picture, so the hole
reaches a little beyond it (sizes after MODELS.md: 1.2 % of a component's box diagonal).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backend.values import BadInput, Box, TextLine

SPECK = 0.00005  # share of the picture under which a lone spot is no object
SLIVER = 0.7  # of the growth: a circle of this radius fits in no gap that is closed
OBJECT_GROWTH, OBJECT_MIN, OBJECT_MAX = 0.012, 5, 25
TEXT_GROWTH, TEXT_MIN, TEXT_MAX = 0.012, 2, 4


def check_mask(mask: np.ndarray, shape: tuple[int, int], name: str = "mask") -> np.ndarray:
    """The mask as H×W uint8 of 0 and 255. Raises BadInput for another type or size."""
    if mask.ndim != 2 or mask.dtype not in (np.uint8, np.bool_):
        raise BadInput(f"The {name} must be H×W uint8 or bool, not {mask.shape} {mask.dtype}.")
    if mask.shape != tuple(shape):
        raise BadInput(
            f"The {name} is {mask.shape[1]}×{mask.shape[0]} px, the picture "
            f"{shape[1]}×{shape[0]} px: give a mask of the picture's size."
        )
    return binary(mask)


def binary(mask: np.ndarray) -> np.ndarray:
    """H×W uint8 of 0 and 255: set where the mask is over 127 (or True)."""
    chosen = mask if mask.dtype == np.bool_ else mask > 127
    return chosen.astype(np.uint8) * np.uint8(255)


def union(masks: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """All masks together; an empty mask of `shape` when there are none."""
    result = np.zeros(shape, np.uint8)
    for mask in masks:
        np.maximum(result, mask, out=result)
    return result


def components(mask: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """(count with the background, H×W int32 labels, count×5 int32 of x, y, w, h, area).

    8-connected: a thin diagonal stroke is one thing, not a row of specks."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return count, np.asarray(labels, np.int32), np.asarray(stats, np.int32)


def clean_mask(mask: np.ndarray, speck: float, pinhole: float | None = None) -> np.ndarray:
    """Drops components of less than `speck` px and fills enclosed gaps of at most `pinhole` px
    (the same by default). H×W uint8 of 0 and 255."""
    result = _without_small(mask, speck)
    # The frame joins what touches the border, so that only enclosed gaps can be small.
    inverse = cv2.copyMakeBorder(cv2.bitwise_not(result), 1, 1, 1, 1, cv2.BORDER_CONSTANT,
                                 value=(255,))
    gaps = cv2.subtract(inverse, _without_small(inverse, speck if pinhole is None else pinhole))
    return cv2.bitwise_or(result, gaps[1:-1, 1:-1])


def _without_small(mask: np.ndarray, area: float) -> np.ndarray:
    count, labels, stats = components(mask)
    stay = stats[:, cv2.CC_STAT_AREA] >= area
    stay[0] = False
    if stay[1:].all():
        return mask.copy()
    return (stay.astype(np.uint8) * np.uint8(255))[labels] if count > 1 else mask.copy()


def grow_components(
    mask: np.ndarray, share: float, least: int, most: int, slivers: bool = False
) -> np.ndarray:
    """Each component dilated by an ellipse of `share` of its box's diagonal, `least`–`most` px.
    `slivers`: what this leaves of a narrow enclosed gap goes as well.

    Works on the box of each component, so the cost follows the mask and not the picture.
    """
    result = mask.copy()
    _, labels, stats = components(mask)
    for label, (x, y, w, h, _) in enumerate(stats[1:], 1):
        radius = int(np.clip(round(share * float(np.hypot(w, h))), least, most))
        box = padded(Box(int(x), int(y), int(x + w), int(y + h)), radius, mask.shape)
        part = (labels[box.slices] == label).astype(np.uint8) * np.uint8(255)
        target = result[box.slices]
        part = grow(part, radius)
        np.maximum(target, without_slivers(part, SLIVER * radius) if slivers else part, out=target)
    return result


def without_slivers(mask: np.ndarray, radius: float) -> np.ndarray:
    """The mask with enclosed gaps filled in which no circle of more than `radius` px has room."""
    gaps = cv2.copyMakeBorder(cv2.bitwise_not(mask), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(255,))
    count, labels, stats = components(gaps)
    result = mask
    for label in range(1, count):
        x, y, w, h, _ = (int(v) for v in stats[label])
        if x == 0:  # the outside
            continue
        own = (labels[y : y + h, x : x + w] == label).astype(np.uint8)
        room = cv2.distanceTransform(cv2.copyMakeBorder(own, 1, 1, 1, 1, cv2.BORDER_CONSTANT),
                                     cv2.DIST_L2, 5)
        if room.max() <= radius:
            if result is mask:
                result = mask.copy()
            result[y - 1 : y - 1 + h, x - 1 : x - 1 + w][own > 0] = 255
    return result


def padded(box: Box, by: int, shape: tuple[int, ...]) -> Box:
    """The box with `by` px more on each side, cut at the picture's border."""
    return Box(max(0, box.x0 - by), max(0, box.y0 - by),
               min(shape[1], box.x1 + by), min(shape[0], box.y1 + by))


def grow(mask: np.ndarray, radius: int) -> np.ndarray:
    """The mask dilated by an ellipse of `radius` px."""
    if radius <= 0:
        return mask.copy()
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2))


def object_hole(mask: np.ndarray, grow_px: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(hole, core) of found objects: the cleaned mask grown, and before it was grown.

    mask: H×W uint8, 255 = remove. grow_px: None = by the size of each component, 0 = exactly the
    mask's pixels (not even cleaned), else this many px.
    """
    if grow_px == 0:
        return mask.copy(), mask.copy()
    core = clean_mask(mask, SPECK * mask.size)
    if grow_px is not None:
        return grow(core, grow_px), core
    return grow_components(core, OBJECT_GROWTH, OBJECT_MIN, OBJECT_MAX, slivers=True), core


def text_hole(mask: np.ndarray, grow_px: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(hole, core) of text strokes; see `object_hole`. Dots and accents are small, so hardly
    anything counts as a speck, and counters of letters stay open."""
    if grow_px == 0:
        return mask.copy(), mask.copy()
    core = clean_mask(mask, 3, 6)
    if grow_px is not None:
        return grow(core, grow_px), core
    return grow_components(core, TEXT_GROWTH, TEXT_MIN, TEXT_MAX), core


def split_instances(mask: np.ndarray, budget: int = 300_000_000) -> list[np.ndarray]:
    """The mask's connected components without specks, largest first: what there is to choose from
    when a model cannot tell people apart. Each is H×W; where that would take more than `budget`
    bytes, the smallest ones share the last mask."""
    count, labels, stats = components(mask)
    order = sorted(range(1, count), key=lambda i: -int(stats[i, cv2.CC_STAT_AREA]))
    large = [i for i in order if stats[i, cv2.CC_STAT_AREA] >= SPECK * mask.size]
    alone = max(1, budget // mask.size)
    groups = [[i] for i in large[: alone - 1]] + [large[alone - 1 :]]
    result = []
    for group in groups:
        if group:
            chosen = np.zeros(count, np.uint8)
            chosen[group] = 255
            result.append(chosen[labels])
    return result


def chosen_lines(
    lines: Sequence[TextLine], keep_below: float = 0.0, only_in: Box | None = None
) -> list[bool]:
    """For each line whether it goes: at least `keep_below` px high, and at least half of its area
    inside `only_in`."""
    return [
        line.height >= keep_below and (only_in is None or _share_inside(line, only_in) >= 0.5)
        for line in lines
    ]


def filter_text(
    mask: np.ndarray, lines: Sequence[TextLine], taken: Sequence[bool], only_in: Box | None = None
) -> np.ndarray:
    """The text mask without the pixels of the lines that stay.

    A pixel belongs to the line whose polygon is nearest (strokes, outlines and shadows reach
    beyond it). Pixels more than a line's height from every polygon stay marked, unless `only_in`
    asks for a part of the picture that they are not in.
    """
    if all(taken) and only_in is None:
        return mask
    far = 1e6
    drop, go = np.full(mask.shape, far, np.float32), np.full(mask.shape, far, np.float32)
    for line, is_taken in zip(lines, taken, strict=True):
        reach = max(4, round(line.height))
        points = np.round(line.polygon).astype(np.int32)
        x, y, w, h = cv2.boundingRect(points.reshape(-1, 1, 2))
        box = padded(Box(x, y, x + w, y + h), reach, mask.shape)
        if box.width <= 0 or box.height <= 0:
            continue
        outside = np.full((box.height, box.width), 255, np.uint8)
        cv2.fillPoly(outside, [points.reshape(-1, 1, 2) - (box.x0, box.y0)], (0,))
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
        # Beyond its reach a line has no say.
        distance[distance > reach] = far
        target = (go if is_taken else drop)[box.slices]
        np.minimum(target, distance, out=target)
    stays = drop < go
    if only_in is not None:
        unclaimed = (drop >= far) & (go >= far)
        inside = np.zeros(mask.shape, bool)
        inside[only_in.slices] = True
        stays |= unclaimed & ~inside
    result = mask.copy()
    result[stays] = 0
    return result


def _share_inside(line: TextLine, box: Box) -> float:
    polygon = np.asarray(line.polygon, np.float32).reshape(-1, 2)
    area = abs(cv2.contourArea(polygon))
    if area <= 0:
        x, y = polygon.mean(0)
        return float(box.x0 <= x < box.x1 and box.y0 <= y < box.y1)
    frame = np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)],
                     np.float32)
    shared, _ = cv2.intersectConvexConvex(cv2.convexHull(polygon), frame)
    return float(shared) / float(cv2.contourArea(cv2.convexHull(polygon)))
