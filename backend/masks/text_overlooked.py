"""What the detector of lines overlooks and the built-in PSENet sees: print on signs, clothes and
in logos. It takes more for letters than is, so that only what can be read counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from backend.masks.strokes import Strokes
from backend.masks.text_accept import LEGIBLE, MOST_READ, SINGLE, strength
from backend.masks.text_lines import Region, overlap
from backend.masks.text_scales import LineDetector, likeliest, of_all_sizes
from backend.values import Control

AROUND = 0.5  # of a line's height: the stroke net is used to boxes so much higher and longer
COVERED = 0.3  # share of a box from which it was not overlooked
LEAST_SCORE = 0.7  # of what PSENet sees; alone it takes surer lines only
READ_SURELY = 0.85  # least certainty of its words; 0.8 where the detector sees the line, too
LARGE = 0.08  # of the picture's short side: a lattice so high is read as a letter now and then


def candidates(
    second: LineDetector, rgb: np.ndarray, known: Sequence[Region], control: Control
) -> list[Region]:
    """Lines that `second` sees in an H×W×3 uint8 picture where no line is `known`."""
    seen = likeliest(of_all_sizes(second, rgb, control))
    left = [r for r in seen if all(overlap(r, k)[0] <= COVERED for k in known)]
    return [replace(r, length=r.length + AROUND * r.height, height=r.height * (1 + AROUND))
            for r in left]


def accepted(
    items: Sequence[Strokes], short: int, legible: Callable[[Region, float], bool]
) -> list[Strokes]:
    """The candidates that have strokes and can be read, of the MOST_READ surest; `short` is the
    short side of the picture in px, `legible` tries to read a region with a least certainty."""
    likely = [x for x in items if strength(x) > LEGIBLE and not lattice(x.crop.region, short)]
    likely = sorted(likely, key=lambda x: -x.crop.region.score)[:MOST_READ]
    return [x for x in likely if legible(x.crop.region, READ_SURELY)]


def lattice(region: Region, short: int) -> bool:
    """Whether a box for a single letter is so high that it may be a window or a fence."""
    return region.length < SINGLE * region.height and region.height > LARGE * short
