"""Text models: find every line at all sizes, then its strokes. Loaders for the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import (
    psenet,
    strokes,
    strokes_colour,
    text_accept,
    text_faint,
    text_judge,
    text_read,
    text_scan,
    text_second,
)
from backend.masks.text_lines import EVEN, HUES, Region, merge, reading_order
from backend.masks.text_marks import closed, mask_of
from backend.masks.text_scales import LineDetector, even, find_regions, hues, passes_for
from backend.models.interfaces import Description, TextFound
from backend.values import BadInput, Control, TextLine

BEYOND = 0.6  # the net's certainty from which strokes count beyond the ends of a box
LIKELIEST = 0.7  # what the net's map is stretched to in a line
FINEST = 110  # px, height of a line's box in the crop where its colours are looked at
ROUNDS = 3  # how often a line may be followed beyond the detector's box


class StrokeTextModel:
    """A line detector followed by a stroke decision in each line's own crop."""

    def __init__(
        self, detector: LineDetector, finder: Any, description: Description,
        second: psenet.Detector | None = None,
    ) -> None:
        """With a `second` detector, what both say is weighed (text_judge), and it is asked for what
        the first overlooks; without one, score and strokes decide (text_accept)."""
        self.description = description
        self._detector = detector
        self.second = second
        self.finder = finder
        self._reader = cache(text_read.reader)

    def regions(self, rgb: np.ndarray, control: Control) -> list[Region]:
        """The detector's own lines, before the strokes are looked at."""
        check(rgb)
        return find_regions(self._detector, rgb, control)

    def find(self, rgb: np.ndarray, control: Control) -> TextFound:
        """H×W×3 uint8 RGB of any size → masks and lines; raises BadInput on other arrays."""
        return self.strokes_of(rgb, self.regions(rgb, control), control)

    def strokes_of(self, rgb: np.ndarray, regions: list[Region], control: Control) -> TextFound:
        """Masks and lines from candidate regions: drops boxes without strokes, follows lines
        beyond their boxes."""
        look = Look(rgb)
        picture = look.picture

        @cache
        def afar() -> list[Region]:
            return self._detector.find(rgb, text_accept.AFAR / max(rgb.shape[:2]), control)

        def legible(region: Region, least: float = text_read.READ) -> bool:
            reader, seen = self._reader(), picture(region)
            return reader is not None and text_read.legible(reader, seen, region, control, least)

        done: list[tuple[Region, strokes.Strokes, Decided]] = []
        short = min(rgb.shape[:2])
        seen = self.finder.find(picture, regions, control)
        passes = passes_for(self._detector, rgb.shape[:2])
        opinion = None
        if self.second:
            if passes.second:
                opinion = text_second.opinion(self.second, rgb, control)
            items = text_judge.accepted(seen, short, self.judge(rgb, opinion, control), legible)
        else:
            items = text_accept.accepted(seen, short, afar, legible)
        gaps = text_accept.bridges([item.crop.region for item in items])
        if gaps:
            between = self.finder.find(picture, gaps, control)
            items += [x for x in between if text_accept.strength(x) > text_accept.BESIDE_TEXT]
        for beside in (False, True):
            for view in (
                text_faint.quiet_views(rgb, items, passes.surroundings, control) if beside
                else text_faint.views(rgb, items, control)
            ):  # fmt: skip
                n = look.add(view.image)
                lines = text_faint.lines_in(view, n, self._detector, control)
                seen = self.finder.find(picture, lines, control)
                items = text_accept.instead(items, seen, beside)
        if opinion:
            others = text_second.overlooked(opinion, [item.crop.region for item in items])
            found = self.finder.find(picture, others, control)
            items += text_second.accepted(found, short, legible)
        for n in range(ROUNDS):
            going_on = []
            for item in items:
                control.check()
                decision = decided(picture(item.crop.region), item)
                box, goes_on = followed(item, decision)
                if goes_on and n + 1 < ROUNDS:
                    going_on.append(box)
                else:
                    done.append((box, item, decision))
            if not going_on:
                break
            items = self.finder.find(picture, merge(going_on), control)
        read = self._read_beside(rgb, done, look, passes.reads, control)
        # reading tells where a line ends
        done += [(x.crop.region, x, decided(picture(x.crop.region), x)) for x in read]
        h, w = rgb.shape[:2]
        text, effect = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
        for _, item, decision in done:
            strokes.paste(text, decision.text, decision.crop)
            strokes.paste(effect, item.effect * reach(item), item.crop)
        boxes = [box for box, _, _ in done]
        mask = mask_of(rgb, text, effect, boxes)
        # translucent letters, seen in views of their own or read, have the picture's colours inside
        opaque = [box for box, item, _ in done if box.view <= EVEN and item not in read]
        mask = closed(rgb, mask, opaque, control)
        lines = reading_order(merge([box for box, _, _ in done]))
        return TextFound(np.maximum(text, effect), mask, tuple(line_of(r) for r in lines))

    def judge(
        self, rgb: np.ndarray, opinion: text_second.Opinion | None, control: Control
    ) -> text_judge.Judge:
        """Who judges what the detector sees in a picture; `opinion` is that of the second one."""

        def words(region: Region) -> tuple[str, float]:
            reader = self._reader()
            return reader.words(rgb, region.corners(), control) if reader else ("", 0.0)

        return text_judge.Judge(rgb.shape, opinion and opinion.certainty, words)

    def _read_beside(
        self, rgb: np.ndarray, done: list[tuple[Region, strokes.Strokes, Decided]], look: Look,
        most: int, control: Control,
    ) -> list[strokes.Strokes]:
        """What only the recogniser sees above and below `most` faint lines."""
        faint = [(text_accept.strength(x), box) for box, x, _ in done if text_faint.faint(x)]
        reader = self._reader() if faint and most else None
        if reader is None:
            return []
        known = [box for _, box in sorted(faint, key=lambda x: -x[0])[:most]]
        near = [box for box, _, _ in done]
        found = []
        for read in text_scan.lines(rgb, known, near, reader, control):
            tried = self.finder.find(look.picture, text_scan.fits(read), control)
            found.append(max(tried, key=text_accept.strength))
        found = [x for x in found if text_accept.strength(x) > text_accept.LEGIBLE]
        for view in text_faint.views(rgb, found, control):
            n = look.add(view.image)
            lines = text_faint.lines_in(view, n, self._detector, control)
            seen = self.finder.find(look.picture, lines, control)
            found = text_accept.instead(found, seen)
        return found


class Look:
    """The picture and its views by number (see Region.view), made when they are asked for."""

    def __init__(self, rgb: np.ndarray) -> None:
        self._views: dict[int, np.ndarray] = {0: rgb}

    def picture(self, region: Region) -> np.ndarray:
        """H×W×3 uint8: what a region was seen in."""
        rgb, number = self._views[0], region.view
        if number == HUES and HUES not in self._views:
            self._views[HUES] = hues(rgb, 0.12 * max(rgb.shape[:2]))
        elif number == EVEN and EVEN not in self._views:
            self._views[EVEN] = even(rgb)
        return self._views[number]

    def add(self, view: np.ndarray) -> int:
        """The number of one view more."""
        number = len(self._views) + EVEN
        self._views[number] = view
        return number


def check(rgb: np.ndarray) -> None:
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise BadInput(f"Text is looked for in H×W×3 uint8 RGB, not {rgb.shape} {rgb.dtype}.")


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
    goes_on = x0 <= 3 or x1 >= w - 3
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
    around = int(0.15 * strokes.BOX)
    near = cv2.dilate(box, np.ones((2 * around + 1, 2 * around + 1), np.uint8))
    sure = cv2.dilate((item.text > BEYOND).astype(np.uint8), np.ones((5, 5), np.uint8))
    rows = np.asarray(near.any(1))[:, None]
    return (np.maximum(near, sure) * rows).astype(np.float32)


def decided(rgb: np.ndarray, item: strokes.Strokes) -> Decided:
    """The line's strokes by its colours, in a crop as fine as the image up to FINEST px.

    The net may be unsure of faint letters as a whole; where in the box they are is what counts,
    so its map is stretched first.
    """
    height = float(np.clip(item.crop.region.height, strokes.BOX, FINEST))
    fine = item.crop if height == strokes.BOX else strokes.cut(rgb, item.crop.region, height)
    strongest = float(np.quantile(item.text[item.crop.hint > 0], 0.95))
    prior = item.text * (reach(item) * np.clip(LIKELIEST / max(strongest, 0.05), 0.8, 3.0))
    size = (fine.rgb.shape[1], fine.rgb.shape[0])
    prior = cv2.resize(prior, size, interpolation=cv2.INTER_LINEAR)
    return Decided(fine, strokes_colour.decide(fine.rgb, np.clip(prior, 0, 1)))


def line_of(region: Region) -> TextLine:
    return TextLine(region.corners(), region.height, region.score)


def stroke_finder(device: str, control: Control) -> Any:
    """The built-in stroke net, which every text model needs."""
    from backend.models.catalogue import WEIGHTS

    file = WEIGHTS / "text-strokes.safetensors"
    return strokes.load(None, {file.name: file}, device, control)


def load_ppocr(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The rapidocr wheel's DB detector with stroke masks, and the light PSENet for what it
    overlooks; always on the CPU."""
    from backend.masks.text_ppocr import Detector
    from backend.models.catalogue import WEIGHTS

    finder = stroke_finder("cpu", control)
    net = psenet.load_light(WEIGHTS / "psenet-builtin.safetensors", "cpu")
    second = light(net, "cpu", text_second.LEAST_SCORE)
    return StrokeTextModel(Detector(), finder, Description(entry.name, "cpu"), second)


def load_psenet_builtin(
    entry: Any, files: dict[str, Path], device: str, control: Control
) -> Any:
    """The light PSENet trained here."""
    net = psenet.load_light(next(iter(files.values())), device)
    return StrokeTextModel(light(net, device), stroke_finder(device, control),
                           Description(entry.name, device))


def light(net: Any, device: str, least_score: float = 0.82) -> psenet.Detector:
    """The light PSENet as a detector at the sizes it likes best."""
    from backend.networks.psenet import MARGIN

    return psenet.Detector(net, device, coarse=960, least_score=least_score, margin=MARGIN,
                    sizes=(640, 960))


def load_psenet(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The authors' PSENet checkpoints (psenet_r50_tt, _ctw, _ic15_736, _ic15_1024)."""
    net = psenet.load_official(next(iter(files.values())), device)
    # the authors test with a short side of 736 px (1024 px for ic15_1024): about 3:2 pictures
    coarse = 1536 if entry.name.endswith("1024") else 1104
    detector = psenet.Detector(net, device, coarse=coarse, least_score=0.85)
    return StrokeTextModel(detector, stroke_finder(device, control),
                           Description(entry.name, device))
