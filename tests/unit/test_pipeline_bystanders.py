"""What lies behind a person who goes is not made of the people who stay."""

from __future__ import annotations

import numpy as np
import pytest
from pipeline_doubles import RED, Store

from backend.pipeline.bystanders import not_sampled
from backend.pipeline.clean import clean
from backend.pipeline.refill import refill
from backend.values import CleanOptions, Control, Point

GROUND = (90, 140, 90)
LEFT, RIGHT = (slice(30, 90), slice(40, 60)), (slice(30, 90), slice(64, 84))


def couple() -> np.ndarray:
    picture = np.full((120, 200, 3), GROUND, np.uint8)
    picture[LEFT] = picture[RIGHT] = RED
    return picture


def mask(*places: tuple[slice, slice]) -> np.ndarray:
    made = np.zeros((120, 200), np.uint8)
    for place in places:
        made[place] = 255
    return made


def is_ground(plate: np.ndarray) -> bool:
    return bool((np.abs(plate[LEFT].astype(int) - GROUND).max(axis=2) <= 1).all())


@pytest.mark.parametrize("instances", [True, False])
def test_the_one_who_is_kept_is_not_sampled(instances: bool) -> None:
    picture = couple()
    options = CleanOptions(text=False, keep=(Point(74, 60),), fill_model="x")
    result = clean(picture, options, Store(instances), Control())
    assert is_ground(result.plate) and (result.plate[RIGHT] == RED).all()


def test_a_mask_over_a_person_looks_for_the_others() -> None:
    """As the editor sends the clicked object."""
    store = Store(True)
    options = CleanOptions(text=False, people=False, grow=2, fill_model="x")
    result = clean(couple(), options, store, Control(), mask=mask(LEFT))
    assert is_ground(result.plate) and store.used == ["people", "fill"]
    assert result.report["models"]["people"] == "red-people", "the fill depends on it"
    again = refill(couple(), mask(LEFT), None, options, Store(True), Control(),
                   changed=mask(LEFT), original=couple())
    assert is_ground(again.result.plate)
    assert again.result.report["models"]["people"] == "red-people"


def test_a_thing_on_a_person_is_filled_from_the_person() -> None:
    badge = (slice(40, 48), slice(68, 76))
    options = CleanOptions(text=False, people=False, grow=0, fill_model="x")
    picture = couple()
    result = clean(picture, options, Store(True), Control(), mask=mask(badge))
    assert "people" not in result.report["models"]
    assert (result.plate[badge][..., 0] > GROUND[0]).all(), "red was looked at"


def test_a_crowd_is_looked_at_where_nothing_else_is_beside() -> None:
    people = [mask((slice(0, 120), slice(x, x + 50))) for x in (0, 50, 100, 150)]
    assert not_sampled(people, people[1], people[1]) is None
    few = [people[1], mask((slice(100, 120), slice(104, 120)))]
    stay = not_sampled(few, few[0], few[0])
    assert stay is not None and stay[110, 110] and not stay[people[1] > 0].any()
    assert not_sampled(few, mask((slice(0, 30), slice(60, 80))), few[0]) is None, "only a part goes"
    crowd = [mask((slice(0, 60), slice(x, x + 50))) for x in (0, 50, 100)]
    alone = mask((slice(90, 110), slice(150, 170)))
    both = np.maximum(crowd[1], alone)
    everybody = [*crowd, alone, mask((slice(60, 85), slice(0, 150)))]
    assert not_sampled(everybody, both, both) is None, "one part of the hole lies in the crowd"
    assert not_sampled([], people[0], people[0]) is None


def test_what_the_mask_missed_of_a_person_is_not_copied() -> None:
    whole, foot = mask((slice(20, 100), slice(60, 80))), (slice(90, 100), slice(60, 80))
    seen = whole.copy()
    seen[foot] = 0
    stay = not_sampled([whole], seen, seen)
    assert stay is not None and stay[foot].all() and not stay[(seen > 0)].any()


def test_nobody_is_looked_for_where_nothing_is_filled() -> None:
    store = Store()
    clean(couple(), CleanOptions(text=False, people=False, fill=False), store, Control(),
          mask=mask(LEFT))
    assert store.used == []
