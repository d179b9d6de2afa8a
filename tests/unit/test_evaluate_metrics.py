"""Scores against the shared definition, and against cases whose answer is known."""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from backend.evaluate import command, data, metrics, sheets, tables
from backend.values import BadInput


@pytest.fixture(scope="module")
def score(shared_data: Path) -> ModuleType:
    path = shared_data.parent / "score.py"
    if not path.is_file():
        pytest.skip(f"the shared definition of the scores is not here: {path}")
    spec = importlib.util.spec_from_file_location("score", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    b = cv2.GaussianBlur(rng.integers(0, 256, (90, 130, 3)).astype(np.uint8), (0, 0), 2)
    a = np.clip(b + rng.normal(0, 12, b.shape), 0, 255).astype(np.uint8)
    hole = np.zeros((90, 130), np.uint8)
    hole[20:70, 30:100] = 255
    return a, b, hole


def test_scores_are_those_of_the_shared_definition(score: ModuleType) -> None:
    for seed in range(3):
        a, b, hole = pair(seed)
        ours = metrics.hole_scores(a, b, hole)
        assert (ours["psnr"], ours["ssim"]) == score.hole(a, b, hole)
        assert ours["swd"] == score.swd(a, b, hole)
        moved = np.roll(hole, 7, 1)
        assert metrics.iou(moved, hole) == score.iou(moved, hole)
        for tolerance in (0, 4):
            assert metrics.precision_recall(moved, hole, tolerance) == score.precision_recall(
                moved, hole, tolerance)


def test_masks_with_known_answers() -> None:
    a, b = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    a[:, :10] = 255
    b[:, 5:15] = 255
    assert metrics.iou(a, b) == pytest.approx(1 / 3)
    valid = np.zeros((20, 20), bool)
    valid[:, :10] = True
    assert metrics.iou(a, b, valid) == pytest.approx(0.5)
    assert metrics.precision_recall(a, b) == (0.5, 0.5)
    assert metrics.precision_recall(a, b, 4)[0] == pytest.approx(0.9)


def test_fills_with_known_answers() -> None:
    a, b, hole = pair()
    assert metrics.psnr(b, b, hole) > 100 and metrics.ssim(b, b, hole) == pytest.approx(1)
    assert metrics.swd(b, b, hole) == 0
    off = np.clip(b.astype(int) + 10, 0, 255).astype(np.uint8)
    assert metrics.psnr(off, b, hole) == pytest.approx(20 * np.log10(25.5), abs=0.05)
    blurred = cv2.GaussianBlur(b, (0, 0), 6)
    shifted = np.roll(b, 3, 1)
    assert metrics.swd(blurred, b, hole) > 3 * metrics.swd(shifted, b, hole)


def test_tables_align_and_average() -> None:
    rows = [{"image": "000", "iou": 0.5, "n": 2}, {"image": "longer", "iou": 1.0, "extra": "x"}]
    assert tables.mean_row(rows) == {"image": "mean", "iou": 0.75, "n": 2.0}
    lines = tables.format_table([*rows, tables.mean_row(rows)], digits=2).splitlines()
    assert lines[0].split() == ["image", "iou", "n", "extra"]
    assert lines[2].split() == ["000", "0.50", "2", "–"]
    assert lines[2].index("0.50") == lines[3].index("1.00")


def test_json_is_plain(tmp_path: Path) -> None:
    value = {"a": np.float32(0.5), "b": [np.int64(3), float("nan")], "c": np.ones(2)}
    path = tables.save_json(tmp_path / "deep" / "x.json", value)
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [3, None], "c": [1.0, 1.0]}
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_sheets_hold_their_tiles(tmp_path: Path) -> None:
    red, grey = np.full((50, 100, 3), (255, 0, 0), np.uint8), np.full((100, 50), 77, np.uint8)
    path = sheets.grid([("one", red), ("two", grey), ("three", red)], tmp_path / "s.png", 2, 100)
    page = cv2.imread(str(path))
    assert page.shape == (20 + 100 + 4 + 20 + 50 + 4, 2 * 104, 3)
    assert page[40, 50].tolist() == [0, 0, 255] and page[60, 154].tolist() == [77] * 3
    with pytest.raises(BadInput):
        sheets.sheet([], tmp_path / "empty.png")


def test_overlay_tints_only_the_mask() -> None:
    picture, mask = np.full((40, 40, 3), 100, np.uint8), np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    result = sheets.overlay(picture, {(255, 0, 0): mask})
    assert (result[mask == 0] == 100).all() and result[20, 20].tolist() == [177, 50, 50]
    assert (picture == 100).all()


def advert_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for what in ("", "_clean"):
        cv2.imwrite(str(folder / f"000{what}.jpg"), np.full((60, 80, 3), 90, np.uint8))
    for what, rows in (("people", (10, 20)), ("text", (30, 40)), ("effects", (40, 45))):
        mask = np.zeros((60, 80), np.uint8)
        mask[rows[0]:rows[1], 10:50] = 255 if what != "effects" else 60
        cv2.imwrite(str(folder / f"000_{what}.png"), mask)
    (folder / "index.json").write_text('{"000": "flat"}')
    return folder


def test_sets_are_found_from_any_level(tmp_path: Path) -> None:
    folder = advert_folder(tmp_path / "dev" / "creatives_composed")
    for start in (tmp_path, tmp_path / "dev", folder):
        assert data.find_set(start, "creatives_composed") == folder
    with pytest.raises(BadInput, match="creatives_composed"):
        data.find_set(tmp_path / "none", "creatives_composed")
    advert = next(data.adverts(tmp_path))
    assert advert.style == "flat" and not advert.people_valid[42, 20]
    assert advert.hole(0)[42, 20] and not advert.hole(0, effects=False)[42, 20]
    assert advert.hole(5)[25, 20] and not advert.hole(4)[25, 20]


def test_command_offers_every_target() -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(["creatives", "--data", "x", "--limit", "2", "--no-exact"])
    assert args.limit == 2 and args.no_exact and args.data == Path("x")
    for target in command.TARGETS:
        assert target in parser.format_help()


def test_precision_is_left_out_where_all_text_stands_on_plates(tmp_path: Path) -> None:
    from backend.evaluate import creatives

    folder = advert_folder(tmp_path / "creatives_composed")
    advert = next(data.adverts(folder))
    found = advert.text.copy()
    found[50:60, 10:50] = 255  # as much again, far from any stroke
    assert creatives.text_precision(advert, found) == pytest.approx(0.5, abs=0.05)
    plate = np.zeros((60, 80), np.uint8)
    plate[25:45] = 255
    cv2.imwrite(str(folder / "000_effects.png"), plate)
    assert creatives.text_precision(next(data.adverts(folder)), found) is None


def test_the_visible_shadow_around_letters_is_counted(tmp_path: Path) -> None:
    from dataclasses import replace

    from backend.evaluate import text

    advert = next(data.adverts(advert_folder(tmp_path / "creatives_composed")))
    assert text.marked_effects(advert.text, advert) is None  # flat letters have none
    rgb = advert.rgb.copy()
    rgb[40:45, 10:50] -= 40
    shadowed = replace(advert, style="shadow", rgb=rgb)
    assert text.marked_effects(advert.text, shadowed) == 0
    found = advert.text.copy()
    found[40:45, 10:30] = 255
    assert text.marked_effects(found, shadowed) == pytest.approx(0.5, abs=0.03)
    unseen = replace(advert, style="shadow")  # a shadow that changes nothing
    assert text.marked_effects(found, unseen) is None


def test_blind_pairs_hide_which_is_which(tmp_path):
    from backend.evaluate.fill import save_pair

    made = {"a": np.full((4, 4, 3), 10, np.uint8), "b": np.full((4, 4, 3), 200, np.uint8)}
    rng = np.random.default_rng(0)
    orders = set()
    for n in range(20):
        names = save_pair(tmp_path, f"{n:03d}", made, rng)
        orders.add(tuple(names))
        for letter, name in zip("AB", names, strict=True):
            seen = cv2.imread(str(tmp_path / f"{n:03d}_{letter}.png"))
            assert seen is not None and (seen == made[name]).all()
    assert orders == {("a", "b"), ("b", "a")}, "by chance"
