"""Trains the stroke net (`text-strokes`) on level crops around one rendered line each."""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F

from backend.networks.strokes import StrokeNet
from backend.training.render_text_load import Pool, add_text_arguments, renderer
from backend.training.render_text_scene import Layout, Scene, TextRenderer, chance, local, uniform
from backend.training.trainer import Settings, Trainer, add_common_arguments

# Crops as backend.masks.strokes cuts them: the line's ink is 20 to 80 px high.
LAYOUT = Layout(
    128, 384, ((20, 80), (18, 60), (12, 40), (8, 24)), centred=True, follow=0.7, negative=0.1
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, steps=20000)
    add_text_arguments(parser)


def hints(scene: Scene, draw: TextRenderer) -> torch.Tensor:
    """B×1×H×W: 1 in a box around the first line as a detector would draw it: jittered, often
    cut off at an end, sometimes missing; a random box where there is no line."""
    line = scene.lines[0]
    h, w = scene.image.shape[2:]
    one = torch.zeros_like(line["size"])
    real = line["valid"] > 0
    size = torch.where(real, line["size"], uniform(one, 16, 70)) * uniform(one, 0.85, 1.35)
    length = torch.where(real, line["length"], uniform(one, 30, 400))
    box = {**line, "size": size, "bend": one, "radius": one + torch.inf, "lean": one, "tilt": one,
           "y": torch.where(real, line["y"], one + h / 2) + uniform(one, -0.1, 0.1) * size,
           "angle": line["angle"] + uniform(one, -0.03, 0.03)}  # fmt: skip
    u, v = local(box, draw.grid(h, w))
    loose = uniform(one, -0.15, 0.35) * size
    cut = chance(one, 0.35) * uniform(one, 0, 0.8) * length
    left = chance(one, 0.5) * cut
    b = lambda t: t.view(-1, 1, 1)  # noqa: E731
    inside = (
        (u > b(-length / 2 - loose + left))
        & (u < b(length / 2 + loose - (cut - left)))
        & (v.abs() < b(size / 2))
    )
    return (inside.float() * b(chance(one, 0.85)))[:, None]


def loss(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]):
    """Cross-entropy, heavier on thin and faint strokes by its Dice term; effects and plate
    count less."""
    x, target = batch
    y = net(x).float()
    cross = F.binary_cross_entropy_with_logits(y, target, reduction="none").mean((0, 2, 3))
    p = y[:, :2].sigmoid()
    t = target[:, :2]
    overlap = (2 * (p * t).sum((2, 3)) + 20) / ((p * p).sum((2, 3)) + (t * t).sum((2, 3)) + 20)
    dice = 1 - overlap.mean(0)
    total = 2 * cross[0] + cross[1] + 0.5 * cross[2] + dice[0] + 0.3 * dice[1]
    return total, {"text": cross[0], "effect": cross[1], "plate": cross[2], "dice": dice[0]}


def run(args: argparse.Namespace) -> int:
    about = {"model": "StrokeNet", "data": "rendered text on the training photos"}
    settings = Settings.of("text-strokes", args, **({} if args.rate else {"learning_rate": 2e-3}))
    trainer = Trainer(StrokeNet(), settings, loss, about)
    draw = renderer(args, trainer)
    size = args.batch or (64 if trainer.device.type == "cuda" else 8)

    def compose(step: int) -> tuple[torch.Tensor, ...]:
        scene = draw.scenes(size, LAYOUT, settings.seed * 7919 + 2 * step)
        x = torch.cat([scene.image, hints(scene, draw)], 1)
        return x, torch.cat([scene.text, scene.effects, scene.plate], 1)

    pool = Pool(compose, size, reuse=3, keep=48)

    def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, target = pool.draw(step)
        return x.to(memory_format=torch.channels_last), target

    trainer.run(batches)
    return 0
