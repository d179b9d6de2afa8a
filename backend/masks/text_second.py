"""A second opinion on text by the built-in PSENet: what the detector of lines overlooks (print on
signs, clothes and in logos), and where it sees none (text_judge weighs that).

PSENet itself takes more for letters than is, so that of what it sees alone only what can be read
counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.masks.psenet import Detector
from backend.masks.strokes import Strokes
from backend.masks.text_accept import LEGIBLE, MOST_READ, SINGLE, strength
from backend.masks.text_lines import Region, overlap
from backend.masks.text_scales import likeliest, of_all_sizes
from backend.values import Control

AROUND = 0.3  # of a line's height: the stroke net is used to boxes so much higher and longer
COVERED = 0.3  # share of a box from which it was not overlooked
HIGHER = 2.5  # times as high: such a line covers no other one; see text_lines.merge
LEAST_SCORE = 0.7  # of what PSENet sees; alone it takes surer lines only
READ_SURELY = 0.85  # least certainty of its words; surer than where the detector sees it, too
READ_NEAR = 0.89  # ... of what was looked at alone: no single letter is read so surely, see
# text_read.ALONE, and a pupil or a rivet is no word
LARGE = 0.07  # of the picture's short side: a lattice so high is read as a letter now and then
ALONE = 0.82  # ... unless PSENet is as sure as it must be of lines that it takes alone
NEAR, MARGIN, LONGEST = 60, 0.6, 480  # px, what a box is enlarged to for a look at it alone; in
# its heights, what is seen around it; px, most of all that
WITHIN = 0.6  # share of a line in the box in which it was looked for


@dataclass(frozen=True, eq=False)
class Opinion:
    """`lines` that PSENet sees, and `text` H×W float32: its probability of text, the largest of
    all its sizes."""

    lines: list[Region]
    text: np.ndarray

    def certainty(self, region: Region) -> float:
        """Mean probability of text in a region, without its rim; 1 outside the picture."""
        inside = np.zeros(self.text.shape, np.uint8)
        corners = region.corners(grow=-0.15 * region.height)
        cv2.fillConvexPoly(inside, corners.round().astype(np.int32), 1)
        return float(self.text[inside > 0].mean()) if inside.any() else 1.0


class Recorded:
    """A PSENet whose text maps are kept while it looks for lines."""

    def __init__(self, net: Detector, shape: tuple[int, ...]) -> None:
        self.coarse, self.in_hues, self.sizes = net.coarse, net.in_hues, net.sizes
        self.text = np.zeros(shape[:2], np.float32)
        self._net = net

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
        maps = self._net.maps(rgb, scale, control)
        np.maximum(self.text, cv2.resize(maps[0], rgb.shape[1::-1]), out=self.text)
        return self._net.lines(maps, rgb.shape)


def opinion(net: Detector, rgb: np.ndarray, control: Control) -> Opinion:
    """What PSENet sees in an H×W×3 uint8 picture."""
    recorded = Recorded(net, rgb.shape)
    lines = likeliest(of_all_sizes(recorded, rgb, control))
    return Opinion(lines, recorded.text)


def overlooked(seen: Opinion, known: Sequence[Region]) -> list[Region]:
    """Lines that PSENet sees where no line is `known`, or one so high that small print may stand
    in it: that of goods under a watermark."""
    return [roomy(r) for r in seen.lines if is_new(r, known)]


def is_new(region: Region, known: Sequence[Region]) -> bool:
    """Whether no known line covers a region, those left out that are much higher."""
    return all(overlap(region, k)[0] <= COVERED or k.height > HIGHER * region.height for k in known)


def roomy(region: Region) -> Region:
    """PSENet's box with the room around that the stroke net is used to."""
    room = AROUND * region.height
    return replace(region, length=region.length + room, height=region.height + room)


def nearer(
    net: Detector, rgb: np.ndarray, boxes: Sequence[Region], known: Sequence[Region],
    control: Control,
) -> list[Region]:
    """Lines that show in the overlooked boxes when each is enlarged and looked at alone: small
    print of several lines is seen as one from afar. Nothing where a line is `known`."""
    found: list[Region] = []
    for box in sorted(boxes, key=lambda r: -r.score)[:MOST_READ]:
        own = own_box(box)
        corners = own.corners(grow=MARGIN * own.height + 4)
        x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, None)
        x1, y1 = np.ceil(corners.max(0)).astype(int)
        part = np.ascontiguousarray(rgb[y0:y1, x0:x1])
        if 0 in part.shape:
            continue
        scale = min(float(np.clip(NEAR / own.height, 1, 4)), LONGEST / max(part.shape[:2]))
        lines = [r.scaled(1, 1, x0, y0) for r in net.find(part, scale, control)]
        found += [r for r in lines if overlap(r, own)[0] > WITHIN and is_new(r, [*known, *found])]
    return [roomy(r) for r in found]


def own_box(region: Region) -> Region:
    """PSENet's box of an overlooked line: without what lies around, which confuses a reader."""
    height = region.height / (1 + AROUND)
    return replace(region, length=region.length - AROUND * height, height=height)


def accepted(
    items: Sequence[Strokes], short: int, legible: Callable[[Region, float], bool],
    least: float = READ_SURELY,
) -> list[Strokes]:
    """The overlooked that have strokes and can be read, of the MOST_READ surest; `short` is the
    short side of the picture in px, `legible` tries to read a region with a `least` certainty."""
    likely = [x for x in items if strength(x) > LEGIBLE and not lattice(x.crop.region, short)]
    likely = sorted(likely, key=lambda x: -x.crop.region.score)[:MOST_READ]
    return [x for x in likely if legible(own_box(x.crop.region), least)]


def lattice(region: Region, short: int) -> bool:
    """Whether a box for a single letter is so high that it may be a window or a fence."""
    single = region.length < SINGLE * region.height
    return single and region.height > LARGE * short and region.score < ALONE
