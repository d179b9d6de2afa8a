"""The training parts: reader, pack, composer, trainer. Pictures are made here."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import cv2  # noqa: E402

from backend.training import bank, compose_cpu, degrade, pack  # noqa: E402
from backend.training.compose import Composer, Recipe, Sources  # noqa: E402
from backend.training.compose_cpu import CpuComposer  # noqa: E402
from backend.training.data import Material, read_folders  # noqa: E402
from backend.training.trainer import Settings, Trainer  # noqa: E402
from backend.values import BadInput  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "data" / "people_pennfudan"
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(3):
        image = cv2.resize(rng.integers(0, 255, (20, 30, 3), np.uint8), (600, 400))
        labels = np.zeros((400, 600), np.uint8)
        labels[100:300, 200:300] = 1
        labels[100:300, 400:450] = 2
        cv2.imwrite(str(place / f"{number:03d}.jpg"), image)
        cv2.imwrite(str(place / f"{number:03d}_instances.png"), labels)
    return tmp_path / "data"


def test_the_pack_reads_like_the_original(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    assert pack.run(argparse.Namespace(data=folder, out=out, short=200, drop=[])) == 0
    photos = read_folders(out, ("people_pennfudan",))
    assert [p.name for p in photos] == ["000", "001", "002"]
    first = photos[0]
    assert first.labels is not None
    assert first.rgb.shape == (200, 300, 3) and first.labels.shape == (200, 300)
    assert set(np.unique(first.labels)) == {0, 1, 2}
    original = read_folders(folder, ("people_pennfudan",), 200)[0]
    assert np.abs(first.rgb.astype(int) - original.rgb).mean() < 8


def test_an_empty_set_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--data"):
        read_folders(tmp_path, ("people_ccp",))


def test_windows_and_places_map_pixels_exactly() -> None:
    image = np.zeros((100, 80, 3), np.uint8)
    image[20:40, 10:30] = 255
    stored = bank.Bank([image], 128, CPU)
    one = np.array([0])
    maps = bank.window_map(
        np.array([10.0]), np.array([20.0]), np.array([20.0]), np.array([20.0]), (20, 20),
        np.array([True]),
    )
    assert stored.sample(one, maps, (20, 20), border=True).min() > 0.99
    maps = bank.place_map(
        stored.sizes[one], np.array([[39.5, 49.5]]), np.ones(1), np.ones(1), np.zeros(1),
        np.array([False]),
    )
    seen = stored.sample(one, maps, (100, 80), border=False)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(seen - image).max() < 1


def sources() -> Sources:
    rng = np.random.default_rng(3)
    photos = []
    for index in range(6):
        rgb = cv2.resize(rng.integers(0, 255, (8, 8, 3), np.uint8), (96, 96))
        label = np.zeros((96, 96, 1), np.uint8)
        if index >= 2:
            label[30:80, 40:60] = 255
        photos.append(np.dstack([rgb, label, np.full((96, 96, 1), 255, np.uint8)]))
    cutouts = [np.dstack([np.full((60, 20, 3), 255, np.uint8), np.full((60, 20), 255, np.uint8)])]
    letters = [np.full((12, 40, 1), 255, np.uint8)]
    return Sources(
        bank.Bank(photos, 96, CPU), bank.Bank(cutouts * 2, 64, CPU), bank.Bank(letters, 64, CPU),
        np.arange(2), np.arange(2, 4), np.arange(4, 6), np.array([0]), np.array([1]),
    )


def test_composed_batches_depend_on_seed_and_step_alone() -> None:
    composer = Composer(sources(), Recipe(), 5)
    first, again = composer.batch(7, 6, 0.3), Composer(sources(), Recipe(), 5).batch(7, 6, 0.3)
    assert torch.equal(first.rgb, again.rgb) and torch.equal(first.label, again.label)
    assert not torch.equal(first.rgb, composer.batch(8, 6, 0.3).rgb[:, :, : first.rgb.shape[2]])
    for values in (first.rgb, first.label, first.weight):
        assert values.min() >= 0 and values.max() <= 1 and torch.isfinite(values).all()
    assert all(side % 32 == 0 for side in first.rgb.shape[-2:])


def test_empty_pictures_have_no_people_and_composed_ones_do() -> None:
    only = Recipe(empty=1.0, composed=0.0, main_only=0.0, occluder=0.0)
    assert Composer(sources(), only, 1).batch(0, 8, 0.3).label.max() == 0
    only = Recipe(empty=0.0, composed=1.0, main_only=0.0, occluder=0.0)
    labels = Composer(sources(), only, 1).batch(0, 8, 0.3).label
    assert (labels.flatten(1).max(1).values > 0.9).sum() >= 6


def material() -> Material:
    given = sources()
    levels = given.photos.levels[0].permute(0, 2, 3, 1).numpy()
    cut = given.cutouts.levels[0].permute(0, 2, 3, 1).numpy()[:, :60, :20]
    lines = [np.full((12, 40, 1), 255, np.uint8)]
    return Material(
        [p[..., :3].copy() for p in levels[:2]], list(levels[2:4]), list(levels[4:]),
        [cut[0]], [cut[1]], lines,
    )


def test_the_cpu_composer_depends_on_seed_and_step_alone() -> None:
    composer = CpuComposer(material(), Recipe(), 5)
    first, again = composer.batch(7, 6, 0.4), CpuComposer(material(), Recipe(), 5).batch(7, 6, 0.4)
    for name in ("rgb", "label", "weight"):
        values = getattr(first, name)
        assert torch.equal(values, getattr(again, name))
        assert values.min() >= 0 and values.max() <= 1 and torch.isfinite(values).all()
    assert not torch.equal(first.rgb, composer.batch(9, 6, 0.4).rgb[:, :, : first.rgb.shape[2]])
    assert all(side % 32 == 0 for side in first.rgb.shape[-2:])


def test_the_cpu_composer_labels_people_and_only_people() -> None:
    only = Recipe(empty=1.0, composed=0.0, main_only=0.0, occluder=0.0)
    assert CpuComposer(material(), only, 1).batch(0, 8, 0.4).label.max() == 0
    only = Recipe(empty=0.0, composed=1.0, main_only=0.0, occluder=0.0)
    labels = CpuComposer(material(), only, 1).batch(0, 8, 0.4).label
    assert (labels.flatten(1).max(1).values > 0.9).sum() >= 6


def test_shadows_of_what_is_not_there_are_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    only = Recipe(empty=1.0, composed=0.0, main_only=0.0, occluder=0.0, letters=0.0)
    monkeypatch.setattr(compose_cpu, "SHADES", ())
    plain = CpuComposer(material(), only, 1)
    rng = np.random.default_rng(4)
    scene = plain.sample(np.random.default_rng(3), (96, 128))
    before = scene.rgb.astype(np.float32)
    scene.rgb = before.copy()
    for _ in range(4):
        plain._shade(rng, scene)
    assert (scene.rgb <= before + 1e-3).all() and (scene.rgb < 0.9 * before).any()
    assert not scene.label.any() and scene.rgb.min() >= 0


def test_a_faded_person_keeps_one_side_and_nears_the_ground_on_the_other() -> None:
    alpha = np.zeros((80, 60), np.float32)
    alpha[10:70, 20:40] = 1
    rgb, base = np.full((80, 60, 3), 30, np.float32), np.full((80, 60, 3), 230, np.float32)
    inside = alpha > 0.5
    for seed in range(20):
        faded = compose_cpu.faded(np.random.default_rng(seed), rgb, alpha, base)[inside]
        assert faded.min() == 30 and 70 < faded.max() < 0.86 * 200 + 30
    nobody = np.zeros_like(alpha)
    assert compose_cpu.faded(np.random.default_rng(0), rgb, nobody, base) is rgb


def test_blur_and_codec_keep_the_mean() -> None:
    rgb = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    soft = degrade.blur(rgb, [0.05, 2.0])
    assert torch.allclose(soft[0], rgb[0], atol=1e-4)
    assert soft[1].std() < 0.5 * rgb[1].std()
    coded = degrade.block_codec(rgb, [0.01, 0.05])
    assert (coded.mean() - rgb.mean()).abs() < 0.02 and not torch.equal(coded, rgb)


def loss(net, batch):
    value = (net(batch) - batch[:, :1]).pow(2).mean()
    return value, {"mse": value}


def batches(step: int):
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))


def trainer(out: Path, steps: int, resume: bool = False) -> Trainer:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4),
                              torch.nn.Conv2d(4, 1, 1))
    settings = Settings("toy", out, steps, device="cpu", resume=resume, warmup=5, log_steps=10,
                        learning_rate=1e-2)
    return Trainer(net, settings, loss, {"widths": "toy"})


def test_the_trainer_learns_saves_and_resumes(tmp_path: Path) -> None:
    from safetensors import safe_open

    first = trainer(tmp_path, 60)
    path = first.run(batches)
    lines = (tmp_path / "toy.txt").read_text().splitlines()
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines if "loss" in line]
    assert losses[-1] < 0.5 * losses[0]
    with safe_open(path, "pt") as file:
        assert file.metadata()["step"] == "60" and file.metadata()["widths"] == "toy"
        assert file.get_tensor("0.weight").dtype == torch.float16
    second = trainer(tmp_path, 60, resume=True)
    assert second.step == 60
    for key, value in first.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[key])


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    one, two = trainer(tmp_path / "a", 12), trainer(tmp_path / "b", 12)
    one.run(batches)
    two.run(batches)
    for key, value in one.average.items():
        assert torch.equal(value, two.average[key])


def test_resume_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="resume"):
        trainer(tmp_path / "none", 5, resume=True)


def test_people_loss_ignores_what_has_no_weight() -> None:
    from backend.training.people import mask_loss

    label = torch.zeros(1, 1, 32, 32)
    label[..., 8:24] = 1
    weight = torch.ones_like(label)
    weight[..., :16, :] = 0
    good = torch.where(label > 0, 8.0, -8.0)
    bad = good.clone()
    bad[..., :16, :] *= -1
    assert torch.allclose(
        torch.stack(mask_loss(good, label, weight)), torch.stack(mask_loss(bad, label, weight)),
        atol=1e-4,
    )
    assert sum(mask_loss(-good, label, weight)) > 10 * sum(mask_loss(good, label, weight))


def test_the_nets_give_logits_of_the_inputs_size() -> None:
    from backend.networks.people import LARGE, SMALL, PeopleNet

    x = torch.rand(1, 3, 64, 96)
    for widths in (LARGE, SMALL):
        net = PeopleNet(widths).eval()
        assert net(x).shape == (1, 1, 64, 96)
        assert sum(p.numel() for p in net.parameters()) * 2 < 10_000_000
    outputs = PeopleNet(SMALL, drop=0.1).train()(torch.rand(2, 3, 64, 64))
    assert [tuple(o.shape[-2:]) for o in outputs] == [(32, 32), (16, 16), (8, 8), (4, 4)]
