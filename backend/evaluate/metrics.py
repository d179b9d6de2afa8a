"""Scores of masks and fills.

Masks are H×W uint8 (set where > 127), pictures H×W×3 uint8. The numbers follow one definition
for the whole project: SSIM after Wang et al. 2004 (Gaussian window, 11 px, σ = 1.5), patch SWD
after Karras et al. 2018, section 5, on the hole of one image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

C1, C2 = 6.5025, 58.5225  # (0.01·255)², (0.03·255)²
PATCH = 7


def iou(found: np.ndarray, truth: np.ndarray, valid: np.ndarray | None = None) -> float:
    """Intersection over union; only pixels where `valid` (bool) counts, when it is given."""
    p, g = _set(found, valid), _set(truth, valid)
    return float((p & g).sum() / max(1, (p | g).sum()))


def precision_recall(
    found: np.ndarray, truth: np.ndarray, tolerance: int = 0, valid: np.ndarray | None = None
) -> tuple[float, float]:
    """Share of found pixels within `tolerance` px of the truth, share of the truth found."""
    p, g = _set(found, valid), _set(truth, valid)
    near = grown(truth, tolerance) > 127 if tolerance else g
    return float((p & near).sum() / max(1, p.sum())), float((p & g).sum() / max(1, g.sum()))


def grown(mask: np.ndarray, radius: int) -> np.ndarray:
    """The mask (0/255) dilated by an ellipse of `radius` px."""
    binary = (mask > 127).astype(np.uint8) * 255
    if radius <= 0:
        return binary
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    return cv2.dilate(binary, kernel)


def psnr(a: np.ndarray, b: np.ndarray, hole: np.ndarray) -> float:
    """PSNR in dB over the pixels of the hole."""
    inside = hole > 127
    difference = (a.astype(np.float64) - b)[inside]
    return float(10 * np.log10(255**2 / max(1e-9, (difference**2).mean())))


def ssim(a: np.ndarray, b: np.ndarray, hole: np.ndarray) -> float:
    """Mean of the SSIM map over the pixels of the hole."""
    return float(ssim_map(a, b)[hole > 127].mean())


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """H×W float64: SSIM, mean of the channels."""
    a, b = a.astype(np.float64), b.astype(np.float64)

    def blurred(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    ma, mb = blurred(a), blurred(b)
    va, vb = blurred(a * a) - ma * ma, blurred(b * b) - mb * mb
    covariance = blurred(a * b) - ma * mb
    top = (2 * ma * mb + C1) * (2 * covariance + C2)
    return (top / ((ma * ma + mb * mb + C1) * (va + vb + C2))).mean(2)


def swd(
    a: np.ndarray,
    b: np.ndarray,
    hole: np.ndarray,
    levels: int = 4,
    count: int = 4000,
    projections: int = 128,
    seed: int = 0,
) -> float:
    """Sliced Wasserstein distance between the 7×7 patches of `a` and of the reference `b` in
    the hole, mean over Laplacian levels, times 100. Low when texture and detail are those of the
    true background, whatever their exact position; a blur scores badly."""
    rng, distances = np.random.default_rng(seed), []
    a, b = a.astype(np.float32), b.astype(np.float32)
    inside = (hole > 127).astype(np.uint8)
    for level in range(levels):
        a_small, b_small = cv2.pyrDown(a), cv2.pyrDown(b)
        size = (a.shape[1], a.shape[0])
        if level == levels - 1:
            band_a, band_b = a, b
        else:
            band_a = a - cv2.pyrUp(a_small, dstsize=size)
            band_b = b - cv2.pyrUp(b_small, dstsize=size)
        ys, xs = np.where(inside[3:-3, 3:-3] > 0)
        if len(ys) < 50:
            break
        chosen = rng.choice(len(ys), min(count, len(ys)), replace=False)
        patches_a = _patches(band_a, ys[chosen], xs[chosen])
        patches_b = _patches(band_b, ys[chosen], xs[chosen])
        mean = patches_b.reshape(-1, 3, PATCH * PATCH).mean((0, 2))
        deviation = patches_b.reshape(-1, 3, PATCH * PATCH).std((0, 2)) + 1
        directions = rng.normal(size=(3 * PATCH * PATCH, projections))
        directions /= np.linalg.norm(directions, axis=0)
        sorted_a = np.sort(_normed(patches_a, mean, deviation) @ directions, 0)
        sorted_b = np.sort(_normed(patches_b, mean, deviation) @ directions, 0)
        distances.append(np.abs(sorted_a - sorted_b).mean())
        a, b = a_small, b_small
        size = (a.shape[1], a.shape[0])
        inside = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST)
    return float(np.mean(distances)) * 100 if distances else 0.0


def hole_scores(a: np.ndarray, b: np.ndarray, hole: np.ndarray) -> dict[str, float]:
    """`psnr`, `ssim` and `swd` of the fill `a` against the truth `b` inside the hole."""
    return {"psnr": psnr(a, b, hole), "ssim": ssim(a, b, hole), "swd": swd(a, b, hole)}


def _set(mask: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    return mask > 127 if valid is None else (mask > 127) & valid


def _patches(image: np.ndarray, ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    windows = sliding_window_view(image, (PATCH, PATCH), (0, 1))  # type: ignore[call-overload]
    return windows[ys, xs].reshape(len(ys), -1)


def _normed(patches: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    by_channel = patches.reshape(-1, 3, PATCH * PATCH)
    return ((by_channel - mean[:, None]) / deviation[:, None]).reshape(len(patches), -1)
