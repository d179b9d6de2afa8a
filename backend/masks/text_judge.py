"""How likely a box of the line detector is text: one weighted sum of what the detector, the
second opinion (text_second), the stroke net and the recogniser say of it, and of its size.

Facades, ornaments and animals are seen as letters now and then, small dim letters hardly at all:
none of these answers tells them apart, all together do. The weights are a logistic regression on
boxes in photos whose text was marked by eye and in adverts composed here:
`python -m backend.training text_judge` shows how they come about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np

from backend.masks.strokes import Strokes
from backend.masks.text_accept import by_view, grown, instead, readable, stands_alone, strength
from backend.masks.text_lines import Region, overlap

TAKEN = 0.5  # least probability of a line
PIECE = 0.2  # ... of a piece that continues a line or stands above or below one
ENOUGH = 6.0  # so many heights of a line are read
MOST_READ = 40  # lines of a picture, the best scores first; the others count as what these say
SURELY, SEEN = 0.9, 0.75  # a word read so surely in a box of this score is text, however large it
# is: none of the examples was anything else
LINE, HELD, SEVERAL = 0.6, 0.8, 2  # heights of a block that a line in it has at most, share of
# the line that lies in it, and how many there are at least
SMALLEST, LONGEST, SHORTEST = -4.2, 3.0, -0.5  # natural logarithms, see `answers`

Words = Callable[[Region], tuple[str, float]]
"""Reads a region: its words and how sure they are in [0, 1]."""


@dataclass(frozen=True)
class Weights:
    """What each answer counts in the logarithm of the odds: see `answers`."""

    bias: float
    score: float
    strength: float
    second: float
    word: float
    letter: float
    height: float
    length: float


BOTH = Weights(-11.82, 6.13, 1.66, 2.91, 4.78, 2.33, -1.22, -0.96)
ALONE = Weights(-13.80, 7.56, 3.01, 0.00, 4.74, 2.06, -1.61, -0.60)  # without a second opinion


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges lines of a picture of `shape` (height, width, …). `seen` gives the probability of
    text that the second opinion sees in a region; None where there was none. `words` reads."""

    shape: tuple[int, ...]
    seen: Callable[[Region], float] | None
    words: Words

    def chances(self, items: Sequence[Strokes]) -> list[float]:
        """The probability of each item of the picture itself (view 0). Reading takes time: only
        those are read of which it decides something."""
        weights = ALONE if self.seen is None else BOTH
        sums = [dot(weights, self.answers(item)) for item in items]
        least, most = logit(PIECE) - max(weights.word, weights.letter), logit(TAKEN)
        open_ones = [n for n, s in enumerate(sums) if least <= s < most]
        read: list[float] = []
        for done, n in enumerate(sorted(open_ones, key=lambda n: -items[n].crop.region.score)):
            if done == MOST_READ:
                read = [float(np.median(read))]
            if done < MOST_READ:
                region = items[n].crop.region
                words = self.read(region)
                read.append(dot(weights, words) - weights.bias)
                if words.word >= SURELY and region.score >= SEEN:
                    sums[n] = logit(TAKEN)
            sums[n] += read[-1]
        return [float(1 / (1 + np.exp(-s))) for s in sums]

    def answers(self, item: Strokes) -> Answers:
        """All that is known of an item before it is read."""
        region = item.crop.region
        size = float(np.sqrt(self.shape[0] * self.shape[1]))
        return Answers(
            score=region.score,
            strength=strength(item),
            second=self.seen(region) if self.seen else 0.0,
            height=max(float(np.log(region.height / size)), SMALLEST),
            length=float(np.clip(np.log(region.length / region.height), SHORTEST, LONGEST)),
        )

    def read(self, region: Region) -> Answers:
        """What reading adds."""
        part = replace(region, length=min(region.length, ENOUGH * region.height))
        words, sure = self.words(part)
        letters = sum(c.isalnum() for c in words)
        return Answers(word=sure if letters > 1 else 0.0, letter=sure if letters == 1 else 0.0)


@dataclass(frozen=True)
class Answers:
    """The detector's `score`, the stroke net's `strength`, what the `second` opinion sees, the
    recogniser's certainty of a `word` or of a single `letter`, each in [0, 1]; the logarithms of
    the line's `height` in roots of the picture's area and of its `length` in heights."""

    score: float = 0.0
    strength: float = 0.0
    second: float = 0.0
    word: float = 0.0
    letter: float = 0.0
    height: float = 0.0
    length: float = 0.0

    def __add__(self, other: Answers) -> Answers:
        return Answers(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def dot(weights: Weights, answers: Answers) -> float:
    """The logarithm of the odds, weights.bias included."""
    return weights.bias + sum(getattr(weights, f.name) * getattr(answers, f.name)
                              for f in fields(Answers))


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def accepted(
    items: Sequence[Strokes], short: int, judge: Judge, legible: Callable[[Region], bool]
) -> list[Strokes]:
    """The candidates that are text; `short` is the short side of the picture in px, `legible`
    tries to read a region that only another view shows."""
    seen = by_view(items, short)
    plain = [x for x in seen.plain if x.crop.region.view == 0]
    taken = [x for x in seen.plain if x.crop.region.view and stands_alone(x, short)]
    doubtful = []
    chances = judge.chances(plain)
    for n, (item, chance) in enumerate(zip(plain, chances, strict=True)):
        if is_block(n, plain, chances):
            continue
        if chance >= TAKEN:
            taken.append(item)
        elif chance >= PIECE:
            doubtful.append(item)
    taken, doubtful = grown(taken, doubtful)
    words = readable(seen.hidden, legible)
    if words:
        taken, _ = grown(taken + words, doubtful)
    return instead(taken, seen.again)


def is_block(n: int, items: Sequence[Strokes], chances: Sequence[float]) -> bool:
    """Whether box `n` holds several lines that are surer than it is, as one line: its strokes
    would be looked for as if it were one."""
    region = items[n].crop.region
    held = [
        x for x, chance in zip(items, chances, strict=True)
        if chance >= max(TAKEN, chances[n]) and x.crop.region.height < LINE * region.height
        and overlap(x.crop.region, region)[0] > HELD
    ]
    return len(held) >= SEVERAL
