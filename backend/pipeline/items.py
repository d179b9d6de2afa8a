"""What was found, one thing at a time: each person, object and line of text with its own mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from backend.masks import combine
from backend.models.store import ModelStore
from backend.pipeline import find
from backend.pipeline.find import Found
from backend.pipeline.source import Source
from backend.values import Box, CleanOptions, Control, ModelUnavailable, TextLine

PERSON, OBJECT, TEXT = "person", "object", "text"
SAME = 0.5  # overlap (IoU) from which a clicked object and a person are one thing
WHOLE = 0.8  # share of a connected stroke from which one line gets all of it
LONGEST_NAME = 120


@dataclass(frozen=True)
class Item:
    """`mask`: uint8 of the box, 255 inside. `name`: “Person 1”, “Object 1”, or a line's words
    ("" where they could not be read)."""

    kind: str
    name: str
    box: Box
    mask: np.ndarray


def find_items(
    pixels: np.ndarray, options: CleanOptions, store: ModelStore, control: Control
) -> tuple[tuple[Item, ...], Found]:
    """Finds what the options ask for and fills nothing.

    pixels: H×W×(3|4) uint8, uint16 or float32, RGB(A). People and objects come first, text lines
    in reading order after them. Masks of text lines share no pixel and cover the text mask; where
    a click and a person are the same thing it is told once, as a person.
    Raises BadInput, ModelUnavailable, Cancelled.
    """
    with control.stage("read", "Looking at the picture"):
        source = Source(pixels)
        find.check_points(options, source.size)
    found = find.find_all(source, options, store, control)
    lines = read_words(source.rgb8, found.lines, control)
    return (*subjects(found, source), *text_items(found.text, lines)), found


def subjects(found: Found, source: Source) -> list[Item]:
    """People, then clicked objects, then unknown ones, each numbered from 1."""
    people = [person.copy() for person in found.people]
    objects = []
    for clicked in found.clicks:
        twin = next((p for p in people if overlap(p, clicked) > SAME), None)
        if twin is None:
            objects.append(clicked.copy())
        else:
            np.maximum(twin, clicked, out=twin)
    if found.unknown.any():
        objects += combine.split_instances(found.unknown)
    result = []
    for kind, masks in ((PERSON, people), (OBJECT, objects)):
        number = 0
        for mask in masks:
            if source.transparent is not None:
                mask[source.transparent] = 0
            if kind == OBJECT and found.kept is not None:
                mask[found.kept > 0] = 0
            box = Box.around(mask)
            if box is not None:
                number += 1
                result.append(Item(kind, f"{kind.capitalize()} {number}", box,
                                   mask[box.slices].copy()))
    return result


def text_items(mask: np.ndarray, lines: Sequence[TextLine]) -> list[Item]:
    """One item a line that owns pixels of the mask; what no line explains is one more."""
    owner = owners(mask, lines)
    result = []
    for number in range(len(lines) + 1):
        own = (owner == number).astype(np.uint8) * np.uint8(255)
        box = Box.around(own)
        if box is not None:
            words = lines[number].words if number < len(lines) else ""
            result.append(Item(TEXT, words, box, own[box.slices].copy()))
    return result


def owners(mask: np.ndarray, lines: Sequence[TextLine]) -> np.ndarray:
    """H×W int32: for each pixel of the text mask the line whose polygon is nearest, -1 outside
    the mask. With no line at all, everything belongs to number 0.

    A connected stroke that lies mostly with one line is given to it wholly, so that a descender
    is not cut where it comes near the line below."""
    owner = np.full(mask.shape, -1, np.int32)
    if not mask.any():
        return owner
    if not lines:
        owner[mask > 0] = 0
        return owner
    rows, columns = np.nonzero(mask)
    nearest = np.full(len(rows), np.inf, np.float32)
    chosen = np.zeros(len(rows), np.int32)
    for number, line in enumerate(lines):
        low, high = line.polygon.min(0), line.polygon.max(0)
        apart = np.maximum(np.maximum(low[0] - columns, columns - high[0]),
                           np.maximum(low[1] - rows, rows - high[1]))
        near = np.flatnonzero(apart < nearest)  # the others are closer to another line for sure
        away = distance(line.polygon, columns[near], rows[near])
        closer = away < nearest[near]
        nearest[near[closer]], chosen[near[closer]] = away[closer], number
    _, labels, _ = combine.components(mask)
    votes = np.zeros((int(labels.max()) + 1, len(lines)), np.int32)
    at = labels[rows, columns]
    np.add.at(votes, (at, chosen), 1)
    winner, total = votes.argmax(1), votes.sum(1)
    clear = votes.max(1) >= WHOLE * total
    owner[rows, columns] = np.where(clear[at], winner[at], chosen)
    return owner


def distance(polygon: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """N float32: how far the pixels lie from a convex polygon; negative inside it."""
    corners = cv2.convexHull(np.asarray(polygon, np.float32).reshape(-1, 2)).reshape(-1, 2)
    px, py = x.astype(np.float32), y.astype(np.float32)
    left, right = np.ones(len(px), bool), np.ones(len(px), bool)
    best = np.full(len(px), np.inf, np.float32)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
        dx, dy = float(bx - ax), float(by - ay)
        length = max(dx * dx + dy * dy, 1e-6)
        t = np.clip(((px - ax) * dx + (py - ay) * dy) / length, 0.0, 1.0)
        best = np.minimum(best, (px - ax - t * dx) ** 2 + (py - ay - t * dy) ** 2)
        side = dx * (py - ay) - dy * (px - ax)
        left &= side >= 0
        right &= side <= 0
    best = np.sqrt(best)
    return np.where(left | right, -best, best).astype(np.float32)


@lru_cache(maxsize=1)
def reader() -> Any:
    """The recogniser, kept for the life of the process."""
    from backend.masks.text_read import Reader

    return Reader()


def read_words(
    rgb: np.ndarray, lines: Sequence[TextLine], control: Control
) -> tuple[TextLine, ...]:
    """The lines with their words; without a recogniser the words stay empty and a note says so."""
    if not lines:
        return ()
    with control.stage("text", "Reading the text"):
        try:
            return reader().read(rgb, lines, control)
        except ModelUnavailable as problem:
            control.note(f"The text was not read. {problem}")
            return tuple(lines)


def layer_name(item: Item, number: int) -> str:
    """What a layer of this item is called: “Person 1”, “Text: SUMMER SALE”, “Text 3”."""
    if item.kind != TEXT:
        return item.name
    words = " ".join("".join(c for c in item.name if c.isprintable()).split())
    if not words:
        return f"Text {number}"
    return "Text: " + (words if len(words) <= LONGEST_NAME else words[: LONGEST_NAME - 1] + "…")


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two H×W masks."""
    both = np.count_nonzero(cv2.bitwise_and(a, b))
    return both / max(1, np.count_nonzero(cv2.bitwise_or(a, b)))

