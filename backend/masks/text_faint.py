"""Faint lines (watermarks, translucent letters) seen in their own colours.

Translucent letters take over the picture behind them, so neither their colour nor their lightness
is their own. But all of a line's letters change what is behind them in the same way. Where a part
of a line is known, Fisher's linear discriminant (1936) over the colours, their difference from
the surroundings and their roughness makes one grey picture in which the letters stand out; in it
the whole line is looked for again, and others that are written alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.masks import strokes
from backend.masks.text_accept import in_column, in_row, strength
from backend.masks.text_lines import EVEN, Region, merge, overlap
from backend.masks.text_scales import WINDOW, LineDetector, boxed, mean_around
from backend.values import Control

HEIGHT, FINE = 40, 110  # px, height of the known line's box for the detector and in the view
ALONG, ACROSS = 20.0, 5.0  # how far around the known line is looked, in its heights
CLOSE_BY = (3.0, 4.5)  # ... for lines of other colours above and below it
LARGEST_VIEW, LARGEST_LOOK = 1_200_000, 300_000  # px of the view, and of what the detector sees
FAINT, CERTAIN = 1.7, 0.88  # contrast or strength from which a line is not looked at again
QUARTILES = 1.349  # how far apart those of a normal distribution are, in standard deviations
CLEARER = 1.3  # times the separation that the view must gain
MOST = 3  # views a picture of the known lines' colours
LEAST_SCORE = 0.6
QUIET_HEIGHT = 48  # as HEIGHT, in the views of what is beside a faint line
SMOOTH = 1.2  # px, what is taken off the colours' grain
WITHIN = 1.5  # heights of the known line, in which colours foretell each other


@dataclass(frozen=True, eq=False)
class View:
    """H×W×3 uint8 in the picture's size, grey; filled only in the `window` (x0, y0, x1, y1).
    `height`: how high the known line's box is shown to the detector, px."""

    image: np.ndarray
    known: Region
    window: tuple[int, int, int, int]
    height: float = HEIGHT


def contrast(item: strokes.Strokes) -> float:
    """How far the letters' colour is from the ground's, in standard deviations of the ground in
    the same direction; large when the net sees no letters. Medians and quartiles: what stands
    before some of the letters says nothing about the others."""
    lab = cv2.cvtColor(item.crop.rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    ink, ground = sides(item)
    if ink.sum() < 20 or ground.sum() < 20:
        return np.inf
    way = np.median(lab[ink], 0) - np.median(lab[ground], 0)
    length = float(np.linalg.norm(way))
    if length < 1e-3:
        return 0.0
    low, high = np.quantile(lab[ground] @ (way / length), (0.25, 0.75))
    return length / (float(high - low) / QUARTILES + 2.0)


def hard_to_see(item: strokes.Strokes) -> bool:
    """Whether a line has so little contrast that the net, which is not certain of it, may see a
    part of it only."""
    return strength(item) < CERTAIN and contrast(item) < FAINT


def sides(item: strokes.Strokes) -> tuple[np.ndarray, np.ndarray]:
    """(letters, ground): h×w bool of a crop where the net is sure, in and close to the box."""
    strongest = float(np.quantile(item.text[item.crop.hint > 0], 0.95))
    near = cv2.dilate(item.crop.hint, np.ones((9, 25))) > 0
    return near & (item.text > 0.6 * strongest), near & (item.text < 0.2 * strongest)


def features(rgb: np.ndarray, reach: float) -> list[np.ndarray]:
    """h×w float32 each: Lab (slightly smoothed), its difference from the mean around, roughness."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab = cv2.GaussianBlur(lab, (0, 0), 0.7)
    off = cv2.subtract(lab, mean_around(lab, reach))
    light = np.ascontiguousarray(lab[..., 0])
    rough = cv2.blur(light * light, (5, 5)) - cv2.blur(light, (5, 5)) ** 2
    return [*cv2.split(lab), *cv2.split(off), np.sqrt(np.maximum(rough, 0))]


def discriminant(letters: np.ndarray, ground: np.ndarray) -> tuple[np.ndarray, float]:
    """Direction and separation (distance of the means in standard deviations) of two n×k sets;
    the last feature may only speak for letters by being small."""
    spread = (np.cov(letters.T) + np.cov(ground.T)) / 2 + 2 * np.eye(letters.shape[1])
    gap = letters.mean(0) - ground.mean(0)
    way = np.linalg.solve(spread, gap)
    if way[-1] > 0:  # letters rougher than their ground: every edge would stand out
        way = np.append(np.linalg.solve(spread[:-1, :-1], gap[:-1]), 0.0)
    return way.astype(np.float32), float(np.sqrt(max(0.0, gap @ way)))


def view_of(rgb: np.ndarray, item: strokes.Strokes) -> View | None:
    """The surroundings of a line as its letters' colours show them; None where that gains
    nothing."""
    region = item.crop.region
    x0, y0, x1, y1 = window(region, rgb.shape[:2])
    scale = min(1.0, FINE / region.height, (LARGEST_VIEW / ((x1 - x0) * (y1 - y0))) ** 0.5)
    size = (max(32, round((x1 - x0) * scale)), max(32, round((y1 - y0) * scale)))
    small = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    seen = features(small, 0.7 * region.height * scale)
    letters, ground = (
        sampled(part, item.crop, (x0, y0), (size[0] / (x1 - x0), size[1] / (y1 - y0)), size)
        for part in sides(item)
    )
    if letters.sum() < 30 or ground.sum() < 30:
        return None
    way, apart = discriminant(*(np.stack([f[at] for f in seen], 1) for at in (letters, ground)))
    if apart < CLEARER * contrast(item):
        return None
    grey = np.zeros(letters.shape, np.float32)
    for feature, weight in zip(seen, way.tolist(), strict=True):
        grey = cv2.scaleAdd(feature, weight, grey)
    low, high = np.mean(grey[ground]), np.mean(grey[letters])
    # ground at 80, letters at 190 of 255
    grey = np.clip(80 + (grey - low) * (110 / max(1e-6, float(high - low))), 0, 255)
    image = placed(grey.astype(np.uint8), (x0, y0, x1, y1), rgb.shape, 80)
    return View(image, region, (x0, y0, x1, y1))


def quiet_pair(rgb: np.ndarray, known: Region) -> list[View]:
    """The surroundings of a line in what its two opponent colours are beyond what the colours
    around foretell, the contrast made even."""
    x0, y0, x1, y1 = window(known, rgb.shape[:2], *CLOSE_BY)
    scale = min(1.0, FINE / known.height, (LARGEST_VIEW / ((x1 - x0) * (y1 - y0))) ** 0.5)
    size = (max(32, round((x1 - x0) * scale)), max(32, round((y1 - y0) * scale)))
    small = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab = cv2.GaussianBlur(lab, (0, 0), SMOOTH)
    side = max(15.0, WITHIN * known.height * scale)
    light, *hues = cv2.split(cv2.subtract(lab, mean_around(lab, side)))
    found = []
    for one, other in (hues, hues[::-1]):
        off = beyond(one, light, other, side)
        spread = np.sqrt(np.maximum(mean_around(off * off, side), 0)) + 1  # 1: noise stays faint
        part = np.clip(128 + 45 * off / spread, 0, 255).astype(np.uint8)
        image = placed(part, (x0, y0, x1, y1), rgb.shape, 128)
        found.append(View(image, known, (x0, y0, x1, y1), QUIET_HEIGHT))
    return found


def beyond(y: np.ndarray, a: np.ndarray, b: np.ndarray, side: float) -> np.ndarray:
    """What is left of h×w `y` after the linear regression on `a` and `b` in boxes of `side` px
    around each pixel; all are differences from the mean around. As in He et al., Guided Image
    Filtering, 2010; the coefficients from every so many pixels (He and Sun, Fast Guided Filter,
    2015)."""
    step = max(1, int(side) // WINDOW)
    u, v, z = (np.ascontiguousarray(x[step // 2 :: step, step // 2 :: step]) for x in (a, b, y))
    uu, vv, uv, uz, vz = (boxed(p, side / step) for p in (u * u, v * v, u * v, u * z, v * z))
    uu, vv = uu + 4, vv + 4  # 4: noise foretells nothing
    area = uu * vv - uv * uv
    size = (y.shape[1], y.shape[0])
    of_a, of_b = (
        cv2.resize(part / area, size, interpolation=cv2.INTER_LINEAR)
        for part in (uz * vv - vz * uv, vz * uu - uz * uv)
    )
    return y - of_a * a - of_b * b


def placed(part: np.ndarray, window: tuple[int, int, int, int], shape: tuple[int, ...],
           empty: int) -> np.ndarray:
    """Grey h×w uint8 stretched to its window of a picture of `shape`, grey of level `empty`
    elsewhere: H×W×3 uint8."""
    x0, y0, x1, y1 = window
    full = np.full(shape[:2], empty, np.uint8)
    full[y0:y1, x0:x1] = cv2.resize(part, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(full, cv2.COLOR_GRAY2RGB)


def quiet_views(
    rgb: np.ndarray, items: Sequence[strokes.Strokes], most: int, control: Control
) -> list[View]:
    """Two views around each group of lines that are faint or were seen in other views alone; of
    `most` groups."""
    found: list[View] = []
    for item in sorted(filter(faint, items), key=lambda x: -strength(x) * x.crop.region.length):
        control.check()
        region = item.crop.region
        if len(found) < 2 * most and not any(seen_in(region, view) for view in found):
            found += quiet_pair(rgb, region)
    return found


def faint(item: strokes.Strokes) -> bool:
    """Whether a line is hardly seen in the picture, or only in another view."""
    if item.crop.region.view in (0, EVEN):
        return hard_to_see(item)
    return True


def seen_in(region: Region, view: View) -> bool:
    """Whether a line lies in a view and is large enough in it."""
    x0, y0, x1, y1 = view.window
    inside = x0 <= region.cx < x1 and y0 <= region.cy < y1
    return inside and 0.4 < region.height / view.known.height < 2.5


def window(
    region: Region, shape: tuple[int, int], beside: float = ALONG, above: float = ACROSS
) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) around a line, cut to the picture."""
    along, across = region.axes
    reach = (np.abs(along) * (region.length / 2 + beside * region.height)
             + np.abs(across) * (0.5 + above) * region.height)
    x0, y0 = (int(max(0, v)) for v in np.array([region.cx, region.cy]) - reach)
    x1, y1 = (int(v) + 1 for v in np.array([region.cx, region.cy]) + reach)
    return x0, y0, min(shape[1], x1), min(shape[0], y1)


def sampled(
    part: np.ndarray, crop: strokes.Crop, origin: tuple[int, int], scale: tuple[float, float],
    size: tuple[int, int],
) -> np.ndarray:
    """A crop's h×w bool map in the pixels of a view of (width, height) `size`."""
    to_view = np.diag([1 / scale[0], 1 / scale[1], 1.0])
    to_view[:2, 2] = (origin[0] + 0.5 / scale[0] - 0.5, origin[1] + 0.5 / scale[1] - 0.5)
    matrix = (np.vstack([crop.matrix, [0, 0, 1]]) @ to_view)[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part.astype(np.float32), matrix, size, flags=flags) > 0.6


def parallel(a: Region, b: Region) -> bool:
    turn = abs((a.angle - b.angle + np.pi / 2) % np.pi - np.pi / 2)
    return turn < 0.2 and 0.25 < a.height / b.height < 4


def views(rgb: np.ndarray, items: Sequence[strokes.Strokes], control: Control) -> list[View]:
    """A view for each kind of faint line, the surest first."""
    faint = [x for x in items if strength(x) > 0.4 and hard_to_see(x)]
    found: list[View] = []
    for item in sorted(faint, key=lambda x: -strength(x) * x.crop.region.length):
        control.check()
        if len(found) == MOST:
            break
        view = view_of(rgb, item)
        if view is not None:
            found.append(view)
    return found


def lines_in(view: View, number: int, detector: LineDetector, control: Control) -> list[Region]:
    """Lines that a view shows: the known one, whole, and those in its row or column."""
    x0, y0, x1, y1 = view.window
    part = view.image[y0:y1, x0:x1]
    scale = min(1.0, view.height / view.known.height, (LARGEST_LOOK / part[..., 0].size) ** 0.5)
    seen = [r.scaled(1, 1, x0, y0) for r in detector.find(part, scale, control)]
    seen = merge([r for r in seen if r.score >= LEAST_SCORE and parallel(r, view.known)])
    linked: list[Region] = []
    near = [view.known]
    while True:
        fresh = [r for r in seen if r not in linked and any(
            in_row(r, k) or in_column(r, k) or max(overlap(r, k)) > 0.4 for k in near)]
        if not fresh:
            return [replace(r, view=number) for r in linked]
        linked += fresh
        near += fresh
