"""Cut Out: what stays, in which depth, and what `cleanplate clean --cut-out` writes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from pipeline_doubles import GREEN, RED, Store, scene

from backend import cli
from backend.layers.png import encode_png
from backend.models.store import ModelStore
from backend.pipeline.cut_out import CutOut, cut_out
from backend.values import BadInput, CleanOptions, Control, Point

DEPTHS = (np.uint8, np.uint16, np.float32)


def in_depth(pixels: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype == np.uint8:
        return pixels
    if dtype == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return pixels.astype(np.float32) / np.float32(255)


def top(dtype: Any) -> float:
    return 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)


def run(pixels: np.ndarray, options: CleanOptions | None = None, **more: Any) -> CutOut:
    store = cast(ModelStore, more.pop("store", None) or Store())
    control = more.pop("control", None) or Control()
    return cut_out(pixels, options or CleanOptions(), store, control, **more)


@pytest.mark.parametrize("dtype", DEPTHS)
def test_people_stay_and_everything_else_goes(dtype: Any) -> None:
    pixels = in_depth(scene(), dtype)
    before = pixels.copy()
    result = run(pixels)
    assert result.found and result.pixels.dtype == dtype and result.pixels.shape == (120, 200, 4)
    assert (pixels == before).all()
    alpha = result.pixels[..., 3]
    whole = alpha == top(dtype)
    assert (result.pixels[whole][:, :3] == pixels[whole]).all()
    assert whole[35:85, 25:35].all() and whole[35:85, 75:85].all()
    assert (result.pixels[:, 100:] == 0).all() and (result.pixels[alpha == 0] == 0).all()
    assert result.report["subject"] == "people" and result.report["models"] == {
        "people": "red-people", "matte": "matte-closed-form"}
    assert result.report["depth"] == {np.uint8: 8, np.uint16: 16, np.float32: 32}[dtype]


def test_a_click_a_keep_point_and_a_mask_choose_what_stays() -> None:
    pixels = scene()
    clicked = run(pixels, CleanOptions(clicks=(Point(135, 105),)))
    assert clicked.pixels[105, 135, 3] == 255 and clicked.pixels[60, 30, 3] == 0
    kept = run(pixels, CleanOptions(keep=(Point(80, 60),)), store=Store(instances=True))
    assert kept.pixels[60, 80, 3] == 255 and not kept.pixels[:, :55, 3].any()
    mask = np.zeros((120, 200), np.uint8)
    mask[55:85, 105:185] = 255
    given = run(pixels, CleanOptions(clicks=(Point(135, 105),)), mask=mask)
    assert given.pixels[70, 150, 3] == 255 and given.pixels[105, 135, 3] == 0
    assert (given.mask == mask).all() and given.report["subject"] == "mask"


def test_a_soft_edge_is_freed_of_its_background() -> None:
    truth = np.zeros((160, 160), np.float32)
    cv2.circle(truth, (80, 80), 45, 1.0, -1)
    truth = cv2.GaussianBlur(truth, (0, 0), 2)
    rng = np.random.default_rng(2)
    front = np.array(RED, np.float32) + rng.normal(0, 6, (160, 160, 1))
    back = np.array(GREEN, np.float32) + rng.normal(0, 6, (160, 160, 1))
    mixed = truth[..., None] * front + (1 - truth[..., None]) * back
    pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    result = run(pixels, mask=(truth > 0.5).astype(np.uint8) * 255)
    alpha = result.pixels[..., 3] / 255
    assert np.abs(alpha - truth).max() < 0.15
    soft = (alpha > 0.2) & (alpha < 0.9)
    off = np.abs(result.pixels[..., :3].astype(float) - front)[soft].mean()
    assert soft.sum() > 500 and off < 0.25 * np.abs(mixed - front)[soft].mean()


@pytest.mark.parametrize("dtype", DEPTHS)
def test_transparency_of_the_source_stays(dtype: Any) -> None:
    pixels = np.dstack([in_depth(scene(), dtype), np.full((120, 200), top(dtype), dtype)])
    pixels[:, :30, 3] = 0
    half = np.asarray(top(dtype) / 2).astype(dtype)
    pixels[50:70, 75:85, 3] = half
    mask = np.zeros((120, 200), np.uint8)
    mask[30:90, 20:90] = 255
    result = run(pixels, mask=mask)
    assert (result.pixels[:, :30] == 0).all()
    assert (result.pixels[55:65, 78:82] == pixels[55:65, 78:82]).all()


def test_colours_above_one_stay() -> None:
    pixels = in_depth(scene(), np.float32)
    pixels[40:50, 75:85, 0] = 3.5
    mask = np.zeros((120, 200), np.uint8)
    mask[30:90, 70:90] = 255
    result = run(pixels, mask=mask)
    assert (result.pixels[42:48, 78:82, :3] == pixels[42:48, 78:82]).all()


def test_nobody_is_told() -> None:
    control = Control()
    result = run(np.full((60, 80, 3), 128, np.uint8), control=control)
    assert not result.found and not result.pixels.any()
    assert any("Nobody was found" in note for note in control.notes)
    assert result.report["found"] is False and result.report["notes"] == control.notes
    control = Control()
    run(scene(), CleanOptions(clicks=(Point(5, 5),)), control=control)
    assert any("click" in note for note in control.notes)


def test_wrong_points_and_masks_are_told() -> None:
    with pytest.raises(BadInput, match="outside"):
        run(scene(), CleanOptions(clicks=(Point(500, 5),)))
    with pytest.raises(BadInput, match="mask"):
        run(scene(), mask=np.zeros((10, 10), np.uint8))


def clean(*arguments: object) -> int:
    return cli.main(["clean", *map(str, arguments), "--device", "cpu"])


def test_the_command_writes_the_cut_out(tmp_path: Path) -> None:
    pixels = scene()
    mask = np.zeros((120, 200), np.uint8)
    mask[30:90, 20:40] = 255
    (tmp_path / "photo.png").write_bytes(encode_png(in_depth(pixels, np.uint16)))
    (tmp_path / "mask.png").write_bytes(encode_png(mask))
    out = tmp_path / "out"
    assert clean(tmp_path / "photo.png", "--cut-out", "--mask", tmp_path / "mask.png",
                 "--out", out) == 0
    folder = out / "photo"
    assert sorted(p.name for p in folder.iterdir()) == [
        "cut_out.png", "photo.ora", "report.json", "subject_mask.png"]
    made = cv2.imread(str(folder / "cut_out.png"), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16 and made.shape == (120, 200, 4)
    assert made[60, 30, 3] == 65535 and not made[:, 60:, 3].any()
    assert (made[60, 30, 2::-1] == in_depth(pixels, np.uint16)[60, 30]).all()
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["found"] and report["outputs"] == [
        "cut_out.png", "photo.ora", "subject_mask.png"]
    with zipfile.ZipFile(folder / "photo.ora") as archive:
        layers = ElementTree.fromstring(archive.read("stack.xml")).findall("stack/layer")
        assert [(x.get("name"), x.get("visibility")) for x in layers] == [
            ("Subject mask", "hidden"), ("Cut out", "visible"), ("Original", "hidden")]


def test_the_command_on_a_picture_without_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real built-in net on a wall: nothing to keep, said so, no picture written."""
    wall = np.full((160, 200, 3), (150, 140, 120), np.uint8)
    (tmp_path / "wall.png").write_bytes(encode_png(wall))
    assert clean(tmp_path / "wall.png", "--cut-out", "--out", tmp_path / "out") == 0
    assert [p.name for p in (tmp_path / "out" / "wall").iterdir()] == ["report.json"]
    shown = capsys.readouterr().out
    assert "nothing found" in shown and "Nobody was found in the picture" in shown
