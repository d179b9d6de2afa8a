"""Lines that only reading shows: faint ones above and below a faint line.

A detector looks for what stands out. Translucent letters on a pattern do not, yet a recogniser
that is given the right strip still reads some of them. Adverts stack their lines: so strips of a
few heights are read above and below lines that are faint themselves, in the picture with its
contrast made even and in its hues, and a strip counts where several letters in a row are sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.masks import strokes
from backend.masks.text_lines import HUES, Region, overlap
from backend.masks.text_read import HEIGHT, STRIDE, Letter, Reader
from backend.masks.text_scales import mean_around
from backend.values import Control

SIZES = (0.55, 0.95)  # heights of the strips beside that of the known line
STEP, FARTHEST = 0.4, 1.0  # strip by strip, in their heights; most gap, in the greater height
NARROWEST, WIDEST = 4.0, 5.0  # a strip's length in heights
COVERED = 0.3  # share of a strip that a known line may cover
AROUND = 47.0  # px, how far around colours are compared; strips are HEIGHT px high
LEAST, APART = 0.3, 9  # certainty of a letter, and steps of the recogniser to the next one
HINT, READ, UNLIKE = 1.2, 2.3, 3  # least weight of a row of letters when it is read first, and
# again; how many must be unlike
SIGNS = "$%&€£¥"  # count as letters
AGAIN, SHIFT, FURTHER = (0.8, 1.0, 1.2), 0.15, 8.0  # what was read is read again in boxes of these
# heights, moved and longer; patterns are read once at most
SAME = 0.5  # share of it that must lie in both readings
WIDER = 0.6  # heights that a line's box reaches beyond its first and last letter
FITS = (1.0, 1.25, 1.6)  # of its height: boxes in which its strokes are looked for
HIGHEST = 2.4  # most height of these in distances from letter to letter


@dataclass(frozen=True)
class Reading:
    """What was read in a box: `score`, the weight of its letters; `pitch`, how far they are from
    each other on average, px."""

    region: Region
    score: float
    words: str
    pitch: float


def lines(
    rgb: np.ndarray, known: Sequence[Region], others: Sequence[Region], reader: Reader,
    control: Control,
) -> list[Reading]:
    """Lines beside the `known` ones that can be read, away from these and the `others`."""
    found: list[Reading] = []
    for region in known:
        near = [*others, *(x.region for x in found)]
        seen = [r for boxes, around in zones(region)
                for r in readings(rgb, free(boxes, near, rgb.shape), around, reader, HINT, control)]
        for one in best(seen):
            boxes, around = beside(one.region)
            again = readings(rgb, free(boxes, near, rgb.shape), around, reader, READ, control)
            again = [r for r in again if overlap(one.region, r.region)[0] > SAME
                     and all(max(overlap(r.region, x)) < SAME for x in near)]
            if again:
                line = whole(again)
                boxes, around = ends(line.region)
                more = readings(rgb, free(boxes, near, rgb.shape), around, reader, READ, control)
                found.append(whole([line, *(r for r in more if joins(r.region, line.region))]))
    return best(found)


def joins(part: Region, line: Region) -> bool:
    """Whether what was read at a line's end is a part of it."""
    return max(overlap(part, line)) > COVERED


def ends(line: Region) -> tuple[list[Region], Region]:
    """Boxes around both ends of a line, and the box around all."""
    along, _ = line.axes
    long = FURTHER * line.height
    boxes = []
    for side in (-0.5, 0.5):
        x, y = np.array([line.cx, line.cy]) + along * side * line.length
        boxes.append(replace(line, cx=float(x), cy=float(y), length=long))
    return boxes, replace(line, length=line.length + 1.2 * long, height=2 * line.height)


def whole(read: list[Reading]) -> Reading:
    """One reading of a line from several: the surest, as long as all together."""
    first = max(read, key=lambda x: x.score)
    box = first.region
    along, _ = box.axes
    ends = np.concatenate([r.region.corners() - (box.cx, box.cy) for r in read]) @ along
    start, end = float(ends.min()), float(ends.max())
    x, y = np.array([box.cx, box.cy]) + along * (start + end) / 2
    box = replace(box, cx=float(x), cy=float(y), length=end - start)
    return replace(first, region=box)


def fits(read: Reading) -> list[Region]:
    """Boxes for a line that was read: as high as a detector's, and a little moved; what its
    letters' distance allows."""
    line = read.region
    _, across = line.axes
    found = []
    for size in FITS:
        if size > 1 and size * line.height > HIGHEST * read.pitch:
            continue
        for shift in (-SHIFT, 0.0, SHIFT):
            x, y = np.array([line.cx, line.cy]) + across * shift * line.height
            box = replace(line, cx=float(x), cy=float(y), height=size * line.height)
            found += [box, replace(box, view=HUES)]
    return found


def best(read: list[Reading]) -> list[Reading]:
    """The surest reading of each place."""
    kept: list[Reading] = []
    for one in sorted(read, key=lambda x: -x.score):
        if all(max(overlap(one.region, x.region)) < COVERED for x in kept):
            kept.append(one)
    return kept


def zones(known: Region) -> list[tuple[list[Region], Region]]:
    """(boxes of one size, the box around all) above and below a line: at its start and around its
    middle, or as wide as a short line."""
    along, across = known.axes
    found = []
    for size in SIZES:
        high = size * known.height
        long = max(NARROWEST * high, known.length + 0.4 * high)
        starts = [0.0]
        if known.length > WIDEST * high:
            long = NARROWEST * high
            starts = [(long - known.length) / 2 - 0.3 * high, 0.0]
        first = (known.height + high) / 2
        count = 1 + int(FARTHEST * max(high, known.height) / (STEP * high) + 1e-6)
        steps = [first + n * STEP * high for n in range(count)]
        reach = 2 * (steps[-1] + high)
        for start in starts:
            x, y = np.array([known.cx, known.cy]) + along * start
            boxes = []
            for down in steps:
                for side in (-down, down):
                    dx, dy = across * side
                    boxes.append(replace(known, cx=float(x + dx), cy=float(y + dy), length=long,
                                         height=high, score=0.0, view=0))
            found.append((boxes, replace(known, cx=float(x), cy=float(y), length=long + 2 * high,
                                         height=reach)))
    return found


def beside(line: Region) -> tuple[list[Region], Region]:
    """Boxes a little higher or lower and further along than a line that was read, and the box
    around all."""
    _, across = line.axes
    boxes = []
    for size in AGAIN:
        high = size * line.height
        for shift in (-SHIFT * high, 0.0, SHIFT * high):
            x, y = np.array([line.cx, line.cy]) + across * shift
            boxes.append(replace(line, cx=float(x), cy=float(y), length=FURTHER * high,
                                 height=high))
    return boxes, replace(line, length=1.5 * FURTHER * line.height, height=3 * line.height)


def free(boxes: list[Region], near: Sequence[Region], shape: tuple[int, ...]) -> list[Region]:
    """The boxes that lie in an H×W picture and on no line that is known."""
    kept = []
    for box in boxes:
        rows = box.corners()[:, 1]
        inside = 0 <= box.cx < shape[1] and rows.min() >= -2 and rows.max() <= shape[0] + 2
        if inside and all(overlap(box, r)[0] < COVERED for r in near):
            kept.append(box)
    return kept


def readings(
    rgb: np.ndarray, boxes: list[Region], around: Region, reader: Reader, least: float,
    control: Control,
) -> list[Reading]:
    """What is read in boxes that are all as many times as long as high; `around` holds them."""
    found = []
    for high in sorted({box.height for box in boxes}):
        alike = [box for box in boxes if box.height == high]
        crop = strokes.cut(rgb, around, around.height * HEIGHT / high)
        for image in views(crop.rgb):
            parts = [cut(image, crop, box) for box in alike]
            for box, letters in zip(alike, reader.letters(parts, control), strict=True):
                line = row(letters, least)
                if line:
                    found.append(reading(box, line, parts[0].shape[1]))
    return found


def cut(image: np.ndarray, crop: strokes.Crop, box: Region) -> np.ndarray:
    """HEIGHT×w×3: a box of the crop's direction and scale, cut out of a view of the crop."""
    x, y = crop.matrix @ np.array([box.cx, box.cy, 1.0])
    size = (round(box.length * crop.scale), HEIGHT)
    return cv2.getRectSubPix(image, size, (float(x), float(y)))


def views(rgb: np.ndarray) -> list[np.ndarray]:
    """The h×w×3 uint8 part of a picture with its lightness made even, and its hues with a little
    of that."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    light = lab.copy()
    tiles = (max(1, rgb.shape[1] // 160), max(1, rgb.shape[0] // 160))
    light[..., 0] = cv2.createCLAHE(4.0, tiles).apply(np.ascontiguousarray(lab[..., 0]))
    planes = cv2.GaussianBlur(lab.astype(np.float32), (0, 0), 1.0)
    off = planes - mean_around(planes, AROUND)
    spread = np.sqrt(np.maximum(mean_around(off * off, AROUND), 0))
    spread += np.array([2, 1, 1], np.float32)
    grey, one, other = cv2.split(off / spread)
    hues = np.stack([one, other, 0.7 * (one + other)], -1)
    mixed = np.clip(128 + 45 * (0.6 * hues + 0.4 * grey[..., None]), 0, 255).astype(np.uint8)
    return [cv2.cvtColor(light, cv2.COLOR_LAB2RGB), mixed]


def row(letters: Sequence[Letter], least: float = READ) -> list[Letter]:
    """The surest letters that follow each other; none where these are too few."""
    rows: list[list[Letter]] = []
    for letter in letters:
        if letter.sure < LEAST:
            continue
        if rows and letter.at - rows[-1][-1].at <= APART:
            rows[-1].append(letter)
        else:
            rows.append([letter])
    return max((r for r in rows if weight(r) >= least), key=weight, default=[])


def weight(letters: Sequence[Letter]) -> float:
    """How many letters are sure, halves for those that are half sure; 0 for one or two letters
    again and again, as patterns are read."""
    likely = [x for x in letters if x.sure > 0.5 and (x.sign.isalnum() or x.sign in SIGNS)]
    if len({x.sign.lower() for x in likely if x.sure > 0.6}) < UNLIKE:
        return 0.0
    return sum(2 * x.sure - 1 for x in likely)


def reading(box: Region, letters: list[Letter], width: int) -> Reading:
    """The part of a box in which the letters stand; the recogniser looks at it in steps."""
    scale = HEIGHT / box.height
    x0, x1 = ((x.at + 0.5) * STRIDE / scale for x in (letters[0], letters[-1]))
    x0, x1 = x0 - WIDER * box.height, x1 + WIDER * box.height
    along, _ = box.axes
    x, y = np.array([box.cx, box.cy]) + along * ((x0 + x1) / 2 - width / scale / 2)
    region = replace(box, cx=float(x), cy=float(y), length=float(x1 - x0), score=1.0)
    pitch = (letters[-1].at - letters[0].at) * STRIDE / scale / max(1, len(letters) - 1)
    return Reading(region, weight(letters), "".join(x.sign for x in letters), pitch)
