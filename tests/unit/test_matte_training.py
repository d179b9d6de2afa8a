"""Training of the learned mattes on small made-up folders, and their use beside the solver."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backend.matte import matte
from backend.matte.learned import load
from backend.models import catalogue
from backend.models.store import ModelStore
from backend.training.__main__ import main
from backend.training.data import BACKGROUNDS
from backend.training.matte import matte_terms
from backend.training.matte_compose import PEOPLE, Composer
from backend.values import Control, ModelUnavailable


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture in each training folder: a disk on noise."""
    root = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    disk = np.zeros((160, 160), np.uint8)
    cv2.circle(disk, (80, 80), 50, 255, -1)
    for group in ("matting", *PEOPLE, *BACKGROUNDS):
        folder = root / group
        folder.mkdir()
        picture = rng.integers(0, 90, (160, 160, 3), dtype=np.uint8)
        picture[disk > 0] += 120
        cv2.imwrite(str(folder / "000.jpg"), picture)
        if group == "matting":
            cv2.imwrite(str(folder / "000_alpha.png"), cv2.GaussianBlur(disk, (0, 0), 3))
        elif group in PEOPLE:
            cv2.imwrite(str(folder / "000_instances.png"), disk // 255)
    return root


def test_samples_are_exact_composites_and_repeat(sets: Path) -> None:
    composer = Composer(sets, 5, 64)
    x, alpha, front, unsure = composer.batch(3, 12)
    again = Composer(sets, 5, 64).batch(3, 12)
    assert all(torch.equal(a, b) for a, b in zip((x, alpha, front, unsure), again, strict=True))
    assert x.shape == (12, 4, 64, 64) and alpha.shape == unsure.shape == (12, 1, 64, 64)
    trimap = x[:, 3:]
    assert set(trimap.unique().tolist()) == {0.0, 0.5, 1.0}
    assert ((trimap == 0.5) == (unsure > 0)).all()
    # Where nothing is uncertain the picture is the foreground, up to the grain.
    sure = (trimap == 1) & (alpha > 0.999)
    off = (x[:, :3] - front).abs().mean(1, keepdim=True)[sure]
    assert off.numel() > 1000 and off.mean() < 0.03
    soft = (alpha > 0.05) & (alpha < 0.95)
    assert (unsure[soft] > 0).float().mean() > 0.8


def test_the_loss_is_nothing_for_the_truth(sets: Path) -> None:
    batch = Composer(sets, 1, 64).batch(0, 4)
    right = matte_terms(batch[1], batch)
    wrong = matte_terms(1 - batch[1], batch)
    assert all(float(v) < 1e-3 for v in right.values())
    assert all(float(wrong[k]) > 10 * float(right[k]) for k in right)


@pytest.mark.parametrize("net", ["unet", "encoder"])
def test_it_trains_resumes_and_its_weights_load(sets: Path, tmp_path: Path, net: str) -> None:
    torch.set_num_threads(1)
    common = ["matte", "--net", net, "--data", str(sets), "--out", str(tmp_path), "--side", "32",
              "--batch", "2", "--device", "cpu", "--no-imagenet"]
    assert main([*common, "--steps", "3"]) == 0
    weights = tmp_path / f"matte-{net}.safetensors"
    assert weights.stat().st_size < 10_000_000
    assert main([*common, "--steps", "4", "--resume"]) == 0
    log = (tmp_path / f"matte-{net}.txt").read_text()
    assert "resumed at step 3" in log and "end step 4" in log
    if net == "unet":
        assert (tmp_path / "matte-unet.critics.pt").exists()
    entry = catalogue.get(f"matte-{net}")
    model = load(entry, {weights.name: weights}, "cpu", Control())
    rgb = np.random.default_rng(0).random((70, 90, 3), np.float32)
    trimap = np.zeros((70, 90), np.uint8)
    trimap[:, 30:] = 128
    trimap[:, 60:] = 255
    alpha, confidence = model.opinion(rgb, trimap, Control())
    assert alpha.shape == confidence.shape == (70, 90)
    assert (alpha[:, :30] == 0).all() and (alpha[:, 60:] == 1).all()
    assert alpha.min() >= 0 and alpha.max() <= 1 and np.isfinite(alpha).all()
    both = matte(rgb, trimap, Control(), trimap=trimap, model=model)
    assert (both != matte(rgb, trimap, Control(), trimap=trimap)).any()


def test_weights_of_another_net_are_refused(sets: Path, tmp_path: Path) -> None:
    main(["matte", "--net", "encoder", "--data", str(sets), "--out", str(tmp_path), "--side",
          "32", "--batch", "2", "--steps", "1", "--device", "cpu"])
    path = tmp_path / "matte-encoder.safetensors"
    with pytest.raises(ModelUnavailable, match="matte-unet"):
        load(catalogue.get("matte-unet"), {path.name: path}, "cpu", Control())


def test_wrong_folders_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["matte", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "1"]
    assert main(arguments) == 2
    assert "--data" in capsys.readouterr().err


def test_the_store_knows_the_solver() -> None:
    store = ModelStore("cpu")
    model = store.get("matte", "matte-closed-form", Control())
    assert model.description.name == "matte-closed-form"
    rgb = np.random.default_rng(0).random((40, 60, 3), np.float32)
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 30:] = 255
    assert (matte(rgb, mask, Control(), model=model) == matte(rgb, mask, Control())).all()
