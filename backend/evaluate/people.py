"""Scores the people masks of every installed people model, set by set."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluate import data, metrics, sheets, tables
from backend.models import catalogue
from backend.models.store import ModelStore, installed
from backend.values import BadInput, Control

SPEED_SIZE = (1920, 1280)
# The people photos come from three sources, in this order.
PARTS = (("pennfudan", 0, 12), ("street", 12, 22), ("coco", 22, 10_000))


@dataclass(frozen=True)
class Case:
    """`truth` H×W uint8 (0 or 255); `valid` H×W bool or None: where the mask is scored."""

    part: str
    stem: str
    rgb: np.ndarray
    truth: np.ndarray
    valid: np.ndarray | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each Nth picture only")
    parser.add_argument("--channel-passes", action="store_true",
                        help="built-in net: also look at R, G, B apart and crossed")


def cases(folder: Path, limit: int | None, every: int) -> Iterator[Case]:
    """All annotated pictures below `folder`; sets that are not there are left out."""
    for advert in _advert_cases(folder, limit):
        if int(advert.stem) % every == 0:
            yield advert
    for name in ("people", "natural"):
        try:
            found = data.find_set(folder, name)
        except BadInput:
            continue
        for stem in data.stems(found)[:limit:every]:
            rgb = data.picture(found, stem)
            if name == "natural":
                yield Case(name, stem, rgb, np.zeros(rgb.shape[:2], np.uint8))
                continue
            truth = (data.grey(found, stem, "instances") > 0).astype(np.uint8) * np.uint8(255)
            part = next(p for p, first, last in PARTS if first <= int(stem) < last)
            yield Case(part, stem, rgb, truth)


def _advert_cases(folder: Path, limit: int | None) -> Iterator[Case]:
    try:
        data.find_set(folder, "creatives_composed")
    except BadInput:
        return
    for advert in data.adverts(folder, limit):
        yield Case("composed", advert.stem, advert.rgb, advert.people, advert.people_valid)


def score(case: Case, mask: np.ndarray) -> dict[str, float]:
    """IoU, precision, recall; for a picture without people the share marked, in per cent."""
    if case.part == "natural":
        return {"false area %": float((mask > 127).mean() * 100)}
    precision, recall = metrics.precision_recall(mask, case.truth, valid=case.valid)
    return {
        "IoU": metrics.iou(mask, case.truth, case.valid), "precision": precision, "recall": recall
    }


def seconds_at(model: Any, rgb: np.ndarray) -> float:
    """Seconds of a warm call at 1920×1280: the best of three."""
    large = cv2.resize(rgb, SPEED_SIZE, interpolation=cv2.INTER_LINEAR)
    control, best = Control(), float("inf")
    for _ in range(4):  # the first warms up
        start = time.perf_counter()
        model.probability(large, control)
        best = min(best, time.perf_counter() - start)
    return best


def names(chosen: str | None) -> list[str]:
    """The chosen model, else all that are installed, highest rank first."""
    if chosen:
        return [chosen]
    return [e.name for e in catalogue.entries("people") if installed(e)]


def run(folder: Path, args: argparse.Namespace) -> int:
    every = getattr(args, "every", 1)
    found = list(cases(folder, args.limit, every))
    if not found:
        raise BadInput(f"{folder} holds none of the sets creatives_composed, people, natural")
    store, report = ModelStore(args.device), {}
    summary = []
    for name in names(args.people_model):
        model = store.get("people", name, Control())
        if getattr(args, "channel_passes", False) and hasattr(model, "channel_passes"):
            model.channel_passes = True
        rows, tiles = [], []
        for case in found:
            seen = model.probability(case.rgb, Control())
            mask = (seen > 0.5).astype(np.uint8) * np.uint8(255)
            values = score(case, mask)
            rows.append({"picture": case.stem, "set": case.part, **values})
            shown = next(iter(values.values()))
            title = f"{case.part} {case.stem} {shown:.2f}"
            tiles.append((title, sheets.overlay(case.rgb, {sheets.PEOPLE: mask})))
        parts = {}
        for part in ("composed", "street", "pennfudan", "coco", "natural"):
            own = [{k: v for k, v in r.items() if k != "set"} for r in rows if r["set"] == part]
            if own:
                parts[part] = tables.mean_row(own, part)
        tables.print_table(f"People, {name}", list(parts.values()))
        seconds = seconds_at(model, found[0].rgb)
        line: dict[str, Any] = {"model": name}
        for part, row in parts.items():
            line[part] = row["false area %" if part == "natural" else "IoU"]
        line["s at 1920×1280"] = seconds
        summary.append(line)
        report[name] = {"pictures": rows, "mean": line}
        if args.out and not args.no_sheet:
            sheets.grid(tiles, Path(args.out) / f"people-{name}.jpg", 8, 260)
    tables.print_table("People: IoU by set, falsely marked area in % (natural)", summary)
    if args.out:
        tables.save_json(Path(args.out) / "people.json", report)
    return 0
