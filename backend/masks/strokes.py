"""Which pixels of a text line belong to its strokes. Works on crops in which every line lies
level and has the same height, so that captions and headlines look alike to the net."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks.text_lines import Region
from backend.values import Control, ModelUnavailable

BOX = 44  # height of a detector's box in its crop, px; the ink is about two thirds of it
ABOVE, BESIDE = 0.32, 1.0  # margins of a crop in box heights
LONGEST = 1536  # crops of longer lines are cut in parts (px)
BATCH_PIXELS = 400_000


@dataclass(frozen=True, eq=False)
class Crop:
    """One line cut level. `rgb` h×w×3 uint8; `matrix` 2×3 maps image pixels to crop pixels;
    `hint` h×w float32 is 1 inside the detector's box; `scale` is crop pixels per image pixel."""

    rgb: np.ndarray
    matrix: np.ndarray
    hint: np.ndarray
    scale: float
    region: Region


@dataclass(frozen=True, eq=False)
class Strokes:
    """h×w float32 maps of a crop in [0, 1]: `text` (glyphs with outline), `effect` (shadow or
    glow), `plate`; `crop` is where they lie."""

    crop: Crop
    text: np.ndarray
    effect: np.ndarray
    plate: np.ndarray


def cut(rgb: np.ndarray, region: Region, height: float = BOX) -> Crop:
    """Cuts a region with its margins out of an H×W×3 uint8 image, turned level, its box `height`
    px high."""
    scale = height / region.height
    beside, above = BESIDE * height, ABOVE * height
    w = int(round(region.length * scale + 2 * beside))
    h = int(round(height + 2 * above))
    along, across = region.axes
    linear = np.stack([along, across]) * scale
    middle = np.array([(w - 1) / 2, (h - 1) / 2])
    matrix = np.concatenate(
        [linear, (middle - linear @ np.array([region.cx, region.cy]))[:, None]], 1
    )
    if scale < 0.7:  # average first: sampling alone would miss thin strokes
        small, to_image = shrunk(rgb, region, scale)
        from_small = (np.vstack([matrix, [0, 0, 1]]) @ to_image)[:2]
        crop = cv2.warpAffine(
            small, from_small, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    else:
        crop = cv2.warpAffine(
            rgb, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    hint = np.zeros((h, w), np.float32)
    hint[round(above) : h - round(above), round(beside) : w - round(beside)] = 1
    return Crop(crop, matrix, hint, scale, region)


def shrunk(rgb: np.ndarray, region: Region, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image around a region, area-averaged down by `scale`, and the 3×3 matrix
    from its pixels to image pixels."""
    corners = region.corners(grow=BESIDE * region.height + 2)
    h, w = rgb.shape[:2]
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [w - 2, h - 2])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int), [x0 + 2, y0 + 2], [w, h])
    part = rgb[y0:y1, x0:x1]
    size = (max(2, round((x1 - x0) * scale)), max(2, round((y1 - y0) * scale)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    fx, fy = (x1 - x0) / size[0], (y1 - y0) / size[1]
    # pixel centres: X = (x + 0.5)·f − 0.5 + x0
    to_image = np.array([[fx, 0, x0 + 0.5 * fx - 0.5], [0, fy, y0 + 0.5 * fy - 0.5], [0, 0, 1.0]])
    return small, to_image


class StrokeFinder:
    """The built-in stroke net (`text-strokes`)."""

    def __init__(self, net: Any, device: str) -> None:
        self._net, self._device = net, device

    def find(
        self, picture: Callable[[Region], np.ndarray], regions: list[Region], control: Control
    ) -> list[Strokes]:
        """Strokes of every region, in the order of `regions`; `picture(region)` is the H×W×3 uint8
        image to look at (the picture or its hues)."""
        parts = [p for region in regions for p in split(region)]
        crops = [cut(picture(region), region) for region in parts]
        order = sorted(range(len(crops)), key=lambda i: crops[i].rgb.shape[1])
        found: dict[int, Strokes] = {}
        batch: list[int] = []
        for n, i in enumerate(order):
            batch.append(i)
            h, w = crops[i].rgb.shape[:2]
            last = n + 1 == len(order)
            wide = w if last else crops[order[n + 1]].rgb.shape[1]
            if last or h * wide * (len(batch) + 1) > BATCH_PIXELS:
                for j, maps in zip(batch, self._run([crops[j] for j in batch]), strict=True):
                    found[j] = Strokes(crops[j], *maps)
                batch = []
                control.progress((n + 1) / len(order))
        return [found[i] for i in range(len(crops))]

    def _run(self, crops: list[Crop]) -> list[np.ndarray]:
        """3×h×w maps of crops of the same height, padded to one width."""
        import torch

        from backend.masks.click_opinion import one_thread

        h = -(-crops[0].rgb.shape[0] // 8) * 8
        w = -(-max(c.rgb.shape[1] for c in crops) // 8) * 8
        x = np.zeros((len(crops), h, w, 4), np.float32)
        for n, crop in enumerate(crops):
            ch, cw = crop.hint.shape
            x[n, ..., :3] = np.pad(
                crop.rgb, ((0, h - ch), (0, w - cw), (0, 0)), mode="edge"
            ) * np.float32(1 / 255)
            x[n, :ch, :cw, 3] = crop.hint
        with one_thread(), torch.inference_mode():  # NHWC in memory is channels_last for torch
            y = self._net(torch.from_numpy(x).to(self._device).permute(0, 3, 1, 2)).sigmoid()
        maps = y.float().cpu().numpy()
        sizes = [c.hint.shape for c in crops]
        return [m[:, :ch, :cw] for m, (ch, cw) in zip(maps, sizes, strict=True)]


def split(region: Region) -> list[Region]:
    """Very long lines in overlapping parts, so that batches stay small."""
    room = LONGEST / BOX * region.height
    if region.length <= room:
        return [region]
    n = int(np.ceil(region.length / room))
    length = region.length / n + region.height
    along, _ = region.axes
    parts = []
    for i in range(n):
        t = (i + 0.5) / n - 0.5
        x, y = np.array([region.cx, region.cy]) + along * t * region.length
        parts.append(replace(region, cx=float(x), cy=float(y), length=length))
    return parts


def paste(target: np.ndarray, values: np.ndarray, crop: Crop) -> None:
    """Writes a crop's h×w map back into the H×W float32 `target`, keeping the larger value."""
    h, w = values.shape
    corners = cv2.transform(
        np.array([[[-1, -1], [-1, h], [w, h], [w, -1]]], np.float32),
        cv2.invertAffineTransform(crop.matrix),
    )[0]
    height, width = target.shape
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [width, height])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, [width, height])
    if x1 <= x0 or y1 <= y0:
        return
    matrix = crop.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ np.array([x0, y0])
    part = cv2.warpAffine(
        values, matrix, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    np.maximum(target[y0:y1, x0:x1], part, out=target[y0:y1, x0:x1])


def load(entry: Any, files: dict[str, Path], device: str, control: Control) -> StrokeFinder:
    """Loader for the catalogue; raises ModelUnavailable for a file of another network."""
    path = files.get("text-strokes.safetensors") or next(iter(files.values()))
    return StrokeFinder(load_net(path, device), device)


def load_net(path: Path, device: str) -> Any:
    import torch
    from safetensors.torch import load_file

    from backend.networks.strokes import StrokeNet

    net = StrokeNet()
    state = {k: v.float() for k, v in load_file(path).items()}
    own = net.state_dict()
    wrong = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    wrong += [k for k in state if k not in own or state[k].shape != own[k].shape]
    if wrong:
        raise ModelUnavailable(f"{path.name} is not a stroke net: {wrong[:3]}")
    net.load_state_dict(state, strict=False)
    return fused(net.eval()).to(device).to(memory_format=torch.channels_last)


def fused(net: Any) -> Any:
    """A net of convolution, normalisation, activation with each normalisation worked into its
    convolution: on a CPU a third of the time."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for part in list(net.modules()):
        if isinstance(part, torch.nn.Sequential):
            conv, normal = part[0], part[1]
            if isinstance(conv, torch.nn.Conv2d) and isinstance(normal, torch.nn.BatchNorm2d):
                part[0], part[1] = fuse_conv_bn_eval(conv, normal), torch.nn.Identity()
    return net
