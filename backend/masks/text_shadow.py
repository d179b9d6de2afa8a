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
SMALLEST = 10  # px, height of lines below which nothing is told apart
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
AXIS, SURER, HALF = 0.25, 7.0, 2.5  # ... straight below, within so many radians, where ledges and
# plates run too: there each half must agree as well
BELOW = 0.7  # ... sine of what counts as down in the picture
EXPLAINED = 0.03  # share of what the ground varies by, where no other line has the same shadow
LIGHTER = 1.5  # times what the letters, blurred in their place, explain: what is lighter than the
# ground and lies all around is the letters' own soft rim
LEAST, MOST = 0.06, 1.2  # strength, in natural logarithms of light
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


@dataclass(frozen=True, eq=False)
class Tendency:
    """`way`: unit vector (x, y) to where it is darker beside the strokes than on their other side;
    `votes`: standard errors of that; `even`: whether the halves of the line agree in it; `below`:
    whether the way goes down in the picture, as light from above has it."""

    way: np.ndarray
    votes: float
    even: bool
    below: bool

    @property
    def aslant(self) -> bool:
        """Neither along the line nor across it."""
        return bool(np.abs(self.way).min() > math.sin(AXIS))

    @property
    def sure(self) -> bool:
        if self.aslant:
            return self.votes >= SURE
        return self.votes >= SURER and self.even and self.below


def of_lines(
    rgb: np.ndarray, text: np.ndarray, boxes: list[Region], control: Control
) -> np.ndarray:
    """H×W float32 in [0, 1]: how clear the shadows are of the lines in `boxes` of an H×W×3 uint8
    picture whose strokes `text` (H×W float32) shows; 0 where none is sure."""
    effect = np.zeros(text.shape, np.float32)
    known = (text * 255).astype(np.uint8)
    seen: list[tuple[Around, Tendency]] = []
    for box in boxes:
        control.check()
        if box.height >= SMALLEST:
            around = around_line(rgb, known, box)
            seen.append((around, tendency(around)))
    ways = [in_picture(around.crop.region, one.way) for around, one in seen]
    for (around, one), way in zip(seen, ways, strict=True):
        alike = [other for (_, other), its in zip(seen, ways, strict=True) if other.aslant
                 and other.votes >= LIKELY and other is not one and abs(float(way @ its)) > ALIKE]
        sure = any(other.sure for other in alike)
        together = math.hypot(one.votes, *(other.votes for other in alike))
        likely = one.aslant and one.votes >= LIKELY and (sure or together >= TOGETHER)
        if one.sure or likely:
            control.check()
            least = 0.0 if sure else EXPLAINED
            strokes.paste(effect, shadow(around, one.way, least), around.crop)
    return effect


def in_picture(line: Region, way: np.ndarray) -> np.ndarray:
    """A direction in a line's level crop → in the picture."""
    along, across = line.axes
    return way[0] * along + way[1] * across


def around_line(rgb: np.ndarray, text: np.ndarray, box: Region) -> Around:
    """`text` H×W uint8."""
    region = replace(box, height=ROOM * box.height)
    crop = strokes.cut(rgb, region, ROOM * TALL)
    letters = strokes.cut(text, region, ROOM * TALL).rgb
    side = 2 * math.ceil(RIM * crop.scale) + 1
    rims = cv2.dilate((letters > 128).astype(np.uint8),
                      cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    away = cv2.distanceTransform(1 - rims, cv2.DIST_L2, 3)
    free = ((rims == 0) & (away < NEAR * TALL)).astype(np.float32)
    light = rest(np.log(crop.rgb.astype(np.float32).mean(2) + DARKEST), free)
    return Around(crop, (letters > 153).astype(np.float32), free, light)


def rest(values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """h×w values where it is `free`, without what is wide; 0 elsewhere."""
    wide = (2 * round(GROUND * TALL) + 1,) * 2
    mean = cv2.blur(values * free, wide) / (cv2.blur(free, wide) + 1e-3)
    return (values - mean) * free


def tendency(around: Around) -> Tendency:
    """The slopes of the blurred strokes say on which side of a stroke a pixel lies. What is the
    same on both sides, such as a soft rim, adds up to nothing; the edge of a plate or a ledge,
    which lies on one side of the line, moves one half of it only."""
    h, w = around.light.shape
    columns, rows = (max(1, round(side / (CELL * TALL))) for side in (w, h))
    best = Tendency(np.array([0.0, 1.0]), 0.0, False, False)
    for soft in SOFT:
        blurred = cv2.GaussianBlur(around.strokes, (0, 0), max(0.5, soft * TALL))
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
            even = all(agrees(votes[half] @ way) for half in halves)
            below = bool(in_picture(around.crop.region, way)[1] > BELOW)
            best = Tendency(way, sure, even, below)
    return best


def agrees(votes: np.ndarray) -> bool:
    """Whether the votes of one half are for the direction; two or fewer can say nothing."""
    if len(votes) < 3:
        return True
    return float(votes.mean()) > HALF * float(votes.std()) / math.sqrt(len(votes))


def shadow(around: Around, way: np.ndarray, least: float = EXPLAINED) -> np.ndarray:
    """h×w float32 in [0, 1]: how clear the line's shadow is, at the distance and with the softness
    that explain most of the ground: darker in that direction or lighter in the opposite one. 0
    where that is less than the share `least`."""
    size = around.light.shape[::-1]
    most, strength, cast = 0.0, 0.0, around.strokes
    rim = 0.0
    for soft in SOFT:
        blurred = cv2.GaussianBlur(around.strokes, (0, 0), max(0.5, soft * TALL))
        rim = max(rim, explained(around, blurred)[0])
        for far in (sign * far * TALL for far in FAR for sign in (1, -1)):
            matrix = np.array([[1, 0, far * way[0]], [0, 1, far * way[1]]])
            moved = cv2.warpAffine(blurred, matrix, size)
            much, by = explained(around, moved)
            if by * far < 0 and much > most:
                most, strength, cast = much, by, moved
    enough = max(least * float((around.light**2).sum()), LIGHTER * rim if strength > 0 else 0.0)
    if abs(strength) < LEAST or most < enough:
        return np.zeros_like(cast)
    light = around.crop.rgb.astype(np.float32).mean(2) + DARKEST
    change = np.abs(np.expm1(np.clip(strength, -MOST, MOST) * cast)) * light
    return np.clip(change / CLEAR, 0, 1).astype(np.float32)


def explained(around: Around, cast: np.ndarray) -> tuple[float, float]:
    """(sum of squares of the light that a shadow explains, its strength)."""
    lone = rest(cast, around.free)
    both, power = float((around.light * lone).sum()), float((lone * lone).sum()) + 1e-6
    return both * both / power, both / power
