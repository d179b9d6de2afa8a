"""Trains the built-in people net on composed pictures and on labelled photos."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.people import LARGE, SMALL, PeopleNet
from backend.networks.people_mobile import MobilePeopleNet
from backend.networks.people_seed import SeedNet
from backend.training.compose import Batch, Composer, Recipe
from backend.training.compose_cpu import CpuComposer
from backend.training.data import Material
from backend.training.imagenet import start_from_imagenet
from backend.training.trainer import Settings, Trainer, add_common_arguments, pick_device

LEVELS = (1.0, 0.3, 0.2, 0.2)  # of the outputs at full size, 1/4, 1/8, 1/16

SMALL_UNTIL = 0.55  # of the run
SLOW = {"encoder.features.": 0.25}  # what ImageNet taught changes less


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, 20000)
    parser.add_argument("--widths", choices=("mobile", "large", "small", "seed"),
                        default="mobile", help="mobile: its encoder starts from ImageNet")
    parser.add_argument("--init", type=Path, help="weights of the same network to start from")
    parser.add_argument("--side", type=int, default=480, help="long side at which photos are kept")
    parser.add_argument("--size", type=float, default=1.0, help="factor of the picture sizes")
    parser.add_argument(
        "--teacher", type=Path, help="weights that tell where unlabelled bystanders stand"
    )
    parser.add_argument(
        "--still", type=int, default=0, help="first layers of the mobile encoder that stay"
    )
    parser.add_argument("--share", type=float, default=1.0, help="part of each set to read")


def mask_loss(
    logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cross-entropy (edges count three times), dice, and the worst false marks, each a scalar.

    All B×1×H×W; `weight` 0 takes a pixel out.
    """
    edge = functional.max_pool2d(label, 3, 1, 1) + functional.max_pool2d(-label, 3, 1, 1)
    entropy = functional.binary_cross_entropy_with_logits(logits, label, reduction="none")
    cross = (entropy * weight * (1 + 2 * edge)).mean()
    seen = torch.sigmoid(logits)
    both = (seen * label * weight).sum((1, 2, 3))
    sizes = ((seen + label) * weight).sum((1, 2, 3))
    smooth = 0.002 * label[0].numel()
    dice = (1 - (2 * both + smooth) / (sizes + smooth)).mean()
    # A façade taken for a person: the hardest 2 % of the pixels that show nobody.
    calm = (entropy * weight * (label < 0.01)).flatten(1)
    worst = calm.topk(max(1, calm.shape[1] // 50), 1).values.mean()
    return cross, dice, worst


def people_loss(net: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Deep supervision of the net's outputs, each judged at its own size; the finest is half."""
    outputs = net(batch.rgb)
    if isinstance(outputs, torch.Tensor):
        outputs = [outputs]
    total = torch.zeros((), device=batch.rgb.device)
    parts: dict[str, torch.Tensor] = {}
    for index, (share, output) in enumerate(zip(LEVELS, outputs, strict=False)):
        output = output.float()
        label, weight = batch.label, batch.weight
        size = (int(output.shape[-2]), int(output.shape[-1]))
        label = functional.adaptive_avg_pool2d(label, size)
        weight = functional.adaptive_avg_pool2d(weight, size)
        cross, dice, worst = mask_loss(output, label, weight)
        total = total + share * (cross + 0.5 * dice + 0.1 * worst)
        if index == 0:
            parts = {"cross": cross, "dice": dice, "worst": worst}
    return total, parts


def make_net(widths: str, drop: float, fresh: bool) -> nn.Module:
    """`mobile`, `large`, `small` or `seed`; a fresh `mobile` one starts from ImageNet's weights."""
    if widths == "mobile":
        mobile = MobilePeopleNet(drop)
        if fresh:
            start_from_imagenet(mobile.encoder)
        return mobile
    return SeedNet() if widths == "seed" else PeopleNet(LARGE if widths == "large" else SMALL, drop)


def pick_composer(
    material: Material, recipe: Recipe, seed: int, device: torch.device, side: int = 480
) -> Composer | CpuComposer:
    """The composer that is fast on this device."""
    from backend.training.sources import banks

    if device.type == "cpu":
        return CpuComposer(material, recipe, seed)
    return Composer(banks(material, device, side), recipe, seed)


def run(args: argparse.Namespace) -> int:
    from backend.masks.people import read_net
    from backend.training.sources import people_material

    settings = Settings.of(
        "people", args, **{"learning_rate": 2e-3} if not args.rate else {},
        weight_decay=0.03, average=0.998, warmup=300, benchmark=False,
        slow=SLOW if args.widths == "mobile" else {},
    )
    device = pick_device(args.device)
    torch.manual_seed(args.seed)
    net = make_net(args.widths, 0.1, fresh=not (args.init or args.resume))
    if args.init:
        net.load_state_dict(read_net(args.init).state_dict())
    if isinstance(net, MobilePeopleNet):
        net.encoder.features[: args.still].requires_grad_(False)
    trainer = Trainer(net, settings, people_loss, {"widths": args.widths})
    teacher = read_net(args.teacher).to(device) if args.teacher else None
    material = people_material(args.data, device, teacher, args.seed, args.share, args.side)
    photos = len(material.empty) + len(material.main) + len(material.exact)
    trainer.log(
        f"{photos} photos, {len(material.people)} people, "
        f"{len(material.things)} other things, on {device}"
    )
    composer = pick_composer(material, Recipe(), args.seed, device, args.side)
    count = args.batch or (96 if device.type == "cuda" else 16)
    settings.start = time.time()  # reading is no training
    ranks, rank = trainer.ranks, trainer.rank

    def batches(step: int) -> Batch:
        """Small pictures first, twice as many a second; the sizes of use at the end. The CPU
        mixes them: three small batches, then one of half as many larger pictures."""
        index = step * ranks + rank
        if device.type == "cpu":
            large = step % 4 == 3
            return composer.batch(
                index, count // 2 if large else count, args.size * (0.85 if large else 0.58)
            )
        return composer.batch(
            index, count, args.size * (0.75 if trainer.fraction < SMALL_UNTIL else 1.1)
        )

    trainer.run(batches)
    return 0
