"""Editors' bytes to the pipeline's arrays and back."""

from __future__ import annotations

import numpy as np
import pytest

from backend.service import pixels
from backend.service.errors import Refused
from backend.service.pixels import Layout

ALL = [
    (depth, order, channels)
    for depth in ("u8", "u16", "f16", "f32")
    for order, channels in (("BGRA", 4), ("RGBA", 4), ("GRAYA", 2), ("GRAY", 1))
]
DTYPES = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}


def layout(depth: str, order: str, channels: int, linear: bool = False) -> Layout:
    return Layout.checked((7, 5, channels, depth, order, linear))


def noise(wanted: Layout) -> np.ndarray:
    """Any bit pattern that the depth has, NaN and infinities included."""
    return np.random.default_rng(1).integers(0, 256, wanted.size, np.uint8)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize(("depth", "order", "channels"), ALL)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bytes_outside_the_hole_never_change(depth, order, channels, linear):
    wanted = layout(depth, order, channels, linear)
    data = noise(wanted)
    hole = np.zeros((5, 7), np.uint8)
    hole[1:4, 2:6] = 255
    hole[2, 3] = 0
    plate = np.ones_like(pixels.decode(data, wanted))
    result = pixels.encode(data, wanted, plate, hole)
    before, after = wanted.view(data).view(np.uint8), wanted.view(result).view(np.uint8)
    assert np.array_equal(before[hole == 0], after[hole == 0])
    assert not np.array_equal(before[hole > 0], after[hole > 0])
    assert np.array_equal(noise(wanted), data), "the source was written to"


@pytest.mark.parametrize(("depth", "order", "channels"), ALL)
def test_there_and_back_is_the_same_inside_the_hole(depth, order, channels):
    wanted = layout(depth, order, channels)
    top = {"u8": 255, "u16": 65535}.get(depth, 30.0)
    values = np.random.default_rng(2).random((5, 7, channels)) * top
    data = values.astype(DTYPES[depth]).reshape(-1).view(np.uint8)
    hole = np.full((5, 7), 255, np.uint8)
    back = pixels.encode(data, wanted, pixels.decode(data, wanted), hole)
    if order.startswith("GRAY") and depth in ("f16", "f32"):
        # The luma weights add up to 1 but for rounding.
        tolerance = 1e-6 if depth == "f32" else 2e-3
        assert np.allclose(
            wanted.view(back).astype(np.float64),
            wanted.view(data).astype(np.float64),
            rtol=tolerance,
        )
    else:
        assert np.array_equal(back, data)


def test_channels_are_in_their_places():
    bgra = np.array([10, 20, 30, 40], np.uint8)
    one = Layout.checked((1, 1, 4, "u8", "BGRA", False))
    assert pixels.decode(bgra, one)[0, 0].tolist() == [30, 20, 10, 40]
    rgba = Layout.checked((1, 1, 4, "u8", "RGBA", False))
    assert pixels.decode(bgra, rgba)[0, 0].tolist() == [10, 20, 30, 40]
    grey = Layout.checked((1, 1, 2, "u8", "GRAYA", False))
    assert pixels.decode(bgra[:2], grey)[0, 0].tolist() == [10, 10, 10, 20]
    hole = np.full((1, 1), 255, np.uint8)
    red = np.array([[[255, 0, 0, 7]]], np.uint8)
    assert pixels.encode(bgra, one, red, hole).tolist() == [0, 0, 255, 7]
    assert pixels.encode(bgra[:2], grey, red, hole).tolist() == [54, 7]


def test_values_beyond_white_survive():
    one = Layout.checked((2, 1, 4, "f32", "RGBA", False))
    values = np.array([[[5.5, -0.25, 1000.0, 1.0], [0.0, 1.0, 0.5, 0.5]]], np.float32)
    data = values.reshape(-1).view(np.uint8)
    assert np.array_equal(pixels.decode(data, one), values)
    half = Layout.checked((1, 1, 4, "f16", "RGBA", False))
    hole = np.full((1, 1), 255, np.uint8)
    huge = np.array([[[1e9, -1e9, 3.5, 1.0]]], np.float32)
    back = pixels.encode(np.zeros(8, np.uint8), half, huge, hole).view(np.float16)
    assert back.tolist() == [65504.0, -65504.0, 3.5, 1.0], "half floats overflow to infinity"


def test_linear_light_gets_the_srgb_curve():
    """Middle grey: 0.2140 of the light is 50 % of the sRGB scale (IEC 61966-2-1)."""
    assert pixels.linear_to_srgb(np.float32(0.21404114)) == pytest.approx(0.5, abs=1e-6)
    values = np.array([-3.0, -0.001, 0.0, 0.002, 0.5, 1.0, 8.0], np.float32)
    again = pixels.srgb_to_linear(pixels.linear_to_srgb(values))
    assert np.allclose(again, values, rtol=1e-5, atol=1e-7)
    linear = Layout.checked((1, 1, 4, "f32", "RGBA", True))
    data = np.array([0.21404114, 0.0, 1.0, 0.21404114], np.float32).view(np.uint8)
    assert np.allclose(pixels.decode(data, linear)[0, 0], [0.5, 0.0, 1.0, 0.21404114], atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        (0, 5, 4, "u8", "BGRA", False),
        (7, -5, 4, "u8", "BGRA", False),
        (70000, 5, 4, "u8", "BGRA", False),
        (65536, 65536, 4, "u8", "BGRA", False),
        (7, 5, 3, "u8", "BGRA", False),
        (7, 5, 4, "u12", "BGRA", False),
        (7, 5, 4, "u8", "CMYK", False),
        (7, 5, 4, "u8", "BGRA"),
        (7.0, 5, 4, "u8", "BGRA", False),
        (True, 5, 4, "u8", "BGRA", False),
        (7, 5, 4, "u8", "BGRA", 0),
    ],
)
def test_wrong_layouts_are_refused(wrong):
    with pytest.raises(Refused):
        Layout.checked(wrong)


def test_a_wrong_number_of_bytes_is_refused():
    wanted = layout("u8", "BGRA", 4)
    with pytest.raises(Refused, match="expected 140"):
        pixels.decode(np.zeros(139, np.uint8), wanted)
