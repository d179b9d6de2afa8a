"""`cleanplate evaluate fill`: our fillers and their peers on exact holes, in one go.

The hole is the exact mask of people, text and effects, grown by 5 px. Peers: Telea (OpenCV),
G'MIC's inpaint_matchpatch where the program is installed, biharmonic on small holes only.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluate import metrics, sheets, tables
from backend.evaluate.data import Advert, adverts
from backend.fill.plate import fill_plate
from backend.models import catalogue, store
from backend.values import BadInput, Control

Filler = Callable[[np.ndarray, np.ndarray], np.ndarray]
SMALL = 3000  # px: the largest hole that biharmonic gets
GMIC = "inpaint_matchpatch[0] [1],0,9,10,5,1 keep[0] o".split()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-gmic", action="store_true", help="leave G'MIC out (it is slow)")
    parser.add_argument("--grow", type=int, default=5, help="px the exact mask is grown by")
    parser.add_argument("--text-and-people", action="store_true",
                        help="leave shadows and plates out of the hole")  # fmt: skip
    parser.add_argument("--blind", metavar="PEER,OURS",
                        help="write pairs of these two into OUT/blind, for viewers who must not "
                        "know which is which (key.json does)")


def save_pair(
    folder: Path, stem: str, made: dict[str, np.ndarray], rng: np.random.Generator
) -> list[str]:
    """Writes what two systems made as STEM_A.png and STEM_B.png, in an order that chance gives,
    and returns which is which: for viewers who must not know."""
    names = [str(n) for n in rng.permutation(sorted(made))]
    for letter, name in zip("AB", names, strict=True):
        cv2.imwrite(str(folder / f"{stem}_{letter}.png"), made[name][..., ::-1])
    return names


def gmic(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """G'MIC's patch inpainting, run as a program. BadInput when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        source, mask, out = (str(Path(folder) / n) for n in ("in.png", "mask.png", "out.png"))
        cv2.imwrite(source, rgb[..., ::-1])
        cv2.imwrite(mask, hole)
        done = subprocess.run(["gmic", source, mask, *GMIC, out], capture_output=True, check=False)
        result = cv2.imread(out, cv2.IMREAD_COLOR)
        if done.returncode or result is None:
            raise BadInput(f"gmic failed: {done.stderr.decode(errors='replace')[-300:]}")
        return np.ascontiguousarray(result[..., ::-1])


def telea(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return cv2.inpaint(rgb, hole, 3, cv2.INPAINT_TELEA)


def biharmonic(rgb: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """scikit-image's, per hole in a crop; ImportError where the package is missing."""
    from skimage.restoration import inpaint_biharmonic  # type: ignore[import-not-found]

    result = rgb.copy()
    _, _, stats, _ = cv2.connectedComponentsWithStats(
        (hole > 0).astype(np.uint8), connectivity=8
    )
    for x, y, w, h, _area in stats[1:]:
        part = np.s_[max(0, y - 16) : y + h + 16, max(0, x - 16) : x + w + 16]
        made = inpaint_biharmonic(rgb[part] / 255.0, hole[part] > 0, channel_axis=-1)
        inside = hole[part] > 0
        result[part][inside] = np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)[inside]
    return result


def small_part(hole: np.ndarray) -> np.ndarray:
    """The hole's pieces of at most SMALL pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (hole > 0).astype(np.uint8), connectivity=8
    )
    keep = np.zeros(count, np.uint8)
    keep[1:] = np.where(stats[1:, cv2.CC_STAT_AREA] <= SMALL, 255, 0)
    return keep[np.asarray(labels, np.int64)]


def ours(model: Any, seed: int) -> Filler:
    return lambda rgb, hole: fill_plate(rgb, hole, model, Control(), seed=seed)


def systems(args: argparse.Namespace) -> dict[str, Filler]:
    """Name → filler: the peers, then every installed model of the catalogue (or the one named)."""
    found: dict[str, Filler] = {"telea": telea}
    if args.no_gmic:
        pass
    elif shutil.which("gmic"):
        found["gmic"] = gmic
    else:
        print("G'MIC is not installed (apt-get install gmic): left out")
    models = store.ModelStore(args.device)
    control = Control()
    if args.fill_model:
        entries = [catalogue.get(args.fill_model, "fill")]
    else:
        entries = [e for e in catalogue.entries("fill") if store.installed(e)]
    loaded = {
        e.name: models.get("fill", e.name, control) for e in entries if "telea" not in e.name
    }
    found.update({name: ours(model, args.seed) for name, model in loaded.items()})
    if {"fill-pconv", "fill-patchmatch"} <= loaded.keys():
        found["patchmatch+pconv"] = started(loaded["fill-patchmatch"], loaded["fill-pconv"], args)
    for note in control.notes:
        print(note)
    return found


def started(filler: Any, coarse: Any, args: argparse.Namespace) -> Filler:
    """PatchMatch from the network's fill."""

    class Started:
        description = filler.description

        def fill(
            self, rgb: np.ndarray, hole: np.ndarray, control: Control, *, seed: int = 0,
            known: np.ndarray | None = None,
        ) -> np.ndarray:
            start = coarse.fill(rgb, hole, control, seed=seed, known=known)
            scale = min(0.5, coarse.description.best_side / 4 / max(hole.shape))
            return filler.fill(
                rgb, hole, control, seed=seed, known=known, start=start, scale=scale
            )

    return ours(Started(), args.seed)


def score(name: str, filler: Filler, advert: Advert, hole: np.ndarray) -> tuple[dict, np.ndarray]:
    begin = time.perf_counter()
    made = filler(advert.rgb, hole)
    seconds = time.perf_counter() - begin
    return {
        "advert": advert.stem, "system": name,
        **metrics.hole_scores(made, advert.clean, hole), "seconds": seconds,
    }, made


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a system: mean scores, median seconds, time as a share of G'MIC's."""
    result = []
    for name in dict.fromkeys(r["system"] for r in rows):
        own = [r for r in rows if r["system"] == name]
        row: dict[str, Any] = {"system": name, "n": len(own)}
        row |= {k: float(np.mean([r[k] for r in own])) for k in ("psnr", "ssim", "swd")}
        row["median s"] = float(np.median([r["seconds"] for r in own]))
        result.append(row)
    peer = next((r["median s"] for r in result if r["system"] == "gmic"), None)
    if peer:
        for row in result:
            row["s / gmic"] = row["median s"] / peer
    return result


def run(data: Path, args: argparse.Namespace) -> int:
    fillers = systems(args)
    rows: list[dict[str, Any]] = []
    small_rows: list[dict[str, Any]] = []
    pages: list[list[sheets.Tile]] = []
    blind = args.blind.split(",") if args.blind else []
    if blind and (args.out is None or len(blind) != 2 or not set(blind) <= set(fillers)):
        raise BadInput(f"--blind wants two of {', '.join(fillers)}, and --out a folder.")
    key: dict[str, list[str]] = {}
    rng = np.random.default_rng(args.seed)
    for advert in adverts(data, args.limit):
        hole = advert.hole(args.grow, effects=not args.text_and_people)
        page: list[sheets.Tile] = [(advert.stem, advert.rgb), ("truth", advert.clean)]
        if not rows:  # the first call compiles or reads the compiled kernels
            for filler in (f for name, f in fillers.items() if name not in ("gmic", "telea")):
                filler(advert.rgb[:160, :160], np.pad(np.full((16, 16), 255, np.uint8), 72))
        results: dict[str, np.ndarray] = {}
        for name, filler in fillers.items():
            row, made = score(name, filler, advert, hole)
            rows.append(row)
            results[name] = made
            page.append((f"{name} {row['psnr']:.1f} dB swd {row['swd']:.1f}", made))
        tables.print_table(advert.stem, rows[-len(fillers) :])
        pages.append(page)
        if blind:
            (args.out / "blind").mkdir(parents=True, exist_ok=True)
            two = {name: results[name] for name in blind}
            key[advert.stem] = save_pair(args.out / "blind", advert.stem, two, rng)
        small_rows += _small(fillers, advert, hole)
    total = summary(rows)
    tables.print_table("Fill, exact holes (psnr, ssim: higher is better; swd: lower)", total)
    if small_rows:
        tables.print_table(f"Holes of at most {SMALL} px", summary(small_rows))
    if blind:
        tables.save_json(args.out / "blind" / "key.json", key)
    if args.out:
        value = {"summary": total, "small": summary(small_rows), "adverts": rows}
        tables.save_json(args.out / "fill.json", value)
        if not args.no_sheet:
            print(sheets.sheet(pages, args.out / "fill.jpg", 320 if len(pages) > 12 else 480))
    return 0


def _small(fillers: dict[str, Filler], advert: Advert, hole: np.ndarray) -> list[dict[str, Any]]:
    small = small_part(hole)
    if np.count_nonzero(small) < 200:
        return []
    chosen = {n: f for n, f in fillers.items() if n in ("telea", "fill-patchmatch")}
    try:
        import skimage  # type: ignore[import-not-found]  # noqa: F401

        chosen["biharmonic"] = biharmonic
    except ImportError:
        print("biharmonic is left out: pip install scikit-image to have it beside the others")
    return [score(name, filler, advert, small)[0] for name, filler in chosen.items()]
