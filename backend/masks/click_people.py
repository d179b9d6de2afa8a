"""A click on a person takes the person: the built-in people net is asked before the click net.

Of what lies under a click on somebody's shirt, the shirt or the person, the person is meant nearly
always; a net that knows no classes takes the shirt as often. What shall stay of the person is
taken away by a further click, as from any answer. A person who fills most of the picture is looked
at in parts (the hat in a portrait), so there the click net decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.masks import click_merge, click_points
from backend.masks.combine import binary
from backend.masks.instances import split_people
from backend.models.interfaces import Description, Embedding
from backend.values import Box, Control, Point

SURE = 0.5
CLOSE = 0.4  # share of the picture's area from which on a person is looked at in parts
NEW = 0.5  # share of a person that an answer holds: below, a click there adds the whole person
BOXED = 0.7  # overlap (IoU) of a drawn box with a person's, above which the person is meant
TAKEN = 0.8  # above, a click there takes the whole person away


@dataclass(frozen=True)
class Person:
    """`soft`: float16 in [0, 1] inside `box`, 0 where other people are."""

    box: Box
    soft: np.ndarray
    area: int

    def holds(self, point: Point) -> bool:
        x, y = int(point[0]) - self.box.x0, int(point[1]) - self.box.y0
        inside = 0 <= y < self.soft.shape[0] and 0 <= x < self.soft.shape[1]
        return bool(inside and self.soft[y, x] > 0.5)

    def share(self, answer: np.ndarray) -> float:
        """How much of the person an answer (H×W in [0, 1]) holds."""
        mine = (answer[self.box.slices] > 0.5) & (self.soft > 0.5)
        return float(np.count_nonzero(mine)) / max(1, self.area)


@dataclass
class Seen:
    known: Embedding  # what the click net made of the picture
    people: list[Person]


def people_of(model: Any, rgb: np.ndarray, control: Control) -> list[Person]:
    """The persons that a click may mean, of H×W×3 uint8 RGB."""
    probability = model.probability(rgb, control)
    found = []
    for mask in split_people(binary(probability > SURE)):
        box = Box.around(mask)
        area = int(np.count_nonzero(mask))
        if box is not None and area < CLOSE * mask.size:
            soft = np.where(mask[box.slices] > 0, probability[box.slices], 0)
            found.append(Person(box, soft.astype(np.float16), area))
    return found


class PeopleFirst:
    """A ClickModel (see interfaces) before another one, `click`. `load` gives the people model,
    once, with the first picture. `people` describes it where the last answer was its own."""

    def __init__(self, click: Any, load: Callable[[Control], Any]) -> None:
        self.click = click
        self._load = load
        self._model: Any = None
        self.description: Description = click.description
        self.people: Description | None = None

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        """H×W×3 uint8 RGB of any size."""
        known = self.click.encode(rgb, control)
        if self._model is None:
            self._model = self._load(control)
        return Embedding(known.size, Seen(known, people_of(self._model, rgb, control)))

    def prepare(self, embedding: Embedding) -> None:
        self.click.prepare(embedding.data.known)

    def glance(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
    ) -> np.ndarray:
        person = self._clicked(embedding, positives, negatives, box)
        self._told(person)
        if person is not None:
            return person
        return self.click.glance(embedding.data.known, positives, negatives, box)

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32 in [0, 1]. Raises BadInput (see click_points)."""
        click_points.check(embedding.size, positives, negatives, box, previous)
        seen: Seen = embedding.data
        if previous is None:
            answer = self._clicked(embedding, positives, negatives, box)
        else:
            answer = changed(seen.people, positives, negatives, previous)
        self._told(answer)
        if answer is None:
            return self.click.predict(seen.known, positives, negatives, box, previous)
        self.click.expect(seen.known, answer, positives)
        return answer

    def _told(self, answer: np.ndarray | None) -> None:
        self.people = None if answer is None else getattr(self._model, "description", None)

    def _clicked(
        self, embedding: Embedding, positives: tuple[Point, ...], negatives: tuple[Point, ...],
        box: Box | None,
    ) -> np.ndarray | None:
        """The people under all these clicks; None where the click net has to find something."""
        click_points.check(embedding.size, positives, negatives, box, None)
        seen: Seen = embedding.data
        people = seen.people if box is None else [
            p for p in seen.people if overlap(p.box, box) > BOXED]
        meant = [next((p for p in people if p.holds(point)), None) for point in positives]
        if box is not None and not positives:
            meant = [max(people, key=lambda p: overlap(p.box, box), default=None)]
        if any(person is None for person in meant):
            return None
        if any(person.holds(point) for person in meant if person for point in negatives):
            return None
        answer = np.zeros(embedding.size, np.float32)
        for person in meant:
            if person is not None:
                _add(answer, person)
        return answer


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0, wide) * max(0, high)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return both / max(1, sum(areas) - both)


def changed(
    people: list[Person], positives: tuple[Point, ...], negatives: tuple[Point, ...],
    previous: np.ndarray,
) -> np.ndarray | None:
    """`previous` (H×W in [0, 1]) with the people added and taken away on whom clicks lie that it
    contradicts; None where such a click is on nobody, or on a part of somebody."""
    wrong = click_merge.contradicted(previous, positives, negatives)
    if not wrong:
        return None
    answer = previous.astype(np.float32, copy=True)
    for point, adds in wrong:
        person = next((p for p in people if p.holds(point)), None)
        if person is None:
            return None
        share = person.share(previous)
        if adds and share < NEW:
            _add(answer, person)
        elif not adds and share > TAKEN and not any(person.holds(p) for p in positives):
            part = answer[person.box.slices]
            part[person.soft > 0] = 0
        else:
            return None
    return answer


def _add(answer: np.ndarray, person: Person) -> None:
    part = answer[person.box.slices]
    np.maximum(part, person.soft, out=part)
