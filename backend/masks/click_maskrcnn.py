"""The instance of torchvision's Mask R-CNN under a click.

The mask that holds the point, else the smallest box that does, else the nearest instance;
`explanation` says which it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import click_points
from backend.models.interfaces import Description, Embedding
from backend.values import Box, Control, ModelUnavailable, Point

LONGEST = 1333  # px; torchvision's own transform shrinks to this
SURE = 0.3  # lowest score of an instance: the user says there is something


@dataclass(frozen=True)
class Instances:
    """N instances of a picture shrunk by `scale`: N×h×w float32 in [0, 1] masks, N×4 boxes."""

    masks: np.ndarray
    boxes: np.ndarray
    names: tuple[str, ...]
    scale: tuple[float, float]


class MaskRcnnClick:
    """See interfaces.ClickModel. All instances are found by `encode`; a click chooses."""

    def __init__(self, net: Any, categories: list[str], name: str, device: str) -> None:
        self.net = net
        self.categories = categories
        self.description = Description(name, device, 1, 1, LONGEST, 20000, True)
        self.explanation = ""

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        """H×W×3 uint8 RGB. torchvision's transform: RGB in [0, 1], ImageNet mean and deviation
        and the size (short side 800, long side at most 1333) are inside the model."""
        import torch

        click_points.check_image(rgb)
        control.check()
        height, width = rgb.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(small)).to(self.description.device)
            found = self.net([x.permute(2, 0, 1).float().div_(255)])[0]
        control.check()
        names = tuple(self.categories[int(i)] for i in found["labels"].cpu())
        ratio = (size[0] / width, size[1] / height)
        masks = found["masks"][:, 0].float().cpu().numpy()
        return Embedding((height, width),
                         Instances(masks, found["boxes"].float().cpu().numpy(), names, ratio))

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32 in [0, 1]; all 0 where the picture holds no instance. Negative clicks take
        away the instances that hold them; a box takes the instance it fits best."""
        click_points.check(embedding.size, positives, negatives, box, previous)
        found: Instances = embedding.data
        height, width = embedding.size
        result = np.zeros((height, width), np.float32)
        chosen, said = self._choose(found, positives, box)
        gone = {i for p in negatives if (i := _holding(found, p)) is not None}
        self.explanation = "; ".join(said)
        if not chosen - gone:
            return result
        together = found.masks[sorted(chosen - gone)].max(0)
        return cv2.resize(together, (width, height), interpolation=cv2.INTER_LINEAR)

    def _choose(
        self, found: Instances, positives: tuple[Point, ...], box: Box | None,
    ) -> tuple[set[int], list[str]]:
        if not len(found.boxes):
            return set(), ["Mask R-CNN found no object of its 80 classes in this picture"]
        chosen: set[int] = set()
        said = []
        for point in positives:
            index, how = _at(found, point)
            chosen.add(index)
            said.append(f"{found.names[index]}: {how}")
        if box is not None and not positives:
            sx, sy = found.scale
            drawn = np.array([box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy])
            index = int(np.argmax(_box_iou(found.boxes, drawn)))
            chosen.add(index)
            said.append(f"{found.names[index]}: the instance that fits the box best")
        return chosen, said


def _holding(found: Instances, point: Point) -> int | None:
    """The instance with the highest mask value at the point, when that is above one half."""
    if not len(found.masks):
        return None
    h, w = found.masks.shape[1:]
    column = min(w - 1, int(point[0] * found.scale[0]))
    row = min(h - 1, int(point[1] * found.scale[1]))
    values = found.masks[:, row, column]
    best = int(np.argmax(values))
    return best if values[best] > 0.5 else None


def _at(found: Instances, point: Point) -> tuple[int, str]:
    held = _holding(found, point)
    if held is not None:
        return held, "its mask holds the click"
    x, y = point[0] * found.scale[0], point[1] * found.scale[1]
    b = found.boxes
    inside = (b[:, 0] <= x) & (x < b[:, 2]) & (b[:, 1] <= y) & (y < b[:, 3])
    if inside.any():
        area = np.where(inside, (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]), np.inf)
        return int(np.argmin(area)), "the smallest box that holds the click"
    dx = np.maximum(np.maximum(b[:, 0] - x, x - b[:, 2]), 0)
    dy = np.maximum(np.maximum(b[:, 1] - y, y - b[:, 3]), 0)
    return int(np.argmin(dx**2 + dy**2)), "the nearest instance to the click"


def _box_iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    x = np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0])
    y = np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1])
    both = np.maximum(x, 0) * np.maximum(y, 0)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return both / np.maximum(area + (box[2] - box[0]) * (box[3] - box[1]) - both, 1e-6)


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> MaskRcnnClick:
    """torchvision's `maskrcnn_resnet50_fpn_v2` with the COCO_V1 weights file."""
    import torch
    from torchvision.models import detection

    net = detection.maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, box_score_thresh=SURE
    )
    path = next(iter(files.values()))
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise ModelUnavailable(
            f"{path.name} does not hold the weights of Mask R-CNN ResNet-50 FPN V2"
        ) from error
    categories = detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]
    return MaskRcnnClick(net.to(device).eval(), list(categories), entry.name, device)
