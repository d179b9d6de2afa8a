"""The real detector with the real stroke net, PSENet's checkpoints, and `cleanplate text`."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import psenet, text_ppocr
from backend.masks import text as text_models
from backend.values import BadInput, Cancelled, Control, ModelUnavailable

torch = pytest.importorskip("torch")
RAFT = Path(__file__).parents[1] / "data" / "raft.png"


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("rapidocr", reason="the package rapidocr is not installed")
    return text_models.load_ppocr(SimpleNamespace(name="text-ppocr"), {}, "cpu", Control())


def written(rgb: np.ndarray, *lines: tuple[str, int, tuple[int, int], tuple[int, int, int]]):
    """The picture with lines (text, px, place, colour) on it, and where their ink is."""
    picture, ink = Image.fromarray(rgb), Image.new("L", (rgb.shape[1], rgb.shape[0]))
    for text, size, place, colour in lines:
        font = ImageFont.load_default(size)
        ImageDraw.Draw(picture).text(place, text, colour, font)
        ImageDraw.Draw(ink).text(place, text, 255, font)
    return np.asarray(picture), np.asarray(ink)


def test_strokes_not_boxes_on_a_photo(model):
    photo = cv2.imread(str(RAFT))[150:, :200, ::-1]  # a corner without the text it has already
    photo = cv2.resize(photo, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    picture, ink = written(
        photo, ("Summer sale", 80, (60, 60), (255, 255, 255)),
        ("up to 50% off", 40, (64, 190), (250, 230, 40)),
    )
    found = model.find(picture, Control())
    marked, truth = found.mask > 0, ink > 127
    assert (marked & truth).sum() / truth.sum() > 0.95
    near = cv2.dilate(truth.astype(np.uint8), np.ones((9, 9))) > 0
    assert (marked & near).sum() / marked.sum() > 0.75
    assert len(found.lines) == 2 and found.lines[0].height > found.lines[1].height
    assert found.probability.dtype == np.float32 and found.mask.shape == photo.shape[:2]


def test_captions_and_headlines_in_one_large_picture(model):
    paper = np.full((1500, 2600, 3), 235, np.uint8)
    picture, ink = written(
        paper, ("BIG", 700, (300, 150), (180, 20, 30)),
        ("printed in small letters by the house", 13, (1900, 1300), (40, 40, 40)),
    )
    found = model.find(picture, Control())
    for part in (np.s_[:1100], np.s_[1250:]):
        truth = ink[part] > 127
        assert (found.mask[part] > 0)[truth].mean() > 0.9
    assert len(found.lines) == 2


def test_a_picture_without_text_is_left_alone(model):
    ramp = np.linspace(40, 200, 640)[None, :, None].repeat(400, 0).repeat(3, 2).astype(np.uint8)
    found = model.find(ramp, Control())
    assert not found.mask.any() and found.lines == ()
    for size in ((1, 1), (3, 700)):
        assert model.find(np.zeros((*size, 3), np.uint8), Control()).mask.shape == size


def test_bad_arrays_are_named(model):
    with pytest.raises(BadInput, match="uint8"):
        model.find(np.zeros((8, 8, 3), np.float32), Control())
    with pytest.raises(BadInput):
        model.find(np.zeros((8, 8), np.uint8), Control())


def test_cancel_stops_a_running_network(model):
    stop = threading.Event()
    threading.Timer(0.15, stop.set).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        while time.monotonic() - start < 120:
            model.find(np.zeros((1200, 1800, 3), np.uint8), Control(cancelled=stop.is_set))


def test_tiny_numbers_count_as_nothing_only_while_a_network_runs(model):
    tiny = np.full(8, 1e-40, np.float32)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot leave out tiny numbers")
    torch.set_flush_denormal(False)
    text_ppocr.open_session(text_ppocr.wheel_file(text_ppocr.MODEL))
    assert (tiny * np.float32(1)).all()
    with text_ppocr.cancellable(Control()):
        assert not (tiny * np.float32(1)).any()
    assert (tiny * np.float32(1)).all()
    with pytest.raises(ValueError, match="stopped"), text_ppocr.cancellable(Control()):
        raise ValueError("stopped")
    assert (tiny * np.float32(1)).all()


def official_state() -> dict[str, torch.Tensor]:
    """A checkpoint of the form the authors publish: names behind `module.`."""
    from backend.networks.psenet import PSENet

    return {f"module.{k}": v for k, v in PSENet().state_dict().items()}


def test_official_checkpoints_fit(tmp_path: Path):
    state = official_state()
    # a few of the published names and shapes
    for key, shape in {
        "backbone.conv1.weight": (64, 3, 3, 3), "backbone.conv3.weight": (128, 64, 3, 3),
        "backbone.layer1.0.downsample.0.weight": (256, 128, 1, 1),
        "backbone.layer4.2.bn3.running_var": (2048,),
        "fpn.toplayer_.conv.weight": (256, 2048, 1, 1),
        "fpn.latlayer3_.bn.weight": (256,), "fpn.smooth2_.conv.weight": (256, 256, 3, 3),
        "det_head.conv1.bias": (256,), "det_head.conv2.weight": (7, 256, 1, 1),
    }.items():  # fmt: skip
        assert tuple(state[f"module.{key}"].shape) == shape, key
    path = tmp_path / "psenet_r50_tt.pth.tar"
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save({"epoch": 600, "state_dict": old}, path)
    net = psenet.load_official(path, "cpu")
    assert torch.equal(net.state_dict()["det_head.conv2.bias"], state["module.det_head.conv2.bias"])
    maps = psenet.Detector(net, "cpu", 1104, 0.85).maps(
        np.zeros((100, 150, 3), np.uint8), 1.0, Control())
    assert maps.shape == (7, 48, 80) and 0 <= maps.min() and maps.max() <= 1


def test_other_files_are_refused(tmp_path: Path):
    path = tmp_path / "psenet_r50_tt.pth.tar"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        psenet.load_official(path, "cpu")
    torch.save({"state_dict": {"module.fc.weight": torch.zeros(2)}}, path)
    with pytest.raises(ModelUnavailable, match="does not fit"):
        psenet.load_official(path, "cpu")


def test_the_verb_prints_lines_and_words(model, tmp_path: Path, capsys):
    from backend.cli import main

    picture, _ = written(np.full((220, 640, 3), 250, np.uint8),
                         ("Weekend deal", 60, (40, 60), (20, 20, 90)))
    Image.fromarray(picture).save(tmp_path / "a.png")
    mask = tmp_path / "mask.png"
    assert main(["text", str(tmp_path / "a.png"), "--mask", str(mask), "--device", "cpu",
                 "--text-model", "text-ppocr"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["model"] == "text-ppocr" and (said["width"], said["height"]) == (640, 220)
    (line,) = said["lines"]
    assert line["words"].replace(" ", "").lower() == "weekenddeal"
    assert len(line["polygon"]) == 4 and 30 < line["height"] < 90
    assert cv2.imread(str(mask), 0).shape == (220, 640)
    assert main(["text", str(tmp_path / "missing.png")]) == 1
    assert "missing.png" in capsys.readouterr().err


def test_small_captions_and_half_a_page_in_6000_pixels(model):
    rng = np.random.default_rng(1)
    rough = rng.integers(120, 150, (84, 125, 3), np.uint8)
    paper = cv2.resize(rough, (6000, 4000), interpolation=cv2.INTER_CUBIC)
    picture, ink = written(
        paper, ("SALE", 1900, (250, 150), (250, 250, 250)),
        ("all prices include value added tax", 12, (700, 3400), (20, 20, 20)),
        ("photographed by the sea in autumn", 12, (5200, 3900), (20, 20, 20)),
        ("made with care", 12, (5480, 40), (245, 245, 245)),
    )
    tracemalloc.start()
    found = model.find(picture, Control())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 40 * paper.size  # bytes: a handful of copies as float32
    parts = (np.s_[:2600], np.s_[3380:3440, :3000], np.s_[3860:], np.s_[:100, 5400:])
    shares = [(found.mask[p] > 0)[ink[p] > 127].mean() for p in parts]
    assert min(shares) > 0.85, shares
    assert len(found.lines) == 4
    heights = sorted(line.height for line in found.lines)
    assert heights[2] < 30 and heights[3] > 900
