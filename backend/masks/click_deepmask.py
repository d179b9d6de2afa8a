"""DeepMask and DeepCrop V1, V2 at a click: one crop a size, the best-scored size wins.

Kurenkov's DeepCrop takes crops with the object at their centre. Where only a click is known, crops
of several sizes are cut around it and the score branch (DeepMask's) says which one holds a whole
object of the canonical size. A box, when given, says the size itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import click_edges, click_points
from backend.masks.click import read_weights
from backend.models.interfaces import Description, Embedding
from backend.networks.deepmask import CROP, OBJECT, DeepMask, distance_plane
from backend.values import Box, Control, Point

SIZES = (0.14, 0.2, 0.28, 0.4, 0.56, 0.8)  # object sizes tried, of the picture's long side
SEED = 1024  # px; the picture is shrunk to this long side first


class DeepMaskClick:
    """See interfaces.ClickModel. Several positive clicks give the union of their objects; a
    negative click rules out the sizes whose mask holds it."""

    def __init__(self, net: DeepMask, name: str, device: str) -> None:
        self.net = net
        self.description = Description(name, device, 1, 1, CROP, 20000, False)

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        """H×W×3 uint8 RGB. Only shrinks the picture: these nets know no image without a click."""
        click_points.check_image(rgb)
        control.check()
        height, width = rgb.shape[:2]
        scale = min(1.0, SEED / max(height, width))
        small = rgb
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        return Embedding((height, width), (rgb, small))

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32 in [0, 1]. `previous` is not used: these nets see one click at a time."""
        click_points.check(embedding.size, positives, negatives, box, previous)
        rgb, small = embedding.data
        height, width = embedding.size
        sx, sy = small.shape[1] / width, small.shape[0] / height
        result = np.zeros(small.shape[:2], np.float32)
        inner = None
        if box is not None:
            inner = (box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy)
            if not positives:
                positives = (Point((box[0] + box[2]) / 2, (box[1] + box[3]) / 2),)
        against = [((x + 0.5) * sx, (y + 0.5) * sy) for x, y in negatives]
        for x, y in positives:
            one = self._at(small, ((x + 0.5) * sx, (y + 0.5) * sy), against, inner)
            np.maximum(result, one, out=result)
        return click_edges.full_size(result, rgb)

    def _at(
        self, image: np.ndarray, click: tuple[float, float],
        against: list[tuple[float, float]], box: tuple[float, float, float, float] | None,
    ) -> np.ndarray:
        import torch

        if box is not None:
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            sizes = [max(4.0, box[2] - box[0], box[3] - box[1])]
        else:
            middle = click
            long = min(max(image.shape[:2]), 4 * min(image.shape[:2]))
            sizes = [max(4.0, s * long) for s in SIZES]
        matrices = [_crop_matrix(middle, OBJECT / size) for size in sizes]
        crops = np.stack([_cut(image, m) for m in matrices])
        points = np.array([m @ (*click, 1.0) for m in matrices], np.float32)
        device = self.description.device
        with torch.inference_mode():
            x = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
            masks, scores = self.net(x, distance_plane(torch.from_numpy(points).to(device)))
            masks = torch.sigmoid(masks[:, 0].float()).cpu().numpy()
            scores = scores.float().cpu().numpy().copy()
        for index, matrix in enumerate(matrices):
            scores[index] -= 8 * (_value(masks[index], matrix, click) < 0.3)
            scores[index] -= 8 * sum(_value(masks[index], matrix, p) > 0.5 for p in against)
        best = int(np.argmax(scores))
        mask = cv2.resize(masks[best], (CROP, CROP), interpolation=cv2.INTER_CUBIC)
        return cv2.warpAffine(
            np.clip(mask, 0, 1), matrices[best], image.shape[1::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderValue=0,
        )


def _crop_matrix(middle: tuple[float, float], scale: float) -> np.ndarray:
    """2×3: image → crop pixels, `middle` to the crop's centre."""
    return np.array([[scale, 0, CROP / 2 - middle[0] * scale],
                     [0, scale, CROP / 2 - middle[1] * scale]], np.float64)


def _cut(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The crop, grey outside the picture; shrunk pictures are blurred first."""
    scale = float(matrix[0, 0])
    if scale < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
    return cv2.warpAffine(image, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR,
                          borderValue=(127, 127, 127))


def _value(mask: np.ndarray, matrix: np.ndarray, point: tuple[float, float]) -> float:
    x, y = matrix @ (*point, 1.0) * (mask.shape[0] / CROP)
    inside = 0 <= x < mask.shape[1] and 0 <= y < mask.shape[0]
    return float(mask[int(y), int(x)]) if inside else 0.0


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> DeepMaskClick:
    """The net whose name is the entry's: deepmask, deepcrop-v1 or deepcrop-v2."""
    net = read_weights(DeepMask(entry.name), next(iter(files.values()))).to(device)
    return DeepMaskClick(net, entry.name, device)
