"""What a picture is taken apart into: people, objects and lines, found or given as masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from backend.masks import combine
from backend.models.store import ModelStore
from backend.pipeline import find, items
from backend.pipeline.items import OBJECT, PERSON, Item
from backend.pipeline.source import Source
from backend.values import Box, CleanOptions, Control, TextLine


@dataclass(frozen=True)
class Seen:
    """What is to be cut out. `subjects`: H×W masks that share no pixel, with their items."""

    subjects: list[tuple[Item, np.ndarray]]
    text: np.ndarray
    lines: tuple[TextLine, ...]
    models: dict[str, Any]
    kept: np.ndarray | None


def look(
    source: Source, given: Sequence[np.ndarray | None], options: CleanOptions, store: ModelStore,
    control: Control,
) -> Seen:
    """What is found, or the parts of the given masks with the names of what is found there."""
    objects, text = given
    # What was given needs no search for what cannot name it.
    asked = options
    if objects is not None:
        asked = replace(asked, unknown=False, clicks=(), people=options.people and objects.any())
    if text is not None:
        asked = replace(asked, text=options.text and bool(text.any()))
    found = find.find_all(source, asked, store, control)
    lines = items.read_words(source.rgb8, found.lines, control)
    listed = items.subjects(found, source)
    if objects is not None:
        listed = named_parts(objects, [i for i in listed if i.kind == PERSON])
    text = found.text if text is None else text.copy()
    if source.transparent is not None:
        text[source.transparent] = 0
    free = np.ones(source.shape, bool) if source.transparent is None else ~source.transparent
    subjects = []
    for item in listed:  # a pixel belongs to the first that has it
        mask = np.zeros(source.shape, np.uint8)
        mask[item.box.slices] = item.mask
        mask[~free] = 0
        if mask.any():
            free &= mask == 0
            subjects.append((item, mask))
    return Seen(subjects, text, lines, dict(found.models), found.kept)


def named_parts(mask: np.ndarray, people: Sequence[Item]) -> list[Item]:
    """A given mask, apart: the parts that are mostly one person's, then what is left."""
    result, left = [], mask.copy()
    for person in people:
        own = np.zeros_like(mask)
        own[person.box.slices] = np.minimum(person.mask, left[person.box.slices])
        if np.count_nonzero(own) < 0.5 * np.count_nonzero(person.mask):
            continue
        # The whole connected part when nobody else is in it: hats and bags that were painted on.
        own = np.maximum(own, whole_parts(left, own, [p for p in people if p is not person]))
        box = Box.around(own)
        if box is not None:
            result.append(Item(PERSON, f"Person {len(result) + 1}", box, own[box.slices].copy()))
            left[own > 0] = 0
    for part in combine.split_instances(combine.clean_mask(left, combine.SPECK * left.size)):
        box = Box.around(part)
        if box is not None:
            number = len(result) - sum(i.kind == PERSON for i in result) + 1
            result.append(Item(OBJECT, f"Object {number}", box, part[box.slices].copy()))
    return result


def whole_parts(mask: np.ndarray, own: np.ndarray, others: Sequence[Item]) -> np.ndarray:
    """The connected parts of the mask that hold pixels of `own` and of none of the others."""
    _, labels, _ = combine.components(mask)
    mine = np.zeros(int(labels.max()) + 1, np.uint8)
    mine[np.unique(labels[own > 0])] = 255
    mine[0] = 0
    for other in others:
        mine[np.unique(labels[other.box.slices][other.mask > 0])] = 0
    return mine[labels]


def under_text(mask: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """The mask with its gaps under text closed: what lies under a letter is what lies nearest
    beside it."""
    if not letters.any() or not mask.any():
        return mask
    box = combine.padded(Box.around(mask) or Box(0, 0, 1, 1), 64, mask.shape)
    covered = letters[box.slices] > 0
    part = mask[box.slices]
    if not covered.any() or covered.all():
        return mask
    _, labels = cv2.distanceTransformWithLabels(
        covered.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    labels = np.asarray(labels, np.int32)
    value = np.zeros(int(labels.max()) + 1, np.uint8)
    value[labels[~covered]] = part[~covered]
    result = mask.copy()
    result[box.slices] = np.where(covered, np.maximum(part, value[labels]), part)
    return result
