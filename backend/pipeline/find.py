"""Everything that can be marked in a picture: people, clicked objects, unknown objects, text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from backend.masks import combine, text_filter
from backend.masks.instances import split_people
from backend.models.interfaces import Description
from backend.models.store import ModelStore
from backend.pipeline.source import Source
from backend.values import BadInput, CleanOptions, Control, Point, TextLine

SMALLEST_SIDE = 8  # px; below it there is nothing that a model could know
EMPTY = "The picture is wholly transparent, so nothing was looked for in it."
TINY = "The picture is too small to show anything, so nothing was looked for in it."
THRESHOLD = 0.5
RIM = 0.006  # of the long side, see _with_rim


@dataclass(frozen=True)
class Found:
    """All masks H×W uint8, 255 = remove. `people` are the ones that go, `kept` the ones the user
    points out to stay (None when nobody is), `given` the user's own mask, `clicks` the objects of
    which `clicked` is the union."""

    people_mask: np.ndarray
    clicked: np.ndarray
    unknown: np.ndarray
    text: np.ndarray
    people: tuple[np.ndarray, ...] = ()
    lines: tuple[TextLine, ...] = ()
    kept: np.ndarray | None = None
    given: np.ndarray | None = None
    models: dict[str, Description] = field(default_factory=dict)
    clicks: tuple[np.ndarray, ...] = ()

    def objects(self, shape: tuple[int, int]) -> np.ndarray:
        """People, clicked objects and the user's mask together."""
        given = [] if self.given is None else [self.given]
        return combine.union([self.people_mask, self.clicked, *given], shape)


def check_points(options: CleanOptions, size: tuple[int, int]) -> None:
    """Raises BadInput for clicks, keep points and boxes that are not in the picture."""
    width, height = size
    for name, points in (("click", options.clicks), ("keep point", options.keep)):
        for x, y in points:
            if not (0 <= x < width and 0 <= y < height):
                raise BadInput(
                    f"The {name} {x:g},{y:g} is outside the picture, which is "
                    f"{width}×{height} px: x goes from 0 to {width - 1}, y to {height - 1}."
                )
    box = options.only_text_in
    if box is not None and not (0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height):
        raise BadInput(
            f"The box {box.x0},{box.y0},{box.x1},{box.y1} does not lie in the picture, which is "
            f"{width}×{height} px; a box is X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1."
        )
    if options.grow is not None and options.grow < 0:
        raise BadInput(f"Growing by {options.grow} px is not possible: give 0 or more.")
    if options.feather is not None and options.feather < 0:
        raise BadInput(f"An edge of {options.feather} px is not possible: give 0 or more.")


def find_all(
    source: Source, options: CleanOptions, store: ModelStore, control: Control
) -> Found:
    """Runs the models that `options` ask for, each in its own timed stage."""
    none = np.zeros(source.shape, np.uint8)
    models: dict[str, Description] = {}
    wants = options.text or options.people or options.unknown or bool(options.clicks)
    if wants and (min(source.shape) < SMALLEST_SIDE or source.empty):
        control.note(EMPTY if source.empty else TINY)
        return Found(none, none, none, none)
    people, kept = [], None
    people_mask = everybody = none
    if options.people or options.keep or options.unknown:
        with control.stage("people", "Finding people"):
            people = find_people(source, options, store, control, models)
            everybody = combine.union(people, source.shape)
            kept = keep_people(people, options.keep, source.shape, control)
            if not options.people:
                people = []
            people_mask = combine.union(people, source.shape)
    clicks: list[np.ndarray] = []
    clicked = none
    if options.clicks:
        with control.stage("click", "Finding the clicked object"):
            clicks = find_clicked(source, options, store, control, models)
            clicked = combine.union(clicks, source.shape)
    unknown = none
    if options.unknown:
        with control.stage("unknown", "Finding unknown objects"):
            unknown = find_unknown(source, options, store, control, models)
            unknown[combine.union([_with_rim(everybody), clicked], source.shape) > 0] = 0
            unknown = combine.clean_mask(unknown, combine.SPECK * unknown.size)
    text, lines = none, ()
    if options.text:
        with control.stage("text", "Finding text"):
            text, lines = find_text(source, options, store, control, models)
    if source.transparent is not None:
        for mask in (people_mask, clicked, unknown, text):
            mask[source.transparent] = 0
    if kept is not None:
        clicked, unknown = clicked & ~kept, unknown & ~kept
    return Found(people_mask, clicked, unknown, text, tuple(people), lines, kept, None, models,
                 tuple(clicks))


def _with_rim(people: np.ndarray) -> np.ndarray:
    """People and their closest surroundings, where two models need not agree to the pixel: what
    is left there of an unknown object would be the outline of somebody known."""
    if not people.any():
        return people
    reach = max(3, round(RIM * max(people.shape)))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(people, disk))


def find_people(
    source: Source, options: CleanOptions, store: ModelStore, control: Control,
    models: dict[str, Description],
) -> list[np.ndarray]:
    """One H×W uint8 mask a person, as far as the model or their heads tell them apart."""

    def work(model: Any, scale: float) -> list[np.ndarray]:
        models["people"] = model.description
        rgb = scaled(source.rgb8, scale)
        if model.description.instances:
            return [full_size(m, source.shape) for m in model.instances(rgb, control)]
        probability = full_size(model.probability(rgb, control), source.shape)
        return split_people(combine.binary(probability > THRESHOLD))

    return store.run("people", options.people_model, control, work, device_of(options))


def keep_people(
    people: list[np.ndarray], keep: tuple[Point, ...], shape: tuple[int, int], control: Control
) -> np.ndarray | None:
    """Takes the people at the keep points out of the list; returns their union."""
    if not keep:
        return None
    kept = []
    for x, y in keep:
        index = person_at(people + kept, x, y)
        if index is None:
            control.note(f"Nobody was found at the keep point {x:g},{y:g}.")
        elif index < len(people):
            kept.append(people.pop(index))
    return combine.union(kept, shape) if kept else None


def person_at(people: list[np.ndarray], x: float, y: float) -> int | None:
    """The smallest person whose mask holds the point, else one within 1 % of the diagonal."""
    column, row = int(x), int(y)
    hits = [i for i, m in enumerate(people) if m[row, column]]
    if not hits and people:
        reach = max(3, round(0.01 * float(np.hypot(*people[0].shape))))
        near = (slice(max(0, row - reach), row + reach + 1),
                slice(max(0, column - reach), column + reach + 1))
        hits = [i for i, m in enumerate(people) if m[near].any()]
    return min(hits, key=lambda i: int(np.count_nonzero(people[i])), default=None)


def find_clicked(
    source: Source, options: CleanOptions, store: ModelStore, control: Control,
    models: dict[str, Description],
) -> list[np.ndarray]:
    """The objects under the clicks, each click an object of its own."""

    def work(model: Any, _scale: float) -> list[np.ndarray]:
        models["click"] = model.description
        embedding = model.encode(source.rgb8, control)
        result = []
        for number, point in enumerate(options.clicks):
            control.progress(number / len(options.clicks))
            mask = combine.binary(model.predict(embedding, (point,)) > THRESHOLD)
            if getattr(model, "people", None) is not None:  # the click was on a person
                models["people"] = model.people
            if getattr(model, "explanation", ""):  # which instance was taken, and why
                control.note(f"Click {point[0]:g},{point[1]:g}: {model.explanation}.")
            if mask.any():
                result.append(mask)
            else:
                control.note(f"No object was found at the click {point[0]:g},{point[1]:g}.")
        return result

    return store.run("click", options.click_model, control, work, device_of(options))


def find_unknown(
    source: Source, options: CleanOptions, store: ModelStore, control: Control,
    models: dict[str, Description],
) -> np.ndarray:
    """What stands out in the picture; the caller takes the known things away from it."""

    def work(model: Any, scale: float) -> np.ndarray:
        models["unknown"] = model.description
        probability = model.probability(scaled(source.rgb8, scale), control)
        return combine.binary(full_size(probability, source.shape) > THRESHOLD)

    return store.run("unknown", options.unknown_model, control, work, device_of(options))


def find_text(
    source: Source, options: CleanOptions, store: ModelStore, control: Control,
    models: dict[str, Description],
) -> tuple[np.ndarray, tuple[TextLine, ...]]:
    """The strokes of all lines that the options do not keep, and those lines."""

    def work(model: Any, _scale: float) -> Any:
        models["text"] = model.description
        return model.find(source.rgb8, control)

    found = store.run("text", options.text_model, control, work, device_of(options))
    taken = text_filter.apply(found, options, source.rgb8, control)
    return taken.mask, taken.lines


def device_of(options: CleanOptions) -> str | None:
    """The device asked for, None = the store's own."""
    return None if options.device == "auto" else options.device


def scaled(rgb: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1.0:
        return rgb
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def full_size(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask or probability at the picture's size."""
    if mask.shape == shape:
        return mask
    resized = cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return combine.binary(resized) if mask.dtype == np.uint8 else resized
