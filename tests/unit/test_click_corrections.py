"""Corrections by later clicks: near the click they hold exactly, far away nothing changes."""

from __future__ import annotations

import numpy as np

from backend.masks import click_fine, click_merge, click_opinion
from backend.values import Box, Point


def picture() -> tuple[np.ndarray, np.ndarray]:
    """Two grey squares on black, 80×120, and their Lab lightness planes."""
    rgb = np.zeros((80, 120, 3), np.uint8)
    rgb[20:60, 10:50] = 160
    rgb[20:60, 70:110] = 160
    return rgb, (rgb / 255).astype(np.float32)


def test_only_the_part_under_the_click_changes() -> None:
    rgb, _ = picture()
    previous = np.zeros((80, 120), np.float32)
    previous[20:60, 10:50] = 1
    found = np.zeros_like(previous)  # the new answer: the right square, and not the left one
    found[20:60, 70:110] = 1
    clicks = click_merge.contradicted(previous, (Point(30, 40), Point(90, 40)), ())
    assert clicks == [(Point(90, 40), True)]
    result = click_merge.merge(previous, found, previous, rgb, Box(0, 0, 120, 80), clicks)
    assert result[40, 90] > 0.5 and result[40, 30] > 0.5
    assert np.array_equal(result[:, :45], previous[:, :45])


def test_a_click_that_takes_away_adds_nothing() -> None:
    rgb, _ = picture()
    previous = np.zeros((80, 120), np.float32)
    previous[20:60, 10:50] = 1
    found = np.zeros_like(previous)
    found[20:60, 70:110] = 1
    clicks = click_merge.contradicted(previous, (), (Point(30, 40),))
    result = click_merge.merge(previous, found, previous, rgb, Box(0, 0, 120, 80), clicks)
    assert result[40, 30] < 0.5 and result[40, 90] < 0.5


def test_clicks_hold_exactly_even_side_by_side() -> None:
    result = np.zeros((50, 50), np.float32)
    positives, negatives = (Point(20, 20), Point(40, 40)), (Point(22, 20),)
    click_merge.fulfil(result, positives, negatives, 5)
    assert result[20, 20] > 0.5 and result[40, 40] > 0.5 and result[20, 22] < 0.5
    assert result[20, 25] < 0.5


def test_the_walk_stops_at_edges_and_obeys_seeds() -> None:
    rgb, lab = picture()
    fine = click_fine.make(rgb, lab)
    unsure = np.full((80, 120), 0.5, np.float32)
    found = click_fine.walk(
        fine, unsure, [(30, 40, True), (2, 2, False), (90, 40, False)], [(30, 40, 30.0)])
    assert found[40, 30] > 0.99 and found[2, 2] < 0.01 and found[40, 90] < 0.01
    assert found[25:55, 15:45].min() > 0.5  # the rest of the clicked square
    assert found[5, 60] < 0.5


def test_what_a_walk_took_from_the_border_comes_back() -> None:
    """The order of sureness stays, seeds stay seeds, and doubt goes to the object."""
    walked = np.array([[0.0, 0.1, 0.3, 0.45, 0.5, 0.9, 1.0]], np.float32)
    found = click_opinion.given_back(walked)
    assert (np.diff(found[0]) > 0).all()
    assert found[0, 0] < 0.01 and found[0, -1] > 0.99
    assert ((found > 0.5) == [[False, False, False, True, True, True, True]]).all()
