"""PSENet as a line detector: progressive scale expansion (Wang et al., CVPR 2019) on its maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks.text_lines import Region, pieces_of
from backend.values import Control, ModelUnavailable

NEAR = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def expand(kernels: np.ndarray, least: int = 4) -> np.ndarray:
    """Progressive scale expansion: grows the lines found in the smallest kernel through the
    larger ones, ring by ring, so that close lines stay apart.

    Args:
        kernels: n×H×W bool or uint8, from the text map (largest) to the smallest kernel.
        least: components of the smallest kernel with fewer pixels are dropped.

    Returns:
        H×W int32 labels, 0 = no text. A pixel that two lines reach in the same step goes to the
        one with the larger number (the paper: to the first come).
    """
    solid = (np.asarray(kernels) > 0).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid[-1], connectivity=4)
    numbers = np.zeros(count, np.float32)  # OpenCV dilates floats, not 32-bit integers
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]
    numbers[kept] = np.arange(1, len(kept) + 1)
    grown = numbers[labels]
    for kernel in solid[-2::-1]:
        while True:
            fresh = (grown == 0) & (kernel > 0)
            spread = np.where(fresh, cv2.dilate(grown, NEAR), 0)
            if not spread.any():
                break
            grown += spread
    return grown.astype(np.int32)


def regions_of_maps(
    maps: np.ndarray, *, least_score: float = 0.8, least_side: float = 1.5
) -> list[Region]:
    """7×h×w probabilities (text, kernels from large to small) → lines in pixels of the maps."""
    solid = maps > 0.5
    solid[1:] &= solid[:1]
    labels = expand(solid)
    found = []
    for number, (x, y, w, h) in boxes_of(labels):
        inside = (labels[y : y + h, x : x + w] == number).astype(np.uint8)
        score = float(maps[0, y : y + h, x : x + w][inside > 0].mean())
        if score < least_score or inside.sum() < 6:
            continue
        contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(contours, key=len)[:, 0] + (x, y)
        for p in pieces_of(outline, inside, x, y):
            # contours run through pixel centres: half a pixel is missing on each side
            piece = Region(p.cx, p.cy, p.length + 1, p.height + 1, p.angle, score)
            if piece.height >= least_side:
                found.append(piece)
    return found


def without(margin: float, region: Region) -> Region:
    """The region less a margin of so many heights of what is in it, on every side."""
    height = region.height / (1 + 2 * margin)
    around = region.height - height
    return replace(region, length=max(height / 2, region.length - around), height=height)


def boxes_of(labels: np.ndarray) -> list[tuple[int, tuple[int, int, int, int]]]:
    """(number, (x, y, w, h)) of every label, in one pass over the labelled pixels."""
    ys, xs = np.nonzero(labels)
    if not len(ys):
        return []
    numbers = labels[ys, xs]
    n = int(numbers.max()) + 1
    x0, y0 = np.full(n, labels.shape[1]), np.full(n, labels.shape[0])
    x1, y1 = np.zeros(n, int), np.zeros(n, int)
    np.minimum.at(x0, numbers, xs)
    np.minimum.at(y0, numbers, ys)
    np.maximum.at(x1, numbers, xs + 1)
    np.maximum.at(y1, numbers, ys + 1)
    return [
        (i, (int(x0[i]), int(y0[i]), int(x1[i] - x0[i]), int(y1[i] - y0[i])))
        for i in range(1, n)
        if x1[i]
    ]


class Detector:
    """Lines by a PSENet (official or light). `coarse` is the long side it likes best, or `sizes`
    several of them; `margin` is how much of a line's height the net was taught to mark around
    it."""

    in_hues = False  # there the light one takes as much for letters that is none

    def __init__(
        self, net: Any, device: str, coarse: int, least_score: float, margin: float = 0.0,
        sizes: tuple[int, ...] = (),
    ) -> None:
        self._net, self._device = net, device
        self.coarse, self.sizes = coarse, sizes
        self._least_score = least_score
        self._margin = margin

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
        """H×W×3 uint8 RGB, looked at `scale` times its size → lines in its own pixels."""
        return self.lines(self.maps(rgb, scale, control), rgb.shape)

    def lines(
        self, maps: np.ndarray, shape: tuple[int, ...], least_score: float | None = None
    ) -> list[Region]:
        """What `maps` of a picture of that shape says → lines in the picture's pixels, of the
        detector's own least score or another."""
        least_score = self._least_score if least_score is None else least_score
        sx, sy = shape[1] / maps.shape[2], shape[0] / maps.shape[1]
        # pixel centres: map pixel x covers image pixels x·s … (x+1)·s
        return [
            without(self._margin, r.scaled(sx, sy, sx / 2 - 0.5, sy / 2 - 0.5))
            for r in regions_of_maps(maps, least_score=least_score)
        ]

    def maps(self, rgb: np.ndarray, scale: float, control: Control) -> np.ndarray:
        """7×h×w float32 probabilities at half the size the network sees."""
        import torch

        from backend.networks.psenet import MEAN, STD

        h, w = (max(32, round(side * scale / 32) * 32) for side in rgb.shape[:2])
        how = cv2.INTER_AREA if h < rgb.shape[0] else cv2.INTER_LINEAR
        small = cv2.resize(rgb, (w, h), interpolation=how)
        control.check()
        x = torch.from_numpy(small).to(self._device).permute(2, 0, 1)[None].float() / 255
        mean = torch.tensor(MEAN, device=self._device).view(1, 3, 1, 1)
        std = torch.tensor(STD, device=self._device).view(1, 3, 1, 1)
        with torch.inference_mode():
            logits = self._net(((x - mean) / std).to(memory_format=torch.channels_last))
            logits = torch.nn.functional.interpolate(logits, scale_factor=2, mode="bilinear")
            return logits.float().sigmoid()[0].cpu().numpy()


def load_light(path: Path, device: str) -> Any:
    """The built-in light PSENet from its safetensors file."""
    from safetensors.torch import load_file

    from backend.networks.psenet import LightPSENet

    net = LightPSENet()
    state = {k: v.float() for k, v in load_file(path).items()}
    missing, unknown = net.load_state_dict(state, strict=False)
    missing = [k for k in missing if not k.endswith("num_batches_tracked")]
    if missing or unknown:
        raise ModelUnavailable(f"{path.name} is not a LightPSENet: {(missing + unknown)[:3]}")
    return ready(net, device)


def load_official(path: Path, device: str) -> Any:
    """The authors' checkpoint: a dictionary whose `state_dict` has names behind `module.`.

    Only tensors and plain values are unpickled. Raises ModelUnavailable for any other file.
    """
    import pickle

    import torch

    from backend.networks.psenet import PSENet

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"{path.name} cannot be read as a PSENet checkpoint: {error}"
        ) from error
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        raise ModelUnavailable(f"{path.name} holds no state_dict")
    state = {str(k).removeprefix("module."): v for k, v in state.items()}
    net = PSENet()
    own = net.state_dict()
    for key, value in own.items():
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, value)
    wrong = [k for k in own if k not in state or state[k].shape != own[k].shape]
    unknown = [k for k in state if k not in own]
    if wrong or unknown:
        raise ModelUnavailable(
            f"{path.name} does not fit PSENet ResNet-50: missing or of another shape "
            f"{wrong[:3]}, unknown {unknown[:3]}"
        )
    net.load_state_dict(state)
    return ready(net, device)


def ready(net: Any, device: str) -> Any:
    import torch

    return net.to(device).eval().to(memory_format=torch.channels_last)
