"""A picture as a graph of small regions (superpixels) with learned walls between them.

Regions come from a watershed with markers on a grid (Meyer 1992, OpenCV's). A small net judges from
colour, texture and gradient whether two neighbours belong to one thing; path sums and bottlenecks
of these walls say how far any region is from a click.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

LONG = 320  # px, long side at which regions are made
COUNT = 440  # regions aimed at, in the whole picture
CLOSER = 700  # and in a crop around the object
NEIGHBOURS = 12  # kept for each region
NODE_FEATURES = 16
EDGE_FEATURES = 14


@dataclass(frozen=True)
class Regions:
    """`labels` h×w int32 region of each pixel of the shrunk picture; `nodes` N×NODE_FEATURES
    float32; `pairs` E×2 neighbours (a < b); `edges` E×EDGE_FEATURES; `area` N share of the
    picture; `border` N share of the region's pixels that lie on the picture's border;
    `centre` N×2 (x, y over the long side)."""

    labels: np.ndarray
    nodes: np.ndarray
    pairs: np.ndarray
    edges: np.ndarray
    area: np.ndarray
    border: np.ndarray
    centre: np.ndarray


def shrink(rgb: np.ndarray, long_side: int = LONG) -> np.ndarray:
    """The picture at this long side (small ones are enlarged up to four times), and at least
    8 px on the short side."""
    height, width = rgb.shape[:2]
    scale = min(4.0, long_side / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(rgb, size, interpolation=how)


def make(rgb: np.ndarray, aim: int = COUNT) -> Regions:
    """h×w×3 uint8 RGB, already shrunk → about `aim` regions."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab *= np.float32(1 / 50)
    labels = superpixels(rgb, aim)
    count = int(labels.max()) + 1
    height, width = labels.shape
    long = max(height, width)
    flat = labels.ravel()
    size = np.bincount(flat, minlength=count).astype(np.float32)

    def mean(plane: np.ndarray) -> np.ndarray:
        return np.bincount(flat, plane.ravel(), minlength=count).astype(np.float32) / size

    colour = np.stack([mean(lab[..., c]) for c in range(3)], 1)
    spread = np.sqrt(np.maximum(
        np.stack([mean(lab[..., c] ** 2) for c in range(3)], 1) - colour**2, 0))
    gradients = [gradient(lab, sigma) for sigma in (0.8, 2.0, 4.0)]
    texture = np.stack([mean(plane) for plane in _texture(lab[..., 0])], 1)
    blurred = [cv2.GaussianBlur(lab, (0, 0), sigma) for sigma in (6.0, 14.0)]
    context = np.concatenate([
        np.stack([mean(b[..., c]) for c in range(3)], 1) for b in blurred], 1)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    centre = np.stack((mean(xs), mean(ys)), 1) / long
    rim = np.zeros((height, width), np.float32)
    rim[[0, -1]] = 1
    rim[:, [0, -1]] = 1
    border = mean(rim)
    nodes = np.concatenate((
        colour, spread, texture, np.stack([mean(g) for g in gradients[:2]], 1),
        (size / size.mean())[:, None], (border > 0).astype(np.float32)[:, None],
        centre - np.array([width, height], np.float32) / long / 2,
    ), 1).astype(np.float32)
    pairs, where = touching(labels)
    edges = _edge_features(pairs, where, gradients, colour, spread, texture, context, size, long)
    return Regions(labels, nodes, pairs, edges, size / size.sum(), border, centre)


def superpixels(rgb: np.ndarray, aim: int = COUNT) -> np.ndarray:
    """h×w int32 labels 0..N-1."""
    height, width = rgb.shape[:2]
    step = max(2.0, float(np.sqrt(height * width / aim)))
    rows, columns = max(1, round(height / step)), max(1, round(width / step))
    smooth = cv2.bilateralFilter(rgb, 5, 30, 3) if min(height, width) > 5 else rgb
    edge = gradient(cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32), 0.8)
    markers = np.zeros((height, width), np.int32)
    reach = max(0, int(step // 4))
    number = 0
    for row in range(rows):
        for column in range(columns):
            y, x = int((row + 0.5) * height / rows), int((column + 0.5) * width / columns)
            y0, x0 = max(0, y - reach), max(0, x - reach)
            window = edge[y0 : y + reach + 1, x0 : x + reach + 1]
            dy, dx = np.unravel_index(int(np.argmin(window)), window.shape)
            number += 1
            markers[y0 + dy, x0 + dx] = number
    cv2.watershed(np.ascontiguousarray(smooth), markers)
    markers[markers < 0] = 0
    for _ in range(8):  # the lines between regions go to a neighbour
        empty = markers == 0
        if not empty.any():
            break
        grown = cv2.dilate(markers.astype(np.float32), np.ones((3, 3), np.uint8))
        markers[empty] = grown[empty].astype(np.int32)
    _, labels = np.unique(markers, return_inverse=True)
    return labels.reshape(height, width).astype(np.int32)


def gradient(lab: np.ndarray, sigma: float) -> np.ndarray:
    """h×w float32 length of the colour gradient at a scale."""
    soft = cv2.GaussianBlur(lab, (0, 0), sigma)
    dx = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3, scale=0.25)
    dy = cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3, scale=0.25)
    return np.sqrt((dx**2 + dy**2).sum(2)) * np.float32(np.sqrt(sigma))


def _texture(light: np.ndarray) -> list[np.ndarray]:
    """Mean strength of fine and coarse detail along x and along y."""
    planes = []
    for sigma in (1.0, 2.5):
        band = cv2.GaussianBlur(light, (0, 0), sigma)
        for dx, dy in ((1, 0), (0, 1)):
            detail = np.abs(cv2.Sobel(band, cv2.CV_32F, dx, dy, ksize=3, scale=0.25))
            planes.append(cv2.GaussianBlur(detail, (0, 0), 2.5 * sigma) * 4)
    return planes


def touching(labels: np.ndarray) -> tuple[np.ndarray, list[tuple[np.ndarray, ...]]]:
    """Neighbouring regions E×2, and for every pixel pair across a wall: edge index, rows and
    columns of both pixels."""
    height, width = labels.shape
    count = int(labels.max()) + 1
    found = []
    for dy, dx in ((0, 1), (1, 0)):
        a, b = labels[: height - dy, : width - dx], labels[dy:, dx:]
        rows, columns = np.nonzero(a != b)
        low = np.minimum(a[rows, columns], b[rows, columns]).astype(np.int64)
        high = np.maximum(a[rows, columns], b[rows, columns])
        found.append((low * count + high, rows, columns, rows + dy, columns + dx))
    key, *pixels = (np.concatenate(part) for part in zip(*found, strict=True))
    unique, index = np.unique(key, return_inverse=True)
    pairs = np.stack((unique // count, unique % count), 1).astype(np.int64)
    return pairs, [(index, *pixels)]


def _edge_features(
    pairs: np.ndarray, where: list[tuple[np.ndarray, ...]], gradients: list[np.ndarray],
    colour: np.ndarray, spread: np.ndarray, texture: np.ndarray, context: np.ndarray,
    size: np.ndarray, long: int,
) -> np.ndarray:
    index, r0, c0, r1, c1 = where[0]
    count = len(pairs)
    if count == 0:
        return np.zeros((0, EDGE_FEATURES), np.float32)
    length = np.bincount(index, minlength=count).astype(np.float32)

    def along(plane: np.ndarray) -> np.ndarray:
        values = np.maximum(plane[r0, c0], plane[r1, c1])
        return np.bincount(index, values, minlength=count) / length

    a, b = pairs[:, 0], pairs[:, 1]
    strong = np.zeros(count, np.float32)
    np.maximum.at(strong, index, np.maximum(gradients[0][r0, c0], gradients[0][r1, c1]))
    apart = np.abs(colour[a] - colour[b])
    wide = np.abs(context[a] - context[b])
    features = np.stack((
        *(along(g) for g in gradients), strong,
        apart[:, 0], np.hypot(apart[:, 1], apart[:, 2]),
        np.linalg.norm(apart, axis=1) / (0.1 + np.linalg.norm(spread[a] + spread[b], axis=1)),
        np.abs(texture[a] - texture[b]).sum(1), texture[a].sum(1) + texture[b].sum(1),
        np.linalg.norm(wide[:, :3], axis=1), np.linalg.norm(wide[:, 3:], axis=1),
        np.abs(spread[a] - spread[b]).sum(1),
        np.log(length), np.log(np.minimum(size[a], size[b])) - 4,
    ), 1)
    return features.astype(np.float32)


def neighbours(pairs: np.ndarray, count: int, weight: np.ndarray) -> np.ndarray:
    """N×NEIGHBOURS indices, those with the highest weight first; a region without enough
    neighbours names itself."""
    result = np.repeat(np.arange(count)[:, None], NEIGHBOURS, 1)
    both = np.concatenate((pairs, pairs[:, ::-1]))
    order = np.lexsort((-np.concatenate((weight, weight)), both[:, 0]))
    both = both[order]
    start = np.searchsorted(both[:, 0], np.arange(count + 1))
    for node in range(count):
        mine = both[start[node] : start[node + 1], 1][:NEIGHBOURS]
        result[node, : len(mine)] = mine
    return result


def alike(nodes: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """N×NEIGHBOURS: the regions most alike in colour and texture that are not too far away."""
    looks = np.concatenate((nodes[:, :3] * 2, nodes[:, 6:10], centre * 1.5), 1)
    square = (looks**2).sum(1)
    far = square[:, None] + square[None] - 2 * looks @ looks.T
    np.fill_diagonal(far, np.inf)
    count = min(NEIGHBOURS, len(nodes) - 1)
    result = np.repeat(np.arange(len(nodes))[:, None], NEIGHBOURS, 1)
    if count > 0:
        result[:, :count] = np.argpartition(far, count - 1, axis=1)[:, :count]
    return result


def distances(pairs: np.ndarray, walls: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of regions, N×N float32: the least sum of walls on a path (Dijkstra), and the
    lowest highest wall (by merging along a minimum spanning tree)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    graph = coo_matrix((walls + 1e-3, (pairs[:, 0], pairs[:, 1])), shape=(count, count)).tocsr()
    # More regions mean more walls on the same way.
    total = dijkstra(graph, directed=False).astype(np.float32) * min(1.0, (COUNT / count) ** 0.5)
    worst = np.zeros((count, count), np.float32)
    group = {i: np.array([i]) for i in range(count)}
    of = np.arange(count)
    for edge in np.argsort(walls):
        a, b = int(of[pairs[edge, 0]]), int(of[pairs[edge, 1]])
        if a == b:
            continue
        if len(group[a]) < len(group[b]):
            a, b = b, a
        worst[np.ix_(group[a], group[b])] = walls[edge]
        worst[np.ix_(group[b], group[a])] = walls[edge]
        of[group[b]] = a
        group[a] = np.concatenate((group[a], group.pop(b)))
    return total, worst
