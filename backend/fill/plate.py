"""Around every filler, once: grouping, context crops, compositing. The one entry of this stage."""

from __future__ import annotations

import cv2
import numpy as np

from backend.fill.blend import from_unit, push_pull, rim_alpha, span, to_unit
from backend.fill.grain import match
from backend.fill.holes import Group, group_holes
from backend.models.interfaces import FillModel
from backend.values import BadInput, Control

BEYOND = 12  # px behind what lies before the hole, filled with it and not used


def _inner(control: Control, start: float, share: float, text: str) -> Control:
    """A control for one group, whose progress is a part of the whole; notes reach the user."""
    inner = Control(
        lambda _stage, fraction, _text: control.progress(start + share * fraction, text),
        control.is_cancelled,
    )
    inner.notes, inner.seconds = control.notes, control.seconds
    return inner


def _check(pixels: np.ndarray, hole: np.ndarray, core: np.ndarray | None) -> None:
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise BadInput(f"Expected H×W×3 or H×W×4 pixels, got shape {pixels.shape}.")
    for name, mask in (("hole", hole), ("core", core)):
        if mask is not None and mask.shape != pixels.shape[:2]:
            raise BadInput(
                f"The {name} is {mask.shape[1]}×{mask.shape[0]} px, the picture "
                f"{pixels.shape[1]}×{pixels.shape[0]} px: give masks of the picture's size."
            )


def _fill_group(
    plate: np.ndarray, group: Group, sampled: np.ndarray, model: FillModel, control: Control,
    limits: tuple[float, float], seed: int, front: np.ndarray | None,
) -> np.ndarray:
    """The group's crop filled, float32 in [0, 1]."""
    crop = group.crop.slices
    rgb = to_unit(plate[crop][..., :3], *limits)
    control.check()
    known = sampled[crop]
    if not known.any():
        raise BadInput("The hole covers everything that could be sampled: mark a smaller area.")
    # Pixels that are neither known nor in the hole (transparent ones) get a smooth stand-in:
    # a filler that looks at whole squares then never sees their hidden colours.
    stand_in = ~known & (group.hole == 0)
    hole = group.hole
    if stand_in.any():
        rgb[stand_in] = push_pull(rgb, known)[stand_in]
    if front is not None:  # behind it the fill goes on a little: it must not meet a guess there
        near = cv2.dilate(hole, np.ones((2 * BEYOND + 1,) * 2, np.uint8))
        hole = np.where(stand_in & (near > 0) & (front[crop] > 0), np.uint8(255), hole)
    mask = known.astype(np.uint8) * np.uint8(255)
    filled = model.fill(rgb, hole, control, seed=seed, known=mask)
    return match(filled, hole, known, seed) if model.description.invents else filled


def fill_plate(
    pixels: np.ndarray,
    hole: np.ndarray,
    model: FillModel,
    control: Control,
    *,
    core: np.ndarray | None = None,
    avoid: np.ndarray | None = None,
    front: np.ndarray | None = None,
    feather: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Fills the hole of a picture of any depth with any filler.

    pixels: H×W×(3|4) uint8, uint16 or float32, RGB(A), alpha not multiplied in. hole: H×W uint8,
    non-zero = fill. core: H×W uint8, the mask before it was grown: alpha of the fill is 1 on it
    and on two thirds of the growth and falls across the rest; None = 1 in the whole hole.
    feather: px along which it falls instead (see `rim_alpha`).
    avoid: H×W uint8, non-zero = neither filled nor sampled (a hole that is filled later).
    front: H×W uint8, non-zero = what of `avoid` lies before the hole, which goes on behind it.
    Returns a new array like `pixels`, bit-identical outside the hole, in the alpha channel, and
    wherever alpha is 0; transparent pixels are never sampled. The same seed gives the same
    plate. Raises BadInput for wrong shapes or when nothing is left to sample, Cancelled.
    """
    _check(pixels, hole, core)
    plate = pixels.copy()
    limits = span(pixels[..., :3])
    sampled = np.isfinite(pixels[..., :3]).all(2) if pixels.dtype == np.float32 else None
    wanted = hole > 0
    known = ~wanted if sampled is None else ~wanted & sampled
    control.check()
    if pixels.shape[2] == 4:
        top = 1.0 if pixels.dtype == np.float32 else limits[1]
        known &= pixels[..., 3] >= 0.5 * top
        wanted = wanted & (pixels[..., 3] > 0)
    if avoid is not None:
        known &= avoid == 0
    if not wanted.any():
        return plate
    groups = group_holes(wanted.astype(np.uint8) * np.uint8(255), model.description)
    control.check()
    sizes = [np.count_nonzero(g.hole) for g in groups]
    done = 0
    for number, (group, size) in enumerate(zip(groups, sizes, strict=True), 1):
        text = f"Filling hole {number} of {len(groups)}"
        inner = _inner(control, done / sum(sizes), size / sum(sizes), text)
        inner.progress(0.0)
        filled = _fill_group(plate, group, known, model, inner, limits, seed, front)
        control.check()
        inside = group.hole > 0
        crop = group.crop.slices
        alpha = rim_alpha(group.hole, None if core is None else core[crop], feather)
        weight = alpha[inside][:, None]
        source = to_unit(pixels[crop][inside][:, :3], *limits)
        mixed = source + weight * (filled[inside] - source)
        part = plate[crop]
        colour = part[..., :3]
        colour[inside] = from_unit(mixed, pixels.dtype, *limits)
        done += size
    control.progress(1.0)
    return plate
