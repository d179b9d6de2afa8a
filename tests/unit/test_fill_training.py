"""Training of the fill net: what its losses say, and a short run whose weights can be used."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from backend.fill.pconv import load  # noqa: E402
from backend.models import catalogue  # noqa: E402
from backend.training import fill_losses, imagenet  # noqa: E402
from backend.training.__main__ import main  # noqa: E402
from backend.training.fill import PHOTOS, adds_to_smooth  # noqa: E402
from backend.training.fill_masks import SILHOUETTES  # noqa: E402
from backend.values import Control  # noqa: E402


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One striped picture in each training folder, with a label where silhouettes come from."""
    root = tmp_path_factory.mktemp("train")
    stripes = np.zeros((160, 200, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = (200, 120, 60)
    labels = np.zeros(stripes.shape[:2], np.uint8)
    cv2.circle(labels, (90, 80), 50, (1,), -1)
    for group in {*PHOTOS, *SILHOUETTES}:
        (root / group).mkdir()
        cv2.imwrite(str(root / group / "000.jpg"), stripes)
        if group in SILHOUETTES:
            cv2.imwrite(str(root / group / "000_instances.png"), labels)
    (root / "fonts").mkdir()
    fonts = sorted(Path("/usr/share/fonts").rglob("*.ttf"))
    if not fonts:
        pytest.skip("no TrueType font here to draw letters with")
    shutil.copy(fonts[0], root / "fonts" / "any.ttf")
    return root


def test_the_truth_costs_only_its_own_variation() -> None:
    judge = fill_losses.RandomFeatures()
    truth = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    hole = torch.zeros(2, 1, 64, 64)
    hole[:, :, 20:40, 20:40] = 1
    none = fill_losses.paper_losses(judge, truth, truth, hole)
    grey = fill_losses.paper_losses(judge, truth * (1 - hole) + 0.5 * hole, truth, hole)
    assert all(float(none[name]) < 1e-6 for name in ("valid", "hole", "perceptual", "style"))
    assert float(grey["valid"]) < 1e-6, "nothing is wrong outside the hole"
    assert all(float(grey[name]) > 1e-3 for name in ("hole", "perceptual", "style"))
    assert float(grey["tv"]) < float(none["tv"]), "grey varies less than noise"


def test_sliced_distance_minds_texture_and_not_place() -> None:
    truth = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    hole = torch.zeros(2, 1, 64, 64)
    hole[:, :, 12:52, 12:52] = 1
    torch.manual_seed(0)
    same = float(fill_losses.sliced_wasserstein(truth, truth, hole))
    moved = float(fill_losses.sliced_wasserstein(truth.roll(5, 3), truth, hole))
    blurred = float(fill_losses.sliced_wasserstein(
        torch.nn.functional.avg_pool2d(truth, 5, 1, 2), truth, hole))
    assert same == 0
    assert moved < 0.3 * blurred, "the same texture elsewhere is nearer than a blur in place"
    tiny = torch.zeros(2, 1, 64, 64)
    tiny[:, :, 30:33, 30:33] = 1
    assert float(fill_losses.sliced_wasserstein(truth, truth.roll(5, 3), tiny)) == 0


def test_the_judge_is_the_best_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, imagenet.PACKAGE, None)
    net, name = fill_losses.features(None)
    assert isinstance(net, fill_losses.RandomFeatures) and "random" in name
    monkeypatch.setattr(fill_losses, "start_from_imagenet", lambda encoder: None)  # a wheel's file
    net, name = fill_losses.features(None)
    assert isinstance(net, fill_losses.MobileFeatures) and "MobileNetV2" in name
    seen = net(torch.rand(1, 3, 64, 96))
    assert [tuple(f.shape[2:]) for f in seen] == [(32, 48), (16, 24), (8, 12)]
    assert not any(p.requires_grad for p in net.parameters())


def test_trained_weights_fill(sets: Path, tmp_path: Path) -> None:
    arguments = ["fill", "--small", "--data", str(sets), "--out", str(tmp_path), "--seed", "3"]
    arguments += ["--side", "64", "--batch", "2", "--steps", "3", "--device", "cpu"]
    assert main(arguments) == 0
    weights = next(tmp_path.glob("*.safetensors"))
    model = load(catalogue.get("fill-pconv"), {"weights": weights}, "cpu", Control())
    picture = np.full((96, 128, 3), 0.25, np.float32)
    hole = np.zeros((96, 128), np.uint8)
    hole[30:60, 40:90] = 255
    filled = model.fill(picture, hole, Control())
    assert filled.shape == picture.shape and np.isfinite(filled).all()
    assert (filled[hole == 0] == picture[hole == 0]).all()
    assert not (filled[hole > 0] == picture[hole > 0]).all(), "the network's own pixels"


def test_older_weights_go_on_as_what_is_added_to_a_smooth_fill(sets: Path, tmp_path: Path) -> None:
    arguments = ["fill", "--small", "--data", str(sets), "--out", str(tmp_path), "--seed", "3"]
    arguments += ["--side", "64", "--batch", "2", "--device", "cpu", "--on-smooth"]
    assert main([*arguments[:-1], "--steps", "1"]) == 0
    weights = next(tmp_path.glob("*.safetensors"))
    before = load_file(weights)
    assert not adds_to_smooth(weights)
    assert main([*arguments, "--resume", "--steps", "1"]) == 0  # no step more: the start itself
    after = load_file(weights)
    assert adds_to_smooth(weights) and not any(after[k].any() for k in after if "up.5.conv" in k)
    assert torch.equal(before["down.0.conv.conv.weight"], after["down.0.conv.conv.weight"])
    (tmp_path / "fill-pconv.state.pt").unlink()
    assert main([*arguments, "--resume", "--steps", "3"]) == 0
    trained = load_file(weights)
    assert any(trained[k].any() for k in trained if "up.5.conv" in k), "goes on, not anew"
    assert main([*arguments, "--resume", "--steps", "3"]) == 0
    again = load_file(weights)
    assert any(again[k].any() for k in again if "up.5.conv" in k), "not set to 0 twice"


def test_a_side_that_does_not_fit_the_net_is_told(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["fill", "--small", "--data", str(sets), "--out", str(tmp_path), "--side", "160"]
    assert main([*arguments, "--steps", "1", "--device", "cpu"]) == 2
    assert "multiple of 64" in capsys.readouterr().err
