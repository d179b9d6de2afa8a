"""The kinds of jobs: a name, a check of its arguments, and the function that does it.

A new kind is one `register(Kind(…))`: `check(session, arguments)` runs in the connection's
thread, copies the client's pixels out and returns a request of plain values; `run(request,
context, control)` runs in the compute thread and returns an Answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.service.errors import Refused
from backend.values import Control

if TYPE_CHECKING:
    from backend.models.store import ModelStore
    from backend.service.session import Session

COMPUTE, SIDE = "compute", "side"


@dataclass
class Answer:
    """`values` must be what JSON can hold; `blocks` are arrays or bytes by name."""

    values: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, np.ndarray | bytes] = field(default_factory=dict)


class Context:
    """What all jobs share: the loaded models."""

    def __init__(self) -> None:
        self._store: ModelStore | None = None
        self._lock = threading.Lock()

    @property
    def store(self) -> ModelStore:
        """Made at the first use, so that the service is ready without the models' packages."""
        with self._lock:
            if self._store is None:
                from backend.models.store import ModelStore

                self._store = ModelStore()
            return self._store


@dataclass(frozen=True)
class Kind:
    """`interactive`: goes before long jobs. `lane`: COMPUTE (one thread for all that computes,
    because numba and the GPU take one caller) or SIDE (downloads and the like)."""

    name: str
    check: Callable[[Session, dict[str, Any]], Any]
    run: Callable[[Any, Context, Control], Answer]
    interactive: bool = False
    lane: str = COMPUTE


_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    if kind.name in _KINDS:
        raise ValueError(f"the kind {kind.name} is registered twice")
    _KINDS[kind.name] = kind


def find(name: str) -> Kind:
    """Raises Refused for an unknown kind."""
    kind = _KINDS.get(name)
    if kind is None:
        raise Refused(f"There is no kind of job “{name[:40]}”; update the plugin and the backend.")
    return kind


def arguments_of(pairs: tuple) -> dict[str, Any]:
    """((name, value), …) → dict; raises Refused on anything else."""
    result: dict[str, Any] = {}
    for pair in pairs:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str:
            raise Refused("Arguments are pairs of a name and a value.")
        if pair[0] in result:
            raise Refused(f"The argument {pair[0][:40]} is given twice.")
        result[pair[0]] = pair[1]
    return result


def only(arguments: dict[str, Any], *names: str) -> None:
    """Raises Refused when there is an argument that is not in `names`."""
    for name in arguments:
        if name not in names:
            raise Refused(f"The argument {name[:40]} is unknown here.")
