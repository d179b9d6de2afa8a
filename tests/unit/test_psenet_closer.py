"""What a closer look by the light PSENet takes apart, and the signs around a dial."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import psenet_closer as closer
from backend.masks.text_lines import Region
from backend.masks.text_scales import find_regions
from backend.models.store import ModelStore
from backend.values import Control

LINE = Region(100.0, 50.0, 80.0, 40.0, 0.0, 0.9)
UPPER, LOWER = (Region(100.0, y, 70.0, 18.0, 0.0, 0.8) for y in (40.0, 60.0))


def clock(count: int, from_angle: float = 0.0, to_angle: float = 360.0) -> np.ndarray:
    """240×240 float32 map with so many peaks around a circle."""
    kernel = np.zeros((240, 240), np.float32)
    for angle in np.radians(np.linspace(from_angle, to_angle, count, endpoint=False)):
        x, y = 120 + 60 * np.cos(angle), 120 + 60 * np.sin(angle)
        blot = np.zeros_like(kernel)
        cv2.ellipse(blot, (round(x), round(y)), (4, 5), 0, 0, 360, 0.9, -1)
        kernel = np.maximum(kernel, cv2.GaussianBlur(blot, (0, 0), 1.5))
    return kernel


class Net:
    """Says the same at every size: the maps, and the lines that are given for the larger one."""

    coarse = 960

    def __init__(self, kernel: np.ndarray, fine: list[Region]) -> None:
        self._kernel, self._fine = kernel, fine
        self.seen: list[float] = []

    def maps(self, rgb: np.ndarray, scale: float, control: Control) -> np.ndarray:
        self.seen.append(scale)
        return np.repeat(self._kernel[None], 7, 0)

    def lines(self, maps: np.ndarray, shape: tuple[int, ...], least: float) -> list[Region]:
        return [r for r in self._fine if r.score >= least and len(self.seen) == 2]


def look(net: Net, lines: list[Region]) -> list[Region]:
    picture = np.zeros((480, 480, 3), np.uint8)
    return closer.closer(net, picture, lines, Control())  # type: ignore[arg-type]


def test_lines_one_above_the_other_take_the_place_of_their_common_box():
    other = Region(100.0, 200.0, 80.0, 40.0, 0.0, 0.9)
    assert closer.apart([LINE, other], [UPPER, LOWER]) == [UPPER, LOWER, other]


@pytest.mark.parametrize("fine", [
    [UPPER],
    [Region(x, 50.0, 38.0, 38.0, 0.0, 0.8) for x in (80.0, 120.0)],  # words of one line
    [Region(100.0, y, 20.0, 18.0, 0.0, 0.8) for y in (40.0, 60.0)],  # too little of it
    [Region(100.0, y, 70.0, 18.0, 0.0, 0.8) for y in (28.0, 60.0)],  # one of them lies beside it
])
def test_other_lines_stay_as_they_are(fine: list[Region]):
    assert closer.apart([LINE], fine) == [LINE]


def test_a_sign_is_boxed_where_it_stands():
    found = closer.signs(clock(1), (480, 480))
    assert len(found) == 1
    box = found[0]
    assert (box.cx, box.cy) == pytest.approx((360.5, 240.5), abs=1)
    assert 12 < box.length < 24 and 12 < box.height < 24 and box.score > 0.7


def test_what_rises_little_or_runs_on_is_no_sign():
    assert not closer.signs(np.maximum(clock(1), 0.85), (480, 480))
    ridge = np.zeros((240, 240), np.float32)
    ridge[118:124, 60:180] = 0.9
    assert not closer.signs(cv2.GaussianBlur(ridge, (0, 0), 1.5), (480, 480))
    assert not closer.signs(clock(1) * 0.4, (480, 480))


def test_signs_around_a_dial_are_found_and_others_are_not():
    assert len(closer.dials(closer.signs(clock(12), (480, 480)))) == 12
    assert not closer.dials(closer.signs(clock(9), (480, 480)))
    assert not closer.dials(closer.signs(clock(10, 0, 200), (480, 480)))
    row = [Region(20.0 + 15 * n, 100.0 + n % 2, 9.0, 9.0, 0.0) for n in range(20)]
    assert not closer.dials(row)
    field = [Region(20.0 + 15 * x, 15.0 * y, 9.0, 9.0, 0.0) for x in range(3) for y in range(4)]
    assert not closer.dials(field)


def test_a_stranger_beside_a_dial_is_left_out():
    found = closer.signs(clock(12), (480, 480))
    size = found[0].length
    stranger = Region(380.0, 300.0, size, size, 0.0)
    assert stranger not in closer.dials([*found, stranger])


def test_both_looks_count_and_known_letters_are_no_signs():
    net = Net(clock(12), [UPPER, LOWER])
    found = look(net, [LINE])
    assert net.seen == [960 / 480, 2.5]  # not larger than LARGEST
    assert found[:2] == [UPPER, LOWER] and len(found) == 14
    over = Region(240.0, 240.0, 300.0, 300.0, 0.0, 0.9)
    assert look(Net(clock(12), []), [over]) == [over]


def test_a_picture_to_be_answered_quickly_gets_one_look():
    net = Net(clock(12), [])
    picture = np.zeros((1280, 1920, 3), np.uint8)
    closer.closer(net, picture, [], Control())  # type: ignore[arg-type]
    assert net.seen == [0.5]


def test_the_built_in_psenet_finds_the_numbers_around_a_dial():
    """Twelve figures 8 px high, turned as on a clock, most of which it sees as no lines."""
    picture = Image.new("RGB", (550, 550), (235, 235, 235))
    ImageDraw.Draw(picture).ellipse((183, 183, 367, 367), (250, 250, 250), (90, 90, 90), 3)
    centres = []
    for n in range(12):
        figure = Image.new("L", (60, 60))
        ImageDraw.Draw(figure).text((30, 30), str((n + 1) % 10), 255, ImageFont.load_default(8),
                                    anchor="mm")
        turned = figure.rotate(-30 * (n + 1), resample=Image.Resampling.BICUBIC)
        angle = np.radians(30 * n - 60)
        centres.append((275 + 61 * np.cos(angle), 275 + 61 * np.sin(angle)))
        picture.paste((40, 40, 40), (int(centres[n][0]) - 30, int(centres[n][1]) - 30), turned)
    model = ModelStore("cpu").get("text", "psenet-builtin", Control())
    rgb = np.asarray(picture)

    def met(lines: list[Region]) -> int:
        corners = [r.corners() for r in lines]
        return sum(any(cv2.pointPolygonTest(c, xy, False) >= 0 for c in corners) for xy in centres)

    assert met(find_regions(model._detector, rgb, Control())) < 6
    assert met(model.regions(rgb, Control())) >= 9
