"""The other way round: the background goes, and people, the clicked object or a mask stays.

The edge is a matte, not a mask, and the colours of its soft pixels are freed of the background
that shone through them, so that the cut-out lies on any new ground without a halo.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from backend import __version__
from backend.layers.depth import opaque_value
from backend.masks import combine
from backend.masks.instances import split_people
from backend.matte import foreground, matte
from backend.matte.matting import CLOSED_FORM
from backend.models.interfaces import Description
from backend.models.store import ModelStore
from backend.pipeline import find
from backend.pipeline.report import engines, plain_options
from backend.pipeline.source import Source
from backend.values import CleanOptions, Control

NOTHING = {
    "mask": "The given mask is empty, so there is nothing to keep: mark what shall stay.",
    "click": "No object was found at the click: click inside the object, or give a mask.",
    "people": "Nobody was found in the picture: click on what shall stay, or give a mask.",
}


@dataclass
class CutOut:
    """pixels: H×W×4 in the source's dtype, straight alpha, 0 where nothing stays. mask: H×W
    uint8, 255 = what was asked to stay. found: False when there was nothing to keep; then all
    is transparent. report: plain values, as of `clean`."""

    pixels: np.ndarray
    mask: np.ndarray
    found: bool
    report: dict[str, Any] = field(default_factory=dict)


def cut_out(
    pixels: np.ndarray,
    options: CleanOptions,
    store: ModelStore,
    control: Control,
    *,
    mask: np.ndarray | None = None,
) -> CutOut:
    """Removes the background of a picture.

    pixels: H×W×(3|4) uint8, uint16 or float32, RGB(A), never written to. What stays: the mask
    (H×W uint8, over 127) if one is given; else the objects at `options.clicks`; else the people
    at `options.keep`; else everybody. `options.unknown` adds what no class names. Where the alpha
    is that of the source, colours are bit-identical to it.
    Raises BadInput (wrong shapes, a click outside), ModelUnavailable, Cancelled.
    """
    started = time.perf_counter()
    with control.stage("read", "Looking at the picture"):
        source = Source(pixels)
        find.check_points(options, source.size)
        given = None if mask is None else combine.check_mask(mask, source.shape, "mask")
    models: dict[str, Description] = {}
    subject, probability, asked = find_subject(source, given, options, store, control, models)
    found = bool(subject.any())
    if not found:
        control.note(NOTHING[asked])
        made = np.zeros((*source.shape, 4), pixels.dtype)
        soft = 0
    else:
        models["matte"] = CLOSED_FORM
        made, soft = cut(source, subject, probability, control)
    result = CutOut(made, subject, found)
    result.report = report_of(source, result, models, options, store)
    result.report |= {"subject": asked, "soft_pixels": soft}
    result.report["seconds"] = {k: round(v, 4) for k, v in control.seconds.items()}
    result.report["seconds"]["total"] = round(time.perf_counter() - started, 4)
    result.report["notes"] = list(control.notes)
    return result


def find_subject(
    source: Source, given: np.ndarray | None, options: CleanOptions, store: ModelStore,
    control: Control, models: dict[str, Description],
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """(mask, the probability it was made from where there is one, a key of NOTHING)."""
    probability = None
    if given is not None:
        subject, asked = given.copy(), "mask"
    elif min(source.shape) < find.SMALLEST_SIDE or source.empty:
        control.note(find.EMPTY if source.empty else find.TINY)
        return np.zeros(source.shape, np.uint8), None, "people"
    elif options.clicks:
        with control.stage("click", "Finding the clicked object"):
            clicked = find.find_clicked(source, options, store, control, models)
            subject, asked = combine.union(clicked, source.shape), "click"
    else:
        with control.stage("people", "Finding people"):
            people, probability = find_people(source, options, store, control, models)
            if options.keep:
                kept = find.keep_people(people, options.keep, source.shape, control)
                people = [] if kept is None else [kept]
            subject, asked = combine.union(people, source.shape), "people"
    if given is None and options.unknown:
        with control.stage("unknown", "Finding unknown objects"):
            np.maximum(subject, find.find_unknown(source, options, store, control, models),
                       out=subject)
    if given is None:
        subject = combine.clean_mask(subject, combine.SPECK * subject.size)
    if source.transparent is not None:
        subject[source.transparent] = 0
    return subject, probability, asked


def find_people(
    source: Source, options: CleanOptions, store: ModelStore, control: Control,
    models: dict[str, Description],
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """The people's masks, and the probability behind them where the model gives one."""

    def work(model: Any, scale: float) -> tuple[list[np.ndarray], np.ndarray | None]:
        models["people"] = model.description
        rgb = find.scaled(source.rgb8, scale)
        if model.description.instances:
            masks = [find.full_size(m, source.shape) for m in model.instances(rgb, control)]
            return masks, None
        probability = find.full_size(model.probability(rgb, control), source.shape)
        people = split_people(combine.binary(probability > find.THRESHOLD))
        return people, probability

    return store.run("people", options.people_model, control, work, find.device_of(options))


def cut(
    source: Source, subject: np.ndarray, probability: np.ndarray | None, control: Control
) -> tuple[np.ndarray, int]:
    """(H×W×4 pixels of the source's dtype, how many of them are soft)."""
    pixels = source.pixels
    top = opaque_value(pixels.dtype)
    guide = pixels if pixels.shape[2] == 3 else source.rgb8
    with control.stage("matte", "Finding soft edges"):
        alpha = matte(guide, subject, control, probability=near(probability, subject))
        if source.transparent is not None:
            alpha[source.transparent] = 0
    result = np.zeros((*source.shape, 4), pixels.dtype)
    own = (np.full(source.shape, top, np.float32) if pixels.shape[2] == 3
           else pixels[..., 3].astype(np.float32))
    result[..., 3] = quantised(alpha * own, pixels.dtype)
    whole = result[..., 3] == (pixels[..., 3] if pixels.shape[2] == 4 else top)
    whole &= result[..., 3] > 0
    result[whole, :3] = pixels[whole, :3]
    soft = (result[..., 3] > 0) & ~whole
    if soft.any():
        with control.stage("foreground", "Freeing the colours of the edge"):
            colours = pixels[..., :3].astype(np.float32)
            if pixels.dtype == np.float32:
                colours = np.nan_to_num(colours, nan=0.0, posinf=1.0, neginf=0.0)
            made = foreground(colours / np.float32(top), alpha, control)[soft] * np.float32(top)
            result[soft, :3] = quantised(made, pixels.dtype)
    return result, int(np.count_nonzero(soft))


def near(probability: np.ndarray | None, subject: np.ndarray) -> np.ndarray | None:
    """The probability, silent about people who are not kept."""
    if probability is None:
        return None
    other = (probability > find.THRESHOLD) & (subject == 0)
    if not other.any():
        return probability
    reach = cv2.dilate(other.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return np.where(reach & (subject == 0), np.float32(0), probability)


def quantised(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """float32 in a depth's own range → that depth, rounded and clipped; float stays as it is."""
    if dtype == np.float32:
        return values
    return np.clip(np.rint(values), 0, opaque_value(dtype)).astype(dtype)


def report_of(
    source: Source, result: CutOut, models: dict[str, Description], options: CleanOptions,
    store: ModelStore,
) -> dict[str, Any]:
    height, width = source.shape
    return {
        "version": __version__,
        "size": [width, height],
        "depth": {"uint8": 8, "uint16": 16}.get(source.pixels.dtype.name, 32),
        "alpha": source.pixels.shape[2] == 4,
        "found": result.found,
        **engines(models),
        "device_requested": options.device if options.device != "auto" else store.device,
        "kept_share": round(float(np.count_nonzero(result.pixels[..., 3])) / (width * height), 6),
        "options": plain_options(options),
    }
