"""Byte work of the Krita plugin against numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from tests.fake_krita.support import load  # noqa: E402

pixels = load("pixels")
Bounds = load("values").Bounds


def some_mask(seed: int, height: int = 37, width: int = 53) -> np.ndarray:
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(4):
        y, x = random.integers(0, height - 8), random.integers(0, width - 8)
        mask[y : y + 7, x : x + random.integers(1, 8)] = 255
    return mask


@pytest.mark.parametrize("seed", range(5))
def test_box_of_is_tight(seed: int) -> None:
    mask = some_mask(seed)
    box = pixels.box_of(mask.tobytes(), Bounds(10, 20, 53, 37))
    rows, columns = np.nonzero(mask)
    assert box == (10 + columns.min(), 20 + rows.min(),
                   columns.max() - columns.min() + 1, rows.max() - rows.min() + 1)


def test_box_of_nothing_has_no_area() -> None:
    assert pixels.box_of(bytes(12), Bounds(5, 6, 4, 3)).area == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_kind_looks_at_every_alpha(dtype: type) -> None:
    full = np.iinfo(dtype).max
    image = np.zeros((400, 700, 4), dtype)
    size = image.itemsize * 4
    assert pixels.alpha_kind(image.tobytes(), size) == "empty"
    image[..., 3] = full
    assert pixels.alpha_kind(image.tobytes(), size) == "opaque"
    image[399, 699, 3] = full - 1
    assert pixels.alpha_kind(image.tobytes(), size) == "mixed"
    image[..., 3] = 0
    image[0, 0, 3] = 1
    assert pixels.alpha_kind(image.tobytes(), size) == "mixed"


@pytest.mark.parametrize("size", [1, 4, 8])
def test_patched_changes_the_hole_and_nothing_else(size: int) -> None:
    random = np.random.default_rng(size)
    base = random.integers(0, 256, (60, 80, size), np.uint8)
    patch = random.integers(0, 256, (37, 53, size), np.uint8)
    hole = some_mask(size)
    out = pixels.patched(base.tobytes(), Bounds(0, 0, 80, 60), patch.tobytes(), hole.tobytes(),
                         Bounds(11, 7, 53, 37), size)
    expected = base.copy()
    expected[7:44, 11:64][hole > 0] = patch[hole > 0]
    assert bytes(out) == expected.tobytes()


def test_cropped_takes_the_box() -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 30, 4), np.uint8)
    part = pixels.cropped(image.tobytes(), Bounds(2, 3, 30, 20), Bounds(7, 5, 9, 11), 4)
    assert part == image[2:13, 5:14].tobytes()


def test_white_is_white_where_removed_and_transparent_elsewhere() -> None:
    mask = some_mask(3)
    layer = np.frombuffer(bytes(pixels.white(mask.tobytes())), np.uint8).reshape(37, 53, 4)
    assert (layer == mask[..., None]).all()


def test_binary_halves_a_soft_selection() -> None:
    assert pixels.binary(bytes([0, 1, 127, 128, 200, 255])) == bytes([0, 0, 0, 255, 255, 255])


def test_edges_surround_the_mask() -> None:
    """Every border between a set and an unset pixel is in the outline, once, and no other."""
    mask = some_mask(2) > 0
    box = Bounds(0, 0, 53, 37)
    pieces = pixels.edges(mask.astype(np.uint8).tobytes(), box)
    drawn = set()
    for x0, y0, x1, y1 in pieces:
        if y0 == y1:
            drawn |= {("h", x, y0) for x in range(x0, x1)}
        else:
            assert x0 == x1
            drawn |= {("v", x0, y) for y in range(y0, y1)}
    padded = np.pad(mask, 1)
    expected = {("h", x, y) for y, x in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])}
    expected |= {("v", x, y) for y, x in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])}
    assert drawn == {(kind, int(x), int(y)) for kind, x, y in expected}
