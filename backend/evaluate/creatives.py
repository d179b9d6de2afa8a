"""`cleanplate evaluate creatives`: the one click as a whole, on composed adverts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from backend.evaluate import data, metrics, sheets, tables
from backend.evaluate.data import Advert
from backend.masks import combine
from backend.values import CleanOptions, CleanResult, Control

TEXT_TOLERANCE = 4
LEAST_TEXT = 0.1  # share of the text outside effects that a precision needs
NEAR = 6  # px around the true text in which text found on the plate is a residue
HELP = """\
people        IoU of the people mask, outside text and effects
recall, prec  of the text mask: strokes found; marked pixels within 4 px of a stroke, no effects
false         share of the picture marked although nothing was there
psnr ssim swd of the plate inside the exact mask grown by 5 px, without effects (plates stay)
*_exact       the same place when the exact masks are given (the best the filler can do)
all_*         exact masks with effects given, scored on all of it
residue       text still found on the plate where there was text, as a share of it; lines of it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = HELP
    parser.add_argument("--no-exact", action="store_true",
                        help="do not fill again with the exact masks")


def run(data_dir: Path, args: argparse.Namespace) -> int:
    """Prints a table per image and the means, writes creatives.json and two contact sheets."""
    from backend.models.store import ModelStore

    store = ModelStore(args.device)
    options = CleanOptions(
        people_model=args.people_model, text_model=args.text_model, fill_model=args.fill_model,
        device=args.device, seed=args.seed)
    warm_up(store, options)
    rows: list[dict[str, Any]] = []
    pages: list[list[sheets.Tile]] = []
    models: dict[str, str] = {}
    for advert in data.adverts(data_dir, args.limit):
        row, result = score(advert, options, store, exact=not args.no_exact)
        models |= result.report["models"]
        rows.append(row)
        pages.append(tiles(advert, result, row))
        print(tables.format_table([row]).splitlines()[-1], flush=True)
    styles = sorted({r["style"] for r in rows if r["style"]})
    by_style = [{**tables.mean_row([r for r in rows if r["style"] == s], s), "style": "mean"}
                for s in styles]
    summary = [tables.mean_row(rows), tables.mean_row(rows, "median", median=True)]
    tables.print_table("Composed adverts", [*rows, *by_style, *summary])
    print(f"\n{HELP}\nmodels: {models}")
    if args.out:
        value = {"models": models, "images": rows, "styles": by_style, "mean": summary[0],
                 "median": summary[1]}
        print(f"wrote {tables.save_json(args.out / 'creatives.json', value)}")
        if not args.no_sheet:
            for number in range(0, len(pages), 10):
                path = args.out / f"creatives_{number // 10 + 1}.jpg"
                print(f"wrote {sheets.sheet(pages[number : number + 10], path, 420)}")
    return 0


def warm_up(store: Any, options: CleanOptions) -> None:
    """Loads the models, so that the seconds of the first picture are like the others'."""
    control = Control()
    for task, name in (("people", options.people_model), ("text", options.text_model),
                       ("fill", options.fill_model)):
        store.get(task, name, control)


def score(
    advert: Advert, options: CleanOptions, store: Any, exact: bool = True
) -> tuple[dict[str, Any], CleanResult]:
    """(row of the table, what the pipeline made of the advert)."""
    from backend.pipeline.clean import clean

    result = clean(advert.rgb, options, store, Control())
    row: dict[str, Any] = {"image": advert.stem, "style": advert.style}
    row["people"] = metrics.iou(result.object_mask, advert.people, advert.people_valid)
    row["recall"] = metrics.precision_recall(result.text_mask, advert.text)[1]
    row["prec"] = text_precision(advert, result.text_mask)
    row["false"] = false_area(advert, result)
    region = advert.hole(effects=False)
    region[advert.effects > 127] = 0  # a plate stays by default, its truth is not the clean image
    row |= metrics.hole_scores(result.plate, advert.clean, region)
    if exact:
        whole = advert.hole()
        given = CleanOptions(
            text=False, people=False, fill_model=options.fill_model, device=options.device,
            seed=options.seed)
        best = clean(advert.rgb, given, store, Control(), mask=whole).plate
        scores = metrics.hole_scores(best, advert.clean, region)
        row |= {f"{k}_exact": v for k, v in scores.items()}
        row |= {f"all_{k}": v for k, v in metrics.hole_scores(best, advert.clean, whole).items()}
    row["residue"], row["lines"] = residue(advert, result.plate, options, store)
    seconds = result.report["seconds"]
    row |= {f"s_{k}": seconds.get(k, 0.0) for k in ("people", "text", "fill", "total")}
    return row, result


def text_precision(advert: Advert, text_mask: np.ndarray) -> float | None:
    """None where nearly all text stands on plates: outside of them there is nothing to be right
    about."""
    text, valid = advert.text > 127, advert.text_valid
    if (text & valid).sum() < LEAST_TEXT * text.sum():
        return None
    return metrics.precision_recall(text_mask, advert.text, TEXT_TOLERANCE, valid)[0]


def false_area(advert: Advert, result: CleanResult) -> float:
    """Share of the picture that was marked further than the text tolerance from anything."""
    truth = (np.maximum(advert.people, advert.text) > 127) | (advert.effects > data.VISIBLE)
    near = metrics.grown(truth.astype(np.uint8) * np.uint8(255), TEXT_TOLERANCE)
    marked = np.maximum(result.object_mask, result.text_mask) > 127
    return float((marked & (near == 0)).mean())


def residue(
    advert: Advert, plate: np.ndarray, options: CleanOptions, store: Any
) -> tuple[float, int]:
    """What the text model still reads on the plate where there was text: (share of the text's
    pixels, number of lines)."""
    found = store.get("text", options.text_model, Control()).find(plate, Control())
    near = metrics.grown(advert.text, NEAR) > 0
    left = (combine.binary(found.mask) > 0) & near
    lines = 0
    for line in found.lines:
        x, y = np.asarray(line.polygon).reshape(-1, 2).mean(0)
        row, column = int(np.clip(y, 0, near.shape[0] - 1)), int(np.clip(x, 0, near.shape[1] - 1))
        lines += bool(near[row, column])
    return float(left.sum() / max(1, (advert.text > 127).sum())), lines


def tiles(advert: Advert, result: CleanResult, row: dict[str, Any]) -> list[sheets.Tile]:
    masks = {sheets.PEOPLE: result.object_mask, sheets.TEXT: result.text_mask}
    return [
        (f"{advert.stem} {advert.style}", advert.rgb),
        (f"found: people {row['people']:.2f} text {row['recall']:.3f}",
         sheets.overlay(advert.rgb, masks)),
        (f"plate {row['psnr']:.2f} dB swd {row['swd']:.1f}", result.plate),
        ("true background", advert.clean),
    ]
