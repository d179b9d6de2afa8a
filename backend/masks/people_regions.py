"""Which parts of a probability map are people: doubtful regions without a sure core go."""

from __future__ import annotations

import cv2
import numpy as np

LOW = 0.35  # a pixel of a region: rather a rim too many than a shoe left behind
CORE = 0.81  # a tenth of a region's pixels must be this sure; shadows of caps come to 0.785
PART_CORE = 0.75  # the same of a part that hangs on
LEAST = 12  # px of the map: smaller regions are noise
PART = 0.05  # of a region: a part this large, joined by faint pixels only, needs its own core
JOINT = 0.5  # pixels below it are faint
FLAT = 2.5  # grey levels: a region on a plain ground without any drawing is no person


def keep_sure_regions(
    probability: np.ndarray,
    low: float = LOW,
    core: float = CORE,
    least: int = LEAST,
    grey: np.ndarray | None = None,
) -> np.ndarray:
    """H×W float32 map → the same with doubtful regions at 0 and `low` moved to 0.5.

    `grey`: the picture, H×W uint8; where it is given, regions on a plain colour go as well.

    A region is a connected part above `low`. It stays when its 90 % quantile is at least `core`
    (hysteresis, Canny 1986, with a share instead of one pixel): façades and red rocks light up
    faintly all over, people have a sure body. So must every large part of a region that hangs on
    it by faint pixels alone: the car behind a person is none of theirs. The result is a
    probability map whose half is the threshold, monotonous in the given one.
    """
    mask = (probability > low).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep = np.zeros(count, bool)
    drop = np.zeros(mask.shape, bool)
    for index in range(1, count):
        x, y, width, height, area = stats[index]
        if area < least:
            continue
        window = (slice(y, y + height), slice(x, x + width))
        if grey is not None and grey[window].std() < FLAT:
            continue
        own = labels[window] == index
        keep[index] = np.quantile(probability[window][own], 0.9) >= core
        if keep[index]:
            drop[window] |= _hangers_on(probability[window], own, min(core, PART_CORE))
    moved = np.interp(probability, (0, low, 1), (0, 0.5, 1)).astype(np.float32)
    # Around a region that went, nothing may rise above the threshold when it is enlarged.
    gone = (mask > 0) & (drop | ~keep[np.asarray(labels, np.int32)])
    moved[gone] = 0
    moved[(mask == 0) & (cv2.dilate(gone.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)] = 0
    return moved


def _hangers_on(probability: np.ndarray, own: np.ndarray, core: float) -> np.ndarray:
    """h×w bool: pixels of a region (`own`) nearest to parts that have no sure core themselves."""
    firm = (own & (probability > JOINT)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(firm, connectivity=8)
    least = PART * np.count_nonzero(own)
    bad = [
        index
        for index in range(1, count)
        if stats[index, cv2.CC_STAT_AREA] >= least
        and np.quantile(probability[labels == index], 0.9) < core
    ]
    if not bad:
        return np.zeros_like(own)
    _, nearest = cv2.distanceTransformWithLabels(
        1 - firm, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    return own & np.isin(nearest, [nearest[labels == index][0] for index in bad])
