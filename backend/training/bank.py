"""Photos and cut-outs as padded uint8 tensors on the device, sampled in batches by affine maps."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as functional


def pad_edges(image: np.ndarray, side: int) -> np.ndarray:
    """H×W×C → side×side×C; RGB (where C ≥ 3) goes on beyond the edge, other planes are 0."""
    height, width, planes = image.shape
    out = np.zeros((side, side, planes), np.uint8)
    out[:height, :width] = image
    if planes >= 3:
        below, right = side - height, side - width
        rgb = np.ascontiguousarray(image[..., :3])
        out[..., :3] = cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return out


def fit(image: np.ndarray, side: int) -> np.ndarray:
    """Scales down so that the long side is at most `side` px."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    flat = image.reshape(*image.shape[:2], -1)
    parts = [flat[..., i : i + 3] for i in range(0, flat.shape[2], 3)]  # OpenCV takes 4 at most
    small = [
        cv2.resize(np.ascontiguousarray(part), size, interpolation=cv2.INTER_AREA)
        for part in parts
    ]
    return np.dstack(small).reshape(size[1], size[0], *image.shape[2:])


class Bank:
    """N images of C planes, padded to side×side, with two halved copies against aliasing.

    `sizes` is N×2 (height, width) of the valid part, in pixels of the full copy.
    """

    def __init__(self, images: list[np.ndarray], side: int, device: torch.device) -> None:
        small = [fit(image, side) for image in images]
        self.side = side
        self.device = device
        self.sizes = np.array([image.shape[:2] for image in small], np.float32)
        planes = small[0].shape[2]
        full = torch.empty(len(small), planes, side, side, dtype=torch.uint8)
        for index, image in enumerate(small):
            padded = torch.from_numpy(pad_edges(image, side))
            full[index] = padded.permute(2, 0, 1)
        self.levels = [full.to(device)]
        for _ in range(2):
            before = self.levels[-1]
            parts = [
                functional.avg_pool2d(before[i : i + 64].float(), 2).round().to(torch.uint8)
                for i in range(0, len(before), 64)
            ]
            self.levels.append(torch.cat(parts))

    def __len__(self) -> int:
        return len(self.sizes)

    def sample(
        self, ids: np.ndarray, maps: np.ndarray, shape: tuple[int, int], border: bool
    ) -> torch.Tensor:
        """B×C×H×W float32 in [0, 1]: output pixel (x, y, 1) → source pixel by `maps` (B×2×3).

        `border`: beyond the padded copy the edge goes on; else all planes are 0 there.
        """
        height, width = shape
        scale = np.sqrt(np.abs(maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0]))
        levels = np.clip(np.floor(np.log2(np.maximum(scale, 1e-6)) + 0.4), 0, 2).astype(int)
        out = torch.empty(
            len(ids), self.levels[0].shape[1], height, width, device=self.device
        )
        # grid_sample's coordinates: source pixel p is (2p + 1) / side − 1 at align_corners=False.
        theta = maps.astype(np.float32).copy()
        size = np.array([width, height], np.float32)
        middle = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
        shift = theta[:, :, :2] @ middle + theta[:, :, 2]
        theta[:, :, :2] *= size[None, None] / self.side
        theta[:, :, 2] = (2 * shift + 1) / self.side - 1
        for level in range(3):
            chosen = np.nonzero(levels == level)[0]
            if not len(chosen):
                continue
            where = torch.from_numpy(chosen).to(self.device)
            source = torch.from_numpy(ids[chosen].astype(np.int64)).to(self.device)
            images = self.levels[level].index_select(0, source).float().div_(255)
            grid = functional.affine_grid(
                torch.from_numpy(theta[chosen]).to(self.device),
                [len(chosen), 1, height, width],
                align_corners=False,
            )
            mode = "border" if border else "zeros"
            out.index_copy_(
                0, where, functional.grid_sample(images, grid, "bilinear", mode, False)
            )
        return out


def window_map(
    x0: np.ndarray, y0: np.ndarray, w: np.ndarray, h: np.ndarray, shape: tuple[int, int],
    mirror: np.ndarray,
) -> np.ndarray:
    """Maps (B×2×3) that show the window (source pixels, arrays of B) in the whole output."""
    height, width = shape
    maps = np.zeros((len(x0), 2, 3), np.float32)
    sx, sy = w / width, h / height
    maps[:, 0, 0] = np.where(mirror, -sx, sx)
    maps[:, 0, 2] = np.where(mirror, x0 + w - 0.5 - sx / 2, x0 - 0.5 + sx / 2)
    maps[:, 1, 1] = sy
    maps[:, 1, 2] = y0 - 0.5 + sy / 2
    return maps


def place_map(
    sizes: np.ndarray, centre: np.ndarray, scale: np.ndarray, stretch: np.ndarray,
    angle: np.ndarray, mirror: np.ndarray,
) -> np.ndarray:
    """Maps (B×2×3) that put a cut-out of `sizes` (h, w) with its middle at `centre` (x, y).

    `scale`: output px a source px; `stretch` widens; `angle` in radians; `mirror` flips.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    flip = np.where(mirror, -1.0, 1.0)
    maps = np.zeros((len(scale), 2, 3), np.float32)
    # Inverse of: scale · rotation · diag(stretch · flip, 1).
    maps[:, 0, 0] = cos / (scale * stretch) * flip
    maps[:, 0, 1] = sin / (scale * stretch) * flip
    maps[:, 1, 0] = -sin / scale
    maps[:, 1, 1] = cos / scale
    middle = np.stack([(sizes[:, 1] - 1) / 2, (sizes[:, 0] - 1) / 2], 1)
    maps[:, :, 2] = middle - np.einsum("bij,bj->bi", maps[:, :, :2], centre)
    return maps
