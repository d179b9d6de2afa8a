"""Shadows by the shape of the letters: what lies around a line is compared with its own strokes,
moved and blurred. A shadow of a few levels is seen by an eye at once, and by no net that looks at
each place alone; along a whole line thousands of pixels speak for it or against it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.masks import strokes
from backend.masks.text_lines import Region
from backend.values import Control

ROOM = 1.5  # of a line's height: what is looked at around it
TALL = 36  # px, height of a line's box where it is looked at
SMALLEST = 14  # px, height of lines below which nothing is told apart
EDGE, INNER = 128, 153  # of 255: where strokes end, and what of them casts a shadow
RIM = 1.5  # px of the picture around strokes that are their own soft edge
NEAR = 0.25  # heights around strokes in which a shadow is looked for
GROUND = 0.7  # heights: what is wider than this is the ground's own light
DARKEST = 24.0  # levels added before logarithms: dark noise is no evidence
FAR = (0.03, 0.05, 0.07, 0.09, 0.115, 0.14, 0.17, 0.2)  # heights of a box by which a shadow lies
# beside its letters
SOFT = (0.03, 0.05, 0.08, 0.11, 0.14)  # heights: blur (standard deviation) of a shadow
CELL = 0.5  # heights: side of a square that votes
HEARD = 0.1  # of the strongest square's edges: with less a square does not vote
FEWEST = 6  # squares
SURE = 4.2  # standard errors by which the squares of a line must agree
LIKELY, TOGETHER, ALIKE = 2.2, 5.0, 0.85  # ... where a sure line of the picture has the same
# direction, or several have it together; the cosine between their directions
AXIS, SURER, HALF = 0.25, 7.0, 2.5  # ... straight below, within so many radians, where ledges,
# plates and horizons run too: there each half must agree as well, and what differs along the line
BELOW = 0.7  # ... sine of what counts as down in the picture
EXPLAINED = 0.03  # least share of what the ground varies by that a dark shadow explains
ALL_AROUND, NEARER = 1.25, 0.08  # ... where it explains less than so many times what the letters,
# blurred in their place, do: that may be their own soft rim
BRIGHTER, LIGHTER = 0.1, 1.5  # both for a shadow lighter than the ground: few are, but much light
# falls from above, and rims of light letters are light
LEAST, STRONG, MOST = 0.06, 0.24, 1.2  # strength, in natural logarithms of light: least, least
# where it is not DIAGONAL, as JPEG leaves up to 0.12 above and below, and what more counts as
DIAGONAL = 0.42  # least sine of the angle with the line and across it
CLEAR = 11.0  # levels of difference that make 1.0


@dataclass(frozen=True, eq=False)
class Around:
    """What lies around a line in its level `crop`: `strokes` h×w float32, `free` h×w float32 is 1
    near them and clear of their rims, `light` h×w float32 the ground there in logarithms, less
    what is wide."""

    crop: strokes.Crop
    strokes: np.ndarray
    free: np.ndarray
    light: np.ndarray

    @property
    def axes(self) -> np.ndarray:
        """2×2: directions of the picture → of the crop."""
        return np.stack(self.crop.region.axes)

    def slant(self, way: np.ndarray) -> float:
        """Sine of the angle between a direction of the picture and the nearer one of along the
        line and across it."""
        return float(np.abs(self.axes @ way).min())


@dataclass(frozen=True, eq=False)
class Tendency:
    """`way`: unit vector (x, y of the picture) to where it is darker beside the strokes than on
    their other side; `votes`: standard errors of that; `even`: whether the halves of the line
    agree in it, and its ground less what runs along it; `aslant`: whether it goes neither along
    the line nor across it."""

    way: np.ndarray
    votes: float
    even: bool
    aslant: bool

    @property
    def sure(self) -> bool:
        """Whether the line says it without others."""
        if self.aslant:
            return self.votes >= SURE
        return self.votes >= SURER and self.even and bool(self.way[1] > BELOW)


@dataclass(frozen=True, eq=False)
class Fit:
    """A shadow: `way` as in Tendency; `far` and `soft` (standard deviation) in heights of the
    line's box; `strength` in natural logarithms of light, negative where it is dark; `share` of
    the ground's variance that it explains; whether that is `clear` from this line alone."""

    way: np.ndarray
    far: float
    soft: float
    strength: float
    share: float
    clear: bool


def of_lines(
    rgb: np.ndarray, text: np.ndarray, boxes: list[Region], control: Control
) -> np.ndarray:
    """H×W float32 in [0, 1]: how clear the shadows are of the lines in `boxes` of an H×W×3 uint8
    picture whose strokes `text` (H×W float32) shows; 0 where none is sure. A line that shows its
    own only faintly has that of the line that shows the same most clearly."""
    effect = np.zeros(text.shape, np.float32)
    known = (text * 255).astype(np.uint8)
    lines = [around_line(rgb, known, box) for box in boxes if box.height >= SMALLEST]
    fits: dict[int, Fit] = {}
    said = [tendency(around) for around in lines]
    for n, one in enumerate(said):
        control.check()
        if one.sure or likely(one, said):
            fits[n] = fit(lines[n], one.way)
    clear = [found for found in fits.values() if found.clear and found.share > NEARER]
    for n, found in fits.items():
        same = [other for other in clear if abs(float(said[n].way @ other.way)) > ALIKE]
        if not found.clear and same:
            found = like(lines[n], max(same, key=lambda other: other.share))
        if found.clear or same:
            strokes.paste(effect, clearness(lines[n], found), lines[n].crop)
    return effect


def likely(one: Tendency, others: list[Tendency]) -> bool:
    """Whether other lines of the picture say the same, one of them surely or several together."""
    if not one.aslant or one.votes < LIKELY:
        return False
    alike = [other for other in others if other.aslant and other is not one
             and other.votes >= LIKELY and abs(float(one.way @ other.way)) > ALIKE]
    together = math.hypot(one.votes, *(other.votes for other in alike))
    return together >= TOGETHER or any(other.sure for other in alike)


def around_line(rgb: np.ndarray, text: np.ndarray, box: Region) -> Around:
    """A line's surroundings in an H×W×3 uint8 picture with the strokes `text`, H×W uint8."""
    region = replace(box, height=ROOM * box.height)
    crop = strokes.cut(rgb, region, ROOM * TALL)
    letters = strokes.cut(text, region, ROOM * TALL).rgb
    side = 2 * math.ceil(RIM * crop.scale) + 1
    rims = cv2.dilate((letters > EDGE).astype(np.uint8),
                      cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    away = cv2.distanceTransform(1 - rims, cv2.DIST_L2, 3)
    free = ((rims == 0) & (away < NEAR * TALL)).astype(np.float32)
    light = rest(np.log(crop.rgb.astype(np.float32).mean(2) + DARKEST), free)
    return Around(crop, (letters > INNER).astype(np.float32), free, light)


def rest(values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """h×w values where it is `free`, without what is wide; 0 elsewhere."""
    wide = (2 * round(GROUND * TALL) + 1,) * 2
    mean = cv2.blur(values * free, wide) / (cv2.blur(free, wide) + 1e-3)
    return (values - mean) * free


def tendency(around: Around) -> Tendency:
    """The slopes of the blurred strokes say on which side of a stroke a pixel lies. What is the
    same on both sides, such as a soft rim, adds up to nothing; the edge of a plate or a ledge,
    which lies on one side of the line, moves one half of it only, and a horizon all letters
    alike."""
    h, w = around.light.shape
    columns, rows = (max(1, round(side / (CELL * TALL))) for side in (w, h))
    rows_mean = around.light.sum(1, keepdims=True) / (around.free.sum(1, keepdims=True) + 1e-3)
    own = around.light - rows_mean * around.free  # without what runs along the line
    best = Tendency(np.array([0.0, 1.0]), 0.0, False, False)
    for soft in SOFT:
        blurred = softened(around, soft)
        slopes = [around.free * cv2.Sobel(blurred, cv2.CV_32F, *which, scale=1 / 8)
                  for which in ((1, 0), (0, 1))]  # fmt: skip

        def sums(values: np.ndarray) -> np.ndarray:
            return cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)

        power = sums(slopes[0] ** 2 + slopes[1] ** 2)
        heard = power > HEARD * power.max()
        if heard.sum() < FEWEST:
            continue
        votes = np.stack([sums(around.light * one)[heard] for one in slopes], 1).astype(np.float64)
        length = float(np.hypot(*votes.mean(0)))
        way = votes.mean(0) / (length + 1e-12)
        # over both components, as the direction is the one with the largest sum
        spread = math.sqrt(float(np.square(votes - votes.mean(0)).sum()) / 2 / (len(votes) - 1))
        sure = length * math.sqrt(len(votes)) / (spread + 1e-12)
        ys, xs = np.nonzero(heard)
        halves = (ys < ys.mean(), ys >= ys.mean(), xs < xs.mean(), xs >= xs.mean())
        if sure > best.votes:
            lone = np.stack([sums(own * one)[heard] for one in slopes], 1) @ way
            even = all(agrees(part) for part in (lone, *(votes[half] @ way for half in halves)))
            way = way @ around.axes
            best = Tendency(way, sure, even, around.slant(way) > math.sin(AXIS))
    return best


def agrees(votes: np.ndarray) -> bool:
    """Whether the votes of one half are for the direction; two or fewer can say nothing."""
    if len(votes) < 3:
        return True
    return float(votes.mean()) > HALF * float(votes.std()) / math.sqrt(len(votes))


def fit(around: Around, way: np.ndarray) -> Fit:
    """The distance and softness that explain most of the ground: a shadow that is darker in that
    direction of the picture, or lighter in the opposite one."""
    best, rim = Fit(way, 0.0, 0.0, 0.0, 0.0, False), 0.0
    whole = float((around.light**2).sum()) + 1e-6
    for soft in SOFT:
        blurred = softened(around, soft)
        rim = max(rim, explained(around, blurred)[0])
        for far in (sign * far for far in FAR for sign in (1, -1)):
            much, by = explained(around, moved(around, blurred, way, far))
            if by * far < 0 and much / whole > best.share:
                best = Fit(way, far, soft, by, much / whole, False)
    if best.strength > 0:
        enough = max(BRIGHTER, LIGHTER * rim / whole)
    else:
        distinct = best.share > ALL_AROUND * rim / whole
        enough = EXPLAINED if distinct else max(NEARER, rim / whole)
    least = LEAST if around.slant(way) > DIAGONAL else STRONG
    return replace(best, clear=abs(best.strength) > least and best.share > enough)


def like(around: Around, other: Fit) -> Fit:
    """The same shadow around another line; of no strength where the ground there is against it."""
    _, by = explained(around, cast(around, other))
    return replace(other, strength=by if by * other.strength > 0 else 0.0, clear=False)


def cast(around: Around, found: Fit) -> np.ndarray:
    """h×w float32 in [0, 1]: where a line's shadow falls."""
    return moved(around, softened(around, found.soft), found.way, found.far)


def softened(around: Around, soft: float) -> np.ndarray:
    """h×w float32 in [0, 1]: the strokes blurred, by heights of the line's box."""
    return cv2.GaussianBlur(around.strokes, (0, 0), max(0.5, soft * TALL))


def moved(around: Around, blurred: np.ndarray, way: np.ndarray, far: float) -> np.ndarray:
    """h×w float32, `far` heights of the line's box in a direction of the picture."""
    dx, dy = far * TALL * (around.axes @ way)
    return cv2.warpAffine(blurred, np.array([[1, 0, dx], [0, 1, dy]]), blurred.shape[::-1])


def clearness(around: Around, found: Fit) -> np.ndarray:
    """h×w float32 in [0, 1]: how clear a line's shadow is."""
    shade = cast(around, found)
    light = around.crop.rgb.astype(np.float32).mean(2) + DARKEST
    change = np.abs(np.expm1(np.clip(found.strength, -MOST, MOST) * shade)) * light
    return np.clip(change / CLEAR, 0, 1).astype(np.float32)


def explained(around: Around, shade: np.ndarray) -> tuple[float, float]:
    """(sum of squares of the light that a shadow explains, its strength)."""
    lone = rest(shade, around.free)
    both, power = float((around.light * lone).sum()), float((lone * lone).sum()) + 1e-6
    return both * both / power, both / power
