"""`cleanplate clean`: pictures and folders of pictures in, layers out, without a service."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.values import BadInput, Box, CleanOptions, CleanPlateError, Control, Point

if TYPE_CHECKING:
    from backend.models.store import ModelStore

INTERRUPTED = 130
TASKS = ("people", "text", "click", "unknown", "fill")


def point(text: str) -> Point:
    """"120,80" → Point; argparse turns ValueError into a usage error."""
    x, y = (float(part) for part in text.split(","))
    return Point(x, y)


def box(text: str) -> Box:
    """"X0,Y0,X1,Y1" → Box."""
    x0, y0, x1, y1 = (int(part) for part in text.split(","))
    return Box(x0, y0, x1, y1)


def pixels(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def device(text: str) -> str:
    from backend.models.device import check_name

    try:
        return check_name(text)
    except BadInput as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "For each picture, DIR/STEM/ gets background.png, object_mask.png, text_mask.png,\n"
        "hole_mask.png, report.json and STEM.ora (layers for Krita, GIMP and others).\n"
        "With --cut-out: cut_out.png (with alpha), subject_mask.png, report.json and STEM.ora;\n"
        "only report.json where there is nothing to keep.\n"
        "With --separate: background.png, report.json and STEM.ora with a layer for each person,\n"
        "object and line of text (with --format png: NN_KIND.png for each instead).\n"
        "Exit status: 0 done, 1 some pictures failed, 2 wrong usage, 130 interrupted."
    )
    add = parser.add_argument
    add("inputs", nargs="+", type=Path, metavar="IMAGE|DIR", help="pictures, or folders of them")
    add("--out", required=True, type=Path, metavar="DIR", help="where the results go")
    add("--no-text", action="store_true", help="leave text alone")
    add("--no-people", action="store_true", help="leave people alone")
    add("--no-fill", action="store_true", help="write the masks only")
    add("--unknown", action="store_true", help="also remove objects that no class names")
    add("--click", action="append", type=point, default=[], metavar="X,Y",
        help="also remove the object at this pixel of the upright picture (repeatable)")
    add("--keep", action="append", type=point, default=[], metavar="X,Y",
        help="keep the person at this pixel (repeatable)")
    add("--mask", type=Path, metavar="FILE", help="also remove what is white in this picture")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--separate", action="store_true",
        help="take the picture apart: people, objects and lines of text as cut-outs, which rebuild "
             "the picture over the filled background (--mask: its parts instead of people)")
    what.add_argument("--cut-out", action="store_true",
        help="the other way round: remove the background and keep the people (with --keep only "
             "those), the object at --click, or what is white in --mask")
    add("--grow", type=pixels, metavar="PX",
        help="grow the masks by this much (default: by their size; 0 = exactly the masks)")
    add("--feather", type=pixels, metavar="PX",
        help="width of the fill's soft edge, inside the grown rim (default: a third of the rim; "
             "0 = a hard edge)")
    add("--shadows", action="store_true", help="also remove cast shadows of the objects")
    add("--with-backplates", action="store_true", help="remove buttons and plates behind text")
    add("--keep-text-below", type=float, default=0.0, metavar="PX",
        help="keep lines of text lower than this")
    add("--only-text-in", type=box, metavar="X0,Y0,X1,Y1", help="only the text in this box")
    add("--format", choices=("ora", "png", "both"), default="ora",
        help="png: no layered file (the PNG files are always written)")
    add("--device", type=device, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    for task in TASKS:
        add(f"--{task}-model", metavar="NAME", help=f"see `cleanplate models list --task {task}`")
    add("--seed", type=int, default=0, help="the same seed gives the same background")
    add("--quiet", action="store_true", help="no progress bar, errors only")


def options_of(args: argparse.Namespace) -> CleanOptions:
    return CleanOptions(
        text=not args.no_text, people=not args.no_people, unknown=args.unknown,
        fill=not args.no_fill, clicks=tuple(args.click), keep=tuple(args.keep), grow=args.grow,
        feather=args.feather,
        shadows=args.shadows, with_backplates=args.with_backplates,
        keep_text_below=args.keep_text_below, only_text_in=args.only_text_in,
        device=args.device, seed=args.seed,
        **{f"{task}_model": getattr(args, f"{task}_model") for task in TASKS},
    )


def run(args: argparse.Namespace) -> int:
    """Returns 0, 1 or 130; see `add_arguments`."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(args, options_of(args))
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _run(args: argparse.Namespace, options: CleanOptions) -> int:
    files, failures = find_files(args.inputs)
    for failure in failures:
        print(f"cleanplate: {failure}", file=sys.stderr)
    jobs = list(zip(files, unique_stems(files), strict=True))
    done = 0
    bar = Bar(len(jobs), args.quiet)
    store = None
    try:
        for file, stem in jobs:
            bar.start(file.name)
            try:
                if store is None:
                    from backend.models.store import ModelStore

                    store = ModelStore(args.device)
                report = clean_file(file, stem, args, options, store, bar)
                done += 1
                bar.say(summary(file, report, args.out / stem), error=False)
            except (CleanPlateError, MemoryError) as error:
                text = str(error) or "not enough memory for this picture"
                failures.append(text)
                bar.say(f"cleanplate: {file}: {text}", error=True)
            bar.finish_one()
    except KeyboardInterrupt:
        bar.close()
        print(f"cleanplate: interrupted; {done} of {len(jobs)} done.", file=sys.stderr)
        return INTERRUPTED
    bar.close()
    return 1 if failures else 0


def clean_file(
    file: Path, stem: str, args: argparse.Namespace, options: CleanOptions, store: ModelStore,
    bar: Bar,
) -> dict[str, Any]:
    """Cleans one file into `args.out/STEM` and returns its report. Raises CleanPlateError."""
    from backend.layers.images import read_mask, read_picture
    from backend.pipeline.clean import clean
    from backend.pipeline.cut_out import cut_out
    from backend.pipeline.output import write_cut_out, write_report, write_result

    started = time.perf_counter()
    control = Control(bar.progress)
    with control.stage("read", "Reading the picture"):
        picture = read_picture(file)
        for note in picture.notes:
            control.note(note)
        shape = picture.pixels.shape[:2]
        mask = read_mask(args.mask, shape) if args.mask else None
    folder = args.out / stem
    layered = args.format != "png"
    if args.separate:
        from backend.pipeline.output_layers import source_of, write_separated
        from backend.pipeline.separate import separate

        pixels = source_of(picture, control)
        result = separate(pixels, mask, None, options, store, control)
        names = write_separated(folder, stem, picture, pixels, result, control, ora=layered)
    elif args.cut_out:
        result = cut_out(picture.pixels, options, store, control, mask=mask)
        names = write_cut_out(folder, stem, picture, result, control, ora=layered)
    else:
        result = clean(picture.pixels, options, store, control, mask=mask)
        names = write_result(folder, stem, picture, result, control,
                             ora=layered, filled=options.fill)
    report = {"file": file.name, **result.report, "outputs": names}
    report["profile"] = picture.icc is not None
    report["notes"] = list(control.notes)
    report["seconds"] |= {k: round(v, 4) for k, v in control.seconds.items()}
    report["seconds"]["total"] = round(time.perf_counter() - started, 4)
    write_report(folder, report)
    return report


def summary(file: Path, report: dict[str, Any], folder: Path) -> str:
    """One line for a finished picture; its notes below."""
    if not report["found"]:
        what = "nothing found"
    elif "kept_share" in report:
        what = f"cut out, {report['kept_share']:.1%} of the picture kept"
    elif "rebuild_error" in report:
        counts = report["counts"]
        what = (f"taken apart into {counts['person']} people, {counts['object']} objects and "
                f"{counts['text']} lines of text")
    else:
        counts = report["counts"]
        what = f"{counts['people']} people, {counts['text_lines']} lines of text"
        what += f", {report['hole_share']:.1%} of the picture"
    lines = [f"{file.name}: {what}, {report['seconds']['total']:.1f} s → {folder}"]
    return "\n  ".join(lines + report["notes"])


def find_files(inputs: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """(pictures in order, what is wrong with the other inputs). Folders are not searched deeper."""
    from backend.layers.images import SUFFIXES

    files: list[Path] = []
    failures = []
    for given in inputs:
        if given.is_dir():
            inside = sorted(f for f in given.iterdir()
                            if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
            files += inside
            if not inside:
                failures.append(f"{given}: there are no pictures in this folder")
        elif given.exists():
            files.append(given)
        else:
            failures.append(f"{given}: there is no such file")
    return files, failures


def unique_stems(files: Iterable[Path]) -> Iterator[str]:
    """The stem of each file, `-2`, `-3`… after those that came before (in any case, because many
    disks do not tell cases apart)."""
    taken: set[str] = set()
    for file in files:
        stem, number = file.stem, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{file.stem}-{number}"
        taken.add(stem.casefold())
        yield stem


class Bar:
    """A progress bar over all pictures; the part of the current one moves with its stages."""

    # Where each stage begins and ends within one picture, roughly by the time it takes.
    SPANS = {"read": (0.0, 0.03), "load": (0.03, 0.1), "people": (0.1, 0.25),
             "click": (0.25, 0.3), "unknown": (0.3, 0.35), "text": (0.35, 0.5),
             "fill": (0.5, 0.95), "matte": (0.35, 0.9), "foreground": (0.9, 0.95),
             "layers": (0.9, 0.95), "write": (0.95, 1.0)}

    def __init__(self, total: int, quiet: bool) -> None:
        from tqdm import tqdm

        self.quiet, self._done, self._name = quiet, 0, ""
        form = "{desc} {percentage:3.0f}%|{bar}| {postfix}[{elapsed}<{remaining}]"
        self._bar = tqdm(total=max(1, total), disable=True if quiet else None, leave=False,
                         bar_format=form, file=sys.stderr)

    def start(self, name: str) -> None:
        self._name = name
        self._bar.set_description_str(name)

    def progress(self, stage: str, fraction: float, text: str) -> None:
        start, end = self.SPANS.get(stage, (0.0, 0.0))
        # Loading happens inside other stages: the bar never goes back.
        self._bar.n = max(self._bar.n, self._done + start + fraction * (end - start))
        if text:
            self._bar.set_description_str(f"{self._name}: {text}", refresh=False)
        self._bar.update(0)
        self._bar.refresh()

    def finish_one(self) -> None:
        self._done += 1
        self._bar.n = self._done
        self._bar.refresh()

    def say(self, text: str, error: bool) -> None:
        if error or not self.quiet:
            self._bar.write(text, file=sys.stderr if error else sys.stdout)

    def close(self) -> None:
        self._bar.close()


