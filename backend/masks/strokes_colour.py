"""Decisions about strokes by colour, at the image's own resolution: sharp edges of large letters
from the stroke net's coarse map."""

from __future__ import annotations

import cv2
import numpy as np

from backend.masks.strokes import Crop, Strokes, cut
from backend.masks.text_lines import Region
from backend.values import Control

CONTRAST = 12.0  # least distance in 8-bit Lab between letters and ground to trust colour


def sharpen(rgb: np.ndarray, probability: np.ndarray, height: float, blur: float) -> np.ndarray:
    """Moves the edges of a stroke map to where the colour changes.

    A local colour model as in shape matting: around each pixel (0.4 line heights) the mean
    colours of sure strokes and sure ground; a pixel within `blur` of an edge takes the side whose
    colour it is nearer to. Where both look alike the map stays.

    Args:
        rgb: H×W×3 uint8. probability: H×W float32 in [0, 1], same size. height: line height, px.
        blur: how far the edges may be off, px.

    Returns:
        H×W float32 in [0, 1].
    """
    r = max(1, round(blur))
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1))
    solid = (probability > 0.5).astype(np.uint8)
    wide, slim = cv2.dilate(solid, near), cv2.erode(solid, near)
    band = (wide > 0) & (slim == 0)
    if not band.any():
        return probability
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    # thin letters have no pixels deeper than `blur`: their most certain ones stand for them
    sure = ((slim > 0) | (probability > 0.9)).astype(np.float32)
    ground = ((wide == 0) & (probability < 0.2)).astype(np.float32)
    k = int(0.8 * height) | 1
    front, front_weight = local_mean(lab, sure, k)
    back, back_weight = local_mean(lab, ground, k)
    to_front = np.linalg.norm(lab - front, axis=2)
    to_back = np.linalg.norm(lab - back, axis=2)
    apart = np.linalg.norm(front - back, axis=2)
    decided = to_back / np.maximum(to_front + to_back, 1e-3)
    trusted = band & (apart > CONTRAST) & (front_weight > 1e-3) & (back_weight > 1e-3)
    return np.where(trusted, decided, probability).astype(np.float32)


def local_mean(values: np.ndarray, weight: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted box mean of an H×W×C image and the box mean of the weights (H×W)."""
    box = (size, size)
    total = cv2.blur(weight, box)
    mean = cv2.blur(values * weight[..., None], box) / np.maximum(total, 1e-6)[..., None]
    return mean, total


class ColourFinder:
    """Strokes by colour alone, for an installation without the stroke net's weights."""

    def find(self, rgb: np.ndarray, regions: list[Region], control: Control) -> list[Strokes]:
        found = []
        for region in regions:
            control.check()
            crop = cut(rgb, region)
            none = np.zeros(crop.hint.shape, np.float32)
            found.append(Strokes(crop, by_colour(crop), none, none))
        return found


def by_colour(crop: Crop) -> np.ndarray:
    """h×w float32 0/1: k-means in Lab splits the box; clusters that the crop's rim rarely shows
    are strokes."""
    lab = cv2.cvtColor(crop.rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    box = crop.hint > 0
    inside = lab[box]
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 0.5)
    cv2.setRNGSeed(1)
    _, _, centres = cv2.kmeans(
        np.ascontiguousarray(inside[:: max(1, len(inside) // 4000)]), 4, np.empty(0, np.int32),
        criteria, 1, cv2.KMEANS_PP_CENTERS,
    )
    distance = ((lab.reshape(-1, 1, 3) - centres[None]) ** 2).sum(2)
    label = distance.argmin(1).reshape(box.shape)
    in_box = np.bincount(label[box], minlength=4) / max(1, box.sum())
    on_rim = np.bincount(label[~box], minlength=4) / max(1, (~box).sum())
    stroke = (on_rim < 0.7 * in_box) & (in_box < 0.75)
    return (stroke[label] & box).astype(np.float32)
