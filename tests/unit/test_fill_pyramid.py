"""The levels PatchMatch works on: thin holes lean on what is close to them, big ones less."""

import numpy as np

from backend.fill.pyramid import build
from backend.values import Control


def nearness(side: int) -> list[float]:
    """`near` of all levels for a square hole of this side."""
    rgb = np.random.default_rng(0).random((256, 256, 3)).astype(np.float32)
    hole = np.zeros((256, 256), bool)
    low = 128 - side // 2
    hole[low : low + side, low : low + side] = True
    return [level.near for level in build(rgb, hole, ~hole, 3.0, Control())]


def test_a_thin_hole_makes_sources_aside_dearer():
    thin, thick = nearness(8), nearness(120)
    assert all(1.9 < value <= 2 for value in thin)
    assert all(1 <= value < 1.01 for value in thick)


def test_all_levels_of_a_hole_share_the_surcharge():
    """It is the whole hole that is thin, not what is left of it where it is small."""
    levels = nearness(40)
    assert len(levels) > 1 and len(set(levels)) == 1
    assert 1.1 < levels[0] < 1.6
