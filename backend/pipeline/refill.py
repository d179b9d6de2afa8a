"""Filling again from masks that the user has edited, without touching work done by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from backend.masks import combine
from backend.models.store import ModelStore
from backend.pipeline import bystanders, clean
from backend.pipeline.find import Found
from backend.pipeline.report import build_report
from backend.pipeline.source import Source
from backend.values import BadInput, Box, CleanOptions, CleanResult, Control

RIM_MORE = 3  # px
GAP = 3  # px: single pixels of a fill that happen to equal the original do not end it


@dataclass(frozen=True)
class Wanted:
    """Masks of one kind as the user left them: `core` (cleaned), `hole` (grown), and `new`, the
    part of the hole that comes from pixels of the mask that changed."""

    core: np.ndarray
    hole: np.ndarray
    new: np.ndarray


@dataclass
class Refilled:
    """`result.hole` is what was filled; `restored` what was taken from the original. Everything
    else of `result.plate` is bit-identical to the pixels that were given."""

    result: CleanResult
    restored: np.ndarray


def refill(
    pixels: np.ndarray,
    object_mask: np.ndarray | None,
    text_mask: np.ndarray | None,
    options: CleanOptions,
    store: ModelStore,
    control: Control,
    *,
    changed: np.ndarray | None = None,
    original: np.ndarray | None = None,
) -> Refilled:
    """Fills behind given masks, starting from a plate (or from the source, for a first fill).

    pixels: H×W×(3|4) uint8, uint16 or float32, RGB(A), the plate; never written to. Masks: H×W
    uint8, 255 = remove; None = nothing of that kind. original: the picture before any fill, like
    `pixels`. changed: H×W uint8, 255 where a mask is not what it was at the last fill; None = all
    of it counts as changed.

    Masks are cleaned and grown as the one click does it (`options.grow`), except that where they
    changed they are taken as they were painted. Then:
    - where something was added, the hole that its growth makes is filled;
    - where something was taken away and no mask reaches any more, the original comes back, as far
      as the plate differs from it there and no further than masks grow; the rim of a mask that
      stays beside it is made anew. Without `original` those pixels stay as they are.
    - with `changed` None and an `original`, the plate is put back everywhere outside the hole.
    Nothing else changes. Raises BadInput (wrong shapes, nothing to fill from), ModelUnavailable,
    Cancelled.
    """
    started = time.perf_counter()
    with control.stage("read", "Looking at the masks"):
        source = Source(pixels)
        shape = source.shape
        if original is not None and (
            original.shape != pixels.shape or original.dtype != pixels.dtype
        ):
            raise BadInput("The original and the background must have the same size and depth.")
        masks = [_given(m, shape, n)
                 for m, n in ((object_mask, "object mask"), (text_mask, "text mask"))]
        area = None if changed is None else combine.check_mask(changed, shape, "changed region")
    with control.stage("fill", "Making the hole"):
        base = source if original is None else Source(original)
        thick = wanted(masks[0], area, options.grow, text=False)
        if area is None:  # as the one click makes it
            hole, core = clean.text_hole(base.rgb8, masks[1], options.grow, control)
            thin = Wanted(core, hole, hole)
        else:
            thin = wanted(masks[1], area, options.grow, text=True)
        if masks[0].any():
            thick = with_shade(thick, masks[0], thin.hole, base, area, options, control)
        frame = clean.frame_of(base, np.maximum(*masks), options)
        front = clean.in_front(
            base, thick.core, thick.hole, thin.hole, frame, options, control)
        if area is not None:  # what was painted goes, whatever it lies on
            painted = np.minimum(area, np.maximum(*masks)) > 0
            frame, front = (np.where(painted, np.uint8(0), part) for part in (frame, front))
        thick, thin = without(thick, front), without(thin, frame)
        keep = np.maximum(thick.hole, thin.hole)
        core = np.maximum(thick.core, thin.core)
        hole = np.maximum(thick.new, thin.new)
        restored = np.zeros(shape, np.uint8)
        ground = pixels
        if original is not None:
            taken = taken_away(masks, area)
            beside = None
            if taken is not None and taken.any():  # the shade of who comes back comes back, too
                grown, _ = combine.object_hole(taken, options.grow)
                beside, _ = clean.shade(base, taken, grown, thin.hole, options, control)
            restored, again = restore(
                pixels, original, taken, keep, core, area, options.grow, beside)
            hole = np.maximum(hole, again)
            ground = pixels.copy()
            back = (restored > 0) | ((again > 0) & (core == 0))
            ground[back] = original[back]
        for clear in (source.transparent, base.transparent):
            if clear is not None:
                hole[clear & (restored == 0)] = 0
        text_only = np.minimum(cv2.subtract(thin.hole, thick.hole), hole)
    spared = None
    models: dict[str, Any] = {}
    if thick.new.any():
        spared = bystanders.beside(base, thick.core, hole, options, store, control, models)
    plate, model = clean.fill(
        Source(ground), hole, np.minimum(core, hole), text_only, options, store, control,
        spared=bystanders.with_panels(spared, front, cv2.subtract(hole, text_only)),
        front=front, frame=frame)
    with control.stage("fill", "Background ready"):
        none = np.zeros(shape, np.uint8)
        result = CleanResult(masks[0], masks[1], none, hole, plate)
        found = Found(masks[0], none, none, masks[1])
        if model is not None:
            models["fill"] = model
        result.report = build_report(source, result, found, models, options, store, control)
        result.report["pixels"]["restored"] = int(np.count_nonzero(restored))
    result.report["found"] = bool(result.found or restored.any())
    result.report["seconds"] = {k: round(v, 4) for k, v in control.seconds.items()}
    result.report["seconds"]["total"] = round(time.perf_counter() - started, 4)
    result.report["notes"] = list(control.notes)
    return Refilled(result, restored)


def _given(mask: np.ndarray | None, shape: tuple[int, int], name: str) -> np.ndarray:
    return np.zeros(shape, np.uint8) if mask is None else combine.check_mask(mask, shape, name)


def wanted(
    mask: np.ndarray, changed: np.ndarray | None, grow: int | None, *, text: bool
) -> Wanted:
    """What one mask asks for; see `refill`."""
    make = combine.text_hole if text else combine.object_hole
    share, least, most = (
        (combine.TEXT_GROWTH, combine.TEXT_MIN, combine.TEXT_MAX) if text
        else (combine.OBJECT_GROWTH, combine.OBJECT_MIN, combine.OBJECT_MAX)
    )
    hole, core = make(mask, grow)
    if changed is None:
        return Wanted(core, hole, hole)
    exact = np.where(changed > 0, mask, core)
    if not np.array_equal(exact, core):
        core = exact
        hole = (core.copy() if grow == 0 else combine.grow(core, grow) if grow is not None
                else combine.grow_components(core, share, least, most, slivers=not text))
    seeds = np.minimum(core, changed)
    if grow is not None:
        return Wanted(core, hole, combine.grow(seeds, grow))
    return Wanted(core, hole, np.minimum(grow_like(seeds, core, share, least, most), hole))


def without(wanted: Wanted, front: np.ndarray) -> Wanted:
    """What is wanted less what lies before it, H×W uint8."""
    if not front.any():
        return wanted
    return Wanted(*(cv2.subtract(part, front) for part in (wanted.core, wanted.hole, wanted.new)))


def grow_like(
    seeds: np.ndarray, mask: np.ndarray, share: float, least: int, most: int
) -> np.ndarray:
    """`seeds` (a part of `mask`) grown, each by what the component of `mask` it lies in grows."""
    result = seeds.copy()
    _, labels, stats = combine.components(mask)
    for label in np.unique(labels[seeds > 0]):
        x, y, w, h, _ = (int(v) for v in stats[label])
        radius = int(np.clip(round(share * float(np.hypot(w, h))), least, most))
        box = combine.padded(Box(x, y, x + w, y + h), radius, mask.shape)
        own = (labels[box.slices] == label) & (seeds[box.slices] > 0)
        target = result[box.slices]
        np.maximum(target, combine.grow(own.astype(np.uint8) * np.uint8(255), radius), out=target)
    return result


def with_shade(
    thick: Wanted, objects: np.ndarray, text: np.ndarray, source: Source,
    changed: np.ndarray | None, options: CleanOptions, control: Control,
) -> Wanted:
    """The shade of the objects as well: of all, or of those with a changed pixel."""
    wide, shadow = clean.shade(source, objects, thick.hole, text, options, control)
    if not wide.any():
        return thick
    hole, core = np.maximum(thick.hole, wide), np.maximum(thick.core, shadow)
    if changed is None:
        return Wanted(core, hole, np.maximum(thick.new, wide))
    new = np.minimum(touching(hole, thick.new), wide)
    return replace(thick, core=core, hole=hole, new=np.maximum(thick.new, new))


def taken_away(masks: list[np.ndarray], changed: np.ndarray | None) -> np.ndarray | None:
    """H×W uint8: changed and in no mask any more; None = anything may have been taken away."""
    if changed is None:
        return None
    return cv2.subtract(changed, np.maximum(*masks))


def restore(
    plate: np.ndarray,
    original: np.ndarray,
    taken: np.ndarray | None,
    hole: np.ndarray,
    core: np.ndarray,
    changed: np.ndarray | None,
    grow: int | None,
    shade: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(what the original comes back to, the part of the hole beside it that is filled again).
    `shade`: what besides its growth the old mask may have taken."""
    differs = _differs(plate, original)
    if taken is None or changed is None:
        return cv2.subtract(differs, hole), np.zeros_like(hole)
    none = np.zeros_like(hole)
    if not taken.any():
        return none, none.copy()
    # The old hole was the old mask grown. Its pixels are where the plate differs, so what is
    # taken away is followed through them, at most as far as masks grow.
    reach = combine.OBJECT_MAX if grow is None else grow
    around = within(taken, reach + 2)  # an ellipse of pixels reaches a little beyond its radius
    if shade is not None:
        around = np.maximum(around, shade)
    across = np.ones((2 * (GAP // 2) + 1,) * 2, np.uint8)
    old = np.maximum(cv2.morphologyEx(differs, cv2.MORPH_CLOSE, across), taken)
    old = np.minimum(old, around)
    restored = cv2.subtract(touching(old, taken), hole)
    if not restored.any():
        return restored, none
    # As deep as the rim was wide that the mask had there, and a little more, so that the new rim
    # meets a part of the fill that stays: what is farther inside may have been touched up by hand.
    away = cv2.distanceTransform((taken == 0).astype(np.uint8), cv2.DIST_L2, 5)
    rim = int(np.ceil(away[restored > 0].max()))
    beside = touching(hole, combine.grow(restored, 1))
    return restored, np.minimum(within(restored, rim + RIM_MORE), beside)


def touching(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The connected parts of the mask that share a pixel with the seeds."""
    _, labels, _ = combine.components(mask)
    chosen = np.zeros(int(labels.max()) + 1, np.uint8)
    chosen[np.unique(labels[seeds > 0])] = 255
    chosen[0] = 0
    return chosen[labels]


def within(mask: np.ndarray, reach: int) -> np.ndarray:
    """The mask and everything at most `reach` px from it; as fast for a long reach as for a short
    one."""
    away = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return (away <= reach).astype(np.uint8) * np.uint8(255)


def _differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """H×W uint8, 255 where any channel differs, not-a-number being equal to itself."""
    unequal = a != b
    if a.dtype == np.float32:
        unequal &= ~(np.isnan(a) & np.isnan(b))
    return unequal.any(axis=2).astype(np.uint8) * np.uint8(255)
