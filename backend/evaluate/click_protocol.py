"""How click models are asked: the first click in the object's middle, each next one in the middle
of the largest error, as in the NoC measure of interactive segmentation (Sofiiuk et al. 2022)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from backend.evaluate import metrics
from backend.masks.click_points import bounding
from backend.values import Control, Point

SURE = 0.5


@dataclass
class Answers:
    """One picture's answers: `masks` H×W uint8, `ious` and `seconds` after each click."""

    clicks: list[tuple[Point, bool]] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    encode_seconds: float = 0.0


def middle(region: np.ndarray) -> tuple[Point, float]:
    """The pixel of an H×W bool array that is farthest from its border, and how far that is."""
    padded = np.pad(region.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return Point(float(column), float(row)), float(distance[row, column])


def next_click(found: np.ndarray, truth: np.ndarray) -> tuple[Point, bool] | None:
    """Where a user would click next, and whether to add; None when nothing is wrong."""
    wanted, given = truth > 127, found > 127
    missed, m = middle(wanted & ~given)
    extra, e = middle(given & ~wanted)
    if max(m, e) == 0:
        return None
    return (missed, True) if m >= e else (extra, False)


def interact(
    model: Any, rgb: np.ndarray, truth: np.ndarray, most: int, enough: float = 0.9,
) -> Answers:
    """Clicks until the IoU reaches `enough`, at most `most` times."""
    answers, control = Answers(), Control()
    start = time.perf_counter()
    embedding = model.encode(rgb, control)
    answers.encode_seconds = time.perf_counter() - start
    answers.clicks.append((middle(truth > 127)[0], True))
    previous = None
    while True:
        positives = tuple(p for p, add in answers.clicks if add)
        negatives = tuple(p for p, add in answers.clicks if not add)
        start = time.perf_counter()
        previous = model.predict(embedding, positives, negatives, None, previous)
        answers.seconds.append(time.perf_counter() - start)
        mask = (previous > SURE).astype(np.uint8) * np.uint8(255)
        answers.masks.append(mask)
        answers.ious.append(metrics.iou(mask, truth))
        following = next_click(mask, truth)
        if answers.ious[-1] >= enough or len(answers.clicks) >= most or following is None:
            return answers
        answers.clicks.append(following)


def with_box(model: Any, rgb: np.ndarray, truth: np.ndarray, click: bool) -> np.ndarray:
    """The mask (H×W uint8) for the true object's box, with a click in its middle or without."""
    points = (middle(truth > 127)[0],) if click else ()
    embedding = model.encode(rgb, Control())
    answer = model.predict(embedding, points, (), bounding(truth > 127))
    return (answer > SURE).astype(np.uint8) * np.uint8(255)
