"""Text models: find every line at all sizes, then its strokes. Loaders for the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from backend.masks import (
    psenet,
    psenet_closer,
    strokes,
    text_accept,
    text_faint,
    text_hues,
    text_judge,
    text_read,
    text_round,
    text_scan,
    text_second,
    text_shadow,
)
from backend.masks.text_decide import Decided, decided, followed, reach
from backend.masks.text_lines import EVEN, HUES, Region, merge, overlap, reading_order
from backend.masks.text_marks import closed, mask_of
from backend.masks.text_scales import LineDetector, even, find_regions, hues, passes_for
from backend.models.interfaces import Description, TextFound
from backend.values import BadInput, Control, TextLine

Closer = Callable[[np.ndarray, list[Region], Control], list[Region]]

SAME = 0.5  # share of a box that a longer one of the same line covers
ROUNDS = 3  # how often a line may be followed beyond the detector's box
READABLE = 0.7  # least certainty of what a faint line says, beside which others are read: windows
# and arches in rows are read as a line, too


class StrokeTextModel:
    """A line detector followed by a stroke decision in each line's own crop."""

    def __init__(
        self, detector: LineDetector, finder: Any, description: Description,
        second: psenet.Detector | None = None, closer: Closer | None = None,
    ) -> None:
        """With a `second` detector, what both say is weighed (text_judge), and it is asked for what
        the first overlooks; without one, score and strokes decide (text_accept). `closer` looks
        again at the lines found."""
        self.description = description
        self._detector = detector
        self.second, self._closer = second, closer
        self.finder = finder
        self._reader = cache(text_read.reader)

    def regions(self, rgb: np.ndarray, control: Control) -> list[Region]:
        """The detector's own lines, before the strokes are looked at."""
        check(rgb)
        found = find_regions(self._detector, rgb, control)
        return self._closer(rgb, found, control) if self._closer else found

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
                items = text_accept.instead(items, seen, text_faint.faint if beside else None)
        items = text_hues.clearer(items, lambda r: self.finder.find(picture, r, control),
                                  lambda r: self._words(picture(r), r, control))
        if opinion:
            items += self._overlooked(rgb, opinion, items, legible, control)
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
        np.maximum(effect, text_shadow.of_lines(rgb, text, boxes, control), out=effect)
        self._outlined(text, done, look, control)
        rounds = text_round.find(rgb, text, passes.rounds, self._detector, self.finder,
                                 self._words, control)  # fmt: skip
        for ring in rounds:
            for whole, part in ((text, ring.text), (effect, ring.effect)):
                np.maximum(whole[ring.part], part, out=whole[ring.part])
            boxes += ring.boxes
        mask = mask_of(rgb, text, effect, boxes)
        # translucent letters, seen in views of their own or read, have the picture's colours inside
        opaque = [box for box, item, _ in done if box.view <= EVEN and item not in read]
        mask = closed(rgb, mask, opaque, control)
        lines = reading_order(merge([box for box, _, _ in done]))
        lines += [box for ring in rounds for box in ring.boxes]
        return TextFound(np.maximum(text, effect), mask, tuple(line_of(r) for r in lines))

    def _outlined(
        self, text: np.ndarray, done: list[tuple[Region, strokes.Strokes, Decided]], look: Look,
        control: Control,
    ) -> None:
        """Adds to `text` what the picture shows closely around letters that were seen in hues."""
        for _, item, hued in done:
            region = replace(item.crop.region, view=0)
            if item.crop.region.view == HUES and len(strokes.split(region)) == 1:
                (plain,) = self.finder.find(look.picture, [region], control)
                both = text_hues.outlined(hued, decided(look.picture(region), plain))
                strokes.paste(text, both.text, both.crop)

    def _overlooked(
        self, rgb: np.ndarray, opinion: text_second.Opinion, items: list[strokes.Strokes],
        legible: Callable[[Region, float], bool], control: Control,
    ) -> list[strokes.Strokes]:
        """What the second detector sees beside the `items`, and in what nobody can read when it
        looks nearer."""
        assert self.second
        known = [item.crop.region for item in items]
        seen = self.finder.find(lambda region: rgb, text_second.overlooked(opinion, known), control)
        taken = text_second.accepted(seen, min(rgb.shape[:2]), legible)
        known += [x.crop.region for x in taken]
        left = [x.crop.region for x in seen if x not in taken]
        near = text_second.nearer(self.second, rgb, left, known, control)
        found = self.finder.find(lambda region: rgb, near, control)
        return taken + text_second.accepted(
            found, min(rgb.shape[:2]), legible, text_second.READ_NEAR)

    def judge(
        self, rgb: np.ndarray, opinion: text_second.Opinion | None, control: Control
    ) -> text_judge.Judge:
        """Who judges what the detector sees in a picture; `opinion` is that of the second one."""

        return text_judge.Judge(rgb.shape, opinion and opinion.certainty,
                                lambda region: self._words(rgb, region, control))

    def _words(
        self, rgb: np.ndarray, region: Region, control: Control
    ) -> tuple[str, float]:
        """What the recogniser reads in a region, and how sure it is; nothing without one."""
        reader = self._reader()
        return reader.words(rgb, region.corners(), control) if reader else ("", 0.0)

    def _read_beside(
        self, rgb: np.ndarray, done: list[tuple[Region, strokes.Strokes, Decided]], look: Look,
        most: int, control: Control,
    ) -> list[strokes.Strokes]:
        """What only the recogniser sees above and below `most` faint lines that can be read."""
        faint = [(text_accept.strength(x), box) for box, x, _ in done if text_faint.faint(x)]
        reader = self._reader() if faint and most else None
        if reader is None:
            return []
        faint = [(sure, box) for sure, box in faint
                 if not any(part_of(box, other) for _, other in faint)]
        known = [box for _, box in sorted(faint, key=lambda x: -x[0])[:most]
                 if self._words(rgb, box, control)[1] >= READABLE]
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


def part_of(a: Region, b: Region) -> bool:
    """Whether `b` is a longer box of the same line."""
    return a.length < b.length and overlap(a, b)[0] > SAME


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
    detector = light(psenet.load_light(next(iter(files.values())), device), device)
    return StrokeTextModel(detector, stroke_finder(device, control),
                           Description(entry.name, device),
                           closer=partial(psenet_closer.closer, detector))


def light(net: Any, device: str, least_score: float = text_second.ALONE) -> psenet.Detector:
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
