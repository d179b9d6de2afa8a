"""`cleanplate models list | install | remove`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from backend.models import catalogue, download, store
from backend.models.catalogue import Entry
from backend.values import CleanPlateError, Control


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|install|remove")
    listing = verbs.add_parser("list", help="all models: installed, default, size, licence")
    listing.add_argument("--task", choices=catalogue.TASKS, help="only the models of one task")
    listing.add_argument("--json", action="store_true", help="print JSON")
    install = verbs.add_parser("install", help="download models, checked by their hashes")
    install.add_argument("names", nargs="+", metavar="NAME")
    install.add_argument("--yes", action="store_true", help="accept the licences without asking")
    remove = verbs.add_parser("remove", help="delete downloaded models")
    remove.add_argument("names", nargs="+", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    if args.verb == "list":
        return _list(args.json, args.task)
    chosen: list[Entry] = []
    for name in args.names:
        entry = catalogue.get(name)
        if entry.builtin:
            raise CleanPlateError(f"{name} is built in: there is nothing to {args.verb}.")
        if entry not in chosen:
            chosen.append(entry)
    return _remove(chosen) if args.verb == "remove" else _install(chosen, args.yes)


def table(only: str | None = None) -> list[dict[str, Any]]:
    """One plain dict a model, in the order of the tasks and ranks. Built-in models whose weights
    this version does not carry are left out: nobody could install them."""
    rows = []
    for task in catalogue.TASKS if only is None else (only,):
        first = next((e for e in catalogue.entries(task) if store.installed(e)), None)
        for entry in catalogue.entries(task):
            if entry.builtin and not store.installed(entry):
                continue
            rows.append(
                {
                    "task": task,
                    "name": entry.name,
                    "title": entry.title,
                    "installed": store.installed(entry),
                    "default": entry is first and task != "helper",
                    "builtin": entry.builtin,
                    "licence": entry.licence,
                    "size": entry.size,
                    "needs": store.missing_packages(entry),
                }
            )
    return rows


def _list(as_json: bool, task: str | None) -> int:
    rows = table(task)
    if as_json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        state = "default" if row["default"] else "installed" if row["installed"] else "-"
        origin = "built in" if row["builtin"] else _megabytes(row["size"])
        print(
            f"{row['task']:8} {row['name']:30} {state:10} {origin:>9}  {row['licence']:13} "
            f"{row['title']}"
        )
    print("\nInstall one with: cleanplate models install NAME")
    return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else "? MB"


def _install(chosen: list[Entry], yes: bool) -> int:
    for entry in chosen:
        size = _megabytes(entry.size)
        print(f"{entry.name}: {entry.title}\n  licence {entry.licence}, download {size}")
        for file in entry.files:
            print(f"  {file.url}")
        if entry.notes:
            print(f"  {entry.notes}")
    if not yes and sys.stdin is not None and sys.stdin.isatty():
        if input("Accept the licence(s) and download? [Y/n] ").strip().lower() not in ("", "y"):
            print("Nothing was downloaded.")
            return 1
    failed = 0
    for entry in chosen:
        try:
            install(entry, Control(), show_bar=True)
            print(f"{entry.name} is installed.")
        except CleanPlateError as error:
            print(f"{entry.name}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def install(entry: Entry, control: Control, *, show_bar: bool = False) -> None:
    """Installs packages and files of `entry`, with the stage `download`. Raises CleanPlateError."""
    with control.stage("download", f"Installing {entry.short}"):
        _install_packages(entry)
        bar: Any = None
        if show_bar:
            from tqdm import tqdm

            bar = tqdm(unit="B", unit_scale=True, disable=None)

        def on_bytes(name: str, received: int, total: int | None) -> None:
            if bar is not None:
                bar.set_description(name, refresh=False)
                bar.total = total
                bar.update(received - bar.n)

        try:
            download.install_files(entry, control, on_bytes)
        finally:
            if bar is not None:
                bar.close()


def _install_packages(entry: Entry) -> None:
    missing = store.missing_packages(entry)
    if not missing:
        return
    command = [sys.executable, "-m", "pip", "install", *missing]
    print("Installing " + " ".join(missing), file=sys.stderr)
    # stdout belongs to our own caller (JSON, a ready line): pip's words go to stderr.
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode:
        raise CleanPlateError(
            f"{entry.name} needs the package(s) {', '.join(missing)}, and pip could not install "
            f"them. Try: {' '.join(command)}"
        )


def _remove(chosen: list[Entry]) -> int:
    for entry in chosen:
        count = 0
        shared = _sharing(entry)
        for file in entry.files:
            path = entry.path(file)
            for leftover in (path, path.with_name(path.name + ".part")):
                if leftover.exists():
                    leftover.unlink()
                    count += 1
            path.with_name(path.name + ".part.json").unlink(missing_ok=True)
            if path.parent.is_dir():
                download.forget_pin(path)
        print(f"{entry.name}: {'removed' if count else 'was not installed'}.")
        if count and shared:
            print(f"  The same file was used by {', '.join(shared)}: gone as well.")
    return 0


def _sharing(entry: Entry) -> list[str]:
    """Names of the other installed models that use a file of this one."""
    paths = {entry.path(file) for file in entry.files}
    return [
        other.name
        for other in catalogue.entries()
        if other.name != entry.name
        and store.installed(other)
        and paths & {other.path(file) for file in other.files}
    ]
