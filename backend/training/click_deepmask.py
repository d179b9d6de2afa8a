"""DeepMask, DeepCrop V1 and V2 trained side by side on the same crops, so that their rows in the
evaluation differ by the click alone. Started by `python -m backend.training click --nets deepmask`.

Three of four crops hold the object at the centre at its canonical size (jitter ±10 px, 2^±1/4)
and train the mask; the fourth is off-centre or of another size and trains only the score.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.networks.deepmask import (
    CROP,
    MASK,
    OBJECT,
    TRUNK,
    DeepMask,
    Kind,
    distance_plane,
)
from backend.training import click_clicks as simulate
from backend.training.click_compose import Batch, Composer, View, join
from backend.training.click_source import FEWER, load
from backend.training.trainer import Settings, Trainer, pick_device, save_half

KINDS: tuple[Kind, ...] = ("deepmask", "deepcrop-v1", "deepcrop-v2")
PHOTOS = {"partition": 0.34, "object": 0.18, "person": 0.14}


@dataclass(frozen=True)
class Crops:
    """`clicks` B×2 crop pixels; `centred` B bool: the mask may be learned from this crop."""

    batch: Batch
    clicks: Tensor
    centred: Tensor


class Three(nn.Module):
    """The three nets as one module, so that one trainer keeps them in step."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleDict({kind: DeepMask(kind) for kind in KINDS})

    def start_from_imagenet(self) -> None:
        """All trunks alike; the fourth plane of V2 starts at nothing."""
        from backend.networks.people_mobile import MobileEncoder
        from backend.training import imagenet

        encoder = MobileEncoder()
        imagenet.start_from_imagenet(encoder)
        state = encoder.features[:TRUNK].state_dict()
        for net in self.nets.values():
            assert isinstance(net, DeepMask)
            own = dict(state)
            lacking = int(net.kind == "deepcrop-v2")
            own["0.0.weight"] = F.pad(own["0.0.weight"], (0, 0, 0, 0, 0, lacking))
            net.trunk.load_state_dict(own)

    def forward(self, image: Tensor, distance: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        return {kind: net(image, distance) for kind, net in self.nets.items()}


class Together(Trainer):
    """Writes each net to a file of its own, and the state of each beside it."""

    def save(self) -> None:
        if self.rank:
            return
        about = {**self.about, "step": str(self.step), "seed": str(self.settings.seed)}
        for kind in KINDS:
            prefix = f"nets.{kind}."
            own = {k[len(prefix):]: v for k, v in self.average.items() if k.startswith(prefix)}
            save_half(own, self.settings.out / f"{kind}.safetensors", about)

    def _resume(self) -> None:
        from safetensors import safe_open
        from safetensors.torch import load_file

        from backend.values import BadInput

        nets = self.net.nets
        assert isinstance(nets, nn.ModuleDict)
        for kind in KINDS:
            path = self.settings.out / f"{kind}.safetensors"
            if not path.exists():
                raise BadInput(f"nothing to resume: {path} is missing. Leave out --resume")
            weights = {k: v.float() for k, v in load_file(path).items()}
            nets[kind].load_state_dict(weights, strict=False)
            with safe_open(path, "pt") as file:
                self.step = int((file.metadata() or {}).get("step", 0))
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.log(f"resumed at step {self.step}")


def run(args: argparse.Namespace) -> int:
    settings = Settings.of(
        "deepmask", args, learning_rate=args.rate or 1e-3, weight_decay=0.05, warmup=100,
        average=0.997, slow={f"nets.{kind}.trunk.": 0.2 for kind in KINDS},
    )
    source = Source(args)
    torch.manual_seed(args.seed)
    nets = Three()
    if not args.resume:
        nets.start_from_imagenet()
    trainer = Together(nets, settings, loss, {"task": "click"})
    settings.start = time.time()  # reading is no training
    trainer.run(source)
    return 0


class Source:
    """Batches that depend on the seed and the step alone."""

    def __init__(self, args: argparse.Namespace) -> None:
        device = pick_device(args.device)
        self.composer = Composer(load(args.data, device, limits=FEWER), CROP)
        self.batch: int = args.batch or (128 if device.type == "cuda" else 12)
        self.seed: int = args.seed

    @torch.no_grad()
    def __call__(self, step: int) -> Crops:
        composer = self.composer
        g = torch.Generator(composer.device)
        g.manual_seed(self.seed * 1_000_003 + step)
        parts, centred = [], []
        for name, share in PHOTOS.items():
            count = max(1, round(self.batch * share))
            view, good = self.view(g, count)
            objects = composer.library.groups[name]
            parts.append(composer.photos(g, objects, view, inside=False))
            centred.append(good)
        view, good = self.view(g, max(1, self.batch - sum(len(p.mask) for p in parts)))
        parts.append(composer.composites(g, len(good), 0.3, view))
        centred.append(good)
        batch = join(parts)
        image = composer.photometric(g, batch.image).to(memory_format=torch.channels_last)
        batch = Batch(image, batch.mask, batch.valid, batch.labels, batch.anchors)
        clicks = simulate.first_clicks(g, batch.mask, batch.valid, batch.labels)[:, 0, :2]
        return Crops(batch, clicks, torch.cat(centred))

    def view(self, g: torch.Generator, count: int) -> tuple[View, Tensor]:
        """Canonical views, and at one place in four clearly wrong ones."""
        composer = self.composer
        good = composer.uniform(g, count) < 0.75
        size = composer.uniform(g, count, low=-0.25, high=0.25)
        far = composer.uniform(g, count) < 0.5
        wrong = torch.where(composer.uniform(g, count) < 0.5, 1.0, -1.0)
        wrong = wrong * composer.uniform(g, count, low=0.8, high=1.4)
        size = torch.where(good | far, size, wrong)
        jitter = composer.uniform(g, count, 2, low=-10, high=10)
        angle = composer.uniform(g, count, high=6.2832)
        away = torch.stack((torch.cos(angle), torch.sin(angle)), 1)
        away = away * composer.uniform(g, count, 1, low=30, high=70)
        shift = torch.where((~good & far)[:, None], away, jitter)
        return View(CROP / 2 + shift, OBJECT * 2**size), good


def loss(net: nn.Module, crops: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """DeepMask's: mask loss on centred crops, 1/32 of its weight for the score [here 1/8: few
    crops]; soft IoU beside the cross entropy, as for the click net."""
    from backend.training.click import soft_iou

    batch: Batch = crops.batch
    outputs = net(batch.image, distance_plane(crops.clicks))
    target = F.adaptive_avg_pool2d(batch.mask, MASK)
    weight = F.adaptive_avg_pool2d(batch.valid, MASK) * crops.centred[:, None, None, None]
    total = torch.zeros((), device=target.device)
    parts = {}
    for kind, (mask, score) in outputs.items():
        mask, score = mask.float(), score.float()
        entropy = F.binary_cross_entropy_with_logits(mask, target, reduction="none")
        entropy = (entropy * weight).sum() / weight.sum().clamp(min=1)
        chosen = crops.centred
        overlap = soft_iou(torch.sigmoid(mask[chosen]), target[chosen], weight[chosen])
        ranked = F.binary_cross_entropy_with_logits(score, crops.centred.float())
        total = total + entropy + overlap + 0.125 * ranked
        both = ((mask > 0) & (target > 0.5))[chosen].flatten(1).sum(1)
        either = ((mask > 0) | (target > 0.5))[chosen].flatten(1).sum(1)
        parts[f"{kind} iou"] = (both / either.clamp(min=1)).mean()
        parts[f"{kind} score"] = ranked
    return total, parts
