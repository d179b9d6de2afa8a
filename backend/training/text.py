"""Trains the built-in PSENet (`psenet-builtin`) on rendered adverts."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from backend.networks.psenet import KERNELS, MEAN, STD, LightPSENet
from backend.training.render_text_load import (
    Pool,
    add_text_arguments,
    quick_renderer,
    renderer,
    text_in,
)
from backend.training.render_text_quick import MARGIN, SMALLEST
from backend.training.render_text_scene import Layout, Scene, TextRenderer, border
from backend.training.text_trunk import start_from
from backend.training.trainer import Settings, Trainer, add_common_arguments

SIDE = 448
LAYOUT = Layout(
    SIDE, SIDE,
    ((40, 170), (20, 70), (20, 60), (14, 40), (14, 36), (10, 26), (9, 20), (9, 20), (8, 16)),
    follow=0.55, negative=0.08,
)  # fmt: skip
SMALL_SIDE = 320  # scenes on a CPU


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, steps=20000)
    add_text_arguments(parser)
    parser.add_argument("--words", action="store_true",
                        help="label what stands wide apart in a line one by one (without a GPU)")
    parser.add_argument("--keep-trunk", action="store_true",
                        help="leave the trunk as it is, train pyramid and head")
    parser.add_argument(
        "--trunk", type=Path, metavar="ONNX",
        help="start from the DB detector of the rapidocr wheel (PP-OCRv6_det_small.onnx)")


def labels(scene: Scene, draw: TextRenderer, step: int = 4) -> torch.Tensor:
    """B×7×H/4×W/4 float 0/1: the text map and the kernels shrunk by d = A(1−r²)/P, r from 1 to
    SMALLEST. A line's box is level in its own frame, so shrinking it is a threshold on the
    distance to its border."""
    h, w = scene.image.shape[2:]
    ratios = torch.linspace(1, SMALLEST, KERNELS, device=scene.image.device)
    out = torch.zeros(len(scene.image), KERNELS, h // step, w // step, device=scene.image.device)
    for line in scene.lines:
        tall = line["size"] * (1 + 2 * MARGIN)
        wide = line["length"] + line["size"] * 2 * MARGIN
        inner = border(line, draw.grid(h, w, step)) + (MARGIN * line["size"]).view(-1, 1, 1)
        shrink = (tall * wide / (2 * (tall + wide)))[:, None] * (1 - ratios**2)
        kernels = (inner[:, None] > shrink[:, :, None, None]).float()
        out = torch.maximum(out, kernels * line["valid"].view(-1, 1, 1, 1))
    return out


def dice(p: torch.Tensor, t: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Dice loss of each sample (last two axes) inside `where`."""
    p, t = p * where, t * where
    return 1 - (2 * (p * t).sum((-2, -1)) + 1) / ((p * p + t * t).sum((-2, -1)) + 1)


def hard_negatives(score: torch.Tensor, text: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """All text pixels and the three times as many non-text pixels of the highest score, of those
    whose label is known."""
    n, h, w = score.shape
    text = text * known
    wanted = (3 * text.sum((1, 2))).clamp(min=200, max=h * w - 1).long()
    others = torch.where((text > 0.5) | (known == 0), -1e4, score)
    falling = others.view(n, -1).sort(1, descending=True).values
    limit = falling.gather(1, wanted[:, None]).view(n, 1, 1)
    return (((score >= limit) | (text > 0.5)) & (known > 0)).float()


def loss(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]):
    """0.7·Dice(text, hard negatives 3:1) + 0.3·mean Dice(kernels inside the text), as in the
    paper, and some cross-entropy under the labels' weights, which speeds up the start and keeps
    words apart."""
    x, target, weight = batch
    y = net(x).float()
    p = y.sigmoid()
    known = (weight > 0).float()
    with torch.no_grad():
        chosen = hard_negatives(y[:, 0], target[:, 0], known[:, 0])
    text = dice(p[:, 0], target[:, 0], chosen).mean()
    kernels = dice(p[:, 1:], target[:, 1:], target[:, :1] * known).mean()
    cross = F.binary_cross_entropy_with_logits(y, target, reduction="none")
    cross = (cross * weight).mean()
    return 0.7 * text + 0.3 * kernels + 0.5 * cross, {
        "text": text, "kernels": kernels, "cross": cross,
    }  # fmt: skip


def nested(levels: torch.Tensor) -> torch.Tensor:
    """B×h×w numbers of kernels → B×7×h×w float 0/1 maps."""
    steps = torch.arange(KERNELS, device=levels.device).view(1, -1, 1, 1)
    return (levels[:, None] > steps).float()


def run(args: argparse.Namespace) -> int:
    about = {"model": "LightPSENet", "data": "rendered text on the training photos"}
    net = LightPSENet()
    fitting = start_from(net, args.trunk) if args.trunk and not args.resume else 0
    slow = {"backbone.": 0.1, "fpn.": 0.3} if args.trunk or args.keep_trunk else {}
    if args.keep_trunk:
        net.backbone.requires_grad_(False)
    settings = Settings.of("psenet-builtin", args, average=0.998, slow=slow)
    trainer = Trainer(net, settings, loss, about)
    if fitting:
        trainer.log(f"{fitting} convolutions from {args.trunk.name}")
    size = args.batch or (24 if trainer.device.type == "cuda" else 8)
    compose = scenes_on_gpu if trainer.device.type == "cuda" else scenes_on_cpu
    reuse = 4 if trainer.device.type == "cuda" else 8  # drawing costs a CPU more than a step
    pool = Pool(compose(args, trainer, size), size, reuse, keep=160)
    mean = torch.tensor(MEAN, device=trainer.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=trainer.device).view(1, 3, 1, 1)

    def batches(step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, levels, weight = pool.draw(step)
        x = ((x - mean) / std).to(memory_format=torch.channels_last)
        return x, nested((levels[:, 0] * 255).round()), (weight * 255).round()

    trainer.run(batches)
    return 0


def scenes_on_gpu(args: argparse.Namespace, trainer: Trainer, size: int):
    """compose(step) of the batched renderer."""
    draw = renderer(args, trainer)

    def compose(step: int) -> tuple[torch.Tensor, ...]:
        scene = draw.scenes(size, LAYOUT, args.seed * 7919 + 2 * step + 1)
        levels = labels(scene, draw).sum(1, keepdim=True) / 255
        return scene.image, levels, torch.full_like(levels, 1 / 255)

    return compose


def scenes_on_cpu(args: argparse.Namespace, trainer: Trainer, size: int):
    """compose(step) of the renderer for one core: smaller scenes, more of them."""
    draw = quick_renderer(args, trainer)
    draw.words = args.words
    draw.known = text_in(draw.photos)
    trainer.log(f"text in {int(draw.known.any((1, 2)).sum())} of the photos is left out")

    def compose(step: int) -> tuple[torch.Tensor, ...]:
        image, kernel, weight = draw.batch(size, SMALL_SIDE, args.seed * 1_000_003 + step)
        return (torch.from_numpy(image).float() / 255,
                torch.from_numpy(kernel)[:, None].float() / 255,
                torch.from_numpy(weight)[:, None].float() / 255)

    return compose
