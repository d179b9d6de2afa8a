"""People who stay beside somebody who goes: the background is not made of them.

A hole that touches a person who stays would be filled with more of that person, and one beside a
foot that the mask missed with more feet. So they are not looked at where people are removed. Where
something is removed that lies on a person (a bag, a badge), that person is the background.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.masks import combine
from backend.models.interfaces import Description
from backend.models.store import ModelStore
from backend.pipeline import find
from backend.pipeline.source import Source
from backend.values import Box, CleanOptions, Control

GONE = 0.5  # share of a person in the mask from which on the person is what is removed
EDGE = 3  # px around a person that show something of both
RING = 16  # px around the hole
OPEN = 0.3  # share of that ring which must be left to look at


def not_sampled(
    people: Sequence[np.ndarray], gone: np.ndarray, hole: np.ndarray
) -> np.ndarray | None:
    """H×W uint8, 255 = people or parts of them outside the hole that must not be sampled for it;
    None where no person goes, where nobody stays, or where hardly anything else is beside a part
    of the hole.

    people: H×W uint8 masks of everybody, one each; gone: the mask of what is removed; hole: that
    grown."""
    goes = [np.count_nonzero((one > 0) & (gone > 0)) >= GONE * np.count_nonzero(one)
            for one in people]
    if not any(goes):
        return None
    everybody = combine.grow(combine.union(list(people), hole.shape), EDGE)
    stay = np.where(hole > 0, np.uint8(0), everybody)
    return stay if stay.any() and _open(hole, stay) else None


def with_panels(
    spared: np.ndarray | None, front: np.ndarray, hole: np.ndarray
) -> np.ndarray | None:
    """`spared` (from `not_sampled`) and the panels before an object, H×W uint8, for the hole that
    objects make; without these where hardly anything else is beside a part of it."""
    if not front.any():
        return spared
    stay = np.where(hole > 0, np.uint8(0), combine.grow(front, EDGE))
    if spared is not None:
        stay = np.maximum(stay, spared)
    return stay if _open(hole, stay) else spared


def _open(hole: np.ndarray, stay: np.ndarray) -> bool:
    """Whether enough is left to look at beside every part of the hole."""
    count, labels, stats = combine.components(hole)
    for label in range(1, count):
        x, y, w, h, _ = (int(v) for v in stats[label])
        box = combine.padded(Box(x, y, x + w, y + h), RING, hole.shape)
        own = (labels[box.slices] == label).astype(np.uint8) * np.uint8(255)
        ring = (combine.grow(own, RING) > 0) & (hole[box.slices] == 0)
        left = np.count_nonzero(ring & (stay[box.slices] == 0))
        if left < OPEN * np.count_nonzero(ring):
            return False
    return True


def beside(
    source: Source, gone: np.ndarray, hole: np.ndarray, options: CleanOptions, store: ModelStore,
    control: Control, models: dict[str, Description],
) -> np.ndarray | None:
    """`not_sampled` where nobody has looked for people yet. The people model is put into `models`
    when the fill depends on it."""
    if not options.fill or not gone.any() or min(source.shape) < find.SMALLEST_SIDE:
        return None
    with control.stage("people", "Finding people"):
        asked: dict[str, Description] = {}
        people = find.find_people(source, options, store, control, asked)
        stay = not_sampled(people, gone, hole)
    if stay is not None:
        models.update(asked)
    return stay
