"""The trimap: what is surely in, surely out, and the uncertain band in between.

A mask's edge is right to a few pixels on a smooth outline, but says nothing of hair, fur and
leaves, so the band is as wide as the mask's size asks for, wider where the model that made the
mask was unsure, and wider where a superpixel or busy detail crosses the edge.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.layers.depth import to_8bit
from backend.masks.click_regions import superpixels
from backend.values import BadInput

OUT, UNSURE, IN = 0, 128, 255
SHARE, LEAST, MOST = 0.02, 4, 40  # the band's half width, of the root of the component's area
DOUBT = (0.2, 0.8)  # probabilities between them are unsure
REACH, FAR = 2.5, 6.0  # half widths, how far doubt can widen the band, and detail
ODD, LEVELS = 2.5, 6.0  # spreads and levels of L*a*b* from a side's colours: not of that side
BEYOND = 4.0  # half widths: from here on it is surely the background
STEP = 8.0  # px of the shrunk picture: a half width, and a superpixel's side


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
        pad = round(half * (FAR + 2)) + 2
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
    inner, outer = distances(own)
    # A thin component keeps a sure core, or there would be nothing to compare colours with.
    within = np.minimum(half, 0.6 * float(inner.max()))
    apart = np.where(own > 0, inner, outer)
    near = np.where(own > 0, inner <= within, outer <= half)
    reach = np.where(own > 0, 0.6 * float(inner.max()), np.inf)
    if probability is not None:
        doubt = (probability > DOUBT[0]) & (probability < DOUBT[1])
        near |= doubt & (apart <= np.minimum(half * REACH, reach))
    if rgb is not None:
        limit = np.minimum(half * FAR, reach)
        near |= joined(detail(own, rgb, half, apart), near) & (apart <= limit)
    return near


def detail(own: np.ndarray, rgb: np.ndarray, half: int, apart: np.ndarray) -> np.ndarray:
    """H×W bool: pixels near the edge that look like the other side, or like neither.

    Outside: colours that the background further out does not have, as hair and fur on it. Inside:
    colours of that background, as gaps between hairs. And superpixels that the edge cuts through.
    """
    scale = min(1.0, STEP / half)
    size = (max(8, round(own.shape[1] * scale)), max(8, round(own.shape[0] * scale)))
    small = cv2.resize(to_8bit(rgb[..., :3]), size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(own, size, interpolation=cv2.INTER_AREA) > 0
    far = cv2.resize(apart.astype(np.float32), size, interpolation=cv2.INTER_AREA) * scale
    half_small = max(1.0, half * scale)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    back, back_spread = nearby(lab, ~inside & (far > half_small * BEYOND), half_small * 4)
    front, front_spread = nearby(lab, inside & (far > half_small * 1.5), half_small * 3)
    to_back = np.sqrt(((lab - back) ** 2).sum(2))
    to_front = np.sqrt(((lab - front) ** 2).sum(2))
    unlike_back = to_back > ODD * back_spread + LEVELS
    odd = np.where(inside, ~unlike_back & (to_front > ODD * front_spread + LEVELS), unlike_back)
    # Further out only what is thin is hair; a wide patch is a thing behind.
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(half_small / 2) + 1,) * 2)
    wide = cv2.dilate(cv2.morphologyEx(odd.astype(np.uint8), cv2.MORPH_OPEN, disk), disk) > 0
    odd &= ~wide | (far <= half_small * REACH)
    labels = superpixels(small, max(1, round(small.shape[0] * small.shape[1] / STEP**2)))
    share = (np.bincount(labels.ravel(), inside.ravel().astype(np.float64))
             / np.bincount(labels.ravel()))[labels]
    cut = (share > 0.1) & (share < 0.9) & (far <= half_small * REACH)
    found = cv2.dilate((odd | cut).astype(np.uint8), np.ones((3, 3), np.uint8))
    return cv2.resize(found, own.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def nearby(lab: np.ndarray, where: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """(H×W×3 mean colour, H×W spread) of the pixels `where`, weighted by nearness."""
    weight = where.astype(np.float32)

    def blur(plane: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)

    total = blur(weight) + np.float32(1e-6)
    mean = blur(lab * weight[..., None]) / total[..., None]
    square = blur((lab**2).sum(2) * weight) / total
    return mean, np.sqrt(np.maximum(0, square - (mean**2).sum(2)))


def joined(found: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The parts of `found` that touch `near`."""
    both = (found | near).astype(np.uint8)
    _, labels = cv2.connectedComponents(both, connectivity=8)
    labels = np.asarray(labels, np.int32)
    keep = np.zeros(int(labels.max()) + 1, bool)
    keep[np.unique(labels[near])] = True
    keep[0] = False
    return keep[labels]


def distances(own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """H×W float32 each: px to the nearest pixel outside and inside; the picture's border is no
    edge."""
    padded = np.pad(own, 1, mode="edge")
    inner = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    outer = cv2.distanceTransform(1 - padded, cv2.DIST_L2, 5)
    return inner[1:-1, 1:-1], outer[1:-1, 1:-1]
