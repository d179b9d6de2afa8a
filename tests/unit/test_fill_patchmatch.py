"""The built-in filler on pictures whose right answer is known."""

import os
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from backend.fill.blend import push_pull
from backend.fill.fuse import Shares, fuse
from backend.fill.matches import Field, Settings
from backend.fill.patchmatch import PatchMatchFill, warm_up
from backend.fill.plate import fill_plate
from backend.fill.poisson import blend
from backend.fill.pyramid import build
from backend.fill.smooth import membrane
from backend.values import Cancelled, Control


def hole_in(shape, box):
    hole = np.zeros(shape, np.uint8)
    x0, y0, x1, y1 = box
    hole[y0:y1, x0:x1] = 255
    return hole


def stripes(height=160, width=200, period=16):
    x = np.arange(width)
    line = ((x // (period // 2)) % 2).astype(np.float32) * 0.6 + 0.2
    rgb = np.repeat(np.tile(line, (height, 1))[..., None], 3, 2)
    rgb[..., 2] *= np.linspace(1, 0.8, height, dtype=np.float32)[:, None]
    return rgb


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def test_straight_lines_go_on_through_the_hole():
    rgb = stripes()
    hole = hole_in((160, 200), (70, 50, 130, 110))
    damaged = rgb.copy()
    damaged[hole > 0] = (1, 0, 0)
    result = PatchMatchFill().fill(damaged, hole, Control())
    assert np.array_equal(result[hole == 0], rgb[hole == 0])
    inside = hole > 0
    smooth = push_pull(damaged, ~inside)
    assert psnr(result[inside], rgb[inside]) > psnr(smooth[inside], rgb[inside]) + 8


def test_a_horizon_stays_where_it_is():
    rng = np.random.default_rng(0)
    rgb = np.full((200, 260, 3), (0.5, 0.7, 0.95), np.float32)
    rgb[120:] = (0.25, 0.45, 0.2)
    rgb += rng.normal(0, 0.02, rgb.shape).astype(np.float32)
    rgb = np.clip(rgb, 0, 1)
    hole = hole_in((200, 260), (100, 60, 160, 180))
    result = PatchMatchFill().fill(rgb, hole, Control())
    part = cv2.GaussianBlur(result, (5, 5), 1)[60:180, 105:155]
    sky = part[..., 2] > 0.6
    for column in sky.T:
        edge = int(column.argmin()) if not column.all() else len(column)
        assert abs(60 + edge - 120) <= 6
    # The grain of the surroundings, not a flat patch.
    assert 0.5 < result[70:110, 110:150].std() / rgb[70:110, 20:60].std() < 1.5


def test_same_seed_same_fill_on_any_number_of_threads(tmp_path):
    code = (
        "import numpy as np, hashlib\n"
        "from backend.fill.patchmatch import PatchMatchFill\n"
        "from backend.values import Control\n"
        "rgb = np.random.default_rng(3).random((150, 180, 3)).astype(np.float32)\n"
        "hole = np.zeros((150, 180), np.uint8); hole[20:130, 30:150] = 255\n"
        "fills = [PatchMatchFill().fill(rgb, hole, Control(), seed=s) for s in (5, 6)]\n"
        "print(*(hashlib.sha256(f.tobytes()).hexdigest() for f in fills))\n"
    )
    answers = []
    for count in ("1", "3"):
        env = {**os.environ, "CLEANPLATE_THREADS": count}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout.split())
    assert answers[0] == answers[1]
    assert answers[0][0] != answers[0][1]


def test_unknown_pixels_are_never_copied():
    rng = np.random.default_rng(2)
    rgb = rng.random((140, 160, 3)).astype(np.float32) * 0.4
    rgb[:, 100:] = (1, 0, 1)  # what lies behind transparency
    known = np.full((140, 160), 255, np.uint8)
    known[:, 100:] = 0
    hole = hole_in((140, 160), (70, 40, 100, 90))
    clean = rgb.copy()
    clean[:, 100:] = push_pull(rgb, known > 0)[:, 100:]
    result = PatchMatchFill().fill(clean, hole, Control(), known=known)
    assert result[hole > 0].max() < 0.6


def test_16_bit_fill_keeps_16_bits():
    ramp = np.linspace(0.3, 0.34, 240)[None, :, None] * np.ones((120, 1, 3))
    pixels = np.rint(ramp * 65535).astype(np.uint16)
    hole = hole_in((120, 240), (80, 40, 150, 80))
    plate = fill_plate(pixels, hole, PatchMatchFill(), Control())
    inside = plate[40:80, 80:150, 0].astype(int)
    assert len(np.unique(inside)) > 40  # 8 bits would leave 4 values
    assert np.abs(inside - pixels[40:80, 80:150, 0]).max() < 900


def test_cancel_ends_within_half_a_second():
    warm_up()
    rgb = np.random.default_rng(0).random((900, 1200, 3)).astype(np.float32)
    hole = hole_in((900, 1200), (200, 150, 1000, 750))

    def waited():
        """Seconds from the wish to the end."""
        stop, asked = threading.Event(), []

        def cancel():
            asked.append(time.perf_counter())
            stop.set()

        threading.Timer(1.5, cancel).start()
        with pytest.raises(Cancelled):
            PatchMatchFill().fill(rgb, hole, Control(cancelled=stop.is_set))
        return time.perf_counter() - asked[0]

    limit = 0.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    # Long steps are there each time; a machine that is busy elsewhere is so now and then.
    assert any(waited() < limit for _ in range(4))


def test_the_mask_neither_grows_nor_shrinks_over_the_levels():
    hole = np.zeros((512, 512), bool)
    hole[101:299, 111:309] = True
    rgb = np.zeros((512, 512, 3), np.float32)
    levels = build(rgb, hole, ~hole, 3.0, Control())
    assert len(levels) >= 4
    for index, level in enumerate(levels):
        area = level.hole[3:-3, 3:-3].sum() * 4.0**index
        assert 0.85 < area / hole.sum() < 1.15


def test_small_steps_at_seams_vanish_and_edges_stay():
    hole = hole_in((60, 80), (20, 10, 60, 50)) > 0
    zero = np.zeros((60, 80, 3), np.float32)
    inside = np.repeat(hole[..., None], 3, 2)
    small = np.where(inside, np.float32(0.53), np.float32(0.5))
    done = blend(small, zero, zero, hole, 0.001, 0.05, Control())
    assert np.abs(done - 0.5).max() < 0.012
    large = np.where(inside, np.float32(0.9), np.float32(0.3))
    done = blend(large, zero, zero, hole, 0.001, 0.05, Control())
    assert done[hole].min() > 0.8 and np.array_equal(done[~hole], large[~hole])


def test_hole_at_the_border_and_tiny_pictures():
    rng = np.random.default_rng(1)
    sizes = ((60, 80, (0, 0, 30, 60)), (12, 14, (4, 4, 9, 9)), (9, 9, (4, 4, 5, 5)))
    for height, width, box in sizes:
        rgb = rng.random((height, width, 3)).astype(np.float32)
        hole = hole_in((height, width), box)
        result = PatchMatchFill().fill(rgb, hole, Control())
        assert np.isfinite(result).all() and np.array_equal(result[hole == 0], rgb[hole == 0])


def test_the_membrane_carries_colours_along_rows_and_leaves_known_pixels():
    rgb = np.zeros((120, 160, 3), np.float32)
    rgb += np.linspace(0, 1, 120, dtype=np.float32)[:, None, None]
    hole = hole_in((120, 160), (40, 20, 120, 100)) > 0
    made = membrane(np.where(hole[..., None], 9, rgb).astype(np.float32), ~hole, Control())
    assert np.array_equal(made[~hole], rgb[~hole])
    assert np.abs(made - rgb).max() < 0.02  # a slope is what a membrane gives back
    sides = np.zeros((120, 160, 3), np.float32)
    sides[20:100] = 1  # bright at the left and right of the hole, dark above and below
    made = membrane(sides, ~hole, Control())
    assert made[60, 80, 0] > 0.6


def test_copied_detail_stays_deep_in_the_hole_and_its_tone_comes_from_the_rim():
    rng = np.random.default_rng(1)
    copied = np.full((200, 200, 3), 0.4, np.float32)
    hole = hole_in((200, 200), (40, 40, 160, 160)) > 0
    detail = rng.normal(0, 0.1, (200, 200, 1)).astype(np.float32)
    copied[hole] = (0.5 + detail).repeat(3, 2)[hole]
    made = fuse(copied.copy(), hole, ~hole, np.zeros((200, 200), np.float32), Shares(), Control())
    assert np.array_equal(made[~hole], copied[~hole])
    middle, rim = np.s_[80:120, 80:120], np.s_[41:159, 41]
    kept = np.corrcoef(made[middle][..., 0].ravel(), copied[middle][..., 0].ravel())[0, 1]
    assert kept > 0.97 and 0.8 < made[middle].std() / copied[middle].std() < 1.05
    assert made[rim].mean() < 0.45  # the step of 0.1 at the rim is more than halved
    assert 0.41 < made[middle].mean() < 0.49  # half way to the expected tone
    trusted = fuse(copied.copy(), hole, ~hole, np.ones((200, 200), np.float32), Shares(), Control())
    assert np.abs(trusted - copied).max() < 0.01


def test_the_finest_detail_of_busy_texture_is_softer_deep_in_the_hole_only():
    rng = np.random.default_rng(6)
    noise = rng.normal(0, 1, (200, 200, 1)).astype(np.float32)
    hole = hole_in((200, 200), (40, 40, 160, 160)) > 0

    def left(deviation):
        """Deviation of the finest octave in the middle and near the rim, against the copy's."""
        copied = np.repeat(0.5 + deviation * noise, 3, 2)
        made = fuse(copied.copy(), hole, ~hole, np.zeros((200, 200), np.float32), Shares(),
                    Control())
        fine = [p - cv2.pyrUp(cv2.pyrDown(p)) for p in (made, copied)]
        parts = np.s_[80:120, 80:120], np.s_[46:48, 50:150]
        return [float(fine[0][part].std() / fine[1][part].std()) for part in parts]

    middle, rim = left(0.04)
    assert 0.45 < middle < 0.65 and rim > 0.8
    assert left(0.004)[0] > 0.6, "grain is not busy"


def test_a_strong_edge_in_the_copy_gets_no_glow():
    """A bright block deep in the hole, which nothing at the rim foretells."""
    copied = np.full((240, 240, 3), 0.3, np.float32)
    hole = hole_in((240, 240), (30, 30, 210, 210)) > 0
    copied[90:150, 90:150] = 0.9
    made = fuse(copied.copy(), hole, ~hole, np.zeros((240, 240), np.float32), Shares(), Control())
    # Its own tone gives way a little, half of `most` at the worst; so does the grey beside it.
    assert np.abs(made - copied)[hole].max() < 0.061

def test_a_source_of_the_expected_tone_is_preferred():
    """Noise, bright on the left and dark on the right: the hole's tone follows its place."""
    rng = np.random.default_rng(4)
    slope = np.linspace(0.8, 0.2, 240, dtype=np.float32)[None, :, None]
    rgb = np.clip(slope + rng.normal(0, 0.1, (160, 240, 1)), 0, 1).astype(np.float32).repeat(3, 2)
    hole = hole_in((160, 240), (70, 20, 170, 140))
    off = []
    for guide in (0.0, 4.0):
        plain = Shares((1.0,) * 6, fade=1e-6, grain=0.0)
        model = PatchMatchFill(settings=Settings(guide=guide, shares=plain, lift=0, aside=0))
        made = cv2.GaussianBlur(model.fill(rgb, hole, Control()), (0, 0), 6)
        off.append(float(np.abs(made - slope)[40:120, 90:150].mean()))
    assert off[1] < off[0] and off[1] < 0.06


def test_colours_that_meet_in_the_membrane_do_not_tint_what_is_copied() -> None:
    from backend.fill.fuse import doubt

    known = np.ones((90, 120), bool)
    known[:, 30:90] = False
    band = np.full((90, 120, 3), 0.6, np.float32)
    band[30:60] = (0.6, 0.0, 0.05)
    band[~known] = 0
    at_edge, within = (doubt(band, known, 0.17, Control())[y, 35] for y in (30, 5))
    assert at_edge > 0.5, "red and grey meet here: their mean is neither"
    assert within < 0.3 * at_edge
    grey = np.full_like(band, 0.6)
    assert doubt(grey, known, 0.17, Control()).max() < 1e-6


def test_what_is_copied_again_and_again_gets_dearer():
    rng = np.random.default_rng(0)
    rgb = rng.random((80, 100, 3)).astype(np.float32)
    hole = hole_in((80, 100), (40, 30, 60, 50))
    levels = build(rgb, hole > 0, hole == 0, 3.0, Control())
    field = Field(levels[0], 0, Settings(), Control())
    field.ny[:], field.nx[:] = field.level.ys, field.level.xs + 30  # each source once
    field.count()
    assert not field.used.any()
    field.ny[:], field.nx[:] = 20, 20  # one for all
    field.count()
    assert field.used[20, 20] > 0 and not field.used[:10].any()
    field.measure()
    dear = field.dist.copy()
    field.used[:] = 0
    field.measure()
    assert (dear > field.dist).all()
    plain = Field(levels[0], 0, Settings(again=0.0), Control())
    plain.count()
    assert not plain.used.any()
