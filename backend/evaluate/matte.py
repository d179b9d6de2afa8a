"""`cleanplate evaluate matte`: alpha against alphamatting.com's, beside pymatting's methods.

Two trimaps a picture, the given one and a band around the alpha cut at half; and that mask alone
for ours, which makes a band of its own. Measures: Rhemann et al., “A Perceptually Motivated Online
Benchmark for Image Matting”, CVPR 2009.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluate import data as sets
from backend.evaluate import sheets, tables
from backend.matte.band import IN, OUT, UNSURE
from backend.matte.matting import matte
from backend.values import Control

BAND = 20  # px on both sides of the edge
GIVEN, BANDED, FREE = "given", "band", "own band"
PEER = "pymatting-closed-form"
COLUMNS = ("sad", "mse", "grad", "conn")
Solver = Callable[[np.ndarray, np.ndarray], np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", type=float, default=1.0, help="work on smaller pictures")
    parser.add_argument("--systems", help="comma-separated; default: all that are installed")
    parser.add_argument("--matte-model", metavar="NAME", help="only this learned matte")


def gradient(alpha: np.ndarray) -> np.ndarray:
    """H×W float32: magnitude under the first derivatives of a Gaussian, sigma 1.4 px."""
    axis = np.arange(-5, 6, dtype=np.float64)
    bell = np.exp(-(axis**2) / (2 * 1.4**2))
    bell /= bell.sum()
    slope = -axis / 1.4**2 * bell
    make = lambda kx, ky: cv2.sepFilter2D(  # noqa: E731
        alpha.astype(np.float32), -1, kx, ky, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(make(slope, bell), make(bell, slope))


def connectivity(alpha: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """H×W float32: difference of how far each pixel is joined to the common opaque part."""
    level = np.full(alpha.shape, -1.0, np.float32)
    for step in np.arange(0.1, 1.01, 0.1):
        both = ((alpha >= step - 1e-6) & (truth >= step - 1e-6)).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(both, connectivity=4)
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else -1
        level[(level < 0) & (np.asarray(labels) != largest)] = step - 0.1
    level[level < 0] = 1

    def joined(values: np.ndarray) -> np.ndarray:
        off = values - level
        return 1 - off * (off >= 0.15)

    return np.abs(joined(alpha) - joined(truth))


def scores(alpha: np.ndarray, truth: np.ndarray, unsure: int) -> dict[str, float]:
    """SAD, Grad and Conn in thousands over the whole picture; MSE × 1000 for each of the `unsure`
    pixels of the given trimap, so that both kinds of trimap have one measure."""
    steps = gradient(alpha) - gradient(truth)
    return {
        "sad": float(np.abs(alpha - truth).sum() / 1e3),
        "mse": float(((alpha - truth) ** 2).sum() / unsure * 1e3),
        "grad": float((steps**2).sum() / 1e3),
        "conn": float(connectivity(alpha, truth).sum() / 1e3),
    }


def banded(truth: np.ndarray, width: int) -> np.ndarray:
    """H×W uint8 trimap: `width` px on both sides of the alpha cut at half."""
    inside = (truth >= 0.5).astype(np.uint8)
    size = 2 * width + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    result = np.full(truth.shape, UNSURE, np.uint8)
    result[cv2.erode(inside, disk, borderType=cv2.BORDER_REPLICATE) > 0] = IN
    result[cv2.dilate(inside, disk) == 0] = OUT
    return result


def systems(args: argparse.Namespace) -> dict[str, Solver]:
    """Everything that turns H×W×3 uint8 and a trimap into alpha."""
    found: dict[str, Solver] = {}

    def peer(name: str) -> Solver:
        import pymatting

        method = getattr(pymatting, name)
        return lambda rgb, trimap: np.asarray(
            method(rgb / 255.0, np.where(trimap == UNSURE, 0.5, trimap / 255.0)), np.float32)

    def own(model: Any = None) -> Solver:
        return lambda rgb, trimap: matte(rgb, trimap, Control(), trimap=trimap, model=model)

    wanted = args.systems.split(",") if args.systems else None
    for name, method in ((PEER, "estimate_alpha_cf"), ("pymatting-knn", "estimate_alpha_knn"),
                         ("pymatting-shared", "estimate_alpha_sm")):
        if wanted is None or name in wanted:
            try:
                found[name] = peer(method)
            except ImportError as error:
                print(f"{name}: left out, {error}")
    found["ours"] = own()
    for name, model in learned(args):
        found[f"ours+{name}"] = own(model)
        found[name] = alone(model)
    return {k: v for k, v in found.items() if wanted is None or k in wanted}


def learned(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """(name, model) of the installed learned mattes."""
    from backend.models import catalogue
    from backend.models.store import ModelStore, installed

    store, result = ModelStore(args.device), []
    for entry in catalogue.entries("matte"):
        chosen = args.matte_model in (None, entry.name)
        if entry.files and chosen and installed(entry):
            result.append((entry.name, store.get("matte", entry.name, Control())))
    return result


def alone(model: Any) -> Solver:
    """The net's own alpha, without the solver."""

    def run(rgb: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        made, _ = model.opinion(rgb.astype(np.float32) / 255, trimap, Control())
        return np.where(trimap == UNSURE, made, trimap / np.float32(255)).astype(np.float32)

    return run


def read(folder: Path, stem: str, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H×W×3 uint8, true alpha H×W float32, given trimap H×W uint8)."""
    rgb = sets.picture(folder, stem)
    alpha, trimap = sets.grey(folder, stem, "alpha"), sets.grey(folder, stem, "trimap")
    trimap = np.where((trimap > 0) & (trimap < 255), UNSURE, trimap).astype(np.uint8)
    if scale != 1:
        size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        trimap = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST)
    return rgb, alpha.astype(np.float32) / 255, trimap


def run(data_dir: Path, args: argparse.Namespace) -> int:
    folder = sets.find_set(data_dir, "matting")
    solvers = systems(args)
    rows: list[dict[str, Any]] = []
    pages = []
    for number, stem in enumerate(sets.stems(folder)[: args.limit]):
        rgb, truth, given = read(folder, stem, args.scale)
        unsure, pixels = int(np.count_nonzero(given == UNSURE)), rgb.shape[0] * rgb.shape[1]
        mask = (truth >= 0.5).astype(np.uint8) * np.uint8(255)
        kinds = {GIVEN: given, BANDED: banded(truth, max(2, round(BAND * args.scale))),
                 FREE: given}  # made from the mask by `matte` itself
        page: list[sheets.Tile] = [(stem, rgb), ("truth", as_tile(truth))]
        if number == 0:  # the first call compiles or reads the compiled kernels
            for solver in solvers.values():
                solver(rgb[::4, ::4].copy(), given[::4, ::4].copy())
        for kind, trimap in kinds.items():
            for name, solver in solvers.items():
                if kind == FREE and name != "ours":
                    continue
                begin = time.perf_counter()
                made = matte(rgb, mask, Control()) if kind == FREE else solver(rgb, trimap)
                seconds = time.perf_counter() - begin
                row = {"picture": stem, "trimap": kind, "system": name,
                       **scores(made, truth, unsure), "s/MP": seconds / pixels * 1e6}
                rows.append(row)
                page.append((f"{kind} {name} {row['sad']:.2f}", as_tile(made)))
        tables.print_table(stem, rows[-(2 * len(solvers) + ("ours" in solvers)) :])
        pages.append(page)
    total = summary(rows)
    tables.print_table("Mean (sad, grad, conn in thousands; mse × 1000; lower is better)", total)
    for line in ratios(total):
        print(line)
    if args.out:
        tables.save_json(args.out / "matte.json", {"summary": total, "pictures": rows})
        if not args.no_sheet:
            print(sheets.sheet(pages, args.out / "matte.jpg", 300))
    return 0


def as_tile(alpha: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    result = []
    for kind in (GIVEN, BANDED, FREE):
        for name in dict.fromkeys(r["system"] for r in rows if r["trimap"] == kind):
            own = [r for r in rows if r["system"] == name and r["trimap"] == kind]
            mean = {k: float(np.mean([r[k] for r in own])) for k in (*COLUMNS, "s/MP")}
            result.append({"trimap": kind, "system": name, "n": len(own), **mean})
    return result


def ratios(total: list[dict[str, Any]]) -> list[str]:
    """Ours against pymatting's closed form from the given trimaps."""
    found = {(r["trimap"], r["system"]): r for r in total}
    peer = found.get((GIVEN, PEER))
    if peer is None:
        return []
    lines = []
    for (kind, name), row in found.items():
        if name.startswith("ours"):
            parts = ", ".join(f"{k} {row[k] / peer[k]:.2f}" for k in COLUMNS)
            lines.append(f"{name}, {kind} / closed form, given: {parts}")
    return lines
