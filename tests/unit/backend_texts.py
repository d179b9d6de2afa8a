"""Every text of the backend and the client that an editor may show, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from tests.fake_krita.support import ROOT

# Only the command line, training and measuring come here.
NOT_FOR_EDITORS = (
    "backend/training/", "backend/evaluate/", "backend/layers/", "backend/cli.py",
    "backend/doctor.py", "backend/home.py", "backend/pipeline/command.py",
    "backend/pipeline/output.py", "backend/pipeline/output_layers.py",
    "backend/masks/text_command.py", "backend/service/command.py", "backend/service/life.py",
    "backend/values.py", "plugin/client/demo.py",
)
# What the service answers to a client that breaks the protocol, which the plugin's never does.
PROTOCOL_ONLY = (
    "backend/service/channel.py", "backend/service/checks.py", "backend/service/kinds.py",
    "plugin/client/wire.py",
)
ERRORS = ("CleanPlateError", "BackendError")
SAID = {"note": 0, "stage": 1, "progress": 1, "on_progress": 2, "report": 2}


class Text(NamedTuple):
    """`sample`: the text with «0», «1», … for its values; `stage`: the stage's name, if any."""

    where: str
    sample: str
    stage: str = ""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("backend", "plugin/client"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(NOT_FOR_EDITORS + PROTOCOL_ONLY):
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def error_classes() -> set[str]:
    """Names of the errors whose texts reach the user: those above and all that derive from them."""
    known: set[str] = set(ERRORS)
    bases: dict[str, set[str]] = {}
    for folder in ("backend", "plugin/client"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    bases[node.name] = {ast.unparse(base) for base in node.bases}
    while True:
        more = {name for name, above in bases.items() if above & known} - known
        if not more:
            return known
        known |= more


class Reader:
    """The texts of one module."""

    def __init__(self, name: str, tree: ast.Module, errors: set[str]) -> None:
        self.name, self.tree, self.errors = name, tree, errors
        self.named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.named.setdefault(node.targets[0].id, []).append(node.value)

    def texts(self) -> Iterator[Text]:
        for node in ast.walk(self.tree):
            where = f"{self.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                if ast.unparse(node.exc.func) in self.errors:
                    for sample in self.samples(node.exc.args[0]):
                        yield Text(where, sample)
            elif isinstance(node, ast.FunctionDef) and node.name == "message_for":
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        yield from (Text(where, sample) for sample in self.samples(inner.value))
            elif isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                place = SAID.get(called)
                if place is None or len(node.args) <= place:
                    continue
                stage = ""
                if called == "stage" and isinstance(node.args[0], ast.Constant):
                    stage = str(node.args[0].value)
                for sample in self.samples(node.args[place]):
                    yield Text(where, sample, stage)

    def samples(self, node: ast.expr) -> list[str]:
        """All texts that the expression may be; none where it only hands on somebody's text."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) and node.value else []
        if isinstance(node, ast.JoinedStr):
            return [self._joined(node)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return [_marked(sample) for sample in self.samples(node.left)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [a + b for a in self.samples(node.left) for b in self.samples(node.right)]
        if isinstance(node, ast.IfExp):
            return self.samples(node.body) + self.samples(node.orelse)
        if isinstance(node, ast.Subscript):
            return self.samples(node.value)
        if isinstance(node, ast.Dict):
            return [sample for value in node.values for sample in self.samples(value)]
        if isinstance(node, ast.Name):
            return [s for value in self.named.get(node.id, ()) for s in self.samples(value)]
        return []

    def _joined(self, node: ast.JoinedStr) -> str:
        parts, number = [], 0
        for value in node.values:
            if isinstance(value, ast.Constant):
                parts.append(str(value.value))
            else:
                parts.append(f"«{number}»")
                number += 1
        return "".join(parts)


def _marked(text: str) -> str:
    """%s, %d, … of a format as «0», «1», …"""
    pieces = text.replace("%d", "%s").split("%s")
    return pieces[0] + "".join(f"«{n}»{piece}" for n, piece in enumerate(pieces[1:]))


def all_texts() -> list[Text]:
    errors = error_classes()
    return [text for name, tree in trees() for text in Reader(name, tree, errors).texts()]
