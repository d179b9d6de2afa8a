"""Layers that rebuild a picture: any colours, any depth, any alpha a matte may propose."""

from __future__ import annotations

import numpy as np
import pytest

from backend.pipeline.stack import Range, cut, over, with_alpha

DEPTHS = [np.uint8, np.uint16, np.float16, np.float32]


def noise(seed: int, dtype: type, channels: int = 3, size: int = 64) -> np.ndarray:
    values = np.random.default_rng(seed).random((size, size, channels))
    values[:8] = 0
    values[8:16] = 1
    if dtype in (np.uint8, np.uint16):
        return np.rint(values * np.iinfo(dtype).max).astype(dtype)
    values[16:20] *= 6  # beyond white
    return values.astype(dtype)


def exactly_over(below: np.ndarray, layer: np.ndarray, top: float) -> np.ndarray:
    """Porter and Duff's “over” in double precision, not rounded: written anew for the tests."""
    b, t = below.astype(np.float64), layer.astype(np.float64)
    ab, at = b[..., -1:] / top, t[..., -1:] / top
    out = at + ab * (1 - at)
    colour = (t[..., :-1] * at + b[..., :-1] * ab * (1 - at)) / np.where(out > 0, out, 1)
    return np.concatenate([colour, out * top], axis=2)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_cut_rebuilds_any_picture_over_any_ground(dtype, channels, seed):
    source = with_alpha(noise(seed, dtype, channels))
    below = with_alpha(noise(seed + 100, dtype, channels))
    rng = np.random.default_rng(seed)
    alpha = rng.random(source.shape[:2]).astype(np.float32)
    alpha[:, :8], alpha[:, 8:16] = 0, 1
    contrast = rng.uniform(0.02, 1, alpha.shape).astype(np.float32)
    limits = Range.of(source)
    layer, taken = cut(source, below, alpha, contrast, limits)
    assert not taken.any() and layer.dtype == dtype
    again = exactly_over(below, layer, limits.top)
    step = limits.top / 255
    assert np.abs(again - source.astype(np.float64)).max() <= 1.0 * step
    shown = over(below, layer, limits)
    assert np.abs(shown.astype(np.float64) - source.astype(np.float64)).max() <= 1.0 * step
    if dtype == np.uint8:
        assert (shown == source).mean() > 0.99, "rounding is solved for, not left to chance"
    colours = layer[..., :-1].astype(np.float64)
    assert colours.min() >= limits.low and colours.max() <= limits.high
    raised = layer[..., -1].astype(np.float64) / limits.top
    assert (raised >= alpha - 0.51 / 255).all(), "alpha may be raised, never lowered"
    whole = alpha == 1
    assert layer[whole].tobytes() == source[whole].tobytes()


def test_alpha_is_the_mattes_where_the_colours_allow_it():
    """A grey veil of 40 %: it must come out as such and not as opaque pixels."""
    below = with_alpha(np.full((16, 16, 3), 200, np.uint8))
    source = below.copy()
    source[..., :3] = np.rint(0.6 * 200 + 0.4 * 50)
    alpha = np.full((16, 16), 0.4, np.float32)
    layer, _ = cut(source, below, alpha, np.full((16, 16), 1.0, np.float32), Range.of(source))
    assert np.abs(layer[..., 3].astype(int) - 102).max() <= 1
    assert np.abs(layer[..., :3].astype(int) - 50).max() <= 2


def test_a_faint_alpha_gets_no_wild_colours():
    below = with_alpha(np.full((8, 8, 3), 128, np.uint8))
    source = below.copy()
    source[..., 0] += 20
    alpha = np.full((8, 8), 0.01, np.float32)
    limits = Range.of(source)
    layer, _ = cut(source, below, alpha, np.full((8, 8), 0.25, np.float32), limits)
    assert np.abs(layer[..., :3].astype(int) - 128).max() <= 0.25 * 255 + 1
    assert np.array_equal(over(below, layer, limits), source)


def test_nothing_where_nothing_differs():
    source = with_alpha(noise(1, np.uint8))
    zero, one = np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)
    layer, taken = cut(source, source.copy(), zero, one, Range.of(source))
    assert not layer.any() and not taken.any()


@pytest.mark.parametrize("dtype", DEPTHS)
def test_see_through_pixels_belong_to_one_layer(dtype):
    top = 1.0 if dtype in (np.float16, np.float32) else np.iinfo(dtype).max
    source, below = with_alpha(noise(1, dtype)), with_alpha(noise(2, dtype))
    steps = np.linspace(0, 1, 64)[None, :] * top
    for picture in (source, below):
        picture[..., 3] = steps if dtype not in (np.uint8, np.uint16) else np.rint(steps)
    source[:20, :, :3] = below[:20, :, :3]
    alpha = np.random.default_rng(3).random((64, 64)).astype(np.float32)
    alpha[10:20] = 0
    limits = Range.of(source)
    layer, taken = cut(source, below, alpha, np.ones((64, 64), np.float32), limits)
    ground = below.copy()
    ground[..., 3][taken] = 0
    again = exactly_over(ground, layer, limits.top)
    seen = source[..., 3] > 0
    assert np.abs(again[..., 3] - source[..., 3].astype(float)).max() <= 1.001 * top / 255
    assert np.abs(again - source.astype(float))[seen].max() <= 1.001 * top / 255
    assert layer[taken].tobytes() == source[taken].tobytes()
    assert not layer[10:20, :-2].any(), "a pixel that is wholly background was taken"
    assert not layer[~seen].any()


def test_a_ground_that_became_transparent():
    """A word alone on an empty layer: nothing is behind it, so the layer has it wholly."""
    source = with_alpha(noise(4, np.uint8))
    below = source.copy()
    below[20:40, 20:40, 3] = 0
    layer, taken = cut(source, below, np.zeros((64, 64), np.float32),
                       np.ones((64, 64), np.float32), Range.of(source))
    assert taken[20:40, 20:40].all() and taken.sum() == 400
    assert np.array_equal(over(below, layer, Range.of(source)), source)


def test_values_that_are_no_numbers():
    source, below = with_alpha(noise(5, np.float32)), with_alpha(noise(6, np.float32))
    source[30, 30, :3], source[31, 31, 0] = np.nan, np.inf
    below[40, 40, 1] = np.nan
    limits = Range.of(source)
    half = np.full((64, 64), 0.5, np.float32)
    layer, _ = cut(source, below, half, half, limits)
    for place in ((30, 30), (31, 31), (40, 40)):
        assert layer[place].tobytes() == source[place].tobytes() and layer[place][3] == 1
    finite = np.isfinite(over(below, layer, limits)).all(2)
    assert (~finite).sum() == 2
