"""What of a line's crop is letter, by the stroke net's map and the line's colours, and where the
line ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.masks import strokes, strokes_colour
from backend.masks.text_lines import EVEN, HUES, Region

AROUND = 0.15  # heights around a box in which strokes count as in it
BEYOND = 0.6  # the net's certainty from which strokes count beyond the ends of a box
ODDS = 2.2  # the net learnt from crops in which much stands before letters: here more is letters
FURTHER = 0.5  # heights that a line reaches beyond its box, from which it is looked at anew
LIKELIEST = 0.7  # what the net's map is stretched to in a line
IN_HUES = (1.0, 0.5)  # both in hues, where little stands before letters and colours say more
FINEST = 110  # px, height of a line's box in the crop where its colours are looked at


@dataclass(frozen=True)
class Decided:
    """The strokes of a line after its colours were looked at: `text` h×w float32 in `crop`."""

    crop: strokes.Crop
    text: np.ndarray


def followed(item: strokes.Strokes, decision: Decided) -> tuple[Region, bool]:
    """The line's box fitted to its strokes, and whether the line goes on beyond the crop."""
    region, scale = item.crop.region, item.crop.scale
    inside = item.crop.hint > 0
    h, w = inside.shape
    solid = cv2.resize(decision.text, (w, h), interpolation=cv2.INTER_AREA) > 0.5
    rows = np.nonzero(inside.any(1))[0]
    columns = np.nonzero(inside.any(0))[0]
    band = solid[rows[0] : rows[-1] + 1]
    if not band.any():
        return region, False
    ink = np.asarray(band.any(0))
    gap = int(0.9 * strokes.BOX)  # a wider gap ends the line
    left = grow_end(ink[::-1], w - columns[0], gap)
    right = grow_end(ink, columns[-1] + 1, gap)
    x0, x1 = w - left, right
    share = solid[:, x0:x1].mean(1)
    heavy = share > 0.2 * share[rows[0] : rows[-1] + 1].max()
    ys = np.nonzero(heavy[rows[0] : rows[-1] + 1])[0] + rows[0]
    y0, y1 = ys[0] - 2, ys[-1] + 3
    if y1 - y0 < 0.4 * strokes.BOX:
        y0, y1 = rows[0], rows[-1] + 1
    further = max(columns[0] - x0, x1 - columns[-1])
    goes_on = x0 <= 3 or x1 >= w - 3 or further > FURTHER * strokes.BOX
    along, across = region.axes
    du, dv = ((x0 + x1) / 2 - w / 2) / scale, ((y0 + y1) / 2 - h / 2) / scale
    centre = np.array([region.cx, region.cy]) + along * du + across * dv
    if goes_on:  # keep the height: the crop is made from it
        centre = centre - across * dv
        y0, y1 = 0, strokes.BOX
    return replace(
        region, cx=float(centre[0]), cy=float(centre[1]),
        length=max(x1 - x0, 4) / scale, height=float(y1 - y0) / scale,
    ), goes_on  # fmt: skip


def grow_end(ink: np.ndarray, end: int, gap: int) -> int:
    """Last column of a line that reaches `end`: on over ink with gaps of at most `gap`, back
    where the box ends empty."""
    known = np.nonzero(ink[:end])[0]
    last = int(known[-1]) + 1 if len(known) else end
    for x in np.nonzero(ink)[0]:
        if last <= x <= last + gap:
            last = int(x) + 1
    return min(len(ink), last + 2)


def reach(item: strokes.Strokes) -> np.ndarray:
    """h×w float32 weight of a crop's answer: 1 in and closely around the box, and beyond its ends
    where the net is sure; 0 where it would be a guess."""
    box = (item.crop.hint > 0).astype(np.uint8)
    around = int(AROUND * strokes.BOX)
    near = cv2.dilate(box, np.ones((2 * around + 1, 2 * around + 1), np.uint8))
    sure = cv2.dilate((item.text > BEYOND).astype(np.uint8), np.ones((5, 5), np.uint8))
    rows = np.asarray(near.any(1))[:, None]
    return (np.maximum(near, sure) * rows).astype(np.float32)


def decided(rgb: np.ndarray, item: strokes.Strokes) -> Decided:
    """The line's strokes by its colours, in a crop as fine as the image up to FINEST px.

    The net may be unsure of faint letters as a whole; where in the box they are is what counts,
    so its map is stretched first. In hues and in a view made of a line's own colours these say
    more.
    """
    view = item.crop.region.view
    odds, likeliest = IN_HUES if view == HUES else (ODDS, LIKELIEST)
    item = replace(item, text=odds * item.text / (1 + (odds - 1) * item.text))
    height = float(np.clip(item.crop.region.height, strokes.BOX, FINEST))
    fine = item.crop if height == strokes.BOX else strokes.cut(rgb, item.crop.region, height)
    strongest = float(np.quantile(item.text[item.crop.hint > 0], 0.95))
    prior = item.text * (reach(item) * np.clip(likeliest / max(strongest, 0.05), 0.8, 3.0))
    size = (fine.rgb.shape[1], fine.rgb.shape[0])
    prior = cv2.resize(prior, size, interpolation=cv2.INTER_LINEAR)
    hued = view == HUES or view > EVEN
    most = strokes_colour.MOST_OWN if hued else strokes_colour.MOST
    return Decided(fine, strokes_colour.decide(fine.rgb, np.clip(prior, 0, 1), most))
