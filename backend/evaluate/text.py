"""`cleanplate evaluate text`: strokes on composed adverts, lines on annotated adverts and scenes,
false marks on photos, and the detectors beside each other."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.evaluate import data, metrics, sheets, tables
from backend.masks.text_lines import box_of
from backend.values import Control, TextLine

TOLERANCE = 4
AROUND, SEEN = 30, 10  # px from letters in which an effect is theirs; levels that it changes
FOUND = (0.15, 0.85)  # a line is found when this share of its polygon is marked
SETS = ("composed", "lines", "photos", "detectors")
HELP = """\
recall, prec  strokes found; marked pixels within 4 px of a stroke, effects not counted
effects       visible pixels of shadows and glows around letters that are marked
found         lines with 15 to 85 % of their polygon marked; script by the recogniser
area          marked share of a photo (some of these hold signs: look at them)
detectors     boxes matched one to one with the polygons at IoU 0.5: the detector's alone, and
              the lines in which strokes were found"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = HELP
    parser.add_argument("--only", nargs="+", choices=SETS, default=SETS, help="default: all")
    parser.add_argument("--detector", action="append", metavar="NAME",
                        help="text models to compare as detectors (default: the installed)")


def run(data_dir: Path, args: argparse.Namespace) -> int:
    """Prints the tables; writes text.json and sheets of the five worst images of each set."""
    from backend.models.store import ModelStore

    store = ModelStore(args.device)
    model = store.get("text", args.text_model, Control())
    model.find(np.full((320, 480, 3), 128, np.uint8), Control())  # warm
    value: dict[str, Any] = {"model": model.description.name, "device": model.description.device}
    parts = {"composed": composed, "lines": lines_set, "photos": photos}
    for name, part in parts.items():
        if name in args.only:
            rows, pages = part(model, data_dir, args)
            value[name] = rows
            if args.out and not args.no_sheet:
                worst = sorted(range(len(rows)), key=lambda i: rows[i]["badness"])[-5:][::-1]
                path = sheets.sheet([pages[i] for i in worst], args.out / f"text_{name}.jpg", 520)
                print(f"wrote {path}")
    if "detectors" in args.only:
        value["detectors"] = detectors(store, data_dir, args)
    print(f"\n{HELP}")
    if args.out:
        print(f"wrote {tables.save_json(args.out / 'text.json', value)}")
    return 0


def composed(model: Any, folder: Path, args: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    """Recall and precision of strokes, a row per text style."""
    rows: list[dict[str, Any]] = []
    pages = []
    for advert in data.adverts(folder, args.limit):
        start = time.perf_counter()
        found = model.find(advert.rgb, Control())
        seconds = time.perf_counter() - start
        recall = metrics.precision_recall(found.mask, advert.text)[1]
        precision = metrics.precision_recall(
            found.mask, advert.text, TOLERANCE, advert.text_valid | (advert.text > 127))[0]
        rows.append({"image": advert.stem, "style": advert.style, "recall": recall,
                     "prec": precision, "effects": marked_effects(found.mask, advert),
                     "lines": len(found.lines), "s": seconds,
                     "badness": max(1 - recall, 0.3 * (1 - precision))})
        truth = np.where((advert.text > 127) | ~advert.text_valid, advert.text, 0)
        pages.append([
            (f"{advert.stem} {advert.style}", advert.rgb),
            (f"found {recall:.3f} near {precision:.3f}: red missed, blue extra",
             sheets.side_by_side(found.mask, truth.astype(np.uint8), advert.rgb)),
        ])  # fmt: skip
    styles = sorted({r["style"] for r in rows})
    summary = []
    for style in [*styles, ""]:
        some = [r for r in rows if r["style"] == style or not style]
        summary.append({
            "style": style or "all", "images": len(some),
            "recall": np.mean([r["recall"] for r in some]),
            "worst": min(r["recall"] for r in some),
            "prec": np.mean([r["prec"] for r in some]),
            "effects": tables.mean_row(some).get("effects"),
            "s": np.mean([r["s"] for r in some]),
        })  # fmt: skip
    columns = ["image", "style", "recall", "prec", "effects", "lines", "s"]
    tables.print_table("Composed adverts", rows, columns)
    tables.print_table("by style", summary)
    return rows, pages


def marked_effects(mask: np.ndarray, advert: data.Advert) -> float | None:
    """Share of the visible shadow or glow around the letters that is marked; None for texts of
    other styles. What people cast lies further off."""
    if advert.style not in ("shadow", "glow"):
        return None
    letters = cv2.dilate((advert.text > 127).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    away = cv2.distanceTransform((advert.text <= 127).astype(np.uint8), cv2.DIST_L2, 5)
    change = np.abs(advert.rgb.astype(np.int16) - advert.clean).max(2).astype(np.float32)
    seen = (advert.effects > data.VISIBLE) & ~letters & (away < AROUND)
    seen &= (advert.people <= data.VISIBLE) & (cv2.blur(change, (3, 3)) > SEEN)
    return float((mask[seen] > 127).mean()) if seen.any() else None


def polygons(folder: Path, stem: str) -> list[np.ndarray]:
    """N×2 float32 polygons of the lines of one picture."""
    listed = data.annotation(folder, f"{stem}.json").get("polygons", [])
    return [np.asarray(p, np.float32).reshape(-1, 2) for p in listed]


def is_cjk(words: str) -> bool:
    return any("\u2e80" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" for c in words)


def scripts(reader: Any, rgb: np.ndarray, truth: list[np.ndarray]) -> list[str]:
    """"CJK" or "Latin" for each polygon, by reading it."""
    lines = [TextLine(cv2.boxPoints(cv2.minAreaRect(p)), 1.0) for p in truth]
    lines = [TextLine(box_of(np.asarray(x.polygon)).corners(), 1.0) for x in lines]
    return ["CJK" if is_cjk(x.words) else "Latin" for x in reader.read(rgb, lines, Control())]


def marked_share(mask: np.ndarray, polygon: np.ndarray) -> float:
    """Share of a polygon's pixels that are marked."""
    inside = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(inside, [polygon.round().astype(np.int32)], 1)
    return float((mask[inside > 0] > 127).mean()) if inside.any() else 0.0


def lines_set(model: Any, folder: Path, args: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    """Lines found on real adverts and scenes."""
    from backend.masks.text_read import Reader

    reader = Reader()
    folder = data.find_set(folder, "text")
    rows, pages = [], []
    total = {"Latin": [0, 0], "CJK": [0, 0]}
    for stem in data.stems(folder)[: args.limit]:
        rgb, truth = data.picture(folder, stem), polygons(folder, stem)
        found = model.find(rgb, Control())
        row: dict[str, Any] = {"image": stem}
        missed = []
        for polygon, script in zip(truth, scripts(reader, rgb, truth), strict=True):
            share = marked_share(found.mask, polygon)
            hit = FOUND[0] <= share <= FOUND[1]
            total[script][0] += hit
            total[script][1] += 1
            row[script] = row.get(script, 0) + 1
            row[f"{script} found"] = row.get(f"{script} found", 0) + int(hit)
            if not hit:
                missed.append((polygon, share))
        row["missed"] = len(missed)
        row["shares"] = " ".join(f"{s:.2f}" for _, s in missed)
        row["badness"] = len(missed)
        rows.append(row)
        shown = sheets.overlay(rgb, {sheets.TEXT: found.mask})
        cv2.polylines(shown, [p.round().astype(np.int32) for p, _ in missed], True, (255, 0, 0), 2)
        pages.append([(stem, rgb), (f"{len(missed)} of {len(truth)} lines missed (red)", shown)])
    columns = ["image", "Latin", "Latin found", "CJK", "CJK found", "shares"]
    tables.print_table("Lines in adverts and scenes", rows, columns)
    tables.print_table("by script", [
        {"script": s, "lines": n, "found": k / max(1, n)} for s, (k, n) in total.items()
    ])
    return rows, pages


def photos(model: Any, folder: Path, args: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    """What is marked on photos that should hold no text."""
    folder = data.find_set(folder, "natural")
    rows, pages = [], []
    for stem in data.stems(folder)[: args.limit]:
        rgb = data.picture(folder, stem)
        found = model.find(rgb, Control())
        area = float((found.mask > 127).mean())
        rows.append({"image": stem, "area %": 100 * area, "lines": len(found.lines),
                     "badness": area})
        pages.append([(stem, rgb), (f"{100 * area:.2f} % marked",
                                    sheets.overlay(rgb, {sheets.TEXT: found.mask}))])
    some = [r for r in rows if r["lines"]]
    tables.print_table("Photos with marks", some, ["image", "area %", "lines"])
    mean = np.mean([r["area %"] for r in rows])
    print(f"mean marked area {mean:.3f} %, {len(some)} of {len(rows)} photos with marks")
    return rows, pages


def detectors(store: Any, folder: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Recall and precision at IoU 0.5 of each detector's own boxes (alone), and of the lines that
    are left after the strokes were looked for in them (lines)."""
    from backend.masks.text_read import Reader
    from backend.models import catalogue
    from backend.models.store import installed

    reader = Reader()
    names = args.detector or [e.name for e in catalogue.entries("text") if installed(e)]
    folder = data.find_set(folder, "text")
    rows = []
    models = {name: store.get("text", name, Control()) for name in names}
    kinds = ("alone", "lines")
    counts = {(n, k, s): [0, 0, 0, 0] for n in names for k in kinds for s in ("Latin", "CJK")}
    for stem in data.stems(folder)[: args.limit]:
        rgb, truth = data.picture(folder, stem), polygons(folder, stem)
        script = scripts(reader, rgb, truth)
        main = max(("Latin", "CJK"), key=script.count) if script else "Latin"
        for name, model in models.items():
            regions = model.regions(rgb, Control())
            lines = model.strokes_of(rgb, regions, Control()).lines
            found = {"alone": [r.corners() for r in regions], "lines": [x.polygon for x in lines]}
            for kind, corners in found.items():
                boxes = [np.asarray(c, np.float32) for c in corners]
                pairs = matches(boxes, truth)
                for j, s in enumerate(script):
                    counts[name, kind, s][0] += j in pairs.values()
                    counts[name, kind, s][1] += 1
                for j in pairs.values():
                    counts[name, kind, script[j]][2] += 1
                    counts[name, kind, script[j]][3] += 1
                # a box that meets no polygon counts for the script that prevails in its picture
                counts[name, kind, main][3] += len(boxes) - len(pairs)
    for (name, kind, s), (hit, all_true, right, all_found) in counts.items():
        recall, precision = hit / max(1, all_true), right / max(1, all_found)
        rows.append({"detector": name, "boxes": kind, "script": s, "lines": all_true,
                     "recall": recall, "precision": precision,
                     "F": 2 * recall * precision / max(1e-9, recall + precision)})
    tables.print_table("Detectors, IoU 0.5", rows)
    return rows


def matches(boxes: list[np.ndarray], truth: list[np.ndarray], least: float = 0.5) -> dict[int, int]:
    """{found: true} one to one, best IoU first."""
    pairs = []
    for i, a in enumerate(boxes):
        for j, b in enumerate(truth):
            value = polygon_iou(a, b)
            if value >= least:
                pairs.append((value, i, j))
    taken: dict[int, int] = {}
    for _, i, j in sorted(pairs, reverse=True):
        if i not in taken and j not in taken.values():
            taken[i] = j
    return taken


def polygon_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of the convex hulls of two N×2 polygons."""
    a, b = (cv2.convexHull(np.asarray(p, np.float32)) for p in (a, b))
    shared, _ = cv2.intersectConvexConvex(a, b)
    joined = cv2.contourArea(a) + cv2.contourArea(b) - shared
    return float(shared / max(1e-6, joined))

