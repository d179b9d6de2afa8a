"""Fine-tunes torchvision's Mask R-CNN V2 on folders in the Penn-Fudan form.

Each folder of --sets holds NNN.jpg and NNN_instances.png (0 = background, 1..n one person each).
Starts from --init (the official file, see `cleanplate models install`) or from nothing.
Source: He et al. 2017; Li et al. 2021 for V2.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from backend.training.data import Photo, read_folders
from backend.training.trainer import Settings, Trainer, add_common_arguments, pick_device
from backend.values import BadInput

SETS = ("people_pennfudan", "people_coco128")
Batch = tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, 2000)
    parser.add_argument("--sets", nargs="+", default=list(SETS), help="folders below --data")
    parser.add_argument("--init", type=Path, help="state dict to start from (.pth)")
    parser.add_argument("--short", type=int, default=480, help="short side in px at most")


def target(labels: np.ndarray, smallest: int = 40) -> dict[str, torch.Tensor]:
    """Label image → boxes N×4 (x0, y0, x1, y1), labels N (1 = person in COCO), masks N×H×W."""
    masks = [labels == v for v in np.unique(labels) if v]
    masks = [m for m in masks if np.count_nonzero(m) >= smallest]
    boxes = []
    for mask in masks:
        ys, xs = np.nonzero(mask)
        boxes.append([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    shape = labels.shape
    return {
        "boxes": torch.tensor(np.array(boxes, np.float32).reshape(-1, 4)),
        "labels": torch.ones(len(masks), dtype=torch.int64),
        "masks": torch.from_numpy(np.array(masks, np.uint8).reshape(-1, *shape)),
    }


def draw(photos: list[Photo], step: int, seed: int, count: int, device: torch.device) -> Batch:
    """The batch of this step: mirrored, cropped and brightened at random."""
    rng = np.random.default_rng((seed, step))
    images, targets = [], []
    for index in rng.integers(0, len(photos), count):
        photo = photos[int(index)]
        assert photo.labels is not None
        height, width = photo.labels.shape
        h, w = (int(side * rng.uniform(0.7, 1)) for side in (height, width))
        y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
        rgb, labels = photo.rgb[y : y + h, x : x + w], photo.labels[y : y + h, x : x + w]
        if rng.random() < 0.5:
            rgb, labels = rgb[:, ::-1], labels[:, ::-1]
        values = rgb.astype(np.float32) / 255 * rng.uniform(0.7, 1.3)
        images.append(torch.from_numpy(values.clip(0, 1)).permute(2, 0, 1).to(device))
        found = target(np.ascontiguousarray(labels))
        targets.append({key: value.to(device) for key, value in found.items()})
    return images, targets


def detection_loss(net: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The sum of the network's own losses."""
    losses: dict[str, Any] = net(*batch)
    return torch.stack(list(losses.values())).sum(), losses


def run(args: argparse.Namespace) -> int:
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    torch.manual_seed(args.seed)
    net = maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, min_size=args.short, max_size=2 * args.short
    )
    if args.init:
        if not args.init.exists():
            raise BadInput(f"{args.init} does not exist")
        net.load_state_dict(torch.load(args.init, map_location="cpu", weights_only=True))
    photos = read_folders(args.data, args.sets, args.short)
    photos = [p for p in photos if p.labels is not None and p.labels.any()]
    if not photos:
        raise BadInput("none of the photos has a person labelled in its _instances.png")
    settings = Settings.of(
        "maskrcnn", args, **{"learning_rate": 1e-4} if not args.rate else {},
        weight_decay=1e-4, average=0.995, warmup=100, log_steps=20, benchmark=False,
    )  # fmt: skip
    device = pick_device(args.device)
    trainer = Trainer(net, settings, detection_loss, {"model": "maskrcnn_resnet50_fpn_v2"})
    trainer.log(f"{len(photos)} photos")
    count, ranks, rank = args.batch or 2, trainer.ranks, trainer.rank
    trainer.run(lambda step: draw(photos, step * ranks + rank, args.seed, count, device))
    return 0
