"""Loads what the text trainers draw with: fonts into an atlas, photos onto the device."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from backend.training.data import BACKGROUNDS, read_folders
from backend.training.render_text import Atlas, make_atlas
from backend.training.render_text_quick import QuickRenderer
from backend.training.render_text_scene import TextRenderer
from backend.training.trainer import Trainer

PHOTO = (320, 448)  # height, width of the photos kept on the device
PERHAPS = 0.5  # the detector's probability from which a photo's own text is not called ground
PEOPLE = ("people_portraits", "people_ccp")  # text lies on people too
NOTO = Path("/usr/share/fonts/opentype/noto")  # Debian's fonts-noto-cjk


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fonts", type=Path, default=NOTO,
        help="folder with CJK fonts (names with CJK), besides DATA/fonts; default %(default)s",
    )  # fmt: skip
    parser.add_argument("--lines", type=int, default=0, help="lines in the atlas (0 = by device)")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw the atlas")


def fitted(rgb: np.ndarray) -> np.ndarray:
    """Covers PHOTO with a photo (upright ones are turned, which gives other directions)."""
    if rgb.shape[0] > rgb.shape[1]:
        rgb = np.rot90(rgb)
    scale = max(PHOTO[0] / rgb.shape[0], PHOTO[1] / rgb.shape[1])
    size = (max(PHOTO[1], round(rgb.shape[1] * scale)), max(PHOTO[0], round(rgb.shape[0] * scale)))
    big = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_AREA)
    y, x = (big.shape[0] - PHOTO[0]) // 2, (big.shape[1] - PHOTO[1]) // 2
    return big[y : y + PHOTO[0], x : x + PHOTO[1]]


def atlas_and_photos(
    args: argparse.Namespace, trainer: Trainer, count: int
) -> tuple[Atlas, np.ndarray]:
    """The atlas (drawn now, the same for the same seed) and the photos, N×H×W×3 uint8."""
    folders = [f for f in (args.data / "fonts", args.fonts) if f and f.is_dir()]
    atlas = make_atlas(folders, args.lines or count, args.seed, workers=args.workers)
    trainer.log(
        f"atlas of {len(atlas.width)} lines, {int((atlas.script == 1).sum())} of them CJK"
    )
    groups = [g for g in (*BACKGROUNDS, *PEOPLE) if (args.data / g).is_dir()]
    photos = read_folders(args.data, groups, PHOTO[0], None, args.workers)
    if trainer.device.type != "cuda":
        photos = photos[:: 8 if count < 1000 else 1]
    trainer.log(f"{len(photos)} photos")
    return atlas, np.stack([fitted(photo.rgb) for photo in photos])


def renderer(args: argparse.Namespace, trainer: Trainer) -> TextRenderer:
    """The batched renderer with its material on the device."""
    count = 6144 if trainer.device.type == "cuda" else 512
    atlas, photos = atlas_and_photos(args, trainer, count)
    stack = np.ascontiguousarray(photos.transpose(0, 3, 1, 2))
    return TextRenderer(atlas, torch.from_numpy(stack), trainer.device)


def quick_renderer(args: argparse.Namespace, trainer: Trainer) -> QuickRenderer:
    """The renderer for one core."""
    return QuickRenderer(*atlas_and_photos(args, trainer, 2048))


def text_in(photos: np.ndarray) -> np.ndarray:
    """Where N×H×W×3 uint8 photos may hold text already, by the DB detector of the rapidocr
    wheel: N×H×W bool."""
    from backend.masks.text_ppocr import Detector
    from backend.values import Control

    detector, found = Detector(), np.zeros(photos.shape[:3], bool)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    for photo, here in zip(photos, found, strict=True):
        p = cv2.resize(detector.probability(photo, 1.0, Control()), here.shape[::-1])
        here[:] = cv2.dilate((p > PERHAPS).astype(np.uint8), around) > 0
    return found


class Pool:
    """Keeps composed samples for a while, since composing costs more than a training step.

    Every `reuse` steps `make(step)` composes one new batch of tensors in place of the oldest;
    each step draws a random batch. With new channels' order and sign each use looks different.
    """

    def __init__(
        self, make: Callable[[int], tuple[torch.Tensor, ...]], size: int, reuse: int, keep: int
    ) -> None:
        self._make, self._size, self._reuse, self._keep = make, size, reuse, keep
        self._store: list[torch.Tensor] = []
        self._filled = 0

    def draw(self, step: int) -> tuple[torch.Tensor, ...]:
        """A batch as float tensors; the first is an image in [0, 1] whose first three channels
        are recoloured. Values are kept in 8 bits, all must lie in [0, 1]."""
        if self._filled == 0 or step % self._reuse == 0:
            new = self._make(step)
            if not self._store:
                n = self._size * self._keep
                self._store = [
                    torch.empty((n, *t.shape[1:]), dtype=torch.uint8, device=t.device) for t in new
                ]
            at = (self._filled % self._keep) * self._size
            for store, t in zip(self._store, new, strict=True):
                store[at : at + self._size] = (t.clamp(0, 1) * 255).round().to(torch.uint8)
            self._filled += 1
        device = self._store[0].device
        most = min(self._filled, self._keep) * self._size
        index = torch.randint(most, (self._size,), device=device)
        image, *rest = (store[index].float() / 255 for store in self._store)
        image[:, :3] = recoloured(image[:, :3])
        return image, *rest


def recoloured(rgb: torch.Tensor) -> torch.Tensor:
    """Random order of the channels, some pictures inverted, a random gain."""
    n, device = len(rgb), rgb.device
    order = torch.rand(n, 3, device=device).argsort(1)
    order = torch.where(torch.rand(n, 1, device=device) < 0.5, order,
                        torch.arange(3, device=device))
    rgb = rgb.gather(1, order.view(n, 3, 1, 1).expand_as(rgb))
    flip = (torch.rand(n, 1, 1, 1, device=device) < 0.2).float()
    rgb = rgb + (1 - 2 * rgb) * flip
    return (rgb * (0.8 + 0.4 * torch.rand(n, 3, 1, 1, device=device))).clamp(0, 1)
