"""Outlines along pixel borders."""

from __future__ import annotations

import numpy as np
import pytest

from backend.layers.outline import outline, packed
from backend.values import Box


def blobs(seed: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((37, 53)) < share, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.8, 1.0])
def test_every_border_is_drawn_once_and_no_other(share: float) -> None:
    """Noise has every case: holes, single pixels, pixels that touch at a corner, the margin."""
    mask = blobs(3, share)
    box = Box.around(mask)
    assert box is not None
    drawn = []
    for line in outline(mask, box):
        assert (line[0] == line[-1]).all() and line.dtype == np.int32
        for (x0, y0), (x1, y1) in zip(line[:-1], line[1:], strict=True):
            assert (x0 == x1) != (y0 == y1), "along pixels, and no empty piece"
            drawn += [("h", x, y0) for x in range(min(x0, x1), max(x0, x1))]
            drawn += [("v", x0, y) for y in range(min(y0, y1), max(y0, y1))]
    padded = np.pad(mask, 1)
    expected = {("h", x, y) for y, x in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])}
    expected |= {("v", x, y) for y, x in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])}
    assert len(drawn) == len(expected) and set(drawn) == expected


def test_a_long_outline_is_simplified_but_stays_near() -> None:
    ys, xs = np.ogrid[:1500, :1500]
    mask = np.where((xs - 750) ** 2 + (ys - 750) ** 2 < 740**2, 255, 0).astype(np.uint8)
    (exact,) = outline(mask[::2, ::2], Box(0, 0, 750, 750))
    assert len(exact) > 1000, "a smaller one is exact"
    mask[600:900:2, 600:900] = 0
    mask[::7, 1499] = 255
    lines = outline(mask, Box(0, 0, 1500, 1500))
    (round_line,) = [line for line in lines if np.ptp(line[:, 0]) > 1400]
    assert (round_line[0] == round_line[-1]).all() and 50 < len(round_line) < 1500
    away = np.abs(np.hypot(*(round_line - 750.0).T) - 740)
    assert away.max() < 2


def test_straight_borders_are_one_piece() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 5:50] = 255
    (line,) = outline(mask, Box(3, 8, 55, 30))
    assert sorted(map(tuple, line[1:].tolist())) == [(5, 10), (5, 20), (50, 10), (50, 20)]
    assert packed([line])[:1].tolist() == [5] and len(packed([line])) == 11
    assert packed([]).dtype == np.int32 and not len(packed([]))
