"""From a trimap to alpha, in crops around the unsure band, at any picture size.

Closed-form matting with an opinion from colour pairs on every unsure pixel (sampling.py). Windows
over TILE² px are solved coarsely first; then tiles that overlap are solved in full from there and
faded into each other, so that no seam shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import cv2
import numpy as np

from backend.matte import band
from backend.matte.band import IN, OUT, UNSURE
from backend.models.interfaces import Description
from backend.values import BadInput, Box, Control

CLOSED_FORM = Description("matte-closed-form", "cpu")
MARGIN = 24  # px of sure pixels around the band of a crop
TILE, OVERLAP = 1024, 96  # px
BELIEF = 2e-3  # weight of a wholly confident opinion, against the Laplacian's rows
COARSE_BELIEF = 1e-5  # weight of the coarse alpha inside tiles
MASK_BELIEF = 2e-5  # weight of the softened mask: it decides only where colours tell nothing
LEARNED_BELIEF = 1e-3
FAINT = 0.004  # what nobody sees becomes wholly in or out; a level of 255


class MatteModel(Protocol):
    """A learned matte."""

    def opinion(
        self, image: np.ndarray, trimap: np.ndarray, control: Control
    ) -> tuple[np.ndarray, np.ndarray]:
        """H×W×3 float32 in [0, 1] and H×W uint8 → (alpha, confidence), H×W float32 in [0, 1]."""
        ...


def matte(
    rgb: np.ndarray,
    mask: np.ndarray,
    control: Control,
    *,
    probability: np.ndarray | None = None,
    trimap: np.ndarray | None = None,
    model: MatteModel | None = None,
) -> np.ndarray:
    """H×W float32 alpha in [0, 1], exactly 0 and 1 where the trimap is sure.

    rgb: H×W×3 uint8, uint16 or float in [0, 1]. mask: H×W uint8, over 127 = in. probability:
    H×W float32 in [0, 1] of the model that made the mask. trimap: H×W uint8, 0, 128 and 255;
    made from the mask when None. model: a learned matte whose opinion is heard, too.
    Raises BadInput (sizes differ), Cancelled.
    """
    guess = None
    if trimap is None:
        trimap = band.trimap(mask, rgb, probability)
        guess = mask
    if trimap.shape != rgb.shape[:2]:
        raise BadInput("The trimap must have the picture's size.")
    sure_in, sure_out = trimap == IN, trimap == OUT
    unsure = ~sure_in & ~sure_out
    alpha = sure_in.astype(np.float32)
    boxes = list(crops(unsure))
    for number, box in enumerate(boxes):
        control.progress(number / len(boxes), "Finding soft edges")
        part = np.where(unsure[box.slices], np.uint8(UNSURE), trimap[box.slices])
        image = as_float(rgb[box.slices])

        def report(fraction: float, start: int = number) -> None:
            control.progress((start + fraction) / len(boxes))

        start = None if guess is None else softened(guess[box.slices])
        made = window(image, part, control, model, start, report)
        own = unsure[box.slices]
        alpha[box.slices][own] = np.clip((made[own] - FAINT) / (1 - 2 * FAINT), 0, 1)
    return alpha


def as_float(rgb: np.ndarray) -> np.ndarray:
    """H×W×3 of any depth as float32 in [0, 1]; values beyond are clipped, for they only guide."""
    top = {"uint8": 255.0, "uint16": 65535.0}.get(rgb.dtype.name, 1.0)
    colours = np.nan_to_num(rgb[..., :3].astype(np.float32), nan=0.0, posinf=top, neginf=0.0)
    return np.clip(colours / np.float32(top), 0.0, 1.0)


def softened(mask: np.ndarray) -> np.ndarray:
    """H×W uint8 → H×W float32 in [0, 1] that rises across the band."""
    inside = (mask > 127).astype(np.float32)
    sigma = 0.7 * band.band_width(int(np.count_nonzero(inside)))
    return cv2.GaussianBlur(inside, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def crops(unsure: np.ndarray) -> Iterator[Box]:
    """Boxes with a margin around the unsure pixels, one for each group of them that is apart.
    A pixel may lie in several boxes; it comes out the same for it is solved with its own group."""
    height, width = unsure.shape
    if not unsure.any():
        return
    near = cv2.dilate(unsure.astype(np.uint8), np.ones((2 * MARGIN + 1,) * 2, np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    for x, y, w, h, _ in np.asarray(stats)[1:count].tolist():
        yield Box(max(0, x), max(0, y), min(width, x + w), min(height, y + h))


def window(
    image: np.ndarray,
    trimap: np.ndarray,
    control: Control,
    model: MatteModel | None = None,
    guess: np.ndarray | None = None,
    report: Callable[[float], None] = lambda _: None,
) -> np.ndarray:
    """H×W float32 alpha of one window: H×W×3 float32 in [0, 1], H×W uint8 trimap, H×W float32
    alpha of a softened mask."""
    height, width = trimap.shape
    if height * width <= TILE * TILE:
        return piece(image, trimap, control, model, guess, MASK_BELIEF)
    scale = (TILE / 2) / np.sqrt(height * width)
    start = coarse(image, trimap, scale, control, model, guess)
    total = np.zeros(trimap.shape, np.float32)
    weights = np.zeros(trimap.shape, np.float32)
    boxes = [b for b in tiles(height, width) if (trimap[b.slices] == UNSURE).any()]
    for number, box in enumerate(boxes):
        report((number + 1) / (len(boxes) + 1))
        made = piece(image[box.slices], trimap[box.slices], control, model, start[box.slices],
                     COARSE_BELIEF)
        fade = ramp(box, height, width)
        total[box.slices] += made * fade
        weights[box.slices] += fade
    return np.where(trimap == UNSURE, total / np.maximum(weights, 1e-6), trimap == IN).astype(
        np.float32)


def tiles(height: int, width: int) -> Iterator[Box]:
    """Boxes of about TILE px a side that overlap by OVERLAP."""

    def spans(length: int) -> list[tuple[int, int]]:
        count = max(1, -(-(length - OVERLAP) // (TILE - OVERLAP)))
        step = (length - OVERLAP) / count
        return [(round(i * step), min(length, round((i + 1) * step) + OVERLAP))
                for i in range(count)]

    for y0, y1 in spans(height):
        for x0, x1 in spans(width):
            yield Box(x0, y0, x1, y1)


def ramp(box: Box, height: int, width: int) -> np.ndarray:
    """H×W float32 weights of a tile, falling to almost nothing on sides where another follows."""

    def side(length: int, first: bool, last: bool) -> np.ndarray:
        line = np.full(length, float(OVERLAP))
        climb = np.arange(length) + 0.5
        if not first:
            line = np.minimum(line, climb)
        if not last:
            line = np.minimum(line, climb[::-1])
        return (line / OVERLAP).astype(np.float32)

    return (side(box.height, box.y0 == 0, box.y1 == height)[:, None]
            * side(box.width, box.x0 == 0, box.x1 == width)[None])


def coarse(
    image: np.ndarray, trimap: np.ndarray, scale: float, control: Control,
    model: MatteModel | None, guess: np.ndarray | None,
) -> np.ndarray:
    """H×W float32: the alpha of the window made smaller, enlarged again."""
    height, width = trimap.shape
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # A small pixel is sure where all that it holds are.
    most = cv2.resize((trimap == IN).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    none = cv2.resize((trimap == OUT).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    part = np.full(most.shape, UNSURE, np.uint8)
    part[most > 0.999] = IN
    part[none > 0.999] = OUT
    if guess is not None:
        guess = cv2.resize(guess, size, interpolation=cv2.INTER_AREA)
    made = piece(small, part, control, model, guess, MASK_BELIEF)
    return cv2.resize(made, (width, height), interpolation=cv2.INTER_LINEAR)


def piece(
    image: np.ndarray,
    trimap: np.ndarray,
    control: Control,
    model: MatteModel | None = None,
    start: np.ndarray | None = None,
    belief: float = 0.0,
) -> np.ndarray:
    """H×W float32 alpha of a crop solved at once. start: H×W float32, a coarse alpha or a softened
    mask, believed a little where the colours tell nothing."""
    from backend.matte import sampling
    from backend.matte.solve import solve

    inside = trimap == IN
    unsure = trimap == UNSURE
    alpha = inside.astype(np.float32)
    believed: list[tuple[np.ndarray, Any]] = []
    pairs = sampling.opinion(image, unsure, inside, control)
    if pairs is not None:
        believed.append((pairs.alpha, pairs.confidence * np.float32(BELIEF)))
    if model is not None:
        learned, confidence = model.opinion(image, trimap, control)
        believed.append((learned, confidence * np.float32(LEARNED_BELIEF)))
    if start is not None:
        believed.append((start, np.full(start.shape, belief, np.float32)))
    if not believed:
        # Nothing sure to compare with on one side: the other side's answer is all there is.
        return np.where(unsure, np.float32(inside.any()), alpha)
    weight = np.zeros(trimap.shape, np.float32)
    opinion = np.zeros(trimap.shape, np.float32)
    for value, own in believed:
        opinion += value * own
        weight += own
    opinion /= np.maximum(weight, 1e-12)
    made = solve(image, unsure, alpha, control, opinion=opinion, weight=weight, start=start)
    return np.clip(made, 0, 1)
