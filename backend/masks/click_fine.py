"""Fine regions that let later clicks correct small parts: a random walk with a prior.

Random walker with seeds and prior: Grady, "Multilabel Random Walker Image Segmentation Using Prior
Models" (2005). Clicks are the seeds, the region net's answer and local colour likeness the prior,
which counts less around a click that the answer before contradicts.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.masks import click_regions as regions

AIM = 2400  # regions in a window
SHARP = 2.0  # of the colour difference between neighbours, in units of the picture's mean
LEAK = 0.002  # what passes between neighbours whose colours have nothing in common
COLOUR = 0.10  # width of the colour kernel, in units of 50 Lab steps
NEAR = 0.15  # width of its window, of the long side
PRIOR = 0.1  # weight a pixel of the prior, beside walks between like neighbours
SURE = 3.0  # logits of the net beyond this count the same
ALIKE = 0.3  # share of colour in the prior
DOUBT = 0.97  # what a contradicting click takes from the prior at its own place
SEED = 1e4


@dataclass(frozen=True)
class Fine:
    """`labels` h×w int32; `size` N px; `place` N×2 (x, y) px; `pairs` E×2; `weights` E; `kernel`
    N×N float32 likeness of colour and place."""

    labels: np.ndarray
    size: np.ndarray
    place: np.ndarray
    pairs: np.ndarray
    weights: np.ndarray
    kernel: np.ndarray

    def mean(self, plane: np.ndarray) -> np.ndarray:
        """N means of an h×w plane."""
        return np.bincount(self.labels.ravel(), plane.ravel(), minlength=len(self.size)) / self.size


def make(small: np.ndarray, lab: np.ndarray) -> Fine:
    """h×w×3 uint8 RGB and its Lab (float32, over 50) → the fine regions."""
    labels = regions.superpixels(small, AIM)
    flat, count = labels.ravel(), int(labels.max()) + 1
    size = np.bincount(flat, minlength=count).astype(np.float32)
    height, width = labels.shape

    def means(planes: list[np.ndarray]) -> np.ndarray:
        sums = [np.bincount(flat, p.ravel(), minlength=count) / size for p in planes]
        return np.stack(sums, 1).astype(np.float32)

    colour = means(list(cv2.split(lab)))
    ys, xs = np.mgrid[:height, :width]
    place = means([xs, ys])
    pairs, where = regions.touching(labels)
    index, r0, c0, r1, c1 = where[0]
    length = np.bincount(index, minlength=len(pairs)).astype(np.float32)
    across = ((lab[r0, c0] - lab[r1, c1]) ** 2).sum(1)
    across = np.bincount(index, across, minlength=len(pairs)) / length
    apart = np.maximum(((colour[pairs[:, 0]] - colour[pairs[:, 1]]) ** 2).sum(1), across)
    usual = 2 * float(apart.mean()) + 1e-6 if len(pairs) else 1.0
    weights = length * (np.exp(-SHARP * apart / usual) + LEAK)
    looks = np.concatenate((colour / COLOUR, place / max(height, width) / NEAR), 1)
    square = (looks**2).sum(1)
    kernel = square[:, None] + square[None] - 2 * looks @ looks.T
    kernel = np.exp(-0.5 * np.maximum(kernel, 0, out=kernel), out=kernel)
    return Fine(labels, size, place, pairs, weights, kernel.astype(np.float32))


def walk(
    fine: Fine, answer: np.ndarray, clicks: list[tuple[int, int, bool]],
    wrong: list[tuple[int, int, float]], reach: float = 0.5,
) -> np.ndarray:
    """h×w float32 in [0, 1]: the chance that a walk from here ends inside.

    `answer` h×w in [0, 1]; `clicks` x, y, adds; `wrong` x, y and radius of the clicks that the
    answer before contradicted: the prior counts less within `reach` of that radius.
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import spsolve

    inside = np.clip(fine.mean(answer), 0.01, 0.99)
    logit = np.clip(np.log(inside / (1 - inside)), -SURE, SURE)
    seeds = np.full(len(fine.size), -1.0)
    for x, y, adds in clicks:
        seeds[fine.labels[y, x]] = adds
    sides = np.stack((fine.size * inside, fine.size * (1 - inside)), 1).astype(np.float32)
    like = fine.kernel @ sides + 1e-2
    logit = logit + ALIKE * np.clip(np.log(like[:, 0] / like[:, 1]), -3, 3)
    prior = 1 / (1 + np.exp(-logit))
    trust = PRIOR * fine.size.astype(np.float64)
    for x, y, radius in wrong:
        far = np.hypot(fine.place[:, 0] - x, fine.place[:, 1] - y)
        trust *= 1 - DOUBT * np.exp(-((far / max(2.0, reach * radius)) ** 2))
    fixed = np.where(seeds >= 0, SEED, 0.0)
    count = len(fine.size)
    one_way = coo_matrix((fine.weights, (fine.pairs[:, 0], fine.pairs[:, 1])), (count, count))
    both = (one_way + one_way.T).tocsr()
    degree = np.asarray(both.sum(1)).ravel()
    system = (diags(degree + trust + fixed) - both).tocsc()
    found = np.asarray(spsolve(system, trust * prior + fixed * np.maximum(seeds, 0)))
    return found[fine.labels].astype(np.float32)
