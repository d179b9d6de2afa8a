"""Trains the learned mattes on composed cut-outs.

`--net unet`: a U-Net generator against a global and a local critic, which see the true foreground
on grey under the made or the true alpha (Lutz et al., AlphaGAN, BMVC 2018), and against alpha,
its gradient and the composition. `--net encoder`: the encoder–decoder with the mean square error.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

from backend.networks.matte import MatteEncoderDecoder, MatteUNet
from backend.training.fill import Adversary
from backend.training.imagenet import start_from_imagenet
from backend.training.matte_compose import PEOPLE, Composer
from backend.training.trainer import Settings, Trainer, add_common_arguments

NETS = {"unet": MatteUNet, "encoder": MatteEncoderDecoder}
Batch = tuple[torch.Tensor, ...]
Terms = dict[str, torch.Tensor]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, steps=20000)
    parser.add_argument("--net", choices=NETS, default="unet")
    parser.add_argument("--side", type=int, default=128, help="px of a crop, a multiple of 32")
    parser.add_argument("--adversarial", type=float, default=0.01, help="weight of the critics")
    parser.add_argument("--no-imagenet", dest="imagenet", action="store_false",
                        help="the U-Net's encoder starts from chance")
    parser.add_argument("--limit", type=int, help="only this many pictures of each kind")


def square_loss(net: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
    """The mean square error of alpha where it is unsure."""
    x, alpha, _, unsure = batch
    made = torch.sigmoid(net(x).float())
    return ((made - alpha) ** 2 * unsure).sum() / unsure.sum().clamp(min=1), {}


def matte_terms(made: torch.Tensor, batch: Batch) -> Terms:
    """Mean differences over the unsure pixels: alpha, its steps, the colours it gives."""
    x, alpha, front, unsure = batch
    count = unsure.sum().clamp(min=1)
    off = (made - alpha) * unsure
    # What is behind does not depend on the net: C - C' = (a - a')(F - B), and B is in the picture.
    mix = torch.sqrt((off * (front - x[:, :3])) ** 2 + 1e-8)
    steps = (functional.pad(off, (0, 1)).diff(dim=3).abs().sum()
             + functional.pad(off, (0, 0, 0, 1)).diff(dim=2).abs().sum())
    return {"alpha": off.abs().sum() / count, "mix": mix.sum() / (3 * count),
            "steps": 0.5 * steps / count}


def on_grey(alpha: torch.Tensor, front: torch.Tensor) -> torch.Tensor:
    return alpha * front + (1 - alpha) * 0.5


def keep_critics(trainer: Trainer, adversary: Adversary) -> None:
    """The critics are saved beside the net's state and go on with it."""
    path = trainer.settings.out / f"{trainer.settings.name}.critics.pt"
    parts = {"critics": adversary.critics, "optimizer": adversary.optimizer}
    if trainer.settings.resume and path.exists():
        state = torch.load(path, map_location=trainer.device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
    save_net = trainer.save

    def save() -> None:
        save_net()
        if trainer.rank == 0:
            beside = path.with_suffix(".part")
            torch.save({name: part.state_dict() for name, part in parts.items()}, beside)
            beside.replace(path)

    trainer.save = save


def run(args: argparse.Namespace) -> int:
    composer = Composer(args.data, args.seed, args.side, args.limit)  # looks for its folders
    net = NETS[args.net]()
    if args.imagenet and isinstance(net, MatteUNet):
        start_from_imagenet(net.encoder)
    about = {"model": type(net).__name__, "data": ", ".join(("matting", *PEOPLE))}
    settings = Settings.of(f"matte-{args.net}", args, weight_decay=1e-4, warmup=100, average=0.998,
                           slow={"encoder.features.": 0.2})
    trainer = Trainer(net, settings, square_loss, about)
    device = trainer.device
    size = args.batch or (32 if device.type == "cuda" else 8)
    adversary = None
    if args.net == "unet" and args.adversarial > 0:
        adversary = Adversary(device, 2e-4)
        keep_critics(trainer, adversary)

    def loss(model: nn.Module, batch: Any) -> tuple[torch.Tensor, Terms]:
        x, alpha, front, unsure = batch
        made = torch.sigmoid(model(x).float())
        terms = matte_terms(made, batch)
        if adversary is not None:
            mixed = made * unsure + alpha * (1 - unsure)
            answer = adversary.step(on_grey(alpha, front), on_grey(mixed, front), unsure)
            terms["critics"] = args.adversarial * answer
        return torch.stack(list(terms.values())).sum(), terms

    def batches(step: int) -> Batch:
        parts = (p.to(device) for p in composer.batch(step, size))
        return tuple(p.to(memory_format=torch.channels_last) for p in parts)

    if args.net == "unet":
        trainer.loss = loss
    trainer.run(batches)
    return 0
