"""Drawn shapes of the text trainers: what has a letter's colour and is none."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training import render_text_shapes as shapes

SIZE = 28.0
INK = np.array([200.0, 30.0, 30.0])


def zone() -> np.ndarray:
    """Where a line of SIZE px lies in a crop."""
    result = np.zeros((72, 256), bool)
    result[22:50, 60:190] = True
    return result


@pytest.mark.parametrize("kind", sorted({s.__name__ for s in shapes.SHAPES}))
def test_a_shape_is_larger_than_a_letter(kind: str):
    for seed in range(12):
        mask = np.zeros((400, 400), np.uint8)
        rng = np.random.default_rng(seed)
        getattr(shapes, kind)(mask, np.array([200.0, 200.0]), 2 * SIZE, 3, rng)
        rows, columns = np.nonzero(mask.max(1))[0], np.nonzero(mask.max(0))[0]
        assert mask.max() > 200
        assert max(np.ptp(rows), np.ptp(columns)) > 1.3 * SIZE


def test_what_has_the_letters_colour_leaves_their_place_free():
    found = 0
    for seed in range(60):
        alpha = shapes.outside(zone(), SIZE, np.random.default_rng(seed))
        if alpha is not None:
            found += 1
            assert not alpha[zone()].any() and 0 < alpha.max() <= 1
    assert found > 20


def test_other_shapes_behind_a_line_differ_from_its_letters(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shapes, "INKED", 0.0)
    ground = np.full((72, 256, 3), 255, np.float32)
    changed = np.zeros(3)
    for seed in range(60):
        image = ground.copy()
        shapes.add(image, zone(), SIZE, INK, np.random.default_rng(seed))
        painted = np.abs(image - ground).max(2) > 30
        changed[0] += painted[zone()].any()
        # full colours only: soft rims and half-clear shapes are mixed with the ground
        near = np.abs(image - INK).max(2) < 20
        changed[1] += near[zone()].any()
        changed[2] += painted.any()
    assert changed[0] > 20 and changed[2] > 40
    assert changed[1] == 0


def test_the_same_seed_draws_the_same():
    first, second = np.zeros((72, 256, 3), np.float32), np.zeros((72, 256, 3), np.float32)
    for image in (first, second):
        shapes.add(image, zone(), SIZE, INK, np.random.default_rng(4))
    assert np.array_equal(first, second) and first.any()
