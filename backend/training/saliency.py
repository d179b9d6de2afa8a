"""Trains the built-in saliency net: what stands out, of any class (for unknown objects)."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from backend.training.compose import Batch, Recipe
from backend.training.people import SLOW, make_net, people_loss, pick_composer
from backend.training.trainer import Settings, Trainer, add_common_arguments, pick_device

# Fewer bystanders and letters than for people; objects as often as people.
RECIPE = Recipe(
    empty=0.1, composed=0.55, main_only=0.2, slots=2, letters=0.15, occluder=0.06,
    smallest=0.25, largest=1.2, all_things=True,
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, 12000)
    parser.add_argument("--widths", choices=("mobile", "large", "small"), default="mobile",
                        help="mobile: its encoder starts from ImageNet")
    parser.add_argument("--init", type=Path, help="weights of the same network to start from")
    parser.add_argument("--size", type=float, default=0.9, help="factor of the picture sizes")
    parser.add_argument("--share", type=float, default=1.0, help="part of each set to read")


def run(args: argparse.Namespace) -> int:
    from backend.masks.people import read_net
    from backend.training.sources import saliency_material

    settings = Settings.of(
        "saliency", args, **{"learning_rate": 2e-3} if not args.rate else {},
        weight_decay=0.02, average=0.998, warmup=300, benchmark=False,
        slow=SLOW if args.widths == "mobile" else {},
    )  # fmt: skip
    device = pick_device(args.device)
    torch.manual_seed(args.seed)
    net = make_net(args.widths, 0.05, fresh=not (args.init or args.resume))
    if args.init:
        net.load_state_dict(read_net(args.init).state_dict())
    trainer = Trainer(net, settings, people_loss, {"widths": args.widths})
    material = saliency_material(args.data, args.seed, args.share)
    composer = pick_composer(material, RECIPE, args.seed, device)
    settings.start = time.time()  # reading is no training
    count, ranks, rank = args.batch or 48, trainer.ranks, trainer.rank

    def batches(step: int) -> Batch:
        return composer.batch(step * ranks + rank, count, args.size)

    trainer.run(batches)
    return 0
