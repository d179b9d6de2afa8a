"""What every model of a task can do. A stage asks these; it never special-cases a model by name.

A loader is a function `load(entry: Entry, files: dict[str, Path], device: str, control: Control)`
in the stage's own folder (`backend.masks.people:load_torchvision`), named by its dotted path in
the catalogue, so that nothing heavy is imported before a model is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from backend.values import Box, Control, Point, TextLine


@dataclass(frozen=True)
class Description:
    """What a caller must know of a loaded model. Sizes are in pixels of the model's input.
    invents: a filler's colours and grain are its own, so they are matched to the picture's."""

    name: str
    device: str
    minimum: int = 1
    multiple_of: int = 1
    best_side: int = 512
    largest_side: int = 4096
    instances: bool = False
    invents: bool = False


@runtime_checkable
class PeopleModel(Protocol):
    """Finds people; a saliency model for unknown objects has the same form."""

    description: Description

    def probability(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB of any size → H×W float32 in [0, 1]."""
        ...

    def instances(self, rgb: np.ndarray, control: Control) -> list[np.ndarray]:
        """One H×W uint8 mask (255 inside) a person, largest first."""
        ...


@dataclass(frozen=True)
class TextFound:
    """`probability`: H×W float32 in [0, 1] of a pixel to belong to a stroke (with its outline,
    glow and shadow); `mask`: H×W uint8 255 = remove; `lines` in reading order."""

    probability: np.ndarray
    mask: np.ndarray
    lines: tuple[TextLine, ...] = ()


@runtime_checkable
class TextModel(Protocol):
    description: Description

    def find(self, rgb: np.ndarray, control: Control) -> TextFound:
        """H×W×3 uint8 RGB of any size."""
        ...


@dataclass(frozen=True)
class Embedding:
    """The heavy part of one image, computed once; `data` is the model's own."""

    size: tuple[int, int]  # height, width
    data: Any = field(repr=False, default=None)


@runtime_checkable
class ClickModel(Protocol):
    """Encode once, predict often."""

    description: Description

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding: ...

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32 in [0, 1]; `previous` is such an answer to the clicks before."""
        ...


@runtime_checkable
class FillModel(Protocol):
    description: Description

    def fill(
        self,
        rgb: np.ndarray,
        hole: np.ndarray,
        control: Control,
        *,
        seed: int = 0,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W×3 float32 RGB in [0, 1] and H×W uint8 hole (255 = fill) → H×W×3 float32, the same
        outside the hole. `known` (H×W uint8): pixels that may be sampled; None = all outside."""
        ...
