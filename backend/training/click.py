"""`python -m backend.training click`: the built-in click net, or DeepMask and DeepCrop V1, V2.

Loss: normalised focal loss (Sofiiuk et al. 2019) and soft IoU on the mask; on the side, the
embeddings learn which pixels belong together, from full partitions of photos.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.networks.click import ClickNet, Decoded, Features
from backend.training import click_clicks as simulate
from backend.training.click_compose import Batch, Composer, join
from backend.training.click_source import FEWER, load
from backend.training.trainer import (
    Settings,
    Trainer,
    add_common_arguments,
    pick_device,
    save_half,
)

PHOTOS = {"partition": 0.36, "object": 0.12, "person": 0.10}  # the rest are composites
REAL = {"partition": 0.44, "object": 0.22, "person": 0.12}  # for a net that has seen ImageNet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, steps=60_000)
    parser.add_argument("--nets", choices=("graph", "mobile", "conv", "deepmask"),
                        default="graph",
                        help="the nets of the region graph, a convolutional net that starts from "
                        "ImageNet, one from scratch (wants a GPU), or DeepMask and both DeepCrops "
                        "side by side")
    parser.add_argument("--start", type=Path, help="graph: go on from these weights")
    parser.add_argument("--whole", action="store_true",
                        help="graph: only whole labelled things, those that stand out more often")
    parser.add_argument("--graph", type=Path, help="mobile: the graph's weights; both together "
                        "are written beside, as click-fused.safetensors")
    parser.add_argument("--side", type=int, default=320, help="px of the click net's images")


def run(args: argparse.Namespace) -> int:
    if args.nets == "deepmask":
        from backend.training import click_deepmask

        return click_deepmask.run(args)
    if args.nets == "graph":
        from backend.training import click_graph

        return click_graph.run(args)
    mobile = args.nets == "mobile"
    settings = Settings.of(
        "click-builtin", args, learning_rate=args.rate or 1e-3, weight_decay=0.03,
        warmup=100 if mobile else 300, average=0.997 if mobile else 0.999,
        slow={"encoder.features.": 0.2} if mobile else {},
    )
    source = Source(args, REAL if mobile else PHOTOS, FEWER if mobile else None)
    about = {"task": "click", "kind": args.nets}
    torch.manual_seed(args.seed)
    net: nn.Module = ClickNet()
    if mobile:
        from backend.networks.click_mobile import MobileClickNet
        from backend.training.imagenet import start_from_imagenet

        net = MobileClickNet()
        if not args.resume:
            start_from_imagenet(net.encoder)
    trainer = Trainer(net, settings, Task(source), about)
    settings.start = time.time()  # reading is no training
    path = trainer.run(source)
    if mobile and args.graph:
        join_nets(args.graph, path, args.out / "click-fused.safetensors")
    return 0


def join_nets(graph: Path, conv: Path, out: Path) -> None:
    """The weights of the region graph (alone, or the graph's part of a joined file) and of the
    mobile net as one file, which is what the package carries as click-builtin."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    first = load_file(graph)
    own = {k[6:]: v for k, v in first.items() if k.startswith("graph.")} or first
    both = {f"graph.{k}": v for k, v in own.items()}
    both |= {f"conv.{k}": v for k, v in load_file(conv).items()}
    with safe_open(conv, "pt") as file:
        about = dict(file.metadata() or {})
    save_half(both, out, {**about, "task": "click", "kind": "fused"})


class Source:
    """Batches that depend on the seed and the step alone."""

    def __init__(
        self, args: argparse.Namespace, photos: dict[str, float] = PHOTOS,
        limits: dict[str, int] | None = None,
    ) -> None:
        device = pick_device(args.device)
        self.composer = Composer(load(args.data, device, limits=limits), args.side)
        self.photos = photos
        self.batch: int = args.batch or (64 if device.type == "cuda" else 8)
        self.seed: int = args.seed

    def generator(self, step: int) -> torch.Generator:
        generator = torch.Generator(self.composer.device)
        generator.manual_seed(self.seed * 1_000_003 + step)
        return generator

    @torch.no_grad()
    def __call__(self, step: int) -> tuple[Batch, torch.Generator]:
        g, composer = self.generator(step), self.composer
        parts = []
        for name, share in self.photos.items():
            count = max(1, round(self.batch * share))
            view = composer.random_view(g, count, 0.15, 1.05)
            parts.append(composer.photos(g, composer.library.groups[name], view))
        count = max(1, self.batch - sum(len(p.mask) for p in parts))
        parts.append(composer.composites(g, count, 0.4, composer.random_view(g, count, 0.15, 1.0)))
        batch = join(parts)
        image = composer.photometric(g, batch.image).to(memory_format=torch.channels_last)
        return Batch(image, batch.mask, batch.valid, batch.labels, batch.anchors), g


class Task:
    """The loss of one batch: clicks are placed with the net as it is, then the net learns."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __call__(self, net: nn.Module, given: Any) -> tuple[Tensor, dict[str, Tensor]]:
        batch, g = given
        inner: ClickNet = net.module if hasattr(net, "module") else net  # type: ignore[assignment]
        alone = inner is net
        with torch.set_grad_enabled(alone):
            features = inner.encode(batch.image)
        clicks, previous, box = self.interaction(inner, features, batch, g)
        if alone:
            decoded = inner.decode(features, clicks, previous, box)
        else:  # distributed training must pass through the wrapper
            decoded = net(batch.image, clicks, previous, box)
        return losses(decoded, batch, g)

    @torch.no_grad()
    def interaction(
        self, net: ClickNet, features: Features, batch: Batch, g: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Clicks, previous mask and box as a user would have left them."""
        features = Features(*(f.detach() for f in features))
        clicks = simulate.first_clicks(g, batch.mask, batch.valid, batch.labels)
        box = F.avg_pool2d(simulate.boxes(g, batch.mask, 0.15), net.stride)
        previous = torch.zeros_like(box)
        draw = float(torch.rand((), generator=g, device=g.device))
        for _ in range(sum(draw < chance for chance in (0.6, 0.35, 0.15))):
            decoded = net.decode(features, clicks, previous, box)
            previous = torch.sigmoid(decoded.logits.float())
            more = simulate.next_click(g, batch.mask, batch.valid, previous)
            # Some get no new click: the net must also better its own answer.
            keep = torch.rand(len(more), 1, 1, generator=g, device=g.device) < 0.75
            clicks = torch.cat((clicks, torch.where(keep, more, torch.full_like(more, -1.0))), 1)
        return clicks, previous, box


def losses(
    decoded: Decoded, batch: Batch, g: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    logits = decoded.logits.float()
    stride = batch.mask.shape[-1] // logits.shape[-1]
    half, valid = F.avg_pool2d(batch.mask, stride), F.avg_pool2d(batch.valid, stride)
    focal = normalised_focal(logits, half, valid)
    overlap = soft_iou(torch.sigmoid(logits), half, valid)
    coarse = F.binary_cross_entropy_with_logits(
        decoded.coarse.float(), F.avg_pool2d(batch.mask, 16), reduction="none")
    seen = F.avg_pool2d(batch.valid, 16)
    coarse = (coarse * seen).sum() / seen.sum().clamp(min=1)
    alike = balanced(decoded.alike.float(), F.avg_pool2d(batch.mask, 4),
                     F.avg_pool2d(batch.valid, 4))
    together = partition_loss(decoded, batch, g)
    total = focal + overlap + 0.3 * coarse + 0.2 * alike + 0.4 * together
    hard = ((logits > 0) & (half > 0.5)).flatten(1).sum(1)
    either = (((logits > 0) | (half > 0.5)) & (valid > 0.5)).flatten(1).sum(1)
    return total, {"focal": focal, "iou": (hard / either.clamp(min=1)).mean(), "alike": alike,
                   "together": together}


def normalised_focal(logits: Tensor, target: Tensor, valid: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss whose weights add up to the number of pixels; soft targets allowed."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = (torch.sigmoid(logits) - target).abs().detach() ** gamma * valid
    scale = valid.sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1e-2)
    # The limit keeps a nearly perfect sample from shouting about its last pixels.
    loss = (entropy * weight).sum((1, 2, 3)) * scale.clamp(max=20.0)
    return (loss / valid.sum((1, 2, 3)).clamp(min=1)).mean()


def soft_iou(probability: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    both = (probability * target * valid).sum((1, 2, 3))
    either = ((probability + target - probability * target) * valid).sum((1, 2, 3))
    return 1 - (both / either.clamp(min=1)).mean()


def balanced(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Cross entropy in which inside and outside count the same."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    inside, outside = target * valid, (1 - target) * valid
    return sum(
        ((entropy * w).sum((1, 2, 3)) / w.sum((1, 2, 3)).clamp(min=1)).mean() / 2
        for w in (inside, outside)
    )  # type: ignore[return-value]


def partition_loss(decoded: Decoded, batch: Batch, g: torch.Generator, anchors: int = 24) -> Tensor:
    """Random pixels must be alike to those of their own label and unlike all others."""
    labels = batch.labels[:, 2::4, 2::4]
    usable = batch.anchors[:, 2::4, 2::4].flatten(1)
    weight = usable.float() + 1e-6
    chosen = torch.multinomial(weight, anchors, True, generator=g)  # B×A
    known = torch.gather(usable, 1, chosen).float()
    flat = decoded.embedding.flatten(2)  # B×D×P
    mine = torch.gather(flat, 2, chosen[:, None].expand(-1, flat.shape[1], -1))
    cosine = torch.einsum("bda,bdp->bap", mine.float(), flat.float())
    logits = cosine * decoded.sharpness[0] + decoded.sharpness[1]
    spots = labels.flatten(1)
    same = (torch.gather(spots, 1, chosen)[..., None] == spots[:, None]).float()
    told = (spots != 255).float()[:, None] * known[..., None]
    entropy = F.binary_cross_entropy_with_logits(logits, same, reduction="none")
    inside, outside = same * told, (1 - same) * told
    return (entropy * inside).sum() / inside.sum().clamp(min=1) / 2 \
        + (entropy * outside).sum() / outside.sum().clamp(min=1) / 2
