"""`cleanplate evaluate click`: one click, more clicks and a box, for every model that runs here.

Columns: mean and median IoU and the share above 0.7 after one click in the object's middle; the
same mean with the object's box (for DeepMask and DeepCrop that is the poster's setting, a crop
of the object's own place and size); clicks until 90 % IoU (at most 20); seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from backend.evaluate import click_protocol as protocol
from backend.evaluate import data as sets
from backend.evaluate import metrics, sheets, tables
from backend.values import Control

MOST = 20
LEAST = 0.003  # of the picture: a person that is clicked on
# Models that take corrections; the others answer one click.
ONE_CLICK = ("deepmask", "deepcrop-v1", "deepcrop-v2", "maskrcnn_resnet50_fpn_v2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--most", type=int, default=MOST, help="clicks at most")
    parser.add_argument("--one-click", action="store_true", help="only the first click")
    parser.add_argument("--on", choices=("objects", "people"), default="objects",
                        help="dev/click, or up to three persons of each picture of dev/people")


def run(data_dir: Path, args: argparse.Namespace) -> int:
    """Prints the table; with --out also writes click.json and click.jpg."""
    people = args.on == "people"
    folder = sets.find_set(data_dir, "people" if people else "click")
    names = sets.stems(folder)[: args.limit]
    if people:
        names = [name for stem in names for name in persons(folder, stem)]
    rows, details, tiles = [], {}, []
    for system, model in _systems(args):
        row, detail, answers = score(model, folder, names, args, system)
        rows.append(row)
        details[system] = detail
        tiles.append([(f"{system} {name} {iou:.2f}", picture)
                      for name, iou, picture in answers])
        print(tables.format_table([row]), flush=True)
    tables.print_table(
        f"One click and more on {len(names)} {'persons' if people else 'pictures'}", rows)
    print("clicks to 90 %: a picture that never gets there counts as "
          f"{args.most}. box: IoU with the object's box and a click in its middle.")
    if args.out:
        tables.save_json(args.out / "click.json", {"rows": rows, "pictures": details})
        if not args.no_sheet:
            flat = [tile for row in zip(*tiles, strict=True) for tile in row]
            sheets.grid(flat, args.out / "click.jpg", columns=len(tiles), side=260)
            print(f"sheet: {args.out / 'click.jpg'}")
    return 0


def persons(folder: Path, stem: str) -> list[str]:
    """The first three persons of a picture that are large enough to click on, as "stem.number"."""
    instances = sets.grey(folder, stem, "instances")
    return [f"{stem}.{number}" for number in range(1, min(3, int(instances.max())) + 1)
            if (instances == number).mean() > LEAST]


def one(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The picture, H×W×3 uint8, and the object's truth, H×W uint8, 255 inside."""
    stem, _, number = name.partition(".")
    if not number:
        return sets.picture(folder, stem), sets.grey(folder, stem, "mask")
    inside = sets.grey(folder, stem, "instances") == int(number)
    return sets.picture(folder, stem), inside.astype(np.uint8) * np.uint8(255)


def score(
    model: Any, folder: Path, names: list[str], args: argparse.Namespace, system: str,
) -> tuple[dict[str, Any], list[dict[str, Any]], list[tuple[str, float, np.ndarray]]]:
    """One row of the table, the numbers of each picture, and (name, IoU, picture) of each."""
    most = 1 if args.one_click or system in ONE_CLICK else args.most
    detail, pictures = [], []
    first_seconds, later = [], []
    for name in names:
        rgb, truth = one(folder, name)
        answers = protocol.interact(model, rgb, truth, most)
        boxed = metrics.iou(protocol.with_box(model, rgb, truth, True), truth)
        first_seconds.append(answers.encode_seconds + answers.seconds[0])
        later += answers.seconds[1:]
        reached = len(answers.ious) if answers.ious[-1] >= 0.9 else most
        detail.append({"name": name, "ious": answers.ious, "clicks to 90 %": reached,
                       "box": boxed, "clicks": [(*p, add) for p, add in answers.clicks]})
        picture = sheets.side_by_side(answers.masks[0], truth, rgb)
        (x, y), _ = answers.clicks[0]
        radius = max(2, rgb.shape[0] // 100)
        picture[int(y) - radius : int(y) + radius, int(x) - radius : int(x) + radius] = 255
        pictures.append((name, answers.ious[0], picture))
    first = np.array([d["ious"][0] for d in detail])
    row = {
        "system": system, "mean": first.mean(), "median": float(np.median(first)),
        ">0.7": float((first > 0.7).mean()),
        "box": float(np.mean([d["box"] for d in detail])),
        "clicks to 90 %": float(np.mean([d["clicks to 90 %"] for d in detail]))
        if most > 1 else None,
        "first s": float(np.median(first_seconds)),
        "next s": float(np.median(later)) if later else None,
    }
    if most > 1:
        row["after 3"] = float(np.mean([d["ious"][min(2, len(d["ious"]) - 1)] for d in detail]))
    return row, detail, pictures


def _systems(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """GrabCut and every installed click model, or --click-model alone beside GrabCut."""
    from backend.masks.click_grabcut import GrabCutClick
    from backend.models import catalogue, store

    models = store.ModelStore(args.device)
    chosen = [args.click_model] if args.click_model else [
        e.name for e in catalogue.entries("click")
        if store.installed(e) and e.name != "click-grabcut"
    ]
    systems: list[tuple[str, Any]] = [("click-grabcut", GrabCutClick())]
    systems += [(name, models.get("click", name, Control())) for name in chosen]
    return systems
