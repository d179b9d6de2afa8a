"""`cleanplate clean` on real files with real models (the built-in ones)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from pipeline_doubles import cmyk_profile

from backend import cli
from backend.layers.images import read_picture
from backend.layers.png import encode_png
from backend.pipeline.command import unique_stems

ROOT = Path(__file__).resolve().parents[2]
FAST = ["--fill-model", "fill-telea", "--device", "cpu"]
MASK_ONLY = ["--no-text", "--no-people", *FAST]


def ground(
    height: int = 60, width: int = 90, channels: int = 3, dtype: type = np.uint8
) -> np.ndarray:
    top = np.iinfo(dtype).max
    x = np.linspace(0.2, 0.8, width)[None, :, None]
    noise = np.random.default_rng(1).uniform(-0.05, 0.05, (height, width, channels))
    return ((x + noise) * top).astype(dtype)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    pixels = np.zeros((60, 90), np.uint8)
    pixels[20:35, 30:50] = 255
    return save(tmp_path / "given" / "mask.png", pixels)


def save(path: Path, pixels: np.ndarray, icc: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels, icc))
    return path


def clean(*arguments: object) -> int:
    return cli.main(["clean", *map(str, arguments)])


def load(path: Path) -> np.ndarray:
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)


def test_every_output_of_one_picture(tmp_path: Path, mask: Path) -> None:
    source = save(tmp_path / "photo.png", ground())
    assert clean(source, "--out", tmp_path / "out", "--mask", mask, *MASK_ONLY) == 0
    folder = tmp_path / "out" / "photo"
    assert sorted(p.name for p in folder.iterdir()) == [
        "background.png", "hole_mask.png", "object_mask.png", "photo.ora", "report.json",
        "text_mask.png"]
    given, hole = load(mask), load(folder / "hole_mask.png")
    assert (hole == given).all() and (load(folder / "object_mask.png") == given).all()
    assert load(folder / "text_mask.png").shape == (60, 90)
    assert not load(folder / "text_mask.png").any()
    plate = load(folder / "background.png")
    same = (plate == load(source)).all(2)
    assert same[hole == 0].all() and same[hole > 0].mean() < 0.2
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["size"] == [90, 60] and report["models"] == {"fill": "fill-telea"}
    assert report["pixels"]["hole"] == 15 * 20
    seconds = report["seconds"]
    total = seconds.pop("total")
    assert {"load", "people", "text", "fill"} <= set(seconds)
    assert sum(seconds.values()) == pytest.approx(total, rel=0.05, abs=0.01)
    with zipfile.ZipFile(folder / "photo.ora") as archive:
        layers = ElementTree.fromstring(archive.read("stack.xml")).findall("stack/layer")
        assert [(x.get("name"), x.get("visibility")) for x in layers] == [
            ("Text mask", "hidden"), ("Object mask", "hidden"), ("Background", "visible"),
            ("Original", "visible")]


def test_png_format_writes_no_ora_and_no_fill_no_background(tmp_path: Path, mask: Path) -> None:
    source, out = save(tmp_path / "a.png", ground()), tmp_path / "out"
    assert clean(source, "--out", out, "--mask", mask, "--format", "png", "--no-fill",
                 *MASK_ONLY) == 0
    names = {p.name for p in (out / "a").iterdir()}
    assert names == {"hole_mask.png", "object_mask.png", "report.json", "text_mask.png"}


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16bit_in_16bit_out(tmp_path: Path, mask: Path, suffix: str, channels: int) -> None:
    pixels = ground(channels=channels, dtype=np.uint16)
    if channels == 4:
        pixels[..., 3] = 65535
        pixels[:10, :, 3] = 0
    source = tmp_path / f"deep.{suffix}"
    cv2.imwrite(str(source), pixels)
    assert clean(source, "--out", tmp_path, "--mask", mask, *MASK_ONLY) == 0
    plate = load(tmp_path / "deep" / "background.png")
    hole = load(mask) > 0
    original = load(source)
    assert plate.dtype == np.uint16 and plate.shape == original.shape
    assert (plate[~hole] == original[~hole]).all()
    assert (plate[hole] != original[hole]).mean() > 0.5
    with zipfile.ZipFile(tmp_path / "deep" / "deep.ora") as archive:
        root = ElementTree.fromstring(archive.read("stack.xml"))
        layers = {x.get("name"): x for x in root.findall("stack/layer")}
        assert layers["Original"].get("visibility") == ("hidden" if channels == 4 else "visible")
        data = np.frombuffer(archive.read(layers["Background"].attrib["src"]), np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_UNCHANGED).dtype == np.uint16


def test_float_source_also_gets_a_float_file(tmp_path: Path, mask: Path) -> None:
    pixels = (ground() / np.float32(200)).astype(np.float32)
    cv2.imwrite(str(tmp_path / "f.tif"), pixels)
    assert clean(tmp_path / "f.tif", "--out", tmp_path, "--mask", mask, *MASK_ONLY) == 0
    plate, hole = load(tmp_path / "f" / "background.tif"), load(mask) > 0
    assert plate.dtype == np.float32 and (plate[~hole] == pixels[~hole]).all()
    assert load(tmp_path / "f" / "background.png").dtype == np.uint16


def test_profile_and_orientation(tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(ground(60, 90)).save(tmp_path / "a.jpg", icc_profile=icc, exif=exif)
    # A point of the upright picture, which is 60 wide: 70 is outside, and the message says so.
    assert clean(tmp_path / "a.jpg", "--out", tmp_path, "--click", "70,10", *MASK_ONLY) == 1
    assert clean(tmp_path / "a.jpg", "--out", tmp_path, *MASK_ONLY) == 0
    back = read_picture(tmp_path / "a" / "background.png")
    assert back.pixels.shape == (90, 60, 3) and back.icc == icc
    assert (back.pixels == read_picture(tmp_path / "a.jpg").pixels).all()


def test_cmyk_is_told_in_the_report(tmp_path: Path) -> None:
    Image.new("CMYK", (40, 30), (0, 200, 100, 0)).save(tmp_path / "c.jpg",
                                                       icc_profile=cmyk_profile())
    assert clean(tmp_path / "c.jpg", "--out", tmp_path, *MASK_ONLY) == 0
    report = json.loads((tmp_path / "c" / "report.json").read_text("utf-8"))
    assert any("CMYK" in note and "sRGB" in note for note in report["notes"])


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA"])
def test_other_modes(tmp_path: Path, mask: Path, mode: str) -> None:
    Image.fromarray(ground(channels=3)).convert(mode).save(tmp_path / "m.png")
    assert clean(tmp_path / "m.png", "--out", tmp_path, "--mask", mask, *MASK_ONLY) == 0
    source = read_picture(tmp_path / "m.png").pixels
    plate = read_picture(tmp_path / "m" / "background.png")
    assert (plate.pixels == source)[load(mask) == 0].all()
    assert plate.grey == (mode in ("L", "1"))


def test_equal_stems_get_numbers() -> None:
    files = [Path("a/x.png"), Path("b/x.jpg"), Path("b/X.tif"), Path("c/x-2.png"), Path("y.png")]
    assert list(unique_stems(files)) == ["x", "x-2", "X-3", "x-2-2", "y"]


def test_a_bad_file_does_not_stop_the_rest(
    tmp_path: Path, mask: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    for name in ("a", "c"):
        save(folder / f"{name}.png", ground())
    (folder / "b.png").write_bytes(b"rubbish")
    (folder / "notes.txt").write_text("not a picture")
    code = clean(folder, tmp_path / "none.png", "--out", tmp_path / "out", "--mask", mask,
                 *MASK_ONLY)
    text = capsys.readouterr().err
    assert code == 1 and "b.png" in text and "none.png" in text and "Traceback" not in text
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a", "c"]


@pytest.mark.parametrize(("extra", "words"), [
    (["--click", "90,5"], "outside the picture"),
    (["--fill-model", "big_lama"], "cleanplate models install big_lama"),
    (["--fill-model", "nonsense"], "nonsense"),
    (["--mask", "{bad}"], "give a mask of the picture's size"),
    (["--mask", "{all}"], "whole picture"),
    (["--only-text-in", "0,0,500,10"], "0,0,500,10"),
])
def test_errors_say_what_to_do(
    tmp_path: Path, mask: Path, capsys: pytest.CaptureFixture[str], extra: list[str], words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLEANPLATE_HOME", str(tmp_path / "home"))
    bad = save(tmp_path / "given" / "bad.png", np.full((5, 5), 255, np.uint8))
    every = save(tmp_path / "given" / "all.png", np.full((60, 90), 255, np.uint8))
    extra = [e.format(bad=bad, all=every) for e in extra]
    source = save(tmp_path / "a.png", ground())
    assert clean(source, "--out", tmp_path / "out", "--mask", mask, *MASK_ONLY, *extra) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("arguments", [
    ["clean"], ["clean", "a.png"], ["clean", "a.png", "--out", "x", "--click", "5"],
    ["clean", "a.png", "--out", "x", "--grow", "-1"], ["nonsense"], [],
    ["clean", "a.png", "--out", "x", "--device", "toaster"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (12, 900), (700, 9)])
def test_small_and_narrow_pictures_with_the_real_models(
    tmp_path: Path, height: int, width: int
) -> None:
    save(tmp_path / "a.png", np.full((height, width, 3), 128, np.uint8))
    assert clean(tmp_path / "a.png", "--out", tmp_path, *FAST) == 0
    assert not load(tmp_path / "a" / "hole_mask.png").any()
    assert (load(tmp_path / "a" / "background.png") == 128).all()


def test_real_text_is_found_and_gone(tmp_path: Path) -> None:
    picture = np.full((240, 420, 3), (180, 190, 170), np.uint8)
    cv2.putText(picture, "SUMMER", (40, 150), cv2.FONT_HERSHEY_SIMPLEX, 2.5, (20, 20, 20), 8)
    save(tmp_path / "a.png", picture)
    assert clean(tmp_path / "a.png", "--out", tmp_path, *FAST) == 0
    plate, hole = load(tmp_path / "a" / "background.png"), load(tmp_path / "a" / "hole_mask.png")
    assert np.abs(plate.astype(int) - (170, 190, 180)).max() < 25
    strokes = picture.max(2) < 100
    assert (hole[strokes] > 0).all() and (hole > 0).mean() < 3.2 * strokes.mean()


def test_help_lists_every_verb_and_needs_no_torch() -> None:
    code = ("import sys; from backend import cli; text = cli.build_parser(None).format_help(); "
            "assert all(v in text for v in cli.VERBS), text; "
            "cli.build_parser('clean'); assert 'torch' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_interrupt_leaves_no_half_written_file(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / "in" / f"{number:02d}.png", ground(500, 800))
    mask = np.zeros((500, 800), np.uint8)
    mask[100:400, 200:600] = 255
    save(tmp_path / "mask.png", mask)
    command = [sys.executable, "-m", "backend", "clean", str(tmp_path / "in"), "--out",
               str(tmp_path / "out"), "--mask", str(tmp_path / "mask.png"), *MASK_ONLY]
    # A shell's background job ignores SIGINT and hands that down: this process must hear it.
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    limit = time.monotonic() + 120
    while not (tmp_path / "out" / "01" / "report.json").exists():
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    folders = sorted((tmp_path / "out").iterdir())
    assert len(folders) < 40 and not any(f.name.startswith(".") for f in folders)
    for file in (tmp_path / "out").rglob("*.png"):
        assert load(file) is not None
    for file in (tmp_path / "out").rglob("*.ora"):
        assert zipfile.ZipFile(file).testzip() is None
