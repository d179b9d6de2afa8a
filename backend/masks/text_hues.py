"""Lines that the picture's hues show more clearly than the picture: a tinted watermark over light
and dark goods, letters before a pattern of their own lightness.

The stroke net takes dark goods for letters where both meet. In the hues these are gone: there its
map is crisper, and the recogniser reads as surely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from backend.masks.strokes import Strokes, split
from backend.masks.text_decide import Decided
from backend.masks.text_lines import HUES, Region
from backend.masks.text_read import READ

LARGE = 50  # px, height of lines that are looked at: smaller ones lie on one thing, not across
UNCLEAR, CRISPER = 0.75, 0.05  # crispness up to which a line is looked at, and what hues must add
OUTLINE = 0.03  # of a line's height: how far from letters their outline is looked for

Find = Callable[[list[Region]], list[Strokes]]
Words = Callable[[Region], tuple[str, float]]


def crispness(item: Strokes) -> float:
    """How far the stroke net's map is from undecided in a line's box, in [0, 1]."""
    return float(np.abs(2 * item.text[item.crop.hint > 0] - 1).mean())


def clearer(items: Sequence[Strokes], find: Find, words: Words) -> list[Strokes]:
    """The items, those of the picture itself that its hues show more clearly as seen in these.
    `find` looks for the strokes of regions, `words` reads one: what it says and how surely."""
    unclear = [x for x in items if is_whole(x.crop.region) and crispness(x) < UNCLEAR]
    seen = find([replace(x.crop.region, view=HUES) for x in unclear]) if unclear else []
    better = {id(x): y for x, y in zip(unclear, seen, strict=True)
              if crispness(y) >= crispness(x) + CRISPER and as_legible(x, y, words)}
    return [better.get(id(x), x) for x in items]


def is_whole(region: Region) -> bool:
    """Whether a region is a large line of the picture itself that is looked at in one piece."""
    return region.view == 0 and region.height >= LARGE and len(split(region)) == 1


def as_legible(plain: Strokes, hued: Strokes, words: Words) -> bool:
    """Whether the hues can be read, and no less surely than the picture."""
    said, sure = words(hued.crop.region)
    if sure < READ or sum(c.isalnum() for c in said) < 2:
        return False
    return sure >= words(plain.crop.region)[1]


def outlined(hued: Decided, plain: Decided) -> Decided:
    """The letters that the hues of a line show with what the picture shows of them closely around:
    a grey outline has no hue. Both are decisions on one crop."""
    reach = round(OUTLINE * hued.crop.region.height * hued.crop.scale)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(hued.text, disk)
    return replace(hued, text=np.maximum(hued.text, np.minimum(near, plain.text)))
