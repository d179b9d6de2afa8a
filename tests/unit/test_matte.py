"""Trimap, alpha and foreground colours: against exact synthetic truth, and on a real animal."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.matte import foreground, matte, trimap
from backend.matte import matting as module
from backend.matte.band import IN, OUT, UNSURE, band_width
from backend.matte.solve import solve
from backend.values import BadInput, Cancelled, Control


def hairy(size: int = 128) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(picture, alpha, true foreground, trimap): a textured disk with hairs on a textured ground,
    colours H×W×3 float32, alpha H×W float32."""
    rng = np.random.default_rng(4)
    big = np.zeros((4 * size, 4 * size), np.uint8)
    middle = 2 * size
    cv2.circle(big, (middle, middle), int(1.1 * size), 255, -1)
    for angle in np.linspace(0, 2 * np.pi, 60, endpoint=False):
        to = middle + 1.5 * size * np.array([np.cos(angle + 0.2), np.sin(angle + 0.2)])
        start = middle + size * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(big, start.astype(int).tolist(), to.astype(int).tolist(), 255, 4, cv2.LINE_AA)
    alpha = cv2.resize(big, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255

    def texture(colour: tuple[float, float, float]) -> np.ndarray:
        noise = cv2.GaussianBlur(rng.normal(0, 1, (size, size, 3)).astype(np.float32), (0, 0), 4)
        return np.clip(np.asarray(colour, np.float32) + 0.3 * noise, 0, 1)

    front, back = texture((0.75, 0.5, 0.3)), texture((0.2, 0.35, 0.6))
    picture = alpha[..., None] * front + (1 - alpha[..., None]) * back
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    given = np.full(alpha.shape, UNSURE, np.uint8)
    given[cv2.erode((alpha > 0.98).astype(np.uint8), disk) > 0] = IN
    given[cv2.dilate((alpha > 0.02).astype(np.uint8), disk) == 0] = OUT
    return picture.astype(np.float32), alpha, front, given


def test_alpha_of_hairs_comes_out_in_every_depth() -> None:
    picture, truth, _, given = hairy()
    unsure = given == UNSURE
    made = matte(picture, truth, Control(), trimap=given)
    assert made.dtype == np.float32 and made.min() >= 0 and made.max() <= 1
    assert (made[given == IN] == 1).all() and (made[given == OUT] == 0).all()
    error = np.abs(made - truth)[unsure].mean()
    cut = np.abs((truth > 0.5) - truth)[unsure].mean()
    assert error < 0.035 and error < 0.3 * cut
    for top, dtype in ((255, np.uint8), (65535, np.uint16)):
        deep = np.rint(picture * top).astype(dtype)
        again = matte(deep, truth, Control(), trimap=given)
        assert np.abs(again - truth)[unsure].mean() < 0.035


def test_the_solver_solves_the_matting_laplacian() -> None:
    """Against the plain formula of Levin et al., written down window by window."""
    rng = np.random.default_rng(0)
    height, width, epsilon = 9, 11, 1e-4
    image = rng.random((height, width, 3), np.float32)
    alpha = (np.arange(width)[None] > 5).astype(np.float32).repeat(height, 0)
    unsure = np.zeros((height, width), bool)
    unsure[1:-1, 3:8] = True
    matrix = np.zeros((height * width, height * width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            index = [(y + dy) * width + x + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            colours = image.reshape(-1, 3)[index].astype(np.float64)
            off = colours - colours.mean(0)
            inverse = np.linalg.inv(off.T @ off / 9 + epsilon / 9 * np.eye(3))
            matrix[np.ix_(index, index)] += np.eye(9) - (1 + off @ inverse @ off.T) / 9
    u = np.flatnonzero(unsure.ravel())
    k = np.flatnonzero(~unsure.ravel())
    right = -matrix[np.ix_(u, k)] @ alpha.ravel()[k]
    expected = np.linalg.solve(matrix[np.ix_(u, u)], right)
    made = solve(image, unsure, alpha, Control(), epsilon=epsilon)
    assert np.abs(made[unsure] - expected).max() < 2e-3
    assert (made[~unsure] == alpha[~unsure]).all()


def test_tiles_show_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, truth, _, given = hairy(256)
    whole = matte(picture, truth, Control(), trimap=given)
    monkeypatch.setattr(module, "TILE", 112)
    monkeypatch.setattr(module, "OVERLAP", 32)
    tiled = matte(picture, truth, Control(), trimap=given)
    unsure = given == UNSURE
    assert len(list(module.tiles(256, 256))) > 4
    assert np.abs(tiled - truth)[unsure].mean() < 1.15 * np.abs(whole - truth)[unsure].mean()
    error = tiled - truth
    steps = np.abs(np.diff(error, axis=1))
    edges = [b.x0 for b in module.tiles(256, 256) if b.x0] + [
        b.x1 for b in module.tiles(256, 256) if b.x1 < 256]
    at_edges = np.concatenate([steps[:, x - 1 : x + 1].ravel() for x in set(edges)])
    assert at_edges.mean() < 1.5 * steps[unsure[:, 1:]].mean()


def test_foreground_is_freed_of_the_old_background() -> None:
    picture, truth, front, _ = hairy()
    made = foreground(picture, truth, Control())
    soft = (truth > 0.1) & (truth < 0.95)
    assert made.dtype == np.float32
    assert np.abs(made - front)[soft].mean() < 0.3 * np.abs(picture - front)[soft].mean()
    sure = (truth == 1) | (truth == 0)
    assert (made[sure] == picture[sure]).all()


def test_values_above_one_stay() -> None:
    picture, truth, _, _ = hairy()
    made = foreground(picture * 4, truth, Control())
    assert made[truth > 0.5].max() > 2
    assert (made[truth == 1] == picture[truth == 1] * 4).all()


def disk_mask(size: int, radius: int) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), radius, 255, -1)
    return mask


def test_the_band_grows_with_the_mask() -> None:
    widths = []
    for radius in (30, 300):
        made = trimap(disk_mask(4 * radius, radius))
        assert set(np.unique(made)) == {OUT, UNSURE, IN}
        row = made[2 * radius]
        widths.append(int((row == UNSURE).sum()) / 4)
        assert made[2 * radius, 2 * radius] == IN and made[0, 0] == OUT
    assert widths[0] == pytest.approx(band_width(int(np.pi * 30**2)), abs=1.5)
    assert widths[1] > 2 * widths[0]


def test_the_band_is_wider_where_the_model_was_unsure_and_where_hair_is() -> None:
    mask = disk_mask(400, 100)
    plain = trimap(mask, width=8)
    probability = mask.astype(np.float32) / 255
    probability[100:300, 200:] = cv2.GaussianBlur(probability, (0, 0), 18)[100:300, 200:]
    doubted = trimap(mask, probability=probability, width=8)
    assert (doubted[200, 200:] == UNSURE).sum() > 1.5 * (plain[200, 200:] == UNSURE).sum()
    assert (doubted[200, :190] == plain[200, :190]).all()
    rgb = np.full((400, 400, 3), (90, 140, 200), np.uint8)
    rgb[mask > 0] = (120, 70, 40)
    same = trimap(mask, rgb, width=8)
    for angle in np.linspace(-0.4, 0.4, 24):
        to = 200 + 135 * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(rgb, (280, 200), to.astype(int).tolist(), (120, 70, 40), 2, cv2.LINE_AA)
    haired = trimap(mask, rgb, width=8)
    assert (haired[190:210, 311:330] == UNSURE).mean() > 0.8
    assert (same[190:210, 315:330] == UNSURE).mean() < 0.2
    assert (haired[:, :190] == same[:, :190]).mean() > 0.98


def test_a_thin_thing_keeps_a_sure_core() -> None:
    mask = np.zeros((60, 200), np.uint8)
    mask[28:33, 20:180] = 255
    made = trimap(mask)
    assert (made[30, 40:160] == IN).all() and (made == UNSURE).any()


def test_sizes_that_differ_are_told() -> None:
    mask = disk_mask(40, 10)
    with pytest.raises(BadInput, match="40×40"):
        trimap(mask, np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(BadInput, match="size"):
        matte(np.zeros((30, 40, 3), np.uint8), mask, Control(), trimap=trimap(mask))


def test_masks_of_all_and_of_nothing() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    assert (matte(rgb, np.full((40, 50), 255, np.uint8), Control()) == 1).all()
    assert (matte(rgb, np.zeros((40, 50), np.uint8), Control()) == 0).all()
    unsure = np.full((40, 50), UNSURE, np.uint8)
    made = matte(rgb, unsure, Control(), trimap=unsure)
    assert np.isfinite(made).all()


def test_cancel_stops_it() -> None:
    picture, truth, _, given = hairy()
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Cancelled):
        matte(picture, truth, Control(cancelled=cancelled), trimap=given)


def test_the_same_input_gives_the_same_alpha() -> None:
    picture, truth, _, given = hairy(96)
    first = matte(picture, truth, Control(), trimap=given)
    assert (first == matte(picture, truth, Control(), trimap=given)).all()


def test_a_real_animal(shared_data: Path) -> None:
    """pymatting's lemur (CC0), whose alpha was made by closed-form matting and touched up."""
    folder = shared_data / "free"
    if not (folder / "lemur.png").exists():
        pytest.skip("the free lemur is not here")
    rgb = cv2.cvtColor(cv2.imread(str(folder / "lemur.png")), cv2.COLOR_BGR2RGB)
    truth = cv2.imread(str(folder / "lemur_alpha.png"), 0).astype(np.float32) / 255
    mask = (truth > 0.5).astype(np.uint8) * 255
    made = matte(rgb, mask, Control())
    soft = (truth > 0.05) & (truth < 0.95)
    assert np.abs(made - truth).mean() < 0.01
    assert np.abs(made - truth)[soft].mean() < 0.6 * np.abs(mask / 255 - truth)[soft].mean()
