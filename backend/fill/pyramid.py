"""The levels PatchMatch works on: padded, with a mask that neither grows nor shrinks, and with
the tones that guide the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from backend.fill.lines import Gap, follow, walls
from backend.fill.patch_kernels import R
from backend.fill.smooth import membrane
from backend.values import Control

TONE = 3  # the level whose colours guide all
SPREAD = 2.0  # px of that level
UNSURE = 0.03  # deviation of the expected tone at which it counts half
NOBODY = np.zeros(0, np.int32)
THIN = 20.0  # px deep: holes that are thinner lean more on what is close to them
TEXTURE = 2  # feature planes after R, G, B: local mean of |d/dx| and |d/dy| (Newson et al. 2017)


@dataclass
class Level:
    """One scale. Arrays include a border of `R` px around the picture, so patches never leave it.

    hole, known H×W bool; feat H×(W·5) float32: R, G, B, texture. hy, hx: hole pixels; ys, xs:
    targets (pixels whose patch touches the hole); tmap H×W int32 index into them or -1; depth:
    distance of each target's centre to the known area, px; valid H×W uint8: the whole patch is
    known; sources: flat indices of these; near: factor of the surcharge on sources aside; led:
    indices of targets whose match is given, and its ny, nx (see lines.follow).
    """

    hole: np.ndarray
    known: np.ndarray
    feat: np.ndarray = field(repr=False)
    hy: np.ndarray = field(repr=False)
    hx: np.ndarray = field(repr=False)
    ys: np.ndarray = field(repr=False)
    xs: np.ndarray = field(repr=False)
    tmap: np.ndarray = field(repr=False)
    depth: np.ndarray = field(repr=False)
    valid: np.ndarray = field(repr=False)
    sources: np.ndarray = field(repr=False)
    tone: np.ndarray = field(repr=False)
    near: float = 1.0
    led: tuple[np.ndarray, np.ndarray, np.ndarray] = field(
        default_factory=lambda: (NOBODY, NOBODY, NOBODY), repr=False)


def halve(
    rgb: np.ndarray, weight: np.ndarray, hole: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half the size by areas. Colours are means of known pixels only; a pixel is hole when more
    than half of it is: counting every touched pixel would grow the hole at each level."""
    height, width = hole.shape
    size = (max(1, (width + 1) // 2), max(1, (height + 1) // 2))
    even = [(0, height % 2), (0, width % 2)]
    rgb = np.pad(rgb * weight[..., None], [*even, (0, 0)], mode="edge")
    weight = np.pad(weight, even, mode="edge")
    hole = np.pad(hole, even, mode="edge")
    total = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) / np.maximum(total, 1e-6)[..., None]
    hole = cv2.resize(hole, size, interpolation=cv2.INTER_AREA)
    return rgb, total, hole


def texture(rgb: np.ndarray, known: np.ndarray, window: int, control: Control) -> np.ndarray:
    """H×W×2: mean absolute x and y differences of luma over known neighbours."""
    grey = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    planes = []
    for axis in (1, 0):
        control.check()
        step = np.abs(np.diff(grey, axis=axis, append=np.take(grey, [-1], axis)))
        both = known & np.roll(known, -1, axis)
        control.check()
        share = cv2.boxFilter(both.astype(np.float32), -1, (window, window))
        mean = cv2.boxFilter(step * both, -1, (window, window)) / np.maximum(share, 1e-6)
        planes.append(mean)
    return np.stack(planes, -1).astype(np.float32)


def depths(hole: np.ndarray) -> np.ndarray:
    """H×W float32: how deep a place lies in the hole (H×W uint8), px; 0 outside it."""
    result = np.zeros(hole.shape, np.float32)
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    if rows.size:  # only around it: a large picture must not cost time
        box = np.s_[max(0, rows[0] - 1) : rows[-1] + 2, max(0, columns[0] - 1) : columns[-1] + 2]
        result[box] = cv2.distanceTransform(hole[box], cv2.DIST_L2, 5)
    return result


def make_level(
    rgb: np.ndarray, hole: np.ndarray, known: np.ndarray, gain: float, control: Control
) -> Level:
    """Pads and lists. `gain` weighs the texture planes against colour."""
    edge = [(R, R), (R, R)]
    control.check()
    rgb = np.pad(rgb, [*edge, (0, 0)], mode="edge")
    control.check()
    hole, seen = np.pad(hole, edge, mode="edge"), np.pad(known, edge, mode="edge")
    height, width = hole.shape
    usable = np.pad(known, edge).astype(np.uint8)
    square = np.ones((2 * R + 1, 2 * R + 1), np.uint8)
    control.check()
    valid = cv2.erode(usable, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    near = cv2.dilate(hole.astype(np.uint8), square) > 0
    near[:R], near[-R:], near[:, :R], near[:, -R:] = False, False, False, False
    ys, xs = np.nonzero(near)
    hy, hx = np.nonzero(hole)
    tmap = np.full((height, width), -1, np.int32)
    tmap[ys, xs] = np.arange(len(ys), dtype=np.int32)
    inner = cv2.copyMakeBorder(
        hole[R:-R, R:-R].astype(np.uint8), R, R, R, R, cv2.BORDER_REPLICATE
    )
    depth = depths(inner)[ys, xs]
    planes = texture(rgb, seen, 5, control) * np.float32(gain)
    control.check()
    feat = np.empty((height, width, 3 + TEXTURE), np.float32)
    feat[..., :3], feat[..., 3:] = rgb, planes
    feat = feat.reshape(height, -1)
    control.check()
    return Level(
        hole, seen, feat, hy.astype(np.int32),
        hx.astype(np.int32), ys.astype(np.int32), xs.astype(np.int32), tmap,
        depth, valid, np.flatnonzero(valid).astype(np.int32),
        np.zeros((1, 1, 7), np.float32),
    )


def build(
    rgb: np.ndarray, hole: np.ndarray, known: np.ndarray, gain: float, control: Control,
    guide: float = 0.0, edges: Sequence[Gap] = (), most: int = 8,
) -> list[Level]:
    """Finest level first. Stops when the hole is about as thick as a patch or the picture as
    small as a few patches, and never where no source patch would be left. `guide`: see `tones`;
    `edges`: those that go on through the hole."""
    weight, cover = known.astype(np.float32), hole.astype(np.float32)
    levels: list[Level] = []
    near = 1.0
    while len(levels) < most:
        control.check()
        mask = cover > 0.5
        seen = (weight > 0.25) & ~mask
        level = make_level(np.where(seen[..., None], rgb, 0), mask, seen, gain, control)
        enough = max(64, len(level.ys) // 8)
        if levels and (len(level.sources) < enough or not len(level.hy)):
            break
        thick = float(depths(np.pad(mask, 1).astype(np.uint8)).max())
        if not levels:
            near += float(np.exp(-np.square(thick / THIN)))
        level.near = near
        scale = 0.5 ** len(levels)
        level.led = follow(edges, scale, level.tmap, level.valid)
        levels.append(level)
        if min(mask.shape) < 32 or thick < 3.0:
            break
        control.check()
        rgb, weight, cover = halve(rgb, weight, cover)
    tones(levels, guide, edges, control)
    return levels


def tones(levels: list[Level], guide: float, edges: Sequence[Gap], control: Control) -> None:
    """Gives each level the colours that guide its search, all from the level TONE: the mean
    around every known place, and what a membrane expects in the hole. A source whose
    surroundings have another tone than is expected at the target costs more."""
    base = levels[min(TONE, len(levels) - 1)]
    rgb = base.feat.reshape(*base.hole.shape, -1)[R:-R, R:-R, :3]
    known = base.known[R:-R, R:-R]
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), SPREAD)
    around = cv2.GaussianBlur(rgb * known[..., None], (0, 0), SPREAD)
    around /= np.maximum(weight, 1e-3)[..., None]
    wall = walls(edges, 0.5 ** min(TONE, len(levels) - 1), (0, 0), known.shape)
    wanted = membrane(np.ascontiguousarray(rgb), known, control, wall=wall)
    wanted = cv2.GaussianBlur(wanted, (0, 0), SPREAD)
    wide_mean = cv2.GaussianBlur(wanted, (0, 0), 2 * SPREAD)
    spread = cv2.GaussianBlur(wanted * wanted, (0, 0), 2 * SPREAD) - wide_mean * wide_mean
    # As if each pixel of a patch were off. Where the expected tone changes it is less certain:
    # there may be an edge, which copies of a tone in between would wash out.
    sure = 1 + np.maximum(spread, 0).sum(2) / np.float32(3 * UNSURE**2)
    sure = np.float32(guide * (2 * R + 1) ** 2) / sure
    both = np.concatenate([around, wanted], -1)
    for level in levels:
        high, wide = ((side + 1) // 2 for side in level.hole.shape)
        level.tone = np.empty((high, wide, 7), np.float32)
        inner = np.s_[2 : high - 1, 2 : wide - 1]  # the border takes up one and a half
        size = (level.tone[inner].shape[1], level.tone[inner].shape[0])
        for first, plane in ((0, both[..., :3]), (3, both[..., 3:]), (6, sure[..., None])):
            part = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
            edge = [(2, 1), (2, 1), (0, 0)]
            level.tone[..., first : first + 3] = np.pad(np.atleast_3d(part), edge, mode="edge")
