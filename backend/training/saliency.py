"""Trains the built-in saliency net: what stands out, of any class (for unknown objects)."""

from __future__ import annotations

import argparse

import torch

from backend.networks.people import SMALL, PeopleNet
from backend.training.compose import Batch, Recipe
from backend.training.people import people_loss, pick_composer
from backend.training.trainer import Settings, Trainer, add_common_arguments, pick_device

# Fewer bystanders and letters than for people; objects as often as people.
RECIPE = Recipe(
    empty=0.1, composed=0.55, main_only=0.2, slots=2, letters=0.15, occluder=0.06,
    smallest=0.25, largest=1.2, all_things=True,
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, 12000)
    parser.add_argument("--size", type=float, default=0.9, help="factor of the picture sizes")
    parser.add_argument("--share", type=float, default=1.0, help="part of each set to read")


def run(args: argparse.Namespace) -> int:
    from backend.training.sources import saliency_material

    settings = Settings.of(
        "saliency", args, **{"learning_rate": 2e-3} if not args.rate else {},
        weight_decay=0.02, average=0.998, warmup=300, benchmark=False,
    )  # fmt: skip
    device = pick_device(args.device)
    torch.manual_seed(args.seed)
    trainer = Trainer(PeopleNet(SMALL, drop=0.05), settings, people_loss, {"widths": "small"})
    material = saliency_material(args.data, args.seed, args.share)
    composer = pick_composer(material, RECIPE, args.seed, device)
    count, ranks, rank = args.batch or 48, trainer.ranks, trainer.rank

    def batches(step: int) -> Batch:
        return composer.batch(step * ranks + rank, count, args.size)

    trainer.run(batches)
    return 0
