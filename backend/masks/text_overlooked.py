"""What the detector of lines overlooks and the built-in PSENet sees: single letters, print in logos
and on signs, words in perspective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from backend.masks.strokes import Strokes
from backend.masks.text_accept import MOST_READ, reaches, strength
from backend.masks.text_lines import Region, overlap
from backend.masks.text_scales import LineDetector, find_regions
from backend.values import Control

AROUND = 0.5  # of a line's height: the stroke net is used to boxes so much higher and longer
COVERED = 0.3  # share of a box from which it was not overlooked
SURE = ((0.87, 0.6),)  # score and strength of a line that counts unread
READ = (0.7, 0.35)  # ... of one that must be legible


def candidates(
    second: LineDetector, rgb: np.ndarray, known: Sequence[Region], control: Control
) -> list[Region]:
    """Lines that `second` sees in an H×W×3 uint8 picture where no line is `known`."""
    seen = find_regions(second, rgb, control)
    left = [r for r in seen if all(overlap(r, k)[0] <= COVERED for k in known)]
    return [replace(r, length=r.length + AROUND * r.height, height=r.height * (1 + AROUND))
            for r in left]


def accepted(items: Sequence[Strokes], legible: Callable[[Region], bool]) -> list[Strokes]:
    """The candidates that are text: by their score and strokes, or because they can be read."""
    taken, doubtful = [], []
    for item in sorted(items, key=lambda x: -x.crop.region.score):
        score, clear = item.crop.region.score, strength(item)
        if reaches(SURE, score, clear):
            taken.append(item)
        elif score >= READ[0] and clear >= READ[1]:
            doubtful.append(item)
    return taken + [x for x in doubtful[:MOST_READ] if legible(x.crop.region)]
