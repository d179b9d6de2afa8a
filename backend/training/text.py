"""Trains the built-in PSENet (`psenet-builtin`) on rendered adverts."""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F

from backend.networks.psenet import KERNELS, MEAN, STD, LightPSENet
from backend.training.render_text_load import Pool, add_text_arguments, renderer
from backend.training.render_text_scene import Layout, Scene, TextRenderer, border
from backend.training.trainer import Settings, Trainer, add_common_arguments

SIDE = 448
LAYOUT = Layout(
    SIDE, SIDE,
    ((40, 170), (20, 70), (20, 60), (14, 40), (14, 36), (10, 26), (9, 20), (9, 20), (8, 16)),
    follow=0.55, negative=0.08,
)  # fmt: skip
SMALLEST = 0.6  # scale m of the smallest kernel
MARGIN = 0.06  # a line's box is this much of its height larger than its ink


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, steps=20000)
    add_text_arguments(parser)


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


def hard_negatives(score: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """All text pixels and the three times as many non-text pixels of the highest score."""
    n, h, w = score.shape
    wanted = (3 * text.sum((1, 2))).clamp(min=200, max=h * w - 1).long()
    falling = torch.where(text > 0.5, -1e4, score).view(n, -1).sort(1, descending=True).values
    limit = falling.gather(1, wanted[:, None]).view(n, 1, 1)
    return ((score >= limit) | (text > 0.5)).float()


def loss(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]):
    """0.7·Dice(text, hard negatives 3:1) + 0.3·mean Dice(kernels inside the text), as in the
    paper, and some cross-entropy, which speeds up the start."""
    x, target = batch
    y = net(x).float()
    p = y.sigmoid()
    with torch.no_grad():
        chosen = hard_negatives(y[:, 0], target[:, 0])
    text = dice(p[:, 0], target[:, 0], chosen).mean()
    kernels = dice(p[:, 1:], target[:, 1:], target[:, :1]).mean()
    cross = F.binary_cross_entropy_with_logits(y, target)
    return 0.7 * text + 0.3 * kernels + 0.5 * cross, {
        "text": text, "kernels": kernels, "cross": cross,
    }  # fmt: skip


def run(args: argparse.Namespace) -> int:
    about = {"model": "LightPSENet", "data": "rendered text on the training photos"}
    trainer = Trainer(LightPSENet(), Settings.of("psenet-builtin", args), loss, about)
    draw = renderer(args, trainer)
    size = args.batch or (24 if trainer.device.type == "cuda" else 2)
    mean = torch.tensor(MEAN, device=trainer.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=trainer.device).view(1, 3, 1, 1)

    def compose(step: int) -> tuple[torch.Tensor, ...]:
        scene = draw.scenes(size, LAYOUT, args.seed * 7919 + 2 * step + 1)
        return scene.image, labels(scene, draw)

    pool = Pool(compose, size, reuse=4, keep=96)

    def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, target = pool.draw(step)
        return ((x - mean) / std).to(memory_format=torch.channels_last), target

    trainer.run(batches)
    return 0
