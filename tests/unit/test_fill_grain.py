"""Made-up fills get the picture's colour at the rim, and its grain."""

import cv2
import numpy as np
import pytest

from backend.fill import grain
from backend.fill.patchmatch import PatchMatchFill
from backend.fill.plate import fill_plate
from backend.models.interfaces import Description
from backend.values import Control

SIGMA = 5 / 255


class Flat:
    """Invents one colour, or the true picture with a tint."""

    def __init__(self, answer, invents=True):
        self.description = Description("flat", "cpu", invents=invents)
        self.answer = answer

    def fill(self, rgb, hole, control, *, seed=0, known=None):
        result = rgb.copy()
        result[hole > 0] = np.broadcast_to(self.answer, rgb.shape)[hole > 0]
        return result


def noisy(sigma=SIGMA, side=200, blur=0.0):
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((side, side, 3)).astype(np.float32)
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
        noise /= noise.std()
    return np.float32(0.5) + np.float32(sigma) * noise


def disc(side=200, radius=45):
    return cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), radius, 255, -1)


def middle(side=200, radius=38):
    return disc(side, radius) > 0


@pytest.mark.parametrize("blur", [0.0, 0.7, 1.2])
def test_a_clean_fill_gets_the_grain_of_the_picture(blur):
    pixels = noisy(blur=blur)
    plate = fill_plate(pixels, disc(), Flat(0.5), Control())
    made, real = plate[middle()] - 0.5, pixels[~(disc() > 0)] - 0.5
    assert made.std() == pytest.approx(real.std(), rel=0.35)
    fine = [np.diff(p, axis=1)[60:140, 60:140].std() for p in (plate, pixels)]
    assert fine[0] == pytest.approx(fine[1], rel=0.35)


def test_a_clean_picture_gets_none():
    pixels = np.full((200, 200, 3), 0.5, np.float32)
    plate = fill_plate(pixels, disc(), Flat(0.5), Control())
    assert np.abs(plate - 0.5).max() < 1e-4


def test_a_fill_that_has_its_grain_gets_no_more():
    pixels = noisy()
    plate = fill_plate(pixels, disc(), Flat(noisy()), Control())
    assert (plate[middle()] - 0.5).std() < 1.2 * SIGMA


def test_detail_of_the_picture_is_not_taken_for_grain():
    yy, xx = np.mgrid[:200, :200]
    stripes = np.where((xx // 6 + yy // 9) % 2, 0.2, 0.8)[..., None] * np.ones(3)
    stripes[:, 150:] = 0.5  # an even part beside them, without any grain
    found = grain.measure(stripes.astype(np.float32), disc() > 0, disc() == 0)
    assert max(found.deviations) < 2 / 255


def test_colour_of_the_grain_is_that_of_the_picture():
    rng = np.random.default_rng(5)
    grey = np.repeat(rng.standard_normal((200, 200, 1)), 3, 2).astype(np.float32)
    plate = fill_plate(0.5 + np.float32(SIGMA) * grey, disc(), Flat(0.5), Control())
    made = plate[middle()]
    assert np.corrcoef(made[:, 0], made[:, 2])[0, 1] > 0.9


def test_a_tint_goes_at_the_rim():
    smooth = cv2.GaussianBlur(noisy(0.5), (0, 0), 25).astype(np.float32)
    tinted = smooth + np.float32([0.04, 0.0, -0.04])
    hole = disc()
    plate = fill_plate(smooth, hole, Flat(tinted), Control())
    rim = (hole > 0) & (cv2.erode(hole, np.ones((9, 9), np.uint8)) == 0)
    error = np.abs(plate - smooth)[rim].mean()
    assert error < 0.3 * np.abs(tinted - smooth)[rim].mean()


def test_a_slope_of_light_is_no_step():
    ramp = np.repeat(np.linspace(0.2, 0.8, 200, dtype=np.float32)[None, :, None], 200, 0)
    ramp = np.ascontiguousarray(np.repeat(ramp, 3, 2))
    plate = fill_plate(ramp, disc(), Flat(ramp), Control())
    assert np.abs(plate - ramp).max() < 4 / 255


def test_an_edge_of_the_picture_at_the_rim_stays():
    pixels = np.full((200, 200, 3), 0.2, np.float32)
    plate = fill_plate(pixels, disc(), Flat(0.7), Control())
    assert np.abs(plate[middle(radius=30)] - 0.7).max() < 0.02


def test_the_same_seed_gives_the_same_grain_and_nothing_outside_changes():
    pixels = (noisy() * 65535).astype(np.uint16)
    first, again = (fill_plate(pixels, disc(), Flat(0.5), Control(), seed=7) for _ in range(2))
    other = fill_plate(pixels, disc(), Flat(0.5), Control(), seed=8)
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.array_equal(first[disc() == 0], pixels[disc() == 0])


def test_fillers_that_copy_are_left_alone():
    assert not PatchMatchFill().description.invents
    pixels = noisy()
    plate = fill_plate(pixels, disc(), Flat(0.5, invents=False), Control())
    assert np.all(plate[disc() > 0] == 0.5)


def test_hole_at_the_border_and_too_little_to_measure():
    pixels, hole = noisy(side=40), np.full((40, 40), 255, np.uint8)
    hole[:3] = 0
    plate = fill_plate(pixels, hole, Flat(0.5), Control())
    assert np.isfinite(plate).all() and np.array_equal(plate[:3], pixels[:3])
