"""Which pixels of a text line belong to its strokes. Works on crops in which every line lies
level and has the same height, so that captions and headlines look alike."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.masks.text_lines import Region

MARGIN = 0.6  # crop margin on every side in line heights
SCALE_RANGE = (24, 72)  # smallest and largest height of a line in its crop, pixels


@dataclass(frozen=True)
class Crop:
    """One line cut level. `rgb` h×w×3 uint8; `matrix` 2×3 maps image pixels to crop pixels;
    `hint` h×w float32 is 1 inside the detector's box; `scale` is crop pixels per image pixel."""

    rgb: np.ndarray
    matrix: np.ndarray
    hint: np.ndarray
    scale: float
    region: Region


def cut(rgb: np.ndarray, region: Region) -> Crop:
    """Cuts a region (with a margin) out of an H×W×3 uint8 image, turned level."""
    height = float(np.clip(region.height, *SCALE_RANGE))
    scale = height / region.height
    pad = MARGIN * height
    w, h = int(round(region.length * scale + 2 * pad)), int(round(height + 2 * pad))
    along, across = region.axes
    linear = np.stack([along, across]) * scale
    offset = np.array([w / 2, h / 2]) - linear @ np.array([region.cx, region.cy])
    matrix = np.concatenate([linear, offset[:, None]], 1)
    source = rgb
    if scale < 0.7:  # avoid aliasing: blur before sampling coarsely
        source, matrix_source = shrunk(rgb, region, scale)
        crop = cv2.warpAffine(
            source, np.vstack([matrix, [0, 0, 1]])[:2] @ matrix_source, (w, h),
            flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101,
        )
    else:
        crop = cv2.warpAffine(
            source, matrix, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
    hint = np.zeros((h, w), np.float32)
    m = int(round(pad))
    hint[m : h - m, m : w - m] = 1
    return Crop(crop, matrix, hint, scale, region)


def shrunk(rgb: np.ndarray, region: Region, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image around a region, area-averaged down by `scale`, and the 3×3 matrix
    from its pixels to image pixels."""
    corners = region.corners(grow=MARGIN * region.height + 2)
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


def by_colour(crop: Crop) -> np.ndarray:
    """Strokes by colour alone: h×w float32 in [0, 1].

    The colours of the crop's rim are the background; k-means in Lab splits the box, and clusters
    that the rim rarely shows are strokes.
    """
    lab = cv2.cvtColor(crop.rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    flat = lab.reshape(-1, 3)
    box = crop.hint > 0
    inside = lab[box]
    step = max(1, len(inside) // 4000)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 0.5)
    cv2.setRNGSeed(1)
    _, _, centres = cv2.kmeans(
        np.ascontiguousarray(inside[::step]), 4, np.empty(0, np.int32), criteria, 1,
        cv2.KMEANS_PP_CENTERS,
    )
    distance = ((flat[:, None] - centres[None]) ** 2).sum(2)
    label = distance.argmin(1).reshape(box.shape)
    in_box = np.bincount(label[box], minlength=4) / max(1, box.sum())
    on_rim = np.bincount(label[~box], minlength=4) / max(1, (~box).sum())
    stroke = (on_rim < 0.7 * in_box) & (in_box < 0.75)
    return (stroke[label] & (cv2.dilate(crop.hint, np.ones((3, 3))) > 0)).astype(np.float32)


def paste(target: np.ndarray, values: np.ndarray, crop: Crop) -> None:
    """Writes a crop's h×w map back into the H×W float32 `target`, keeping the larger value."""
    corners = cv2.transform(
        np.array([[[0, 0], [0, values.shape[0]], [values.shape[1], 0], values.shape[::-1]]],
                 np.float32),
        cv2.invertAffineTransform(crop.matrix),
    )[0]
    h, w = target.shape
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, [w, h])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, [w, h])
    if x1 <= x0 or y1 <= y0:
        return
    matrix = crop.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ np.array([x0, y0])
    part = cv2.warpAffine(
        values, matrix, (int(x1 - x0), int(y1 - y0)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    np.maximum(target[y0:y1, x0:x1], part, out=target[y0:y1, x0:x1])
