"""Makes a small copy of the training sets that can travel to a GPU machine.

The copy has the folders and names of the original, so every trainer reads either. Photos become
smaller and are coded as WebP, a third smaller than JPEG at the same quality; they keep their
names (.jpg) since OpenCV and Pillow look at the content. Label images are shrunk without mixing
labels, everything else is copied.
"""

from __future__ import annotations

import argparse
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from backend.training.data import shrink
from backend.values import BadInput

SHORT = 320
# The two large sets are coded a little harder.
QUALITY = {"people_ccp": 50, "background_houses": 50}
DEFAULT_QUALITY = 60
SHRINK_LESS = {"matting": 448}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the copy")
    parser.add_argument("--short", type=int, default=SHORT, help="short side in px at most")
    parser.add_argument("--drop", nargs="*", default=[], help="folders to leave out")


def pack_file(source: Path, target: Path, short: int) -> None:
    """Writes the small copy of one file; label images (PNG) keep their values."""
    kind = source.suffix.lower()
    limit = max(short, SHRINK_LESS.get(source.parent.name, 0))
    if kind == ".jpg":
        image = cv2.imread(str(source), cv2.IMREAD_COLOR)
        if image is None:
            raise BadInput(f"{source} cannot be read as an image")
        quality = QUALITY.get(source.parent.name, DEFAULT_QUALITY)
        how = [cv2.IMWRITE_WEBP_QUALITY, quality]
        done, data = cv2.imencode(".webp", shrink(image, limit), how)
        if not done:
            raise BadInput("this OpenCV cannot write WebP")
        target.write_bytes(data.tobytes())
    elif kind == ".png":
        image = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise BadInput(f"{source} cannot be read as an image")
        soft = source.stem.endswith("_alpha")
        how = cv2.INTER_AREA if soft else cv2.INTER_NEAREST
        cv2.imwrite(str(target), shrink(image, limit, how), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    else:
        shutil.copyfile(source, target)


def run(args: argparse.Namespace) -> int:
    if not args.data.is_dir():
        raise BadInput(f"{args.data} is not a folder")
    cv2.setNumThreads(1)
    jobs = []
    for source in sorted(args.data.rglob("*")):
        inside = source.relative_to(args.data)
        if source.is_file() and inside.parts[0] not in args.drop:
            target = args.out / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            jobs.append((source, target, args.short))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda job: pack_file(*job), jobs))
    sizes: dict[str, int] = {}
    for _, target, _ in jobs:
        sizes[target.parent.name] = sizes.get(target.parent.name, 0) + target.stat().st_size
    for name, size in sorted(sizes.items()):
        print(f"{name:28} {size / 1e6:6.1f} MB")
    print(f"{'all':28} {sum(sizes.values()) / 1e6:6.1f} MB in {args.out}")
    return 0
