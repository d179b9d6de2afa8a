"""Sure regions and edges at full resolution."""

from __future__ import annotations

import numpy as np

from backend.masks import refine as module
from backend.masks.people_regions import LOW, keep_sure_regions
from backend.masks.refine import guided_filter, refine
from backend.values import Control


def test_faint_regions_go_and_sure_ones_stay_whole() -> None:
    seen = np.full((60, 100), 0.05, np.float32)
    seen[10:50, 10:30] = LOW + 0.05
    seen[15:40, 12:28] = 0.95
    seen[10:50, 60:90] = 0.68
    kept = keep_sure_regions(seen)
    assert (kept[10:50, 10:30] > 0.5).all()
    assert not (kept[:, 50:] > 0.5).any()
    assert kept.dtype == np.float32 and kept.max() <= 1


def test_a_doubtful_part_that_hangs_on_a_person_goes_and_limbs_stay() -> None:
    """A car joined to a person by faint pixels needs a sure core of its own."""
    seen = np.full((100, 140), 0.02, np.float32)
    seen[10:90, 20:50] = 0.95  # the person
    seen[40:44, 50:70] = 0.42  # the bridge
    seen[20:70, 70:100] = 0.68  # the car
    seen[80:84, 50:58] = 0.6  # a foot, joined firmly
    seen[12:17, 53:58] = 0.6  # a hand, joined faintly, but small
    seen[12:17, 50:53] = 0.42
    kept = keep_sure_regions(seen) > 0.5
    assert kept[10:90, 20:50].all() and kept[80:84, 50:58].all() and kept[12:17, 50:58].all()
    assert not kept[:, 66:].any()
    seen[20:70, 70:100] = 0.9  # somebody else
    assert (keep_sure_regions(seen) > 0.5)[20:70, 70:100].all()


def test_noise_of_a_few_pixels_goes() -> None:
    seen = np.zeros((40, 40), np.float32)
    seen[5:7, 5:7] = 1
    assert not keep_sure_regions(seen).any()


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc on a ground, and its exact mask."""
    ys, xs = np.mgrid[:height, :width]
    inside = (ys - height / 2) ** 2 + (xs - width / 2) ** 2 < (0.3 * height) ** 2
    rgb = np.where(inside[..., None], (200, 60, 50), (40, 90, 160)).astype(np.uint8)
    return rgb, inside


def test_edges_follow_the_picture() -> None:
    import cv2

    rgb, inside = scene(480, 640)
    coarse = cv2.resize(inside.astype(np.float32), (64, 48), interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), 1)
    plain = cv2.resize(coarse, (640, 480)) > 0.5
    refined = refine(rgb, coarse, Control()) > 0.5
    assert (refined != inside).sum() < 0.6 * (plain != inside).sum()


def test_tiles_leave_no_seams(monkeypatch) -> None:
    rgb, inside = scene(300, 420)
    rgb = rgb + np.random.default_rng(0).integers(0, 30, rgb.shape, np.uint8)
    coarse = inside[::6, ::6].astype(np.float32)
    monkeypatch.setattr(module, "TILE", 4096)
    whole = refine(rgb, coarse, Control())
    monkeypatch.setattr(module, "TILE", 64)
    tiled = refine(rgb, coarse, Control())
    # away from the mask a tile may be left as it is; on the boundary nothing differs
    boundary = (whole > 0.05) & (whole < 0.95)
    assert boundary.sum() > 500
    assert np.abs(whole - tiled)[boundary].max() < 2e-3
    assert ((whole > 0.5) == (tiled > 0.5)).all()


def test_guided_filter_of_a_constant_is_the_constant() -> None:
    guide = np.random.default_rng(1).random((40, 50)).astype(np.float32)
    values = np.full((40, 50), 0.4, np.float32)
    assert np.allclose(guided_filter(guide, values, 4), 0.4, atol=1e-4)


def test_a_map_of_the_pictures_size_stays() -> None:
    rgb, inside = scene(60, 80)
    soft = inside.astype(np.float32) * 0.9
    assert np.array_equal(refine(rgb, soft, Control(), radius=1), soft)
