"""What every filler gets for free: groups, crops, compositing, depths, transparency."""

import cv2
import numpy as np
import pytest

from backend.fill.blend import push_pull, rim_alpha
from backend.fill.holes import context_crop, group_holes
from backend.fill.opencv import OpenCVFill
from backend.fill.patchmatch import PatchMatchFill
from backend.fill.plate import fill_plate
from backend.models.interfaces import Description
from backend.values import BadInput, Box, Cancelled, Control


class Recorder:
    """A filler that answers one colour and keeps what it was shown."""

    def __init__(self, value: float = 0.5) -> None:
        self.description = Description("recorder", "cpu")
        self.value = value
        self.seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def fill(self, rgb, hole, control, *, seed=0, known=None):
        self.seen.append((rgb.copy(), hole.copy(), known.copy()))
        result = rgb.copy()
        result[hole > 0] = self.value
        return result


def picture(dtype, channels=3, height=90, width=120):
    rng = np.random.default_rng(4)
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[np.dtype(dtype).name]
    values = rng.random((height, width, channels)) * top
    if channels == 4:
        values[..., 3] = top
    return values.astype(dtype)


def disc(height=90, width=120, centre=(60, 45), radius=12):
    mask = np.zeros((height, width), np.uint8)
    return cv2.circle(mask, centre, radius, 255, -1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_pixels_outside_are_bit_identical_in_every_depth(dtype, channels):
    pixels, hole = picture(dtype, channels), disc()
    before = pixels.copy()
    plate = fill_plate(pixels, hole, Recorder(), Control())
    assert plate.dtype == pixels.dtype and np.array_equal(pixels, before)
    outside = hole == 0
    assert plate[outside].tobytes() == pixels[outside].tobytes()
    half = {"uint8": 128, "uint16": 32768, "float32": 0.5}[np.dtype(dtype).name]
    assert np.all(plate[hole > 0][:, :3] == half)
    if channels == 4:
        assert np.array_equal(plate[..., 3], pixels[..., 3])


def test_colours_beyond_white_survive_in_float():
    pixels = picture(np.float32)
    pixels[5, 5] = (7.0, -0.5, 3.0)
    plate = fill_plate(pixels, disc(), OpenCVFill("t", cv2.INPAINT_TELEA), Control())
    assert np.array_equal(plate[5, 5], pixels[5, 5])
    assert np.isfinite(plate).all()


def test_16_bit_gradient_has_no_bands():
    ramp = np.linspace(20000, 24000, 200)[None, :, None] * np.ones((80, 1, 3))
    pixels = ramp.astype(np.uint16)
    hole = np.zeros((80, 200), np.uint8)
    hole[30:50, 60:140] = 255
    plate = fill_plate(pixels, hole, OpenCVFill("t", cv2.INPAINT_TELEA), Control())
    row = plate[40, 60:140, 0].astype(int)
    assert len(np.unique(row)) > 40  # 8 bits would leave 8 values
    assert np.abs(row - ramp[0, 60:140, 0]).max() < 1500


def test_transparent_pixels_stay_and_are_never_sampled():
    pixels = picture(np.uint8, 4)
    pixels[:, :40] = (255, 0, 255, 0)
    model = Recorder()
    hole = disc(centre=(45, 45))
    plate = fill_plate(pixels, hole, model, Control())
    clear = pixels[..., 3] == 0
    assert np.array_equal(plate[clear], pixels[clear])
    rgb, shown, known = model.seen[0]
    assert not (known[clear] > 0).any() and not (shown[clear] > 0).any()
    magenta = (rgb[clear][:, 0] > 0.95) & (rgb[clear][:, 1] < 0.05)
    assert not magenta.any()
    assert np.all(plate[(hole > 0) & ~clear][:, :3] == 128)


def test_avoided_pixels_are_not_sampled_nor_changed():
    pixels, hole = picture(np.uint8), disc(centre=(40, 45))
    avoid = disc(centre=(80, 45))
    model = Recorder()
    plate = fill_plate(pixels, hole, model, Control(), avoid=avoid)
    assert np.array_equal(plate[avoid > 0], pixels[avoid > 0])
    assert not model.seen[0][2][avoid > 0].any()


def test_alpha_is_one_on_two_thirds_of_the_growth():
    core, hole = disc(radius=10), disc(radius=25)
    alpha = rim_alpha(hole, core)
    distance = cv2.distanceTransform(255 - core, cv2.DIST_L2, 5)
    assert np.all(alpha[(core > 0) | (distance <= 9)] == 1)
    assert np.all(alpha[hole == 0] == 0)
    edge = (distance > 13.5) & (hole > 0)
    assert edge.any() and alpha[edge].max() < 0.5
    assert np.all(rim_alpha(hole, None) == (hole > 0))


@pytest.mark.parametrize("feather", [1, 4, 9, 40])
def test_feather_is_the_width_of_the_soft_edge(feather: int):
    core, hole = disc(radius=10), disc(radius=25)
    alpha = rim_alpha(hole, core, feather)
    assert np.all(alpha[core > 0] == 1) and np.all(alpha[hole == 0] == 0)
    inwards = cv2.distanceTransform(hole, cv2.DIST_L2, 5)
    soft = (alpha > 0) & (alpha < 1)
    assert abs(inwards[soft].max() - min(feather, 15)) <= 1.5
    assert np.all(alpha[(inwards > feather + 1) & (hole > 0)] == 1)
    assert np.all(rim_alpha(hole, core, 0) == (hole > 0))


@pytest.mark.parametrize("feather", [0, 6, 30])
def test_feather_changes_nothing_outside_the_hole_nor_in_the_mask(feather: int):
    pixels = picture(np.uint16)
    core, hole = disc(radius=10), disc(radius=25)
    whole, soft = (
        fill_plate(pixels, hole, OpenCVFill("t", cv2.INPAINT_TELEA), Control(), core=core,
                   feather=width) for width in (0, feather)
    )
    assert np.array_equal(soft[hole == 0], pixels[hole == 0])
    assert np.array_equal(soft[core > 0], whole[core > 0])
    assert np.array_equal(soft, whole) == (feather == 0)


def test_far_holes_are_separate_and_near_ones_are_not():
    hole = np.zeros((1500, 3000), np.uint8)
    hole[700:740, 200:240] = 255
    hole[700:740, 260:300] = 255
    hole[700:740, 2500:2540] = 255
    groups = group_holes(hole, Description("t", "cpu"))
    assert sorted(int((g.hole > 0).sum()) for g in groups) == [1600, 3200]
    for group in groups:
        assert group.hole.shape == (group.crop.height, group.crop.width)
        assert min(group.crop.width, group.crop.height) >= 512


def test_several_holes_get_the_surroundings_of_the_largest_not_of_all():
    hole = np.zeros((2000, 4000), np.uint8)
    for x in range(1000, 3000, 250):
        hole[900:1100, x : x + 200] = 255
    (group,) = group_holes(hole, Description("t", "cpu"))
    assert (group.crop.x0, group.crop.x1) == (1000 - 390, 2950 + 390)  # a fifth of 1950 px
    hole[900:1100, 1000:2950] = 255
    (group,) = group_holes(hole, Description("t", "cpu"))
    assert (group.crop.x0, group.crop.x1) == (0, 4000)


def test_crop_grows_on_the_other_side_at_the_border():
    crop = context_crop(Box(0, 0, 100, 50), 2000, 1000)
    assert crop.x0 == 0 and crop.y0 == 0 and crop.width >= 512 and crop.height >= 512
    assert context_crop(Box(10, 10, 20, 20), 300, 200) == Box(0, 0, 300, 200)


def test_push_pull_continues_colours_and_keeps_known_ones():
    rgb = np.zeros((64, 64, 3), np.float32)
    rgb[:, 32:] = 1
    known = np.ones((64, 64), bool)
    known[20:40, 4:60] = False
    rgb[~known] = 9
    filled = push_pull(rgb, known)
    assert np.array_equal(filled[known], rgb[known])
    assert filled.max() <= 1.001 and filled[30, 8].mean() < 0.3 < 0.7 < filled[30, 56].mean()


def test_errors_say_what_to_do():
    pixels = picture(np.uint8)
    with pytest.raises(BadInput, match="picture's size"):
        fill_plate(pixels, np.zeros((3, 3), np.uint8), Recorder(), Control())
    with pytest.raises(BadInput, match="smaller area"):
        fill_plate(pixels, np.full((90, 120), 255, np.uint8), Recorder(), Control())
    with pytest.raises(BadInput, match="uint8, uint16 or float32"):
        fill_plate(pixels.astype(np.int64), disc(), Recorder(), Control())


def test_cancel_and_progress():
    heard = []
    control = Control(lambda _s, fraction, text: heard.append((fraction, text)))
    fill_plate(picture(np.uint8), disc(), Recorder(), control)
    assert heard[-1][0] == 1.0 and "hole 1 of 1" in heard[0][1]
    with pytest.raises(Cancelled):
        fill_plate(picture(np.uint8), disc(), Recorder(), Control(cancelled=lambda: True))


def test_empty_hole_gives_an_equal_copy():
    pixels = picture(np.uint16)
    plate = fill_plate(pixels, np.zeros((90, 120), np.uint8), Recorder(), Control())
    assert np.array_equal(plate, pixels) and plate is not pixels


def test_a_hole_goes_on_behind_a_frame_that_is_not_sampled():
    y = np.mgrid[:160, :240][0].astype(np.float32)
    truth = np.stack([200 - 0.9 * y, 150 - 0.6 * y, 60 - 0.2 * y], 2)
    truth = (truth + np.random.default_rng(2).normal(0, 1.5, truth.shape)).clip(0, 255)
    pixels = truth.astype(np.uint8)
    hole, frame = np.zeros((160, 240), np.uint8), np.zeros((160, 240), np.uint8)
    hole[70:156, 50:190], frame[156:] = 255, 255
    pixels[hole > 0], pixels[frame > 0] = (10, 200, 10), (250, 215, 0)
    off = []
    for front in (frame, None):
        plate = fill_plate(
            pixels, hole, PatchMatchFill(), Control(), avoid=frame, front=front)
        assert np.array_equal(plate[hole == 0], pixels[hole == 0])
        off.append(np.abs(plate - truth)[140:156, 60:180].mean())
    assert off[0] < 12 and off[0] < 0.7 * off[1]
