"""Cut-outs that rebuild the picture: the arithmetic of Normal blending, solved for a layer.

A layer of alpha L and colour F over an opaque pixel c gives L·F + (1 - L)·c (Porter and Duff 1984,
“over”). For a wanted result s and an alpha that a matte proposes, the colour follows:
F = c + (s - c)/L; where it would leave the depth's range, alpha is raised until it does not.
All arrays are H×W×(n+1) in an editor's own depth and colours, straight alpha last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.layers.depth import opaque_value

NEARLY_OPAQUE = 254 / 255  # one level less than opaque may become opaque
OWNER = 0.5  # from this alpha on, a see-through pixel belongs to the layer wholly


@dataclass(frozen=True)
class Range:
    """The colours that a depth, or a float picture, can hold; `top` is its opaque alpha."""

    low: float
    high: float
    top: float

    @classmethod
    def of(cls, source: np.ndarray) -> Range:
        """Of a picture: integers have their own, floats that of their values and of 0 to 1."""
        if source.dtype in (np.uint8, np.uint16):
            top = opaque_value(source.dtype)
            return cls(0.0, top, top)
        colours = source[..., :-1]
        finite = colours[np.isfinite(colours)].astype(np.float32)
        if not finite.size:
            return cls(0.0, 1.0, 1.0)
        return cls(min(0.0, float(finite.min())), max(1.0, float(finite.max())), 1.0)

    def see_through(self, pixels: np.ndarray) -> np.ndarray:
        """H×W bool: more transparent than one level of 255."""
        return pixels[..., -1].astype(np.float32) < NEARLY_OPAQUE * self.top - 1e-6


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    """H×W×n colours with an opaque alpha behind them."""
    top = np.full((*pixels.shape[:2], 1), opaque_value(pixels.dtype), pixels.dtype)
    return np.concatenate([pixels, top], axis=2)


def difference(a: np.ndarray, b: np.ndarray, limits: Range) -> np.ndarray:
    """H×W float32: the largest difference of a channel's colours, 1 = black to white."""
    apart = np.abs(a[..., :-1].astype(np.float32) - b[..., :-1].astype(np.float32)).max(2)
    return np.nan_to_num(apart / np.float32(limits.top), nan=1.0, posinf=1.0)


def cut(
    source: np.ndarray, below: np.ndarray, alpha: np.ndarray, contrast: np.ndarray, limits: Range
) -> tuple[np.ndarray, np.ndarray]:
    """(layer, taken): a layer that makes `source` of `below`.

    source, below: H×W×(n+1), equal in alpha, or else the layer has that pixel wholly.
    alpha: H×W float32 in [0, 1], what a matte proposes.
    contrast: H×W float32 > 0, how far the layer's colours may be from those below (1 = black to
    white): alpha is raised for larger differences, so that a faint layer never has wild colours.
    taken: H×W bool; there the picture is see-through and cannot be shared by two layers, so the
    layer has the source's own pixel, and everything below must become transparent.
    """
    layer = np.zeros_like(source)
    colours, ground = source[..., :-1], below[..., :-1]
    s, c = colours.astype(np.float32), ground.astype(np.float32)
    finite = np.asarray(np.isfinite(s + c).all(axis=2))
    same = np.asarray((colours == ground) | (np.isnan(s) & np.isnan(c))).all(axis=2)
    d = np.where(finite[..., None], s - c, 0).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(d > 0, limits.high - c, c - limits.low)
        gamut = np.where(d == 0, 0, np.abs(d) / np.maximum(room, 1e-12)).max(2)
    need = np.maximum(gamut, np.abs(d).max(2) / (np.maximum(contrast, 1e-6) * limits.top))
    need = np.where(finite | same, np.minimum(need, 1.0), 1.0)
    if source.dtype in (np.uint8, np.uint16):
        level = np.maximum(np.rint(alpha * limits.top), np.ceil(need * limits.top - 1e-3))
    else:
        level = np.maximum(alpha, need).astype(source.dtype).astype(np.float32)
    level = np.minimum(level, limits.top)
    see_through = limits.see_through(source)
    bare = np.abs(source[..., -1].astype(np.float32) - below[..., -1]) > limits.top / 256
    taken = bare | (see_through & ((alpha >= OWNER) | ~same) & (source[..., -1] > 0))
    level[see_through] = 0
    share = level / np.float32(limits.top)
    soft = (level > 0) & (share < 1)
    colour = c[soft] + d[soft] / share[soft][:, None]
    layer[..., :-1][soft] = rounded(np.clip(colour, limits.low, limits.high), source.dtype)
    layer[..., -1] = level.astype(source.dtype)
    whole = share >= 1
    layer[..., :-1][whole] = colours[whole]
    layer[taken] = source[taken]
    # Nothing can be laid over nothing: where the picture ends, so does the layer.
    layer[source[..., -1] <= 0] = 0
    return layer, taken


def over(below: np.ndarray, layer: np.ndarray, limits: Range) -> np.ndarray:
    """What an editor shows of a layer in Normal mode at 100 %, rounded as its depth is."""
    result = below.copy()
    at = layer[..., -1] > 0
    if not at.any():
        return result
    top = np.float32(limits.top)
    lower, upper = below[at].astype(np.float32), layer[at].astype(np.float32)
    part, rest = upper[:, -1:] / top, lower[:, -1:] / top * (1 - upper[:, -1:] / top)
    both = part + rest
    ground = np.where(rest > 0, lower[:, :-1], 0)
    mixed = (part * upper[:, :-1] + rest * ground) / np.maximum(both, 1e-12)
    exact = np.where(part >= 1, upper[:, :-1], mixed)
    result[at] = rounded(np.concatenate([exact, both * top], axis=1), below.dtype)
    return result


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype in (np.uint8, np.uint16):
        return np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype)
    return values.astype(dtype)
