"""The picture that comes in, in whatever depth, and what the models need to see of it."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from backend.layers.depth import MAX_PIXELS, opaque_value, to_8bit
from backend.masks.combine import components
from backend.values import BadInput


class Source:
    """pixels: H×W×(3|4) uint8, uint16 or float32; kept as given. Raises BadInput otherwise."""

    def __init__(self, pixels: np.ndarray) -> None:
        if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
            raise BadInput(f"Expected H×W×3 or H×W×4 pixels, got shape {pixels.shape}.")
        if pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise BadInput(f"Pixels of type {pixels.dtype}: use uint8, uint16 or float32.")
        height, width = pixels.shape[:2]
        if height < 1 or width < 1:
            raise BadInput("The picture has no pixels.")
        if height * width > MAX_PIXELS:
            raise BadInput(
                f"The picture is {width}×{height} px, more than {MAX_PIXELS // 10**6} megapixels. "
                "Cut it into parts or make it smaller."
            )
        self.pixels = pixels

    @property
    def shape(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Width, height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @cached_property
    def transparent(self) -> np.ndarray | None:
        """H×W bool of wholly transparent pixels; None when there are none."""
        if self.pixels.shape[2] == 3:
            return None
        clear = self.pixels[..., 3] <= 0
        return clear if clear.any() else None

    @property
    def empty(self) -> bool:
        return self.transparent is not None and bool(self.transparent.all())

    @cached_property
    def rgb8(self) -> np.ndarray:
        """H×W×3 uint8, what the models look at. Transparency lies on the grey end (black or
        white) that is further from the visible colours, so that dark and light text both show."""
        colour = to_8bit(self.pixels[..., :3])
        if self.pixels.shape[2] == 3:
            return np.ascontiguousarray(colour)
        top = opaque_value(self.pixels.dtype)
        alpha = self.pixels[..., 3]
        if (alpha >= top).all():
            return np.ascontiguousarray(colour)
        alpha = np.clip(alpha.astype(np.float32) / np.float32(top), 0.0, 1.0)
        grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(colour), cv2.COLOR_RGB2GRAY))
        mean = float((grey * alpha).sum()) / max(1e-6, float(alpha.sum()))
        ground = 0.0 if mean > 127 else 255.0
        mixed = colour * alpha[..., None] + np.float32(ground) * (1 - alpha[..., None])
        return np.rint(mixed).astype(np.uint8)

    def has_known(self, hole: np.ndarray) -> bool:
        """Whether there is a pixel outside the hole that a fill may sample."""
        return bool(self._known(hole).any())

    def _known(self, hole: np.ndarray) -> np.ndarray:
        known = hole == 0
        if self.pixels.shape[2] == 4:
            known &= self.pixels[..., 3] >= 0.5 * opaque_value(self.pixels.dtype)
        return known

    def split_isolated(self, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(isolated, rest) of the hole: parts whose surroundings are all transparent (a word on a
        layer of its own) have no background, so removing them leaves nothing."""
        none = np.zeros_like(hole)
        if self.pixels.shape[2] == 3 or self.transparent is None:
            return none, hole
        count, labels, _ = components(hole)
        reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
        near = cv2.dilate(self._known(hole).astype(np.uint8), reach) > 0
        anchored = np.zeros(count, bool)
        anchored[np.unique(labels[near])] = True
        anchored[0] = True
        alone = (~anchored)[labels].astype(np.uint8) * np.uint8(255)
        return alone, cv2.subtract(hole, alone)
