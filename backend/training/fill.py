"""Trains the partial-convolution fill net on photos with holes: `python -m backend.training fill`.

Photos of people are used as well: a hole in a crowd is filled by a crowd. Two phases as in the
paper: `--fine` goes on at a lower rate with the encoder's batch norm fixed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from backend.networks.pconv import ON_SMOOTH, SMALL, PConvUNet
from backend.training.bank import Bank, window_map
from backend.training.data import BACKGROUNDS, read_folders
from backend.training.fill_losses import (
    STYLE,
    Critics,
    VGGFeatures,
    features,
    paper_losses,
    sliced_wasserstein,
)
from backend.training.fill_masks import HoleSource
from backend.training.trainer import Settings, Trainer, add_common_arguments
from backend.values import BadInput, Control

PHOTOS = (*BACKGROUNDS, "objects_bsds_train", "people_coco128")
SIDE = 256


def load_vgg16(entry: Any, files: dict[str, Path], device: str, control: Control) -> VGGFeatures:
    """Loader of the catalogue's `vgg16`."""
    return VGGFeatures(next(iter(files.values()))).to(device)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, steps=20000)
    parser.add_argument("--fine", action="store_true", help="second phase: rate 5e-5, norm fixed")
    parser.add_argument("--vgg", type=Path, help="VGG16 weights for the perceptual losses")
    parser.add_argument("--adversarial", type=float, default=0.0, help="weight of the critics")
    parser.add_argument("--short", type=int, default=320, help="photos' short side in memory, px")
    parser.add_argument("--side", type=int, default=SIDE, help="side of the training windows, px")
    parser.add_argument("--style", type=float, default=STYLE,
                        help="weight of the style loss; other features than VGG16's want less")
    parser.add_argument("--sliced", type=float, default=0.0,
                        help="weight of the sliced Wasserstein distance of the hole's patches")
    parser.add_argument("--on-smooth", action="store_true",
                        help="the net adds to a smooth fill; weights in --out that were trained "
                        "without it are gone on from with a new last layer")
    parser.add_argument("--small", action="store_true", help="the narrow net, for a CPU")


class PhotoSource:
    """Square windows of photos on the device, a function of the seed and the step."""

    def __init__(self, root: Path, device: torch.device, seed: int, short: int, side: int) -> None:
        photos = read_folders(root, PHOTOS, short, suffix=None)
        self.bank = Bank([p.rgb for p in photos], short * 3 // 2, device)
        self.seed, self.side = seed, side

    def batch(self, step: int, count: int) -> torch.Tensor:
        """count×3×side×side in [0, 1]: windows of 60 to 100 % of the short side, some mirrored."""
        rng = np.random.default_rng((self.seed, step))
        ids = rng.integers(0, len(self.bank), count)
        height, width = self.bank.sizes[ids].T
        side = np.minimum(height, width) * rng.uniform(0.6, 1.0, count)
        x0, y0 = rng.random(count) * (width - side), rng.random(count) * (height - side)
        maps = window_map(x0, y0, side, side, (self.side, self.side), rng.random(count) < 0.5)
        rgb = self.bank.sample(ids, maps, (self.side, self.side), border=True)
        gain = torch.from_numpy(rng.uniform(0.85, 1.15, (count, 3, 1, 1)).astype(np.float32))
        return (rgb * gain.to(rgb.device)).clamp(0, 1)


class Adversary:
    """The critics with their own optimiser, one step of theirs to one of the net's."""

    def __init__(self, device: torch.device, rate: float) -> None:
        self.critics = Critics().to(device).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.critics.parameters(), lr=rate, betas=(0.5, 0.9))

    def step(self, real: torch.Tensor, fake: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        """Trains the critics, then returns the net's hinge loss."""
        seen = self.critics(torch.cat([real, fake.detach()]), torch.cat([hole, hole]))
        good, bad = seen.float().chunk(2)
        loss = torch.relu(1 - good).mean() + torch.relu(1 + bad).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.critics.requires_grad_(False)
        answer = -self.critics(fake, hole).float().mean()
        self.critics.requires_grad_(True)
        return answer


def adds_to_smooth(weights: Path) -> bool:
    """Whether these safetensors are of a net that adds to a smooth fill."""
    from safetensors import safe_open

    if not weights.is_file():
        return False
    with safe_open(weights, "pt") as file:
        return ON_SMOOTH in file.keys()  # noqa: SIM118


def run(args: argparse.Namespace) -> int:
    net = PConvUNet(SMALL if args.small else None, args.on_smooth)
    net.frozen = args.fine
    if args.side <= 0 or args.side % net.multiple_of:
        raise BadInput(f"--side {args.side}: this net wants a multiple of {net.multiple_of}.")
    judge, judged_by = features(args.vgg)
    about = {
        "model": "PConvUNet", "data": ", ".join(PHOTOS), "perceptual": judged_by,
        "adversarial": str(args.adversarial), "style": str(args.style),
        "sliced": str(args.sliced),
    }
    rate = {} if args.rate else {"learning_rate": 5e-5 if args.fine else 6e-4}
    settings = Settings.of("fill-pconv", args, weight_decay=1e-4, **rate)
    weights = settings.out / f"{settings.name}.safetensors"
    anew = args.resume and args.on_smooth and not adds_to_smooth(weights)
    if anew:  # the rest of the state is another net's
        weights.with_suffix(".state.pt").unlink(missing_ok=True)
    trainer = Trainer(net, settings, lambda *_: (torch.zeros(()), {}), about)
    if anew:
        net.start_from_smooth()
        trainer.average = {k: v.detach().clone() for k, v in net.state_dict().items()}
    device = trainer.device
    judge = judge.to(device)
    cuda = device.type == "cuda"
    photos = PhotoSource(args.data, device, settings.seed, args.short, args.side)
    holes = HoleSource(args.data, device, settings.seed, 1500 if cuda else 400)
    adversary = Adversary(device, 2e-4) if args.adversarial > 0 else None
    size = args.batch or (48 if cuda else 6)

    def loss(model: nn.Module, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        truth, hole = batch
        out = model(truth, 1 - hole)
        terms = paper_losses(judge, out, truth, hole, args.style, args.on_smooth)
        if args.sliced > 0:
            terms["sliced"] = args.sliced * sliced_wasserstein(out, truth, hole)
        if adversary is not None:
            mixed = truth * (1 - hole) + out.float() * hole
            terms["critics"] = args.adversarial * adversary.step(truth, mixed, hole)
        total = torch.stack(list(terms.values())).sum()
        return total, terms

    def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            truth = photos.batch(step, size).to(memory_format=torch.channels_last)
            return truth, holes.batch(step, size, args.side)

    trainer.loss = loss
    trainer.run(batches)
    return 0
