"""Small holes across the border of two flat colours: a word over a badge's edge, a line of text
half on a panel.

Neither one polynomial nor a patch does: no whole patch of a small badge is left to copy. But the
ring around such a hole says which of the two colours lies where, and the border between them goes
on in between, straight where that agrees with the ring, else as a spline.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.values import Control

APART = 28.0 / 255  # least distance of the two colours
NEAR = 9.0 / 255  # how far a pixel may be from its colour, a plane over the ring
STRAY = 0.06  # how far the plane may leave the colours that were seen
AGREE = 0.8  # share of the ring that must be as near; the border itself is not
EACH = 0.12  # of what agrees: the rarer colour's least share
FEWEST = 24  # px of each colour
ARCS = 4  # most pieces of the ring of one colour: both sides of a badge, or of two panels
BRIDGED, SPECK = 5, 0.03  # px of a gap that parts no arc; share of the ring that is no arc yet
MIXED = 0.4  # share of the ring that may have both colours so close by
MOST, GRID = 120, 256  # points of the ring, beside the border and elsewhere, that bend the spline;
# samples along its longer side
STRAIGHT = 0.97  # share of the ring that a straight line must part rightly
BESIDE = 16.0  # px to the other colour
STIFF = 1e-3  # how little the spline follows a single point
TURNS = 8  # rounds of telling the colours apart, and of fitting


def fill_two_tone(
    rgb: np.ndarray, part: np.ndarray, ring: np.ndarray, rng: np.random.Generator,
    control: Control,
) -> np.ndarray | None:
    """The crop (H×W×3 float32 in [0, 1]) with its hole (`part`, H×W uint8) filled, or None when
    the `ring` (H×W bool) around it does not show two flat colours."""
    ys, xs = np.nonzero(ring)
    if len(ys) < 2 * FEWEST:
        return None
    colours = rgb[ys, xs]
    second = _two_groups(colours)
    if second is None:
        return None
    height, width = part.shape
    places = np.stack([np.ones(len(ys)), xs / width, ys / height], 1).astype(np.float32)
    agree = np.zeros(len(ys), bool)
    planes, grains = [], []
    for own in (~second, second):
        plane, near = _plane(places, colours, own)
        if plane is None:
            return None
        agree |= near
        planes.append(plane)
        grains.append(colours[near] - places[near] @ plane)
    fewest = min(np.count_nonzero(agree & second), np.count_nonzero(agree & ~second))
    if agree.mean() < AGREE or fewest < EACH * np.count_nonzero(agree):
        return None
    which, known = np.zeros((height, width), np.float32), np.zeros((height, width), bool)
    which[ys[agree], xs[agree]] = second[agree]
    known[ys[agree], xs[agree]] = True
    if not _in_arcs(which, known):
        return None
    control.check()
    places_of = np.stack([xs[agree], ys[agree]], 1)
    field = straight(which, known)
    if field is None:
        field = _border(spline(places_of, second[agree], (height, width)))
    share = field[part > 0][:, None]
    inside_y, inside_x = np.nonzero(part)
    terms = np.stack([np.ones(len(inside_y)), inside_x / width, inside_y / height], 1)
    tones = [terms.astype(np.float32) @ plane for plane in planes]
    for tone, of, own in zip(tones, (1 - share, share), (~second, second), strict=True):
        if _strays(tone[of[:, 0] > 0.5], colours[agree & own]):
            return None
    first, other = (
        tone + grain[rng.integers(0, len(grain), len(terms))]
        for tone, grain in zip(tones, grains, strict=True)
    )
    result = rgb.copy()
    result[inside_y, inside_x] = np.clip(first + share * (other - first), 0, 1)
    return result


def _strays(tone: np.ndarray, seen: np.ndarray) -> bool:
    """Whether a plane's N×3 colours are far from the M×3 that were seen: from a narrow strip it
    tells nothing of what lies beyond."""
    low, high = seen.min(0) - STRAY, seen.max(0) + STRAY
    return bool(((tone < low) | (tone > high)).any())


def _two_groups(colours: np.ndarray) -> np.ndarray | None:
    """N×3 colours → N bool, which of two groups each is in (Lloyd's algorithm from the ends of the
    main axis); None when they are not far enough apart."""
    middle = colours.mean(0)
    axis = np.linalg.svd((colours - middle).T @ (colours - middle))[0][:, 0]
    along = (colours - middle) @ axis
    centres = colours[[np.argmin(along), np.argmax(along)]]
    second = np.zeros(len(colours), bool)
    for _ in range(TURNS):
        far = np.linalg.norm(colours[:, None] - centres, axis=2)
        second = far[:, 1] < far[:, 0]
        if min(np.count_nonzero(second), np.count_nonzero(~second)) < FEWEST:
            return None
        centres = np.stack([np.median(colours[~second], 0), np.median(colours[second], 0)])
    return second if np.linalg.norm(centres[0] - centres[1]) >= APART else None


def _plane(
    places: np.ndarray, colours: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray]:
    """The plane (3×3) through the colours of one group, and which of its pixels are near it."""
    near = own & (np.abs(colours - np.median(colours[own], 0)).max(1) <= 4 * NEAR)
    plane = None
    for _ in range(TURNS):
        if np.count_nonzero(near) < FEWEST:
            return None, near
        plane = np.linalg.lstsq(places[near], colours[near], rcond=None)[0]
        near = own & (np.abs(colours - places @ plane).max(1) <= NEAR)
    return (plane if np.count_nonzero(near) >= FEWEST else None), near


def _in_arcs(which: np.ndarray, known: np.ndarray) -> bool:
    """Whether each colour lies together along the ring, in one or two arcs: stripes and patterns
    have more borders than can be told apart."""
    arcs, mixed = 0, 0
    for colour in (0, 1):
        own = known & (which == colour)
        near = cv2.dilate(own.astype(np.uint8), np.ones((BRIDGED,) * 2, np.uint8))
        mixed += np.count_nonzero((near > 0) & known & ~own)
        _, labels = cv2.connectedComponents(near)
        sizes = np.bincount(np.asarray(labels)[own])
        arcs += np.count_nonzero(sizes > SPECK * np.count_nonzero(known))
    return arcs <= ARCS and mixed <= MIXED * np.count_nonzero(known)


def straight(which: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """H×W float32, how much of a pixel has the second colour, where a straight line through the
    two places at which the ring changes colour parts them; None where none does."""
    window = np.ones((BRIDGED,) * 2, np.uint8)
    near = [cv2.dilate((known & (which == colour)).astype(np.uint8), window) for colour in (0, 1)]
    change = cv2.dilate(np.minimum(*near), window)
    count, labels, _, _ = cv2.connectedComponentsWithStats(change)
    if count != 3:
        return None
    both = (near[0] > 0) & (near[1] > 0)
    ends = []
    for label in (1, 2):
        ys, xs = np.nonzero(both & (np.asarray(labels) == label))
        ends.append(np.array([xs.mean(), ys.mean()]))
    way = ends[1] - ends[0]
    if np.hypot(*way) < 1:
        return None
    across = np.array([-way[1], way[0]]) / np.hypot(*way)
    y, x = np.mgrid[0 : which.shape[0], 0 : which.shape[1]].astype(np.float32)
    beyond = (x - ends[0][0]) * across[0] + (y - ends[0][1]) * across[1]
    second = which[known] > 0.5
    right = ((beyond[known] > 0) == second).mean()
    if right < 0.5:
        beyond, right = -beyond, 1 - right
    return np.clip(beyond + 0.5, 0, 1).astype(np.float32) if right >= STRAIGHT else None


def spline(places: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """H×W float32, above one half where the second colour lies: the thin-plate spline (Bookstein
    1989) through 0 and 1 at N places (x, y). It bends as little as it can, so that a disc's edge
    stays round."""
    beside = np.zeros(len(places), bool)
    for one in (second, ~second):
        other = np.ones(shape, np.uint8)
        other[places[~one, 1], places[~one, 0]] = 0
        away = np.asarray(cv2.distanceTransform(other, cv2.DIST_L2, 5))
        beside |= one & (away[places[:, 1], places[:, 0]] <= BESIDE)
    parts = [np.flatnonzero(beside), np.flatnonzero(~beside)]
    chosen = np.concatenate([part[:: max(1, len(part) // MOST)] for part in parts])
    size = float(max(shape))
    points = places[chosen] / size
    count = len(points)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bend(points, points) + STIFF * np.eye(count)
    system[:count, count:] = np.column_stack([np.ones(count), points])
    system[count:, :count] = system[:count, count:].T
    values = np.concatenate([2.0 * second[chosen] - 1.0, np.zeros(3)])
    weights = np.linalg.lstsq(system, values, rcond=None)[0]
    scale = min(1.0, GRID / size)
    rows, columns = (max(2, round(side * scale)) for side in shape)
    y, x = np.meshgrid((np.arange(rows) + 0.5) / rows * shape[0] - 0.5,
                       (np.arange(columns) + 0.5) / columns * shape[1] - 0.5, indexing="ij")
    grid = np.stack([x.ravel(), y.ravel()], 1) / size
    field = _bend(grid, points) @ weights[:count] + weights[count] + grid @ weights[count + 1 :]
    field = (field.reshape(rows, columns) + 1) / 2
    return cv2.resize(field.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)


def _bend(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """r² log r² for all pairs of N×2 and M×2 places: N×M."""
    square = ((a[:, None] - b[None]) ** 2).sum(2)
    return square * np.log(np.maximum(square, 1e-12))


def _border(field: np.ndarray) -> np.ndarray:
    """H×W float32: how much of a pixel lies beyond the line where the field crosses one half."""
    dx, dy = (cv2.Sobel(field, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1)))
    return np.clip((field - 0.5) / np.maximum(np.hypot(dx, dy), 1e-4) + 0.5, 0, 1)
