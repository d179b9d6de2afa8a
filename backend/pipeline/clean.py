"""The one-click function: picture → masks → hole → plate. Plain values in, plain values out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from backend.masks import combine, ground, panels
from backend.models.store import ModelStore
from backend.pipeline import bystanders, find
from backend.pipeline.report import build_report
from backend.pipeline.source import Source
from backend.values import BadInput, CleanOptions, CleanResult, Control

SHADOW_GROWTH = 4  # px; a shadow's edge is soft


def clean(
    pixels: np.ndarray,
    options: CleanOptions,
    store: ModelStore,
    control: Control,
    *,
    mask: np.ndarray | None = None,
    limit: np.ndarray | None = None,
) -> CleanResult:
    """Finds what the options name, and fills the background behind it.

    pixels: H×W×(3|4) uint8, uint16 or float32, RGB(A), alpha not multiplied in; never written to.
    mask: H×W uint8 (255 = remove) that the user gives; taken exactly as it is. limit: H×W uint8
    (255 = may change), the editor's selection; nothing outside it is marked or changed.
    The plate is bit-identical to `pixels` outside the hole, in alpha and where alpha is 0.
    Raises BadInput (wrong shapes, a click outside, nothing left to sample), ModelUnavailable,
    Cancelled.
    """
    started = time.perf_counter()
    with control.stage("read", "Looking at the picture"):
        source = Source(pixels)
        find.check_points(options, source.size)
        given = None if mask is None else combine.check_mask(mask, source.shape, "mask")
        allowed = None if limit is None else combine.check_mask(limit, source.shape, "selection")
    found = find.find_all(source, options, store, control)
    if given is not None:
        found = replace(found, given=given)
    with control.stage("fill", "Making the hole"):
        made = make_hole(source, found, options, control, allowed)
        hole = made.hole
    spared = who_stays(source, found, hole, options, store, control)
    spared = bystanders.with_panels(spared, made.front, cv2.subtract(hole, made.thin))
    plate, fill_model = fill(
        source, hole, made.core, made.thin, options, store, control, spared=spared,
        front=made.front, frame=made.frame)
    with control.stage("fill", "Background ready"):
        result = CleanResult(
            object_mask=limited(found.objects(source.shape), allowed),
            text_mask=limited(found.text, allowed),
            unknown_mask=limited(found.unknown, allowed),
            hole=hole,
            plate=plate,
            lines=found.lines,
            people=found.people,
        )
        models = dict(found.models)
        if fill_model is not None:
            models["fill"] = fill_model
        result.report = build_report(source, result, found, models, options, store, control)
    seconds = {k: round(v, 4) for k, v in control.seconds.items()}
    for stage in ("load", "people", "text", "fill"):
        seconds.setdefault(stage, 0.0)
    seconds["total"] = round(time.perf_counter() - started, 4)
    result.report["seconds"] = seconds
    result.report["notes"] = list(control.notes)
    return result


@dataclass(frozen=True)
class Hole:
    """H×W uint8 of 0 and 255: the masks cleaned and grown; the part of that which they cover
    themselves (`core`), and which only text makes (`thin`). `front`: panels before the objects,
    in the hole only where they hold text; `frame`: the picture's own, never in it."""

    hole: np.ndarray
    core: np.ndarray
    thin: np.ndarray
    front: np.ndarray
    frame: np.ndarray


def make_hole(
    source: Source,
    found: find.Found,
    options: CleanOptions,
    control: Control,
    limit: np.ndarray | None = None,
) -> Hole:
    """What is to be filled.

    What the user gave is taken as it is; what the user keeps, and what is transparent, is not
    part of the hole."""
    objects = combine.union([found.people_mask, found.clicked, found.unknown], source.shape)
    hole, core = combine.object_hole(objects, options.grow)
    control.check()
    text, text_core = text_hole(source.rgb8, found.text, options.grow, control)
    frame = frame_of(source, np.maximum(objects, text_core), options)
    text[frame > 0] = 0
    if objects.any():
        others = text
        if found.kept is not None:
            others = np.maximum(text, combine.grow(found.kept, SHADOW_GROWTH))
        wide, shadow = shade(source, objects, hole, others, options, control)
        hole, core = np.maximum(hole, wide), np.maximum(core, shadow)
    front = in_front(source, core, hole, text, frame, options, control)
    hole[front > 0] = 0
    core[front > 0] = 0
    thin = cv2.subtract(text, hole)
    hole, core = np.maximum(hole, text), np.maximum(core, text_core)
    if found.kept is not None:
        hole[found.kept > 0] = 0
    if found.given is not None:
        hole, core = np.maximum(hole, found.given), np.maximum(core, found.given)
        thin[found.given > 0] = 0
    if source.transparent is not None:
        hole[source.transparent] = 0
    hole = limited(hole, limit)
    return Hole(hole, np.minimum(core, hole), np.minimum(thin, hole), front, frame)


def frame_of(source: Source, mask: np.ndarray, options: CleanOptions) -> np.ndarray:
    """H×W uint8, 255 on the picture's own frame; on nothing where the mask takes most of it, or
    where the growth is asked for in px."""
    none = np.zeros(source.shape, np.uint8)
    if options.grow is not None:
        return none
    frame = panels.frame(source.rgb8)
    taken = np.count_nonzero(np.minimum(frame, mask))
    return none if taken > panels.ITSELF * np.count_nonzero(frame) else frame


def in_front(
    source: Source, core: np.ndarray, hole: np.ndarray, text: np.ndarray, frame: np.ndarray,
    options: CleanOptions, control: Control,
) -> np.ndarray:
    """`frame` and the panels before objects (their mask `core`, grown `hole`), without those that
    go with the `text` on them; H×W uint8. See panels."""
    if options.grow is not None or not core.any():
        return frame
    found = panels.in_front(source.rgb8, core, hole, text, control)
    if options.with_backplates:
        found[text > 0] = 0
    return np.maximum(frame, found)


def shade(
    source: Source, objects: np.ndarray, hole: np.ndarray, others: np.ndarray,
    options: CleanOptions, control: Control,
) -> tuple[np.ndarray, np.ndarray]:
    """(what it adds to the hole, what to the core): the shade of objects, whose grown mask is
    `hole`. That on a plain ground close to them always, unless the growth is asked for in px;
    what they cast further where the options say so. `others`: what is no ground besides."""
    from backend.masks.contact import contact_shadow

    core = np.zeros_like(hole)
    if options.grow is None:
        core = contact_shadow(source.rgb8, hole, control, others)
    if options.shadows:
        from backend.masks.shadows import shadow_mask

        core = np.maximum(core, shadow_mask(source.rgb8, objects, control))
    wide = combine.grow(core, SHADOW_GROWTH) if core.any() else core
    return wide, core


def who_stays(
    source: Source, found: find.Found, hole: np.ndarray, options: CleanOptions, store: ModelStore,
    control: Control,
) -> np.ndarray | None:
    """What must not be sampled where people go; see bystanders."""
    gone = found.objects(source.shape)
    if found.people or found.kept is not None:
        people = [*found.people, *([] if found.kept is None else [found.kept])]
        return bystanders.not_sampled(people, gone, hole)
    if options.people:  # there are none
        return None
    return bystanders.beside(source, gone, hole, options, store, control, found.models)


def text_hole(
    rgb: np.ndarray, mask: np.ndarray, grow: int | None, control: Control
) -> tuple[np.ndarray, np.ndarray]:
    """(hole, core) of a text mask, without the ground between small letters unless the growth is
    asked for in px."""
    hole, core = combine.text_hole(mask, grow)
    if grow is None and hole.any():
        hole = ground.spared(rgb, hole, core, control)
    return hole, np.minimum(core, hole)


def fill(
    source: Source,
    hole: np.ndarray,
    core: np.ndarray,
    thin: np.ndarray,
    options: CleanOptions,
    store: ModelStore,
    control: Control,
    parts: Sequence[tuple[np.ndarray, np.ndarray | None]] | None = None,
    spared: np.ndarray | None = None,
    front: np.ndarray | None = None,
    frame: np.ndarray | None = None,
) -> tuple[np.ndarray, Any]:
    """(plate, the description of the model that filled it, or None when nothing was filled).

    parts: (part of the hole, what must not be sampled for it), in the order of filling. By
    default text is filled before the people beside it: its strokes have their background close
    by, and must not be taken for a part of a hole many times their size. The picture's `frame` is
    not sampled for them, and `spared` not for the rest (see bystanders); behind what is in `front`
    the hole goes on. What lies in flat colour needs no model, unless one is asked for by name."""
    if not options.fill or not hole.any():
        return source.pixels.copy(), None
    from backend.fill.flat import fill_flat
    from backend.fill.plate import fill_plate

    used: list[Any] = []
    with control.stage("fill", "Filling the background"):
        alone, hole_left = source.split_isolated(hole)
        if hole_left.any() and not source.has_known(hole_left):
            raise BadInput(
                "The masks cover the whole picture, so there is no background to fill from. "
                "Mark a smaller area."
            )
        if parts is None:
            first = np.minimum(thin, hole_left)
            second = cv2.subtract(hole_left, first)
            unknown = second if frame is None else np.maximum(second, frame)
            parts = ((first, unknown), (second, spared))
        todo = [(p, a) for p, a in ((np.minimum(p, hole_left), a) for p, a in parts) if p.any()]
        shares = share_out(control, [int(np.count_nonzero(p)) for p, _ in todo])

        def work(model: Any, _scale: float) -> np.ndarray:
            used[:] = [model.description]
            plate = source.pixels
            for (part, avoid), inner in zip(todo, shares, strict=True):
                if options.fill_model is None:
                    plate, done = fill_flat(
                        plate, part, inner, core=core, avoid=avoid, feather=options.feather,
                        seed=options.seed)
                    part = cv2.subtract(part, done)
                plate = fill_plate(
                    plate, part, model, inner, core=core, avoid=avoid, front=front,
                    feather=options.feather, seed=options.seed)
            return plate

        if todo:
            plate = store.run("fill", options.fill_model, control, work, find.device_of(options))
        else:
            plate = source.pixels.copy()
        if alone.any():
            plate[..., 3][alone > 0] = 0
            control.note(
                "Parts with nothing but transparency around them became transparent: there is no "
                "background there to fill from."
            )
    return plate, used[0] if used else None


def share_out(control: Control, sizes: list[int]) -> list[Control]:
    """One control for each part of a stage, whose progress is a share of the whole."""
    result, done, total = [], 0, max(1, sum(sizes))
    for size in sizes:

        def report(_stage: str, fraction: float, text: str, start: int = done, of: int = size
                   ) -> None:
            control.progress((start + fraction * of) / total, text)

        inner = Control(report, control.is_cancelled)
        inner.notes, inner.seconds = control.notes, control.seconds
        result.append(inner)
        done += size
    return result


def limited(mask: np.ndarray, limit: np.ndarray | None) -> np.ndarray:
    return mask if limit is None else np.minimum(mask, limit)
