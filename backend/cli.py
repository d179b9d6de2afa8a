"""`cleanplate VERB …`: a thin dispatcher. A verb's module is imported only when it is used."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from backend.values import CleanPlateError

USAGE_ERROR, FAILED, INTERRUPTED = 2, 1, 130


class Verb(NamedTuple):
    """`module` has `add_arguments(parser)` and `run(args) -> int`; one that holds two verbs
    tells them apart by `args.verb` (and `parser.prog`, "cleanplate VERB")."""

    module: str
    help: str


VERBS = {
    "clean": Verb("backend.pipeline.command", "remove people, text or objects from pictures"),
    "text": Verb("backend.masks.text_command", "print the lines of text in a picture as JSON"),
    "serve": Verb("backend.service.command", "run the backend that the editor plugins talk to"),
    "stop": Verb("backend.service.command", "stop the running backend"),
    "doctor": Verb("backend.doctor", "report on the installation, device, models and backend"),
    "models": Verb("backend.models.command", "list, install and remove models"),
    "evaluate": Verb("backend.evaluate.command", "score masks and fills on annotated pictures"),
}


def version() -> str:
    from backend import __version__

    return __version__


def build_parser(verb: str | None) -> argparse.ArgumentParser:
    """The parser; only `verb` gets its own arguments, of the others the help line is enough."""
    parser = argparse.ArgumentParser(
        prog="cleanplate",
        description="Removes people, text and clicked objects from pictures.",
    )
    parser.add_argument("--version", action="version", version=f"cleanplate {version()}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, entry in VERBS.items():
        sub = verbs.add_parser(name, help=entry.help, description=entry.help.capitalize() + ".")
        if name == verb:
            module = importlib.import_module(entry.module)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def _verb_of(arguments: Sequence[str]) -> str | None:
    first = next((a for a in arguments if not a.startswith("-")), None)
    return first if first in VERBS else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb. Returns 0, 1 (failed), 2 (usage) or 130 (interrupted)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = build_parser(_verb_of(arguments))
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args) or 0)
    except CleanPlateError as error:
        print(f"cleanplate: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("cleanplate: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED  # the reader of our output went away (`| head`)


if __name__ == "__main__":
    sys.exit(main())
