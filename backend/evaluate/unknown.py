"""`cleanplate evaluate unknown`: the saliency models behind *Remove Unknown Objects*.

Two sets, long side at most 700 px: dev/matting, one thing before a background; dev/click, photos
of which one thing is labelled and others may stand out too. `covered` is the recall there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluate import data, metrics, sheets, tables
from backend.models import catalogue
from backend.models.store import ModelStore, installed
from backend.values import BadInput, Control

SIDE = 700
SETS = {"matting": "alpha", "click": "mask"}


def cases(folder: Path, limit: int | None) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(set, name, picture H×W×3 uint8, truth H×W uint8); sets that are not there are left out."""
    for name, what in SETS.items():
        try:
            found = data.find_set(folder, name)
        except BadInput:
            continue
        for stem in data.stems(found)[:limit]:
            if not data.has(found, stem, what):
                continue
            rgb, truth = data.picture(found, stem), data.grey(found, stem, what)
            scale = min(1.0, SIDE / max(rgb.shape[:2]))
            size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
            yield (name, stem, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA),
                   cv2.resize(truth, size, interpolation=cv2.INTER_AREA))


def run(folder: Path, args: argparse.Namespace) -> int:
    """Prints one row a model; with --out also writes unknown.json and unknown.jpg."""
    found = list(cases(folder, args.limit))
    if not found:
        raise BadInput(f"{folder} holds none of the sets {', '.join(SETS)}")
    chosen = [args.unknown_model] if args.unknown_model else [
        e.name for e in catalogue.entries("unknown") if installed(e)
    ]
    store, summary, details, tiles = ModelStore(args.device), [], {}, []
    for name in chosen:
        model = store.get("unknown", name, Control())
        rows, taken = [], []
        for part, stem, rgb, truth in found:
            start = time.perf_counter()
            seen = model.probability(rgb, Control())
            taken.append(time.perf_counter() - start)
            mask = (seen > 0.5).astype(np.uint8) * np.uint8(255)
            precision, recall = metrics.precision_recall(mask, truth)
            value = metrics.iou(mask, truth)
            rows.append({"picture": stem, "set": part, "IoU": value, "precision": precision,
                         "covered": recall})
            tiles.append((f"{name} {part} {stem} {value:.2f}",
                          sheets.overlay(rgb, {sheets.PEOPLE: mask})))
        line: dict[str, Any] = {"model": name}
        for part in dict.fromkeys(r["set"] for r in rows):
            own = [r for r in rows if r["set"] == part]
            for column in ("IoU", "covered"):
                line[f"{part} {column}"] = float(np.mean([r[column] for r in own]))
        line["median s"] = float(np.median(taken))
        summary.append(line)
        details[name] = rows
    tables.print_table(f"What stands out, {len(found)} pictures", summary)
    if args.out:
        tables.save_json(Path(args.out) / "unknown.json", {"rows": summary, "pictures": details})
        if not args.no_sheet:
            sheets.grid(tiles, Path(args.out) / "unknown.jpg", 7, 260)
    return 0
