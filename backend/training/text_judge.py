"""Fits the weights of backend.masks.text_judge: a logistic regression on what is known of the
detector's boxes in photos, labelled by eye (text_judge.json), and in adverts composed here, whose
text is known exactly. Prints the weights and how well they tell text apart in photos that a fit
did not see (five parts)."""

from __future__ import annotations

import argparse
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from backend.masks import text_second
from backend.masks.text import StrokeTextModel
from backend.masks.text_judge import Answers, Weights
from backend.masks.text_lines import Region, overlap
from backend.training import adverts
from backend.training.data import read_photo
from backend.values import Control

LABELS = Path(__file__).with_suffix(".json")
SAME = 0.7  # share that a box and a labelled one have of each other
TEXT, GROUND = 0.08, (0.005, 0.02)  # shares of an advert's box: text from which it is a line,
# and most text and effects with which it is none
PARTS, RIDGE = 5, 0.5


@dataclass(frozen=True)
class Example:
    """A box: where it is from, what is known of it, and whether it is text."""

    source: str
    answers: Answers
    text: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--fonts", type=Path, default=adverts.NOTO, help="folder with CJK fonts")
    parser.add_argument("--adverts", type=int, default=48, help="how many are composed")
    parser.add_argument("--photos", type=int, default=None, help="only so many (for a trial)")
    parser.add_argument("--seed", type=int, default=77)


def run(args: argparse.Namespace) -> int:
    from backend.models.store import ModelStore

    model = ModelStore("cpu").get("text", "text-ppocr", Control())
    examples = [*from_photos(model, args), *from_adverts(model, args)]
    report(examples)
    return 0


def from_photos(model: StrokeTextModel, args: argparse.Namespace) -> Iterator[Example]:
    """The detector's boxes that were labelled."""
    labels = json.loads(LABELS.read_text("utf-8"))
    for name in sorted(labels)[: args.photos]:
        rgb = read_photo(args.data / name, None, None).rgb
        known = [(Region(x, y, length, height, float(np.deg2rad(turn))), bool(text))
                 for x, y, length, height, turn, text in labels[name]]
        for region, answers in answered(model, rgb):
            same = [text for box, text in known if min(overlap(region, box)) > SAME]
            if same:
                yield Example(name, answers, same[0])


def from_adverts(model: StrokeTextModel, args: argparse.Namespace) -> Iterator[Example]:
    """The detector's boxes in composed adverts, but those on a plate or a shadow alone."""
    for n, made in enumerate(adverts.composed(args.data, args.fonts, args.adverts, args.seed)):
        file = io.BytesIO()
        Image.fromarray(made.image).save(file, "JPEG", quality=92)
        rgb = np.asarray(Image.open(file))
        for region, answers in answered(model, rgb):
            text, effects = share(made.text, region), share(made.effects, region)
            if text > TEXT or (text < GROUND[0] and effects < GROUND[1]):
                yield Example(f"advert {n}", answers, text > TEXT)


def answered(model: StrokeTextModel, rgb: np.ndarray) -> Iterator[tuple[Region, Answers]]:
    """Every box that the detector sees in the picture, with all that is known of it."""
    control = Control()
    regions = [r for r in model.regions(rgb, control) if r.view == 0]
    if not regions:
        return
    opinion = model.second and text_second.opinion(model.second, rgb, control)
    judge = model.judge(rgb, opinion, control)
    for item in model.finder.find(lambda _: rgb, regions, control):
        yield item.crop.region, judge.answers(item) + judge.read(item.crop.region)


def share(alpha: np.ndarray, region: Region) -> float:
    """How much of a region an H×W alpha covers by more than half."""
    inside = np.zeros(alpha.shape, np.uint8)
    cv2.fillConvexPoly(inside, region.corners().round().astype(np.int32), 1)
    return float((alpha[inside > 0] > 0.5).mean()) if inside.any() else 0.0


def report(examples: Sequence[Example]) -> None:
    """Prints the weights with and without a second opinion, and what they are worth."""
    answers = np.array([astuple(e.answers) for e in examples])
    text = np.array([e.text for e in examples])
    part = np.array([zlib.crc32(e.source.encode()) % PARTS for e in examples])
    print(f"{len(examples)} boxes of {len({e.source for e in examples})} pictures, "
          f"{int(text.sum())} of them text")
    for name, without in (("BOTH", ()), ("ALONE", ("second",))):
        weights = fit(answers, text, without)
        print(f"{name} = Weights({', '.join(f'{w:.2f}' for w in astuple(weights))})")
        chances = np.zeros(len(examples))
        for n in range(PARTS):
            own = fit(answers[part != n], text[part != n], without)
            sums = own.bias + answers[part == n] @ np.array(astuple(own)[1:])
            chances[part == n] = 1 / (1 + np.exp(-sums))
        for least in (0.4, 0.5, 0.6, 0.7):
            taken = chances >= least
            print(f"  from {least}: {int((taken & text).sum())} of {int(text.sum())} found, "
                  f"{int((taken & ~text).sum())} of {int((~text).sum())} others taken")


def fit(answers: np.ndarray, text: np.ndarray, without: Sequence[str] = ()) -> Weights:
    """Logistic regression by Newton's method: n×7 `answers` in the order of their fields, n bool
    `text`; the fields in `without` count nothing."""
    names = list(Answers.__dataclass_fields__)
    used = [n for n, name in enumerate(names) if name not in without]
    x = answers[:, used]
    mean, spread = x.mean(0), x.std(0) + 1e-6
    x = np.concatenate([np.ones((len(x), 1)), (x - mean) / spread], 1)
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (p - text) + RIDGE * w
        curve = (x.T * (p * (1 - p))) @ x + RIDGE * np.eye(len(w))
        w -= np.linalg.solve(curve, slope)
    values = dict(zip([names[n] for n in used], w[1:] / spread, strict=True))
    bias = float(w[0] - (w[1:] / spread) @ mean)
    return Weights(bias, *(float(values.get(name, 0.0)) for name in names))
