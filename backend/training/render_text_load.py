"""Loads what the text trainers draw with: fonts into an atlas, photos onto the device."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from backend.training.data import BACKGROUNDS, read_folders
from backend.training.render_text import make_atlas
from backend.training.render_text_scene import TextRenderer
from backend.training.trainer import Trainer

PHOTO = (320, 448)  # height, width of the photos kept on the device
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


def renderer(args: argparse.Namespace, trainer: Trainer) -> TextRenderer:
    """The atlas (drawn now, the same for the same seed) and the photos on the device."""
    on_gpu = trainer.device.type == "cuda"
    count = args.lines or (6144 if on_gpu else 512)
    folders = [f for f in (args.data / "fonts", args.fonts) if f and f.is_dir()]
    atlas = make_atlas(folders, count, args.seed, workers=args.workers)
    trainer.log(f"atlas of {count} lines, {int((atlas.script == 1).sum())} of them CJK")
    groups = [g for g in (*BACKGROUNDS, *PEOPLE) if (args.data / g).is_dir()]
    photos = read_folders(args.data, groups, PHOTO[0], None, args.workers)
    if not on_gpu:
        photos = photos[::8]
    stack = np.stack([fitted(photo.rgb) for photo in photos]).transpose(0, 3, 1, 2)
    trainer.log(f"{len(photos)} photos")
    return TextRenderer(atlas, torch.from_numpy(np.ascontiguousarray(stack)), trainer.device)
