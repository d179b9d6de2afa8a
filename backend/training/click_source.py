"""All photos and objects that a click can mean, as tensors that stay on the training device.

Objects are labelled instances, regions of a full partition (BSDS) with what they enclose, and
unions of neighbouring regions of like colour, so that a click learns "the thing that differs
from what surrounds it" without classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from backend.training.data import Photo, read_folders
from backend.values import BadInput

PARTITIONS = "objects_bsds_train"
OBJECTS = "objects_coco128_no_person"
PEOPLE = ("people_ccp", "people_portraits", "people_pennfudan", "people_coco128")
SCENES = ("background_houses", "background_imagenet", "background_sunhays",
          "background_urban100")
# Most photos of a group for a short run: people in streets must not crowd out the rest.
FEWER = {"people_ccp": 300, "background_houses": 150, "background_sunhays": 150,
         "background_imagenet": 200, "background_urban100": 50}
CANVAS = 448  # px; photos are shrunk into this square


@dataclass(frozen=True)
class Objects:
    """M objects: `photo` M indices, `pixels` M×256 (1 where a label belongs to the object),
    `box` M×4 canvas pixels, `weight` M (chance to be drawn within its group)."""

    photo: Tensor
    pixels: Tensor
    box: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Library:
    """`photos` N×3×C×C uint8 RGB, `labels` N×C×C uint8, `size` N×2 (height, width in the canvas),
    `full` N bool (every pixel of the photo is labelled); objects by group."""

    photos: Tensor
    labels: Tensor
    size: Tensor
    full: Tensor
    groups: dict[str, Objects]

    @property
    def device(self) -> torch.device:
        return self.photos.device


@dataclass
class _Found:
    photo: list[int]
    pixels: list[np.ndarray]
    box: list[tuple[int, int, int, int]]
    weight: list[float]


def held_out(group: str, index: int) -> bool:
    """Whether the photo is kept from training, to choose settings on: one in eight."""
    return group in (PARTITIONS, OBJECTS) and index % 8 == 7


def load(
    root: Path, device: torch.device, workers: int = 3, limit: int = 0,
    limits: dict[str, int] | None = None,
) -> Library:
    """Reads all groups under `root` but what is held out; `limit` photos of each group at most
    (0 = all), or as many as `limits` says for the group."""
    groups = (PARTITIONS, OBJECTS, *PEOPLE, *SCENES)
    photos: list[Photo] = []
    for group in groups:
        most = (limits or {}).get(group, limit) or None
        read = read_folders(root, (group,), short=CANVAS, workers=workers)[:most]
        photos += [p for i, p in enumerate(read) if not held_out(group, i)]
    count = len(photos)
    pixels = np.zeros((count, CANVAS, CANVAS, 3), np.uint8)
    labels = np.zeros((count, CANVAS, CANVAS), np.uint8)
    size = np.zeros((count, 2), np.float32)
    full = np.zeros(count, bool)
    found = {name: _Found([], [], [], []) for name in ("partition", "object", "person")}
    for index, photo in enumerate(photos):
        rgb, label = _fit(photo.rgb, cv2.INTER_AREA), None
        height, width = rgb.shape[:2]
        pixels[index, :height, :width] = rgb
        size[index] = height, width
        if photo.labels is None or not photo.labels.any():
            continue
        label = _fit(photo.labels, cv2.INTER_NEAREST)
        if photo.group == PARTITIONS:
            full[index] = True
            listed = partition_objects(rgb, label)
            kind = "partition"
        else:
            label, listed = instance_objects(label)
            kind = "object" if photo.group == OBJECTS else "person"
        labels[index, :height, :width] = label
        for lut, box, weight in listed:
            found[kind].photo.append(index)
            found[kind].pixels.append(lut)
            found[kind].box.append(box)
            found[kind].weight.append(weight)
    if not all(f.photo for f in found.values()):
        raise BadInput(f"no labelled objects in {root}")
    return Library(
        torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().to(device),
        torch.from_numpy(labels).to(device),
        torch.from_numpy(size).to(device),
        torch.from_numpy(full).to(device),
        {name: _tensors(f, device) for name, f in found.items()},
    )


def _tensors(found: _Found, device: torch.device) -> Objects:
    return Objects(
        torch.tensor(found.photo, device=device),
        torch.from_numpy(np.stack(found.pixels)).to(device),
        torch.tensor(found.box, dtype=torch.float32, device=device),
        torch.tensor(found.weight, dtype=torch.float32, device=device),
    )


def _fit(image: np.ndarray, interpolation: int) -> np.ndarray:
    scale = CANVAS / max(image.shape[:2])
    if scale >= 1:
        return image
    width, height = (max(8, round(n * scale)) for n in image.shape[1::-1])
    return cv2.resize(image, (width, height), interpolation=interpolation)


def instance_objects(
    label: np.ndarray,
) -> tuple[np.ndarray, list[tuple[np.ndarray, tuple[int, int, int, int], float]]]:
    """H×W labels → labels with large separate parts of one label told apart (two people may
    share one), and (lookup 256, box, weight) of every object of a usable size."""
    result = np.zeros_like(label)
    listed = []
    total = label.size
    following = 1
    for value in np.unique(label[label > 0]):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((label == value).astype(np.uint8))
        areas = stats[1:, cv2.CC_STAT_AREA]
        order = [i + 1 for i in np.argsort(-areas) if areas[i] > 0.25 * areas.max()]
        # Small far parts (a hand behind a pillar) stay with the largest part.
        for place, part in enumerate(order):
            if following > 254:
                break
            mine = parts == part
            if place == 0:
                small = [i for i in range(1, count) if i not in order]
                mine |= np.isin(parts, small) & (parts > 0)
            result[mine] = following
            area, box = mine.sum() / total, _box(mine)
            if area > 0.003 and min(box[2] - box[0], box[3] - box[1]) > 8:
                lut = np.zeros(256, np.uint8)
                lut[following] = 1
                listed.append((lut, box, float(np.sqrt(min(area, 0.2)))))
            following += 1
    return result, listed


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def partition_objects(
    rgb: np.ndarray, label: np.ndarray, merges: bool = True,
) -> list[tuple[np.ndarray, tuple[int, int, int, int], float]]:
    """Object-like nodes of a merge tree over the regions of a full partition; without `merges`
    only the regions themselves with what they enclose."""
    values = np.unique(label)
    count = int(label.max()) + 1
    area = np.bincount(label.ravel(), minlength=count).astype(float)
    touch = np.zeros((count, count))
    for a, b in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
        other = a != b
        np.add.at(touch, (a[other], b[other]), 1)
        np.add.at(touch, (b[other], a[other]), 1)
    edge = np.bincount(
        np.concatenate((label[0], label[-1], label[:, 0], label[:, -1])), minlength=count
    ).astype(float)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(float)
    colour = np.stack([
        np.bincount(label.ravel(), lab[..., c].ravel(), minlength=count) for c in range(3)
    ], 1) / np.maximum(area, 1)[:, None]
    nodes: list[tuple[frozenset[int], float]] = []
    for value in values:
        nodes.append((_with_enclosed(int(value), touch, area, edge), 1.0))
    if merges:
        nodes += _merges(values, touch, area, colour)
    listed, seen = [], set()
    total, rim = label.size, 2 * sum(label.shape)
    for members, weight in nodes:
        if members in seen:
            continue
        seen.add(members)
        index = sorted(members)
        share = area[index].sum() / total
        if not 0.006 < share < 0.5 or edge[index].sum() / rim > 0.3:
            continue
        lut = np.zeros(256, np.uint8)
        lut[index] = 1
        mask = lut[label]
        box = _box(mask > 0)
        points = cv2.findNonZero(mask)
        solid = float(mask.sum() / max(1.0, cv2.contourArea(cv2.convexHull(points))))
        free = 1 - edge[index].sum() / max(1.0, 2.0 * (box[2] - box[0] + box[3] - box[1]))
        listed.append((lut, box, weight * min(1.0, solid) * max(0.05, free) ** 3
                       * float(np.sqrt(min(share, 0.12)))))
    return listed


def _with_enclosed(
    value: int, touch: np.ndarray, area: np.ndarray, edge: np.ndarray,
) -> frozenset[int]:
    """The region and the smaller ones it surrounds (an eye belongs to its animal)."""
    around = touch.sum(1) + edge
    inside = (touch[value] > 0.7 * around) & (area < 0.3 * area[value]) & (area > 0)
    return frozenset({value, *map(int, np.flatnonzero(inside))})


def _merges(
    values: np.ndarray, touch: np.ndarray, area: np.ndarray, colour: np.ndarray,
) -> list[tuple[frozenset[int], float]]:
    """Unions met when the most alike neighbours are merged again and again."""
    alive = {int(v): frozenset({int(v)}) for v in values}
    touch, area, colour = touch.copy(), area.copy(), colour.copy()
    nodes = []
    while len(alive) > 2:
        keys = np.array(sorted(alive))
        near = touch[np.ix_(keys, keys)]
        differ = np.linalg.norm(colour[keys][:, None] - colour[keys][None], axis=2)
        # Small regions merge first: that joins the parts of one thing before whole scenes.
        small = np.minimum(area[keys][:, None], area[keys][None]) ** 0.25
        cost = np.where(near > 0, (differ + 5) * small, np.inf)
        best = np.unravel_index(np.argmin(cost), cost.shape)
        if not np.isfinite(cost[best]):
            break
        a, b = int(keys[best[0]]), int(keys[best[1]])
        alive[a] = alive[a] | alive.pop(b)
        colour[a] = (colour[a] * area[a] + colour[b] * area[b]) / (area[a] + area[b])
        area[a] += area[b]
        touch[a] += touch[b]
        touch[:, a] += touch[:, b]
        touch[a, a] = 0
        nodes.append((alive[a], 0.3))
    return nodes
