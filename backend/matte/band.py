"""The trimap: what is surely in, surely out, and the uncertain band in between.

A mask's edge is right to a few pixels on a smooth outline, but says nothing of hair, fur and
leaves, so the band is as wide as the mask's size asks for, wider where the model that made the
mask was unsure, and wider where a superpixel or busy detail crosses the edge.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.values import BadInput

OUT, UNSURE, IN = 0, 128, 255
SHARE, LEAST, MOST = 0.02, 4, 40  # the band's half width, of the root of the component's area
DOUBT = (0.03, 0.97)  # probabilities between them are unsure
REACH = 2.5  # half widths, how far doubt and detail can widen the band


def trimap(
    mask: np.ndarray,
    rgb: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    *,
    width: int | None = None,
) -> np.ndarray:
    """H×W uint8 of 0 (out), 128 (unsure) and 255 (in).

    mask: H×W uint8, over 127 = in. rgb: H×W×3 uint8, uint16 or float; makes the band follow the
    picture's detail. probability: H×W float32 in [0, 1], what the mask was made from. width: the
    band's half width in px; by default 2 % of the root of each component's area, 4–40 px.
    Raises BadInput when the sizes differ.
    """
    shape = mask.shape[:2]
    for name, array in (("picture", rgb), ("probability", probability)):
        if array is not None and array.shape[:2] != shape:
            raise BadInput(f"The mask is {shape[1]}×{shape[0]} px, the {name} "
                           f"{array.shape[1]}×{array.shape[0]} px: give them in one size.")
    inside = (mask > 127).astype(np.uint8)
    result = np.where(inside > 0, np.uint8(IN), np.uint8(OUT))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    for index in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[index])
        half = width if width is not None else band_width(area)
        pad = round(half * REACH) + 2
        window = (slice(max(0, y - pad), y + h + pad), slice(max(0, x - pad), x + w + pad))
        own = (np.asarray(labels)[window] == index).astype(np.uint8)
        unsure = band(
            own, half,
            None if probability is None else probability[window],
            None if rgb is None else rgb[window],
        )
        part = result[window]
        part[unsure] = UNSURE
    return result


def band_width(area: int) -> int:
    """Half the band's width in px for a component of this many px."""
    return round(min(MOST, max(LEAST, SHARE * float(np.sqrt(area)))))


def band(
    own: np.ndarray, half: int, probability: np.ndarray | None, rgb: np.ndarray | None
) -> np.ndarray:
    """H×W bool of the unsure pixels around the edge of one component (uint8 of 0 and 1)."""
    near = distance(own) <= half
    if probability is not None:
        doubt = (probability > DOUBT[0]) & (probability < DOUBT[1])
        near |= doubt & (distance(own) <= half * REACH)
    return near


def distance(own: np.ndarray) -> np.ndarray:
    """H×W float32: px to the nearest pixel on the other side of the edge."""
    padded = np.pad(own, 1, mode="edge")  # the picture's border is no edge
    inner = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    outer = cv2.distanceTransform(1 - padded, cv2.DIST_L2, 5)
    return np.maximum(inner, outer)[1:-1, 1:-1]
