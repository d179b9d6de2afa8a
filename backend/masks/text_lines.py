"""From a detector's probability map to text lines: boxes, their merging and reading order.

A `Region` is one line (or one piece of a curved line) as a rotated rectangle in image pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

HUES, EVEN = 1, 2  # numbers of the views in hues and in even contrast
SPLIT = (0.5, 0.75)  # thresholds at which a component may fall apart into lines
RECTANGLE = 0.75  # a component that fills this share of its rectangle is one line
POOR, MORE = 0.75, 1.2  # score and area of a line that is seen again in hues
APART = 0.12  # least share of a component that counts as a line of its own


@dataclass(frozen=True)
class Region:
    """A rotated rectangle: `centre` (x, y), `length` along the line and `height` across it, both
    in pixels, `angle` of the line's direction in radians (x right, y down), `score` in [0, 1].
    `view`: what it was seen in: 0 the picture, HUES the hues alone, EVEN the contrast made even
    (text_scales), larger numbers the views of faint lines (text_faint)."""

    cx: float
    cy: float
    length: float
    height: float
    angle: float
    score: float = 1.0
    view: int = 0

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors along and across the line."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([c, s]), np.array([-s, c])

    def corners(self, grow: float = 0.0) -> np.ndarray:
        """4×2 float32 corners, clockwise from the line's start, every side moved out by `grow`."""
        along, across = self.axes
        a, b = along * (self.length / 2 + grow), across * (self.height / 2 + grow)
        centre = np.array([self.cx, self.cy])
        return np.stack(
            [centre - a - b, centre + a - b, centre + a + b, centre - a + b]
        ).astype(np.float32)

    def scaled(self, sx: float, sy: float, dx: float = 0.0, dy: float = 0.0) -> Region:
        """The same rectangle in an image scaled by (sx, sy) and moved by (dx, dy)."""
        corners = self.corners() * np.array([sx, sy]) + np.array([dx, dy])
        along = corners[1] - corners[0]
        across = corners[3] - corners[0]
        centre = corners.mean(0)
        return Region(
            float(centre[0]), float(centre[1]), float(np.hypot(*along)),
            float(np.hypot(*across)), float(np.arctan2(along[1], along[0])), self.score,
            self.view,
        )


def box_of(points: np.ndarray) -> Region:
    """The smallest rotated rectangle around N×2 points, its long side taken as the line.

    Nearly square boxes are read horizontally; the direction points right (or down).
    """
    (cx, cy), (w, h), degrees = cv2.minAreaRect(points.astype(np.float32))
    angle = np.deg2rad(degrees)
    if w < h:
        w, h, angle = h, w, angle + np.pi / 2
    angle = (angle + np.pi / 2) % np.pi - np.pi / 2  # (-90°, 90°]
    if w < 1.3 * h and abs(angle) > np.pi / 4:
        w, h = h, w
        angle -= np.sign(angle) * np.pi / 2
    return Region(float(cx), float(cy), float(w), float(h), float(angle))


def regions_of(
    probability: np.ndarray, *, threshold: float = 0.3, keep: float = 0.5, unclip: float = 1.6,
    smallest: float = 3.0,
) -> list[Region]:
    """Lines in a shrunk-text map as DB networks give it (Liao et al., AAAI 2020).

    Args:
        probability: H×W float32 in [0, 1].
        threshold: pixels above it form the components.
        keep: least mean probability inside a component.
        unclip: grows a component by area·unclip/perimeter to undo the shrinking of the labels.
        smallest: least short side of a component in pixels.
    """
    found = []
    for component in components(probability, (threshold, *SPLIT)):
        x, y, inside, contour = component
        if min(cv2.minAreaRect(contour.astype(np.float32))[1]) < smallest:
            continue
        h, w = inside.shape
        score = cv2.mean(probability[y : y + h, x : x + w], inside)[0]
        if score < keep:
            continue
        for piece in pieces_of(contour, inside, x, y):
            d = piece.length * piece.height * unclip / (2 * (piece.length + piece.height))
            found.append(
                Region(piece.cx, piece.cy, piece.length + 2 * d, piece.height + 2 * d,
                       piece.angle, score)
            )
    return found


def components(
    probability: np.ndarray, thresholds: Sequence[float], x: int = 0, y: int = 0
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """What lies together above the first threshold: (x, y) of its h×w uint8 mask, the mask and
    the N×2 contour. Where a higher threshold takes a component that is no rectangle apart into
    lines, those: close lines often run together where the map is low."""
    binary = cv2.dilate((probability > thresholds[0]).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        u, v, w, h = cv2.boundingRect(contour)
        inside = np.zeros((h, w), np.uint8)
        cv2.drawContours(inside, [contour], -1, 1, -1, offset=(-u, -v))
        whole = (x + u, y + v, inside, contour[:, 0] + (x, y))
        if len(thresholds) > 1 and filling(whole) < RECTANGLE:
            part = np.where(inside > 0, probability[v : v + h, u : u + w], 0)
            parts = list(components(part, thresholds[1:], x + u, y + v))
            areas = [int(c[2].sum()) for c in parts]
            sides = [c for c, a in zip(parts, areas, strict=True) if a > APART * inside.sum()]
            if len(sides) > 1 and sum(areas) > 0.6 * inside.sum():
                yield from parts
                continue
        yield whole


def filling(component: tuple[int, int, np.ndarray, np.ndarray]) -> float:
    """Share of the smallest rotated rectangle around a component that it fills."""
    w, h = cv2.minAreaRect(component[3].astype(np.float32))[1]
    return float(component[2].sum()) / max(1.0, w * h)


def pieces_of(contour: np.ndarray, inside: np.ndarray, x: int, y: int) -> list[Region]:
    """One rectangle for a straight component; several along a bent one.

    A rectangle that the component fills badly is cut across its long side, so that each piece
    of a curved line gets its own direction and height.
    """
    box = box_of(contour)
    fill = inside.sum() / max(1.0, box.length * box.height)
    if fill > 0.62 or box.length < 2.5 * box.height:
        return [box]
    ys, xs = np.nonzero(inside)
    points = np.stack([xs + x, ys + y], 1).astype(np.float32)
    along, _ = box.axes
    t = (points - (box.cx, box.cy)) @ along
    thickness = inside.sum() / box.length
    n = int(np.clip(round(box.length / max(4 * thickness, 1)), 2, 8))
    edges = np.linspace(t.min(), t.max() + 1e-3, n + 1)
    pieces = []
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        part = points[(t >= a) & (t < b)]
        if len(part) >= 6:
            pieces.append(box_of(part))
    return pieces or [box]


def overlap(a: Region, b: Region) -> tuple[float, float]:
    """Area shared by two rectangles as a fraction of `a` and of `b`."""
    far = np.hypot(a.cx - b.cx, a.cy - b.cy)
    if far > (a.length + a.height + b.length + b.height) / 2:
        return 0.0, 0.0
    shared, _ = cv2.intersectConvexConvex(a.corners(), b.corners())
    return (
        shared / max(1e-6, a.length * a.height),
        shared / max(1e-6, b.length * b.height),
    )


def merge(regions: list[Region], *, same: float = 0.5) -> list[Region]:
    """Joins findings of several passes without duplicates.

    Two boxes of similar height and direction that share half of the smaller one are one line:
    their union is kept. A much smaller box inside a bigger one is dropped unless the big one is
    more than 2.5 times as high (a headline's box may enclose a caption). What was seen by hue
    or in even contrast gives way to what was seen in the picture itself.
    """

    def kind(r: Region) -> int:
        return r.view if r.view in (HUES, EVEN) else 0

    left = sorted(regions, key=lambda r: (kind(r), -r.length * r.height))
    kept: list[Region] = []
    for r in left:
        for i, k in enumerate(kept):
            of_r, of_k = overlap(r, k)
            if max(of_r, of_k) < same or (r.view == HUES and k.view == 0 and poorer(k, r)):
                continue
            turn = abs((r.angle - k.angle + np.pi / 2) % np.pi - np.pi / 2)
            if k.height < 2.5 * r.height and (turn < 0.2 or of_r > 0.9):
                if turn < 0.2 and kind(r) == kind(k):
                    kept[i] = join(k, r)
                break
        else:
            kept.append(r)
    return kept


def poorer(k: Region, r: Region) -> bool:
    """Whether `k` may be a part of the line `r`, or no line at all."""
    return k.score < POOR or r.length * r.height > MORE * k.length * k.height


def join(a: Region, b: Region) -> Region:
    """The rectangle in `a`'s direction around both."""
    along, across = a.axes
    corners = np.concatenate([a.corners(), b.corners()]) - (a.cx, a.cy)
    u, v = corners @ along, corners @ across
    centre = (
        np.array([a.cx, a.cy])
        + along * (u.min() + u.max()) / 2
        + across * (v.min() + v.max()) / 2
    )
    return Region(
        float(centre[0]), float(centre[1]), float(np.ptp(u)), float(np.ptp(v)), a.angle,
        max(a.score, b.score), min(a.view, b.view),
    )


def reading_order(regions: list[Region]) -> list[Region]:
    """Top to bottom; boxes whose centres lie in one row go left to right."""
    left = sorted(regions, key=lambda r: r.cy)
    rows: list[list[Region]] = []
    for r in left:
        if rows and abs(r.cy - rows[-1][0].cy) < 0.5 * min(r.height, rows[-1][0].height):
            rows[-1].append(r)
        else:
            rows.append([r])
    return [r for row in rows for r in sorted(row, key=lambda r: r.cx)]
