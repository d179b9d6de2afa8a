"""GrabCut (Rother et al. 2004, OpenCV's) seeded at clicks: the peer without learning."""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks import click_points
from backend.models.interfaces import Description, Embedding
from backend.values import Box, Control, Point

LONG = 320  # px, long side GrabCut works at
DISK = 0.012  # of the long side: surely the object, or surely not, around a click
LIKELY = 0.22  # of the long side: likely the object around a positive click
ROUNDS = 5


class GrabCutClick:
    """See interfaces.ClickModel. The picture's border counts as background."""

    def __init__(self, long_side: int = LONG, rounds: int = ROUNDS) -> None:
        self.long_side, self.rounds = long_side, rounds
        self.description = Description("click-grabcut", "cpu", 1, 1, long_side, 20000, False)

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        click_points.check_image(rgb)
        height, width = rgb.shape[:2]
        scale = min(1.0, self.long_side / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return Embedding((height, width), cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32, 0 or 1 (linear between at the edge)."""
        click_points.check(embedding.size, positives, negatives, box, previous)
        height, width = embedding.size
        small: np.ndarray = embedding.data
        h, w = small.shape[:2]
        sx, sy, long = w / width, h / height, max(h, w)
        seeds = np.full((h, w), cv2.GC_PR_BGD, np.uint8)
        at = [(int(x * sx), int(y * sy)) for x, y in positives]
        for point in at:
            cv2.circle(seeds, point, max(2, round(LIKELY * long)), cv2.GC_PR_FGD, -1)
        if previous is not None:
            before = cv2.resize(previous.astype(np.float32), (w, h)) > 0.5
            seeds[:] = np.where(before, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
        if box is not None:
            inside = np.zeros((h, w), bool)
            inside[int(box[1] * sy) : int(box[3] * sy) + 1,
                   int(box[0] * sx) : int(box[2] * sx) + 1] = True
            seeds[:] = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD)
        elif previous is None:
            seeds[[0, -1]] = seeds[:, [0, -1]] = cv2.GC_BGD
        radius = max(1, round(DISK * long))
        for point in at:
            cv2.circle(seeds, point, radius, cv2.GC_FGD, -1)
        for x, y in negatives:
            cv2.circle(seeds, (int(x * sx), int(y * sy)), radius, cv2.GC_BGD, -1)
        answer = _cut(small, seeds, self.rounds)
        points = [Point(*p) for p in at]
        found = click_points.touched(answer, points, box, share=2.0)
        return cv2.resize(found.astype(np.float32), (width, height))


def _cut(image: np.ndarray, seeds: np.ndarray, rounds: int) -> np.ndarray:
    """H×W bool. Without pixels of both kinds there is nothing to divide."""
    object_like = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if object_like.all() or not object_like.any():
        return object_like
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(image[..., ::-1])
    cv2.grabCut(bgr, seeds, (0, 0, 0, 0), models[0], models[1], rounds, cv2.GC_INIT_WITH_MASK)
    return np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD))


def load(entry: object, files: object, device: str, control: Control) -> GrabCutClick:
    """Needs no files; works on the CPU."""
    if device != "cpu":
        control.note("GrabCut works on the CPU.")
    return GrabCutClick()
