"""`cleanplate evaluate TARGET --data DIR`: scores one stage, or the whole, on annotated pictures.

Each target is the module of its name in this folder with `run(data_dir, args)` and, where it has
options of its own, `add_arguments(parser)`.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

TARGETS = {
    "creatives": "whole adverts: masks, hole, plate, text left over, seconds",
    "people": "people masks of every installed model",
    "click": "the object at one or more clicks",
    "unknown": "what stands out, for unknown objects",
    "text": "text lines and strokes",
    "fill": "fillers and their peers on exact holes",
    "matte": "soft edges from trimaps and from bands around a mask",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    targets = parser.add_subparsers(dest="target", metavar="TARGET", required=True)
    for name, text in TARGETS.items():
        sub = targets.add_parser(name, help=text, description=text.capitalize() + ".")
        sub.add_argument("--data", type=Path, required=True, metavar="DIR",
                         help="folder of the annotated pictures, or the one that holds dev/")
        sub.add_argument("--out", type=Path, metavar="DIR",
                         help="write the JSON and the contact sheets here")
        sub.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
        sub.add_argument("--device", default="auto")
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument("--no-sheet", action="store_true", help="write no contact sheet")
        for task in ("people", "click", "text", "unknown", "fill"):
            sub.add_argument(f"--{task}-model", metavar="NAME")
        _add_own(name, sub)


def _add_own(name: str, parser: argparse.ArgumentParser) -> None:
    """Targets are light to import; one that adds no options of its own is left alone."""
    try:
        module = importlib.import_module(f"backend.evaluate.{name}")
    except ModuleNotFoundError as error:
        parser.epilog = f"not available here: {error}"
        return
    if hasattr(module, "add_arguments"):
        module.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    module = importlib.import_module(f"backend.evaluate.{args.target}")
    return int(module.run(args.data, args) or 0)
