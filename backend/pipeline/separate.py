"""Taking a picture apart: cut-outs of people, objects and text above a filled background."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from backend.layers.depth import opaque_value
from backend.masks import combine
from backend.models.store import ModelStore
from backend.pipeline import clean, find, items, stack, subjects
from backend.pipeline.items import OBJECT, PERSON, TEXT, Item
from backend.pipeline.report import engines, plain_options
from backend.pipeline.source import Source
from backend.pipeline.subjects import Seen
from backend.values import Box, CleanOptions, Control

SOFT = 0.02  # alpha from which a pixel shows something of a subject
WHOLE = 0.99  # alpha from which it hides everything behind it
FAINTEST = 0.2  # contrast that a subject's colours may have at least, see stack.cut
FAINTEST_TEXT = 0.1
SOLID = 0.85  # of the largest difference around: nothing but ink
GLOW = 0.15  # of a line's height: how far its ink is looked for around a pixel of its edge
BESIDE = 16  # px around text on a person where the person's own pixels are looked for
ENOUGH = 0.5  # of the text's area: this much of the person must be seen there

Native = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Cut:
    """A layer: `pixels` h×w×(n+1) of the box, straight alpha last."""

    kind: str
    name: str
    box: Box
    pixels: np.ndarray


@dataclass
class Separated:
    """`layers` from bottom to top, above `background` (H×W×(n+1), straight alpha last). `hole`:
    where the background is not the picture."""

    layers: tuple[Cut, ...]
    background: np.ndarray
    hole: np.ndarray
    report: dict[str, Any] = field(default_factory=dict)


def as_it_is(pixels: np.ndarray, where: np.ndarray) -> np.ndarray:
    return pixels if pixels.shape[2] == 4 else stack.with_alpha(pixels)


def separate(
    pixels: np.ndarray,
    object_mask: np.ndarray | None,
    text_mask: np.ndarray | None,
    options: CleanOptions,
    store: ModelStore,
    control: Control,
    *,
    native: Native = as_it_is,
) -> Separated:
    """Cuts people, objects and lines of text out, each onto a layer, and fills behind them.

    pixels: H×W×(3|4) uint8, uint16 or float32, RGB(A). Masks: H×W uint8, 255 = cut out; None =
    what the options find. A given mask is taken apart by what is found: its parts are named after
    people and lines that lie there. native(picture, where) → H×W×(n+1): a picture like `pixels`,
    which differs from it only in `where`, in the colours and depth that layers are blended in.

    The promise: the layers over the background, each Normal at 100 %, give the picture again
    within 1/255 in every channel and in alpha (the largest difference is in the report). Where
    a person's text is hidden, the person is whole; where the person is hidden, the background is.
    Where the picture is see-through, one pixel cannot be shared: it belongs to one layer wholly.
    Raises BadInput, ModelUnavailable, Cancelled.
    """
    started = time.perf_counter()
    with control.stage("read", "Looking at the picture"):
        source = Source(pixels)
        find.check_points(options, source.size)
        given = [None if m is None else combine.check_mask(m, source.shape, n)
                 for m, n in ((object_mask, "object mask"), (text_mask, "text mask"))]
    seen = subjects.look(source, given, options, store, control)
    with control.stage("fill", "Making the holes"):
        letters, letters_core = clean.text_hole(source.rgb8, seen.text, options.grow, control)
        if source.transparent is not None:
            letters[source.transparent] = 0
        whole = [(item, subjects.under_text(mask, letters)) for item, mask in seen.subjects]
        people = combine.union([mask for _, mask in whole], source.shape)
        behind, behind_core = combine.object_hole(people, options.grow)
        if source.transparent is not None:
            behind[source.transparent] = 0
    plain, first = clean.fill(
        source, letters, np.minimum(letters_core, letters), letters, options, store, control,
        parts=text_parts(letters, people, behind),
    )
    alpha, colours = np.zeros(source.shape, np.float32), plain
    if people.any():
        alpha, colours = subject_matte(plain, people, store, options, control)
        with control.stage("fill", "Making the holes"):
            behind, behind_core = hole_of(source, behind, behind_core, alpha, seen.kept)
    empty, second = clean.fill(
        Source(plain), behind, np.minimum(behind_core, behind), np.zeros_like(behind), options,
        store, control,
    )
    with control.stage("layers", "Cutting out"):
        limits, result = build(
            native, (pixels, plain, empty, colours), (letters, behind), alpha, whole, seen,
            control,
        )
    models = dict(seen.models)
    used = second or first
    if used is not None:
        models["fill"] = used
    result.report = {
        **engines(models),
        "counts": {kind: sum(c.kind == kind for c in result.layers)
                   for kind in (PERSON, OBJECT, TEXT)},
        "found": bool(result.layers),
        "rebuild_error": round(rebuild_error(result, native(pixels, letters), limits), 4),
        "options": plain_options(options),
        "seconds": {name: round(took, 4) for name, took in control.seconds.items()},
        "notes": list(control.notes),
    }
    result.report["seconds"]["total"] = round(time.perf_counter() - started, 4)
    return result


def text_parts(
    letters: np.ndarray, people: np.ndarray, behind: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """The text hole by what lies under it: a person is filled with what is seen of the person,
    the background without what is seen of people."""
    beside = cv2.subtract(letters, behind)
    inside = np.minimum(letters, people)
    seen = cv2.subtract(people, letters)
    count, labels, stats = combine.components(inside)
    poor = np.zeros(count, np.uint8)
    for label in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[label])
        box = combine.padded(Box(x, y, x + w, y + h), BESIDE, letters.shape)
        if np.count_nonzero(seen[box.slices]) < ENOUGH * area:
            poor[label] = 255
    inside[poor[labels] > 0] = 0
    rest = cv2.subtract(cv2.subtract(letters, beside), inside)
    others = cv2.bitwise_not(people)
    return [(inside, others), (rest, None), (beside, behind)]


def subject_matte(
    plain: np.ndarray, people: np.ndarray, store: ModelStore, options: CleanOptions,
    control: Control,
) -> tuple[np.ndarray, np.ndarray]:
    """(alpha H×W float32, the picture with the subjects' own colours along their soft edges)."""
    from backend.matte import foreground, matte

    seen = Source(plain)
    with control.stage("matte", "Finding soft edges"):
        alpha = matte(seen.rgb8, people, control)
        alpha[alpha < SOFT] = 0
        alpha[alpha > WHOLE] = 1
        colours = plain.copy()
        soft = (alpha > 0) & (alpha < 1)
        if soft.any():
            top = np.float32(opaque_value(plain.dtype))
            own = foreground(plain[..., :3].astype(np.float32) / top, alpha, control)[soft] * top
            if plain.dtype != np.float32:
                own = np.clip(np.rint(own), 0, top)
            colours[..., :3][soft] = own.astype(plain.dtype)
    return alpha, colours


def hole_of(
    source: Source, hole: np.ndarray, core: np.ndarray, alpha: np.ndarray, kept: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The hole with everything that shows something of a subject; see-through pixels that are
    mostly background stay as they are."""
    shown = (alpha >= SOFT).astype(np.uint8) * np.uint8(255)
    core = np.maximum(core, shown)
    hole = np.maximum(hole, combine.grow(shown, 2))
    if kept is not None:
        hole[kept > 0] = 0
    if source.pixels.shape[2] == 4:
        limits = stack.Range.of(source.pixels)
        hole[limits.see_through(source.pixels) & (alpha < stack.OWNER)] = 0
    return hole, core


def build(
    native: Native, pictures: Sequence[np.ndarray], holes: Sequence[np.ndarray],
    alpha: np.ndarray, whole: Sequence[tuple[Item, np.ndarray]], seen: Seen, control: Control,
) -> tuple[stack.Range, Separated]:
    """The layers, in the colours they are blended in."""
    letters, behind = holes
    both = np.maximum(letters, behind)
    pixels, plain, empty, colours = pictures
    source, plain, own = native(pixels, both), native(plain, letters), native(colours, both)
    background = native(empty, both)
    limits = stack.Range.of(source)
    alpha = np.where(behind > 0, alpha, 0).astype(np.float32)
    contrast = difference_within(behind, own, background, limits, FAINTEST)
    people, taken = cut_within(behind, plain, background, alpha, contrast, limits)
    background[..., -1][taken] = 0
    control.check()
    shown = stack.over(background, people, limits)
    line_of = items.owners(letters, seen.lines)
    reach = ink(source, shown, line_of, seen.lines, limits)
    text, taken = cut_within(letters, source, shown, np.zeros_like(alpha), reach, limits)
    background[..., -1][taken] = 0
    people[..., -1][taken] = 0
    control.check()
    layers = []
    belongs = nearest([mask for _, mask in whole], people[..., -1] > 0)
    for number, (item, _) in enumerate(whole):
        layers += sliced(people, belongs == number, item.kind, item.name)
    for number in range(max(1, len(seen.lines))):
        words = seen.lines[number].words if seen.lines else ""
        item = Item(TEXT, words, Box(0, 0, 0, 0), letters)
        count = sum(cut.kind == TEXT for cut in layers) + 1
        layers += sliced(text, line_of == number, TEXT, items.layer_name(item, count))
    return limits, Separated(tuple(layers), background, both)


def cut_within(
    where: np.ndarray, source: np.ndarray, below: np.ndarray, alpha: np.ndarray,
    contrast: np.ndarray, limits: stack.Range,
) -> tuple[np.ndarray, np.ndarray]:
    """`stack.cut` where the mask is set, nothing elsewhere."""
    layer, taken = np.zeros_like(source), np.zeros(where.shape, bool)
    box = Box.around(where)
    if box is not None:
        at = box.slices
        made, own = stack.cut(source[at], below[at], alpha[at], contrast[at], limits)
        made[where[at] == 0] = 0
        layer[at], taken[at] = made, own & (where[at] > 0)
    return layer, taken


def difference_within(
    where: np.ndarray, a: np.ndarray, b: np.ndarray, limits: stack.Range, least: float
) -> np.ndarray:
    """`stack.difference`, at least `least`, in the box of a mask; `least` elsewhere."""
    result = np.full(where.shape, least, np.float32)
    box = Box.around(where)
    if box is not None:
        at = box.slices
        result[at] = np.maximum(stack.difference(a[at], b[at], limits), least)
    return result


def ink(
    source: np.ndarray, below: np.ndarray, line_of: np.ndarray, lines: Sequence[Any],
    limits: stack.Range,
) -> np.ndarray:
    """H×W float32: how far the ink at each pixel of a line is from what lies below it.

    Where a line differs most from what is below it, there is nothing but ink; a pixel of an edge
    has the ink that is nearest. Ink that is brighter than its ground (letters) and darker (their
    outline or shadow) are looked for apart, so that neither is taken for an edge of the other."""
    result = np.full(line_of.shape, FAINTEST_TEXT, np.float32)
    for number in range(max(1, len(lines))):
        own = line_of == number
        box = Box.around(own)
        if box is None:
            continue
        own = own[box.slices]
        ground = below[box.slices][..., :-1].astype(np.float32) / limits.top
        colours = source[box.slices][..., :-1].astype(np.float32) / limits.top
        d = np.nan_to_num(colours - ground, posinf=1.0, neginf=-1.0)
        apart = np.abs(d).max(2)
        strongest = np.take_along_axis(d, np.abs(d).argmax(2)[..., None], 2)[..., 0]
        height = lines[number].height if lines else 0.0
        radius = int(np.clip(round(GLOW * height), 2, 24))
        target = result[box.slices]
        for group in (own & (strongest > 0), own & (strongest < 0)):
            part = np.where(group, apart, 0).astype(np.float32)
            most = np.asarray(combine.grow(part, radius), np.float32)
            solid = (part >= SOLID * most) & (part > FAINTEST_TEXT)
            if solid.any():
                away = np.abs(_from_nearest(colours, solid) - ground).max(2)
                target[group] = np.maximum(np.nan_to_num(away), FAINTEST_TEXT)[group]
    return result


def _from_nearest(values: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """H×W×n: at each pixel the value of the nearest seed (H×W bool)."""
    _, labels = cv2.distanceTransformWithLabels(
        (~seeds).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    labels = np.asarray(labels, np.int32)
    table = np.zeros((int(labels.max()) + 1, values.shape[2]), values.dtype)
    table[labels[seeds]] = values[seeds]
    return table[labels]


def nearest(masks: Sequence[np.ndarray], where: np.ndarray) -> np.ndarray:
    """H×W int32: for each pixel of `where` the number of the nearest mask, -1 elsewhere."""
    result = np.full(where.shape, -1, np.int32)
    numbers = np.zeros((*where.shape, 1), np.int32)
    for number, mask in enumerate(masks):
        numbers[mask > 0] = number
    seeds = combine.union(masks, where.shape) > 0
    if seeds.any():
        result[where] = _from_nearest(numbers, seeds)[where][:, 0]
    return result


def sliced(layer: np.ndarray, own: np.ndarray, kind: str, name: str) -> list[Cut]:
    """The part of a layer that belongs to one thing; nothing where that is wholly transparent."""
    shown = own & (layer[..., -1] > 0)
    box = Box.around(shown)
    if box is None:
        return []
    pixels = layer[box.slices].copy()
    pixels[~shown[box.slices]] = 0
    return [Cut(kind, name, box, pixels)]


def rebuild(result: Separated, limits: stack.Range) -> np.ndarray:
    """What an editor shows of the background and all layers."""
    picture = result.background.copy()
    for layer in result.layers:
        picture[layer.box.slices] = stack.over(picture[layer.box.slices], layer.pixels, limits)
    return picture


def rebuild_error(result: Separated, source: np.ndarray, limits: stack.Range) -> float:
    """The largest difference of the rebuilt picture from the source, in levels of 255. Colours
    count as much as they are seen."""
    again = rebuild(result, limits)
    worst = 0.0
    for y in range(0, source.shape[0], 256):
        a, b = (p[y : y + 256].astype(np.float32) / limits.top for p in (source, again))
        seen = np.minimum(a[..., -1:], 1.0)
        colours = np.nan_to_num(np.abs(a[..., :-1] - b[..., :-1]) * seen)
        worst = max(worst, float(colours.max()), float(np.abs(a[..., -1] - b[..., -1]).max()))
    return worst * 255
