"""What every click model needs: checks of clicks and boxes, and parts of a mask under clicks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backend.values import BadInput, Box, Point


def check(
    size: tuple[int, int], positives: Sequence[Point], negatives: Sequence[Point] = (),
    box: Box | None = None, previous: np.ndarray | None = None,
) -> None:
    """`size` is (height, width). BadInput for a click outside, an empty box, nothing at all."""
    height, width = size
    for x, y in (*positives, *negatives):
        if not (0 <= x < width and 0 <= y < height):
            raise BadInput(
                f"The click {x:g}, {y:g} is outside the image, which is {width} × {height} pixels."
            )
    if box is not None and clip(box, size) is None:
        raise BadInput(
            f"The box {tuple(box)} has no pixel inside the image of {width} × {height} pixels."
        )
    if not positives and box is None:
        raise BadInput("Click on the object, or draw a box around it.")
    if previous is not None and previous.shape != (height, width):
        raise BadInput(
            f"The previous answer is {previous.shape[1]} × {previous.shape[0]} pixels, "
            f"the image {width} × {height}."
        )


def check_image(rgb: np.ndarray) -> None:
    """BadInput unless `rgb` is H×W×3 uint8 with at least one pixel."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise BadInput("A click model takes an image of height × width × 3 bytes (RGB).")


def clip(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of the box inside the image, None where there is none."""
    height, width = size
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(box[2])), min(height, int(box[3]))
    return Box(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def bounding(mask: np.ndarray) -> Box | None:
    """The half-open box of the set pixels of an H×W array, None when none is set."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def touched(
    mask: np.ndarray, positives: Sequence[Point], box: Box | None, share: float = 0.15,
) -> np.ndarray:
    """The connected parts of `mask` (H×W bool) that a click (or a pixel within 1.5 % of the
    image's diagonal) touches, and other parts of at least `share` of their area: a leg behind a
    post stays, specks go. With a box and no click, the parts whose middle it holds."""
    count, labels, stats, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2 and not positives:
        return mask
    height, width = mask.shape
    reach = max(1, round(0.015 * float(np.hypot(height, width))))
    hit: set[int] = set()
    for x, y in positives:
        column, row = min(width - 1, int(x)), min(height - 1, int(y))
        if labels[row, column]:
            hit.add(int(labels[row, column]))
            continue
        near = labels[max(0, row - reach) : row + reach + 1,
                      max(0, column - reach) : column + reach + 1]
        hit.update(int(v) for v in np.unique(near) if v)
    if not positives and box is not None:
        hit = {i for i in range(1, count)
               if box[0] <= middles[i][0] < box[2] and box[1] <= middles[i][1] < box[3]}
    if not hit:
        return np.zeros_like(mask)
    area = sum(stats[i, cv2.CC_STAT_AREA] for i in hit)
    keep = np.zeros(count, bool)
    for part in range(1, count):
        keep[part] = part in hit or stats[part, cv2.CC_STAT_AREA] >= share * area
    return keep[np.asarray(labels, np.intp)]
