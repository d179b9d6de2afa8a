"""Training of the click models on drawn photos: objects, simulated clicks, a whole short run."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backend.masks import click_regions
from backend.masks.click import load_builtin
from backend.models.catalogue import Entry
from backend.networks.click import ClickNet, click_planes
from backend.networks.click_graph import GraphNet, click_features, of_clicks, with_answer
from backend.networks.click_mobile import MobileClickNet
from backend.training import click as train
from backend.training import click_clicks as simulate
from backend.training import click_source as source
from backend.training.trainer import save_half
from backend.values import Control, Point


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three regions with a hole in one: sky 1, ground 2, a disk 3 with a small disk 4 inside."""
    rng = np.random.default_rng(seed)
    labels = np.ones((72, 96), np.uint8)
    labels[44:] = 2
    x, y = int(rng.integers(30, 66)), int(rng.integers(28, 44))
    cv2.circle(labels, (x, y), 18, 3, -1)
    cv2.circle(labels, (x, y), 4, 4, -1)
    colours = rng.integers(0, 255, (5, 3))
    colours[1], colours[2] = (120, 160, 220), (70, 110, 60)
    rgb = np.clip(colours[labels] + rng.normal(0, 6, (72, 96, 3)), 0, 255)
    return rgb.astype(np.uint8), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("train")
    for group in (source.PARTITIONS, source.OBJECTS, *source.PEOPLE, *source.SCENES):
        (root / group).mkdir()
        for number in range(3):
            rgb, labels = picture(number)
            cv2.imwrite(str(root / group / f"{number:03}.jpg"), rgb[..., ::-1])
            if group not in source.SCENES:
                shown = labels if group == source.PARTITIONS else (labels >= 3).astype(np.uint8)
                cv2.imwrite(str(root / group / f"{number:03}_instances.png"), shown)
    return root


def arguments(folder: Path, out: Path, **more: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    args = parser.parse_args(["--data", str(folder), "--out", str(out), "--device", "cpu"])
    for name, value in more.items():
        setattr(args, name, value)
    return args


def test_partition_objects_hold_what_they_enclose() -> None:
    rgb, labels = picture(1)
    found = source.partition_objects(rgb, labels, merges=False)
    disks = [lut for lut, _, _ in found if lut[3]]
    assert len(disks) == 1 and disks[0][4] and not disks[0][1]
    with_merges = source.partition_objects(rgb, labels)
    assert len(with_merges) >= len(found)


def test_two_people_with_one_label_become_two_objects() -> None:
    label = np.zeros((60, 90), np.uint8)
    label[10:50, 5:25] = label[12:50, 60:80] = 7
    label[55, 88] = 7  # a speck goes with the larger one
    parts, found = source.instance_objects(label)
    assert len(found) == 2 and set(np.unique(parts)) == {0, 1, 2}
    assert parts[30, 10] != parts[30, 70]


def test_clicks_lie_where_they_say(folder: Path) -> None:
    batches = train.Source(arguments(folder, folder, batch=12, side=96))
    batch, g = batches(3)
    again, _ = batches(3)
    assert torch.equal(batch.image, again.image)  # seed and step alone decide
    assert batch.image.abs().max() <= 1 and batch.mask.max() > 0.9
    clicks = simulate.first_clicks(g, batch.mask, batch.valid, batch.labels)
    for index, sample in enumerate(clicks):
        assert (sample[:, 2] == 1).any()
        for x, y, kind in sample.tolist():
            if kind < 0:
                continue
            near = batch.mask[index, 0, max(0, int(y) - 3) : int(y) + 4,
                              max(0, int(x) - 3) : int(x) + 4]
            assert near.max() > 0.3 if kind == 1 else near.min() < 0.1


def test_the_next_click_is_in_the_largest_error() -> None:
    mask = torch.zeros(2, 1, 80, 80)
    mask[:, :, 20:60, 20:60] = 1
    predicted = mask.clone()
    predicted[0, :, 20:60, 40:60] = 0  # the right half is missed
    predicted[1, :, 60:80, 0:80] = 1  # a strip too much
    g = torch.Generator()
    click = simulate.next_click(g, mask, torch.ones_like(mask), predicted)
    x, y, kind = click[0, 0].tolist()
    assert 40 <= x < 60 and 20 <= y < 60 and kind == 1
    x, y, kind = click[1, 0].tolist()
    assert y >= 60 and kind == 0


def test_disks_have_radius_five() -> None:
    planes = click_planes(torch.tensor([[[20.0, 30.0, 1.0], [50.0, 10.0, 0.0]]]), (40, 40))
    assert planes[0, 0, 15, 10] == 1 and planes[0, 1, 5, 25] == 1
    assert 15 <= float(planes[0, 0].sum()) <= 27  # π·2.5² at half size
    assert planes[0, 0, 15, 14] == 0


@pytest.mark.parametrize("kind", [ClickNet, MobileClickNet])
def test_a_batch_gives_gradients_to_all_weights(
    folder: Path, kind: type[ClickNet] | type[MobileClickNet],
) -> None:
    batches = train.Source(arguments(folder, folder, batch=6, side=64))
    net = kind()
    loss, parts = train.Task(batches)(net, batches(0))
    loss.backward()
    assert torch.isfinite(loss) and 0 <= parts["iou"] <= 1
    missing = [n for n, p in net.named_parameters() if p.grad is None and p.requires_grad]
    assert not missing


def test_what_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    rgb, labels = picture(0)
    for group in (source.PARTITIONS, source.OBJECTS, *source.PEOPLE, *source.SCENES):
        (tmp_path / group).mkdir()
        for number in range(9):
            cv2.imwrite(str(tmp_path / group / f"{number:03}.jpg"), rgb)
            if group not in source.SCENES:
                cv2.imwrite(str(tmp_path / group / f"{number:03}_instances.png"), labels)
    library = source.load(tmp_path, torch.device("cpu"), limits={source.PEOPLE[0]: 2})
    groups = 2 * 8 + 2 + (len(source.PEOPLE) - 1 + len(source.SCENES)) * 9
    assert len(library.photos) == groups


@pytest.mark.parametrize("nets", ["conv", "mobile", "deepmask"])
def test_a_short_run_resumes(
    folder: Path, tmp_path: Path, nets: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    from backend.training import imagenet

    monkeypatch.setattr(imagenet, "start_from_imagenet", lambda encoder: None)  # a wheel's file
    size = {"batch": 6} if nets == "deepmask" else {"batch": 4, "side": 64}
    train.run(arguments(folder, tmp_path, nets=nets, steps=1, **size))
    train.run(arguments(folder, tmp_path, nets=nets, steps=2, resume=True, **size))
    names = ["deepmask", "deepcrop-v1", "deepcrop-v2"] if nets == "deepmask" else ["click-builtin"]
    for name in names:
        assert (tmp_path / f"{name}.safetensors").stat().st_size < 10_000_000
    assert "resumed at step 1" in (tmp_path / (
        "deepmask.txt" if nets == "deepmask" else "click-builtin.txt")).read_text()


def test_joined_nets_are_both_there(tmp_path: Path) -> None:
    graph, conv = GraphNet(), MobileClickNet()
    save_half(graph.state_dict(), tmp_path / "graph.safetensors", {"kind": "graph"})
    save_half(conv.state_dict(), tmp_path / "conv.safetensors", {"kind": "mobile", "step": "7"})
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    train.join_nets(tmp_path / "graph.safetensors", tmp_path / "conv.safetensors", once)
    train.join_nets(once, tmp_path / "conv.safetensors", twice)
    for path in (once, twice):
        model = load_builtin(Entry("x", "click", "x", "MIT", 1, ""), {"x": path}, "cpu", Control())
        model = model.click  # people are asked for before it
        own = model.net.regions.out.weight
        assert torch.allclose(own, graph.regions.out.weight, atol=1e-3)
        mine = model.conv.net.decoder.out.weight
        assert torch.allclose(mine, conv.decoder.out.weight, atol=1e-3)


def test_graph_training_learns_the_disk(folder: Path, tmp_path: Path) -> None:
    train.run(arguments(folder, tmp_path, nets="graph", steps=25, batch=4))
    path = tmp_path / "click-builtin.safetensors"
    model = load_builtin(Entry("click-builtin", "click", "x", "MIT", 1, ""), {path.name: path},
                         "cpu", Control())
    rgb, labels = picture(2)
    truth = labels >= 3
    row, column = (int(v.mean()) for v in np.nonzero(truth))
    found = model.predict(model.encode(rgb, Control()), (Point(column, row),)) > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.6


def test_regions_cover_the_picture_and_walls_lie_between_colours() -> None:
    rgb, labels = picture(0)
    made = click_regions.make(click_regions.shrink(rgb))
    assert made.labels.min() == 0 and np.unique(made.labels).size == len(made.area)
    assert made.area.sum() == pytest.approx(1, abs=1e-4)
    total, worst = click_regions.distances(made.pairs, made.edges[:, 0] * 5, len(made.area))
    assert np.allclose(total, total.T, atol=1e-4) and np.allclose(worst, worst.T)
    assert (worst <= total + 1e-3).all()  # the highest wall is part of the way
    height = made.labels.shape[0] / 72
    row, column = (v.mean() for v in np.nonzero(labels == 3))
    disk = made.labels[int(row * height), int((column + 10) * height)]
    inner = made.labels[int(row * height), int((column - 10) * height)]
    corner = made.labels[2, 2]
    assert worst[disk, inner] < worst[disk, corner]


def test_features_split_for_speed_are_the_same() -> None:
    from backend.masks.click_graph import build

    rgb, _ = picture(4)
    graph = build(GraphNet(), click_regions.make(click_regions.shrink(rgb)))
    plus, less = torch.tensor([3]), torch.tensor([9])
    before = torch.rand(len(graph.area))
    whole = click_features(graph, plus, less, before, None)
    again = with_answer(graph, of_clicks(graph, plus, less, None), before)
    assert torch.equal(whole, again) and torch.isfinite(whole).all()
