"""Crops for the learned mattes: cut-outs with exact alpha on new backgrounds, and their trimaps.

Cut-outs: the matting set with colours freed of their old background; people, whose masks are hard,
with softened edges and drawn strands of hair. Everything depends on the seed and the step alone.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from backend.matte.colours import foreground
from backend.training.data import BACKGROUNDS, Photo, read_photo
from backend.training.sources import cut_outs, fill_pinholes
from backend.values import BadInput, Control

PEOPLE = ("people_portraits", "people_ccp")
SHORT = 320  # px, short side of the photos in memory


class Composer:
    """`batch(step, size)` → (B×4×S×S input, B×1×S×S alpha, B×3×S×S foreground, B×1×S×S unsure)."""

    def __init__(self, root: Path, seed: int, side: int, limit: int | None = None) -> None:
        self.seed, self.side = seed, side
        self.exact = matting(root, limit)
        photos = photos_of(root, PEOPLE, limit)
        self.people = [c for photo in photos for c in cut_outs(photo, None, 3000)]
        self.empty = [p.rgb for p in photos_of(root, BACKGROUNDS, limit)]
        if not self.exact or not self.people or not self.empty:
            raise BadInput(
                f"{root} lacks matting/, people or background photos: give --data the folder that "
                "holds the training sets")

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, ...]:
        rng = np.random.default_rng((self.seed, step))
        made = [self.one(rng) for _ in range(size)]
        planes = [np.stack([m[k] for m in made]) for k in range(4)]
        return tuple(torch.from_numpy(np.ascontiguousarray(p)) for p in planes)

    def one(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """One sample, planes first, float32."""
        if rng.random() < 0.5:
            cut = self.exact[rng.integers(len(self.exact))]
        else:
            cut = softened(self.people[rng.integers(len(self.people))], rng)
        cut = around_edge(cut, self.side, rng)
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        front, alpha = cut[..., :3].copy(), cut[..., 3].copy()
        back = piece(self.empty[rng.integers(len(self.empty))], self.side, rng) / np.float32(255)
        if rng.random() < 0.4:  # a background out of focus
            back = cv2.GaussianBlur(back, (0, 0), rng.uniform(1, 8))
        gain = rng.uniform(0.7, 1.3, (2, 1, 1, 3)).astype(np.float32)
        front, back = np.clip(front * gain[0], 0, 1), np.clip(back * gain[1], 0, 1)
        mixed = front * alpha[..., None] + back * (1 - alpha[..., None])
        mixed += rng.normal(0, rng.uniform(0, 0.02), mixed.shape).astype(np.float32)
        trimap = random_trimap(alpha, rng)
        planes = np.concatenate([np.clip(mixed, 0, 1), trimap[..., None]], 2)
        return (planes.transpose(2, 0, 1), alpha[None], front.transpose(2, 0, 1),
                (trimap == 0.5).astype(np.float32)[None])


def photos_of(root: Path, groups: tuple[str, ...], limit: int | None) -> list[Photo]:
    """The first `limit` photos of each group."""
    return [read_photo(path, SHORT)
            for group in groups for path in sorted((root / group).glob("*.jpg"))[:limit]]


def matting(root: Path, limit: int | None = None) -> list[np.ndarray]:
    """H×W×4 float32 in [0, 1]: true colours and alpha of the matting set."""
    out = []
    for path in sorted((root / "matting").glob("*_alpha.png"))[:limit]:
        alpha = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image = cv2.imread(str(path.with_name(path.name.replace("_alpha.png", ".jpg"))))
        if alpha is None or image is None or alpha.shape != image.shape[:2]:
            continue
        rgb = image[..., ::-1].astype(np.float32) / 255
        matte = alpha.astype(np.float32) / 255
        out.append(np.dstack([foreground(rgb, matte, Control()), matte]))
    return out


def softened(cut: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A person's H×W×4 uint8 cut-out as float32 with a soft edge, sometimes with strands."""
    padded = cv2.copyMakeBorder(cut, 40, 8, 40, 40, cv2.BORDER_REPLICATE)
    mask = cv2.copyMakeBorder(fill_pinholes(cut[..., 3]), 40, 8, 40, 40, cv2.BORDER_CONSTANT)
    core = cv2.erode(mask, np.ones((3, 3), np.uint8))
    alpha = cv2.GaussianBlur(core.astype(np.float32) / 255, (0, 0), rng.uniform(0.6, 2.5))
    colours = inpainted(padded[..., :3], core)
    if rng.random() < 0.7:
        alpha = np.maximum(alpha, strands(core, rng))
    return np.dstack([colours, alpha])


def inpainted(rgb: np.ndarray, core: np.ndarray) -> np.ndarray:
    """H×W×3 float32 in [0, 1]: outside the core, the colour of its nearest pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (core == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inside = core > 0
    labels = np.asarray(labels, np.int32)
    table = np.zeros((int(labels.max()) + 1, 3), np.float32)
    table[labels[inside]] = rgb[inside] / np.float32(255)
    return table[labels]


def strands(core: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """H×W float32 alpha of curved, tapering hairs that grow out of the upper part of the edge."""
    contours, _ = cv2.findContours(core, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    canvas = np.zeros((core.shape[0] * 2, core.shape[1] * 2), np.uint8)
    if not contours:
        return np.zeros(core.shape, np.float32)
    edge = max(contours, key=len)[:, 0].astype(np.float32)
    edge = edge[edge[:, 1] < edge[:, 1].min() + 0.5 * np.ptp(edge[:, 1])]
    middle = edge.mean(0)
    lean = rng.normal(0, 0.6, 2)
    for _ in range(int(rng.integers(30, 300))):
        point = edge[rng.integers(len(edge))]
        away = point - middle
        away = away / (np.linalg.norm(away) + 1e-6) + lean + rng.normal(0, 0.5, 2)
        length, bend = rng.uniform(4, 36), rng.normal(0, 0.04)
        turn = np.array([[np.cos(bend), -np.sin(bend)], [np.sin(bend), np.cos(bend)]])
        line = [point]
        for _ in range(10):
            away = turn @ away
            line.append(line[-1] + away * length / 10)
        points = np.rint(np.array(line) * 16 * 2).astype(np.int32)
        shade = int(rng.uniform(60, 255))
        cv2.polylines(canvas, [points[:7]], False, shade, int(rng.integers(1, 4)), cv2.LINE_AA, 4)
        cv2.polylines(canvas, [points[6:]], False, shade * 2 // 3, 1, cv2.LINE_AA, 4)
    return cv2.resize(canvas, core.shape[::-1], interpolation=cv2.INTER_AREA) / np.float32(255)


def around_edge(cut: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A side×side crop about a soft pixel, enlarged or made smaller a little."""
    scale = rng.uniform(0.7, 1.6)
    take = max(8, round(side / scale))
    cut = np.asarray(cut, np.float32)
    more = [max(0, take - length) for length in cut.shape[:2]]
    cut = cv2.copyMakeBorder(cut, more[0] // 2, more[0] - more[0] // 2, more[1] // 2,
                             more[1] - more[1] // 2, cv2.BORDER_REPLICATE)
    ys, xs = np.nonzero((cut[..., 3] > 0.05) & (cut[..., 3] < 0.95))
    if not len(ys):
        ys, xs = np.nonzero(cut[..., 3] > 0.5)
    at = int(rng.integers(len(ys)))
    shift = rng.integers(-take // 3, take // 3 + 1, 2) - take // 2
    y = min(max(0, int(ys[at] + shift[0])), cut.shape[0] - take)
    x = min(max(0, int(xs[at] + shift[1])), cut.shape[1] - take)
    crop = cut[y : y + take, x : x + take]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.clip(cv2.resize(crop, (side, side), interpolation=how), 0, 1)


def piece(rgb: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A side×side uint8 crop of a photo at a random scale."""
    take = int(rng.uniform(0.5, 1.0) * min(rgb.shape[:2]))
    y = int(rng.integers(rgb.shape[0] - take + 1))
    x = int(rng.integers(rgb.shape[1] - take + 1))
    return cv2.resize(rgb[y : y + take, x : x + take], (side, side), interpolation=cv2.INTER_AREA)


def random_trimap(alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """H×W float32 of 0, 0.5 and 1: the soft pixels made wider, or a band around alpha at half."""
    reach = int(rng.integers(1, 16))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    if rng.random() < 0.6:
        least, most = 0.02, 0.98
    else:
        least = most = 0.5
    inside = cv2.erode((alpha >= most).astype(np.uint8), disk) > 0
    outside = cv2.dilate((alpha > least).astype(np.uint8), disk) == 0
    return np.where(inside, 1.0, np.where(outside, 0.0, 0.5)).astype(np.float32)
