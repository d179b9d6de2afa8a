"""People and things beside, behind and before rendered lines: what has the letters' colours, or
stands in front of them, is no letter. Cut-outs of the training sets, pasted into crops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from backend.training.bank import fit
from backend.training.data import read_folders
from backend.training.sources import cut_outs, joined, matting, segments

SIDE = 224  # px, long side at which cut-outs are kept
LEAST = 900  # px² of a cut-out in its photo
BEHIND, BEFORE = 0.2, 0.25  # share of crops with something behind, and before the letters
ON_FLAT = 0.4  # ... behind them on flat ground
TINTED = 0.35  # share of cut-outs that take a letter's colour, or are all of one shade
EVEN = 0.3  # of these, the contrast that is left


def things(root: Path) -> list[np.ndarray]:
    """H×W×4 uint8 cut-outs, RGB and alpha: people, things, segments of photos."""
    found = []
    for group in ("people_portraits", "people_ccp"):
        for photo in read_folders(root, (group,), 320):
            found += cut_outs(joined(photo), [1], LEAST) if photo.labels is not None else []
    for group in ("people_coco128", "people_pennfudan", "objects_coco128_no_person"):
        for photo in read_folders(root, (group,), 448):
            found += cut_outs(photo, None, LEAST)
    for photo in read_folders(root, ("objects_bsds_train",), 320):
        found += segments(photo)
    return [fit(c, SIDE) for c in [*found, *matting(root)]]


def pasted(
    image: np.ndarray, cutouts: Sequence[np.ndarray], ink: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Pastes one cut-out into h×w×3 float32, in place; returns its alpha, h×w float32 in [0, 1].
    Some are tinted: with `ink` in that colour, as a white shirt before white letters."""
    h, w = image.shape[:2]
    cut = cutouts[int(rng.integers(len(cutouts)))]
    tall = math.exp(rng.uniform(math.log(0.35), math.log(4.0))) * h
    scale = tall / cut.shape[0]
    turn = rng.normal(0, 0.25)
    mirror = -1 if rng.random() < 0.5 else 1
    beyond = 0.35 * min(tall, 2 * h)
    place = np.array([rng.uniform(0, w), rng.uniform(-beyond, h + beyond)])
    if scale < 0.7:  # average first
        cut = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        scale = 1.0
    c, s = scale * math.cos(turn), scale * math.sin(turn)
    matrix = np.array([[c * mirror, -s, 0], [s * mirror, c, 0]])
    matrix[:, 2] = place - matrix[:, :2] @ np.array([cut.shape[1] / 2, cut.shape[0] / 2])
    here = cv2.warpAffine(cut, matrix, (w, h), flags=cv2.INTER_LINEAR).astype(np.float32)
    alpha = here[..., 3:] / 255
    colours = here[..., :3]
    if rng.random() < TINTED and (alpha > 0.5).any():
        tint = ink if ink is not None and rng.random() < 0.7 else rng.uniform(0, 255, 3)
        mean = colours[alpha[..., 0] > 0.5].mean(0)
        colours = np.clip(tint + rng.normal(0, 8, 3) + EVEN * (colours - mean), 0, 255)
    image += (colours.astype(np.float32) - image) * alpha
    return alpha[..., 0]
