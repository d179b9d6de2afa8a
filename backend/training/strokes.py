"""Trains the stroke net (`text-strokes`) on level crops around one rendered line each."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from backend.masks.strokes import BOX
from backend.networks.strokes import StrokeNet
from backend.training import render_text_covers, render_text_crops
from backend.training.render_text_load import Pool, add_text_arguments, quick_renderer, renderer
from backend.training.render_text_pixels import chance, uniform
from backend.training.render_text_scene import Layout, Scene, TextRenderer
from backend.training.trainer import Settings, Trainer, add_common_arguments
from backend.values import BadInput

EFFECTS = 6.0  # times what is not an effect
# Crops as backend.masks.strokes cuts them: the line's ink is about 28 px high.
LAYOUT = Layout(
    72, 256, ((16, 44), (14, 36), (10, 28)), centred=True, follow=0.7, negative=0.08
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, steps=20000)
    add_text_arguments(parser)
    parser.add_argument("--start", type=Path, metavar="FILE",
                        help="go on from these weights, of a net with fewer levels perhaps")


def start_from(net: StrokeNet, path: Path) -> None:
    """Fills a net with weights that may lack its lowest levels: these change nothing at first.
    Raises BadInput for weights of another net and for what cannot be read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = {k: v.float() for k, v in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path} cannot be read as weights of the stroke net: {error}") from error
    own = net.state_dict()
    wrong = [k for k, v in state.items() if k not in own or own[k].shape != v.shape]
    if wrong:
        raise BadInput(f"{path} does not fit the stroke net: {wrong[:3]}")
    with torch.no_grad():
        for n, (across, up) in enumerate(zip(net.across, net.up, strict=True)):
            if f"across.{n}.weight" not in state:
                for value in across.parameters():
                    torch.nn.init.zeros_(value)
                torch.nn.init.dirac_(next(up.parameters()))
        net.load_state_dict(state, strict=False)


def hints(scene: Scene, draw: TextRenderer) -> torch.Tensor:
    """B×1×H×W: 1 in the detector's box, which crops have at a fixed height in the middle: its
    ends jittered, often cut off, the whole box sometimes missing; anywhere without a line."""
    line = scene.lines[0]
    h, w = scene.image.shape[2:]
    one = torch.zeros_like(line["size"])
    real = line["valid"] > 0
    length = torch.where(real, line["length"], uniform(one, 30, 280))
    loose = uniform(one, -0.1, 0.5) * line["size"]
    cut = chance(one, 0.35) * uniform(one, 0, 0.8) * length
    left = chance(one, 0.5) * cut
    x, y = draw.grid(h, w)
    b = lambda t: t.view(-1, 1, 1)  # noqa: E731
    inside = (
        (x > b(line["x"] - length / 2 - loose + left))
        & (x < b(line["x"] + length / 2 + loose - (cut - left)))
        & ((y - (h - 1) / 2).abs() < BOX / 2)
    )
    return (inside.float() * b(chance(one, 0.9)))[:, None]


def loss(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]):
    """Cross-entropy, heavier on thin and faint strokes by its Dice term, and on effects, a
    hundredth of all pixels; the plate counts less."""
    x, target = batch
    y = net(x).float()
    heavier = y.new_tensor([1.0, EFFECTS, 1.0]).view(3, 1, 1)
    cross = F.binary_cross_entropy_with_logits(
        y, target, reduction="none", pos_weight=heavier
    ).mean((0, 2, 3))
    p = y[:, :2].sigmoid()
    t = target[:, :2]
    overlap = (2 * (p * t).sum((2, 3)) + 20) / ((p * p).sum((2, 3)) + (t * t).sum((2, 3)) + 20)
    dice = 1 - overlap.mean(0)
    total = 2 * cross[0] + cross[1] + 0.5 * cross[2] + dice[0] + dice[1]
    return total, {"text": cross[0], "effect": cross[1], "plate": cross[2], "dice": dice[0]}


def run(args: argparse.Namespace) -> int:
    about = {"model": "StrokeNet", "data": "rendered text on the training photos"}
    rate = args.rate or 3e-3
    settings = Settings.of("text-strokes", args, warmup=60)
    settings.learning_rate = rate
    net = StrokeNet()
    if args.start and not args.resume:
        start_from(net, args.start)
    trainer = Trainer(net, settings, loss, about)
    size = args.batch or (96 if trainer.device.type == "cuda" else 8)
    compose = crops_on_gpu if trainer.device.type == "cuda" else crops_on_cpu
    pool = Pool(compose(args, trainer, size), size, reuse=4, keep=240)

    def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, target = pool.draw(step)
        return x.to(memory_format=torch.channels_last), target

    trainer.run(batches)
    return 0


def crops_on_gpu(args: argparse.Namespace, trainer: Trainer, size: int):
    """compose(step) of the batched renderer."""
    draw = renderer(args, trainer)

    def compose(step: int) -> tuple[torch.Tensor, ...]:
        scene = draw.scenes(size, LAYOUT, args.seed * 7919 + 2 * step)
        x = torch.cat([scene.image, hints(scene, draw)], 1)
        return x, torch.cat([scene.text, scene.effects, scene.plate], 1)

    return compose


def crops_on_cpu(args: argparse.Namespace, trainer: Trainer, size: int):
    """compose(step) of the renderer for one core: four times the lines and photos."""
    draw = quick_renderer(args, trainer)
    cutouts = render_text_covers.things(args.data)
    trainer.log(f"{len(cutouts)} cut-outs")

    def compose(step: int) -> tuple[torch.Tensor, ...]:
        seed = args.seed * 1_000_003 + step
        crops, labels = render_text_crops.batch(draw, size, seed, cutouts)
        return torch.from_numpy(crops).float() / 255, torch.from_numpy(labels).float() / 255

    return compose
