"""Hairlines of letters: serifs, and the thin horizontals of Song and Didone typefaces.

The stroke net sees them too faintly to mark them, but they have the colour of the letter that
they leave from, on the ground that lies around it. So they are followed from the strokes outwards:
thin things of that colour that end within reach.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks.text_lines import Region

LEAST_HEIGHT = 24.0  # px of a line's box: smaller letters have no hairlines apart from their stems
REACH = 0.6  # how far beyond a line's box hairlines are looked for, in its heights
THICK = 0.16  # window of the ground's median in heights: what is thinner than half of it stands out
FINE = 10.0  # px, a window of the median from which the ground may be looked at in a smaller size
LEAST_CONTRAST = 40.0  # distance in RGB between letter and ground
LEAST_SHARE = 0.3  # of the letter's colour in a pixel, beside the ground's
MOST_OTHER = 0.3  # of any other colour
MOST_INK = 1.0  # of a letter's hairlines, as a share of its line's strokes
MOST_STRAY = 0.25  # of that colour away from letters but close by, as a share of what was taken
CLOSE_BY = 0.2  # of a line's height
LARGEST = 4_000_000  # px of a line's surroundings


def continued(rgb: np.ndarray, solid: np.ndarray, boxes: list[Region]) -> np.ndarray:
    """Pixels that continue the strokes.

    Args:
        rgb: H×W×3 uint8. solid: H×W, non-zero on the strokes found. boxes: their lines.

    Returns:
        H×W uint8, 1 on hairlines that touch `solid`, without `solid` itself.
    """
    found = np.zeros(solid.shape, np.uint8)
    height, width = solid.shape
    for box in boxes:
        if box.height < LEAST_HEIGHT:
            continue
        corners = box.corners(grow=REACH * box.height)
        x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [width, height])
        x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int), 0, [width, height])
        if min(x1 - x0, y1 - y0) < 8 or (x1 - x0) * (y1 - y0) > LARGEST:
            continue
        inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillConvexPoly(inside, (corners - (x0, y0)).round().astype(np.int32), 1)
        part = around(rgb[y0:y1, x0:x1], solid[y0:y1, x0:x1] > 0, inside > 0, box.height)
        np.maximum(found[y0:y1, x0:x1], part, out=found[y0:y1, x0:x1])
    return found


def around(rgb: np.ndarray, solid: np.ndarray, inside: np.ndarray, height: float) -> np.ndarray:
    """h×w uint8: the hairlines in a line's surroundings; `inside` is where they may lie."""
    if not solid.any() or solid.all():
        return np.zeros(solid.shape, np.uint8)
    ground = ground_of(rgb, solid, THICK * height)
    core = cv2.erode(solid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    red, green, blue = cv2.split(cv2.absdiff(rgb, ground))
    differs = cv2.max(cv2.max(red, green), blue) > LEAST_SHARE * LEAST_CONTRAST / np.sqrt(3)
    places = np.flatnonzero(differs & inside & ~solid)
    if places.size == 0:
        return np.zeros(solid.shape, np.uint8)
    letters = rgb.reshape(-1, 3)[nearest(core if core.any() else solid, places)]
    below = ground.reshape(-1, 3)[places].astype(np.float32)
    way, off = letters - below, rgb.reshape(-1, 3)[places] - below
    far, along, size = (
        np.einsum("ij,ij->i", a, b) for a, b in ((way, way), (off, way), (off, off))
    )
    far = np.maximum(far, np.float32(1e-3))
    share = along / far
    other = size / far - share**2  # what another colour adds, squared
    alike = (share > LEAST_SHARE) & (other < MOST_OTHER**2) & (far > LEAST_CONTRAST**2)
    like = np.zeros(solid.shape, bool)
    like.reshape(-1)[places[alike]] = True
    count, label = cv2.connectedComponents((like | solid).astype(np.uint8) & inside, connectivity=8)
    return chosen(like, solid, label, count, ~inside, CLOSE_BY * height)


def chosen(
    like: np.ndarray, solid: np.ndarray, label: np.ndarray, count: int, outside: np.ndarray,
    close_by: float,
) -> np.ndarray:
    """Of the candidates those that hang on strokes, end inside, and are little beside them; none
    where the ground up to `close_by` px from them holds the letters' colour, too."""
    thin = np.bincount(label[like], minlength=count)
    ink = np.bincount(label[solid], minlength=count)
    rim = cv2.dilate(outside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    leaves = np.bincount(label[like & rim], minlength=count) > 0
    good = (thin > 0) & (ink > 0) & (thin <= MOST_INK * ink) & ~leaves
    good[0] = False
    taken = good[label] & like
    if not taken.any():
        return np.zeros(like.shape, np.uint8)
    away = cv2.distanceTransform((~taken).astype(np.uint8), cv2.DIST_L2, 5)
    stray = like & (ink == 0)[label] & (away <= close_by)
    if stray.sum() > MOST_STRAY * taken.sum():
        return np.zeros(like.shape, np.uint8)
    return taken.astype(np.uint8)


def nearest(where: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The nearest one of the pixels `where` (h×w bool) for each of n `places`; both as places in
    the flat picture."""
    _, labels = cv2.distanceTransformWithLabels(
        np.where(where, np.uint8(0), np.uint8(1)), cv2.DIST_L2, 5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    label = np.asarray(labels, np.int32).reshape(-1)
    flat = np.flatnonzero(where)
    known = np.zeros(len(flat) + 1, np.intp)
    known[label[flat]] = flat
    return known[label[places]]


def ground_of(rgb: np.ndarray, solid: np.ndarray, window: float) -> np.ndarray:
    """h×w×3 uint8: what lies behind the strokes, the median of the ground around each pixel;
    looked at in half the size or less, since it is slow."""
    h, w = solid.shape
    shrink = int(np.clip(window / 8, 2, 4))
    size = (max(1, w // shrink), max(1, h // shrink))
    first = (w, h) if window < FINE else size  # between small letters every pixel of ground counts
    grown = cv2.dilate(solid.astype(np.uint8) * np.uint8(255), np.ones((5, 5), np.uint8))
    hidden = cv2.resize(grown, first, interpolation=cv2.INTER_AREA) > 0
    small = cv2.resize(rgb, first, interpolation=cv2.INTER_AREA).copy()
    if not hidden.all():
        places = np.flatnonzero(hidden)
        flat = small.reshape(-1, 3)
        flat[places] = flat[nearest(~hidden, places)]
    small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    small = cv2.medianBlur(small, max(3, int(window / shrink)) | 1)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
