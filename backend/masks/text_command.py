"""`cleanplate text IMAGE`: the lines of text in a picture as JSON, with their words."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from backend.pipeline.command import box, device
from backend.values import CleanOptions, Control, ModelUnavailable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="the picture to look at")
    add("--mask", type=Path, metavar="FILE", help="also write the stroke mask as a PNG file")
    add("--no-words", action="store_true", help="do not read the lines")
    add("--text-model", metavar="NAME", help="see `cleanplate models list --task text`")
    add("--keep-text-below", type=float, default=0.0, metavar="PX",
        help="leave out lines lower than this")
    add("--only-text-in", type=box, metavar="X0,Y0,X1,Y1", help="only the text in this box")
    add("--with-backplates", action="store_true", help="put plates behind text into the mask")
    add("--device", type=device, default="auto", help="auto, cpu, cuda, cuda:N or mps")


def run(args: argparse.Namespace) -> int:
    """Prints {"image", "width", "height", "model", "device", "lines": [{"polygon", "height",
    "score", "words"}]}; coordinates and heights in pixels of the upright picture."""
    import cv2

    from backend.layers.images import read_picture
    from backend.masks import text_filter
    from backend.models.store import ModelStore
    from backend.pipeline.source import Source

    control = Control()
    source = Source(read_picture(args.image).pixels)
    store = ModelStore(args.device)
    model = store.get("text", args.text_model, control)
    options = CleanOptions(
        keep_text_below=args.keep_text_below, only_text_in=args.only_text_in,
        with_backplates=args.with_backplates,
    )
    found = text_filter.apply(model.find(source.rgb8, control), options, source.rgb8, control)
    lines = found.lines
    read = False
    if not args.no_words:
        try:
            from backend.masks.text_read import Reader

            lines, read = Reader().read(source.rgb8, lines, control), True
        except ModelUnavailable as error:
            print(f"cleanplate: the lines are not read: {error}", file=sys.stderr)
    if args.mask:
        ok, data = cv2.imencode(".png", found.mask)
        if not ok:
            raise MemoryError("the mask cannot be coded as PNG")
        args.mask.write_bytes(data.tobytes())
    described: list[dict[str, Any]] = [
        {
            "polygon": [[round(float(x), 1), round(float(y), 1)] for x, y in line.polygon],
            "height": round(float(line.height), 1),
            "score": round(float(line.score), 3),
            **({"words": line.words} if read else {}),
        }
        for line in lines
    ]
    height, width = source.rgb8.shape[:2]
    print(json.dumps(
        {"image": str(args.image), "width": width, "height": height,
         "model": model.description.name, "device": model.description.device, "lines": described},
        ensure_ascii=False, indent=1,
    ))  # fmt: skip
    return 0
