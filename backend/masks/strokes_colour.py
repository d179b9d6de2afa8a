"""The colours of one line: what makes the stroke net's map sharp.

The net knows where letters are, the picture knows which colour they have. A line is written in
few colours, so both are joined as in figure-ground colour models (Rother et al., GrabCut, 2004):
colours are clustered, each cluster learns how often it is letter and how often ground, weighed by
the net's map, and each pixel is decided anew from its cluster and the map.
"""

from __future__ import annotations

import cv2
import numpy as np

CLUSTERS = 12
SAMPLES = 2500
ROUNDS = 3
LEARNT = 40_000  # pixels of a crop from which the clusters' shares are learnt
TRUST_PLACE = (1.0, 0.55)  # factors on the net's map: colours alike, colours well apart
FLOOR, CEILING = 0.02, 0.8  # the net alone never decides wholly
MOST = 6.0  # nor do the colours: where the net sees nothing they make no letter
MOST_OWN = 20.0  # ... in a picture made of the line's own colours


def decide(rgb: np.ndarray, prior: np.ndarray, most: float = MOST) -> np.ndarray:
    """The letters of a crop around one line.

    Args:
        rgb: h×w×3 uint8. prior: h×w float32 in [0, 1], the net's map. most: how much likelier
            than the map says a colour may make letters.

    Returns:
        h×w float32 in [0, 1]. The same input gives the same answer.
    """
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    weight = prior.reshape(-1)
    label = nearest(lab, clusters(lab, weight))
    some = slice(None, None, 1 + len(label) // LEARNT)
    ratio, apart = shares(label[some], weight[some], most)
    # where the colours tell letters from ground, a place among letters proves little
    chance = joined(weight * np.interp(apart, (0.35, 0.7), TRUST_PLACE), ratio[label])
    return chance.reshape(prior.shape).astype(np.float32)


def shares(label: np.ndarray, weight: np.ndarray, most: float) -> tuple[np.ndarray, float]:
    """How much likelier each cluster is in letters than in the ground, and how far apart both
    are (0: written in the ground's colours, 1: no colour is shared)."""
    chance = np.clip(weight, FLOOR, CEILING)
    letters = ground = np.zeros(CLUSTERS)
    ratio = np.ones(CLUSTERS)
    for n in range(ROUNDS):
        if n:
            chance = joined(weight, ratio[label])
        letters = np.bincount(label, chance, CLUSTERS) / max(chance.sum(), 1e-6)
        ground = np.bincount(label, 1 - chance, CLUSTERS) / max((1 - chance).sum(), 1e-6)
        ratio = np.minimum((letters + 1e-3) / (ground + 1e-3), most).astype(np.float32)
    return ratio, 0.5 * float(np.abs(letters - ground).sum())


def joined(weight: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The chance of a letter from the net's map and the colours' ratio."""
    start = np.clip(weight, FLOOR, CEILING)
    with_colour = start * ratio
    return with_colour / (with_colour + 1 - start)


def clusters(lab: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """CLUSTERS×3 colours of n×3 pixels, half of the sample drawn where `weight` is high."""
    rng = np.random.default_rng(0)
    heavy = np.cumsum(weight + 1e-3)
    likely = np.searchsorted(heavy, rng.random(SAMPLES) * heavy[-1])
    sample = np.concatenate([likely, rng.integers(0, len(lab), SAMPLES)])
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 8, 0.5)
    cv2.setRNGSeed(1)
    _, _, centres = cv2.kmeans(
        lab[np.minimum(sample, len(lab) - 1)], CLUSTERS, np.empty(0, np.int32), criteria, 1,
        cv2.KMEANS_PP_CENTERS,
    )
    return centres


def nearest(lab: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """n×3 pixels → n numbers of the nearest of the k×3 colours.

    |p - c|² is least where p·c - |c|²/2 is most, looked at colour by colour: that is faster than
    a table of all, and OpenCV has no threads to wait for in it.
    """
    first, second, third = cv2.split(lab[:, None])
    most = np.full(first.shape, -np.inf, np.float32)
    label = np.zeros(first.shape, np.uint8)
    for n, (a, b, c) in enumerate(centres.tolist()):
        near = cv2.addWeighted(first, a, second, b, -0.5 * (a * a + b * b + c * c))
        near = cv2.scaleAdd(third, c, near)
        label[near > most] = n
        most = cv2.max(most, near)
    return label[:, 0]
