"""A click on a person takes the person; elsewhere the click net decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from backend.masks.click_people import PeopleFirst
from backend.models.interfaces import Description, Embedding
from backend.models.store import ModelStore
from backend.values import BadInput, Box, Control, Point

HEIGHT, WIDTH = 120, 160
FIRST, SECOND = (slice(20, 100), slice(20, 45)), (slice(30, 110), slice(90, 120))
DEMO = Path(__file__).resolve().parents[2] / "plugin" / "demo" / "sample.png"


class Crowd:
    """Stands for the people model: persons are rectangles."""

    description = Description("people-builtin", "cpu")

    def __init__(self, *places: tuple[slice, slice]) -> None:
        self.places, self.asked = places, 0

    def probability(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        self.asked += 1
        seen = np.zeros(rgb.shape[:2], np.float32)
        for place in self.places:
            seen[place] = 0.9
        return seen


class Net:
    """Stands for the click net: answers with the columns at the left, and notes what it is told."""

    description = Description("click-builtin", "cpu", 1, 1, 640, 20000, False)

    def __init__(self) -> None:
        self.expected: list[float] = []

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        return Embedding(rgb.shape[:2], None)

    def prepare(self, embedding: Embedding) -> None:
        self.expected.append(-1)

    def expect(self, embedding: Embedding, answer: np.ndarray, positives: Any) -> None:
        self.expected.append(float(answer.sum()))

    def glance(self, embedding: Embedding, *clicks: Any) -> np.ndarray:
        return self.predict(embedding)

    def predict(self, embedding: Embedding, *clicks: Any) -> np.ndarray:
        answer = np.zeros(embedding.size, np.float32)
        answer[:, :10] = 1
        return answer


def standing(*places: tuple[slice, slice]) -> tuple[PeopleFirst, Embedding, Net]:
    net, crowd = Net(), Crowd(*places)
    model = PeopleFirst(net, lambda control: crowd)
    return model, model.encode(np.zeros((HEIGHT, WIDTH, 3), np.uint8), Control()), net


def only(*places: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for place in places:
        mask[place] = True
    return mask


NET = only((slice(0, HEIGHT), slice(0, 10)))
ON_FIRST, ON_SECOND, ON_NOBODY = Point(30.5, 50.2), Point(100.0, 60.0), Point(70.0, 5.0)


def test_the_person_under_the_click_and_nobody_else() -> None:
    model, embedding, net = standing(FIRST, SECOND)
    for answer in (model.glance(embedding, (ON_FIRST,)), model.predict(embedding, (ON_FIRST,))):
        assert answer.dtype == np.float32 and ((answer > 0.5) == only(FIRST)).all()
    assert net.expected == [pytest.approx(0.9 * 80 * 25, rel=0.01)], "corrections are prepared for"
    both = model.predict(embedding, (ON_FIRST, ON_SECOND))
    assert ((both > 0.5) == only(FIRST, SECOND)).all()


@pytest.mark.parametrize(
    ("positives", "negatives", "box"),
    [
        ((ON_NOBODY,), (), None),
        ((ON_FIRST, ON_NOBODY), (), None),
        ((ON_FIRST,), (Point(30.0, 90.0),), None),
        ((ON_FIRST,), (), Box(18, 18, 50, 60)),
        ((), (), Box(18, 18, 50, 60)),
    ],
    ids=["nobody", "one on nobody", "a part taken away", "a box", "only a box"],
)
def test_elsewhere_the_net_decides(positives: Any, negatives: Any, box: Any) -> None:
    model, embedding, _ = standing(FIRST, SECOND)
    assert ((model.glance(embedding, positives, negatives, box) > 0.5) == NET).all()
    assert ((model.predict(embedding, positives, negatives, box) > 0.5) == NET).all()


def test_who_answered_is_told() -> None:
    model, embedding, _ = standing(FIRST, SECOND)
    model.predict(embedding, (ON_FIRST,))
    assert model.people is not None and model.people.name == "people-builtin"
    model.predict(embedding, (ON_NOBODY,))
    assert model.people is None
    model.glance(embedding, (ON_FIRST,))
    assert model.people is not None


def test_a_box_around_a_person_is_the_person() -> None:
    model, embedding, _ = standing(FIRST, SECOND)
    box = Box(18, 17, 47, 104)
    for positives in ((), (ON_FIRST,)):
        answer = model.predict(embedding, positives, (), box)
        assert ((answer > 0.5) == only(FIRST)).all()
    assert ((model.predict(embedding, (ON_SECOND,), (), box) > 0.5) == NET).all()


def test_corrections_add_and_take_whole_people() -> None:
    model, embedding, _ = standing(FIRST, SECOND)
    first = model.predict(embedding, (ON_FIRST,))
    both = model.predict(embedding, (ON_FIRST, ON_SECOND), (), None, first)
    assert ((both > 0.5) == only(FIRST, SECOND)).all() and (first[SECOND] == 0).all()
    without = model.predict(embedding, (ON_FIRST,), (ON_SECOND,), None, both)
    assert ((without > 0.5) == only(FIRST)).all()


def test_corrections_of_a_part_are_the_nets() -> None:
    model, embedding, _ = standing(FIRST, SECOND)
    first = model.predict(embedding, (ON_FIRST,))
    shoe = Point(30.0, 95.0)
    assert ((model.predict(embedding, (ON_FIRST,), (shoe,), None, first) > 0.5) == NET).all()
    much = first.copy()
    much[90:] = 0
    again = model.predict(embedding, (ON_FIRST, shoe), (), None, much)
    assert ((again > 0.5) == NET).all()
    assert ((model.predict(embedding, (ON_FIRST,), (), None, first) > 0.5) == NET).all()


def test_who_fills_the_picture_is_looked_at_in_parts() -> None:
    portrait = (slice(5, 120), slice(20, 140))
    model, embedding, _ = standing(portrait)
    assert ((model.predict(embedding, (Point(80.0, 30.0),)) > 0.5) == NET).all()


def test_bad_clicks_are_refused_and_people_are_looked_for_once_a_picture() -> None:
    net, crowd = Net(), Crowd(FIRST)
    model = PeopleFirst(net, lambda control: crowd)
    embedding = model.encode(np.zeros((HEIGHT, WIDTH, 3), np.uint8), Control())
    with pytest.raises(BadInput, match="outside"):
        model.predict(embedding, (Point(200.0, 5.0),))
    with pytest.raises(BadInput, match="outside"):
        model.glance(embedding, (Point(200.0, 5.0),))
    model.predict(embedding, (ON_FIRST,))
    assert crowd.asked == 1


def test_the_built_in_model_takes_a_whole_person_of_a_photo() -> None:
    """Two people walk on a beach, hand in hand: a click on her shirt takes her and not him."""
    picture = cv2.imread(str(DEMO))
    assert picture is not None
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    control = Control()
    model = ModelStore("cpu").get("click", "click-builtin", control)
    embedding = model.encode(rgb, control)
    everybody = model._model.probability(rgb, control) > 0.5
    height, width = everybody.shape
    answers = [model.predict(embedding, (Point(x * width, y * height),)) > 0.5
               for x, y in ((0.34, 0.4), (0.437, 0.31))]
    for answer in answers:
        assert 0.25 < (answer & everybody).sum() / everybody.sum() < 0.75
    assert (answers[0] & answers[1]).sum() < 0.02 * everybody.sum()
