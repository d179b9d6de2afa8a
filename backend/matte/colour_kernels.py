"""One level of the foreground estimation, compiled with numba."""

from __future__ import annotations

from backend.fill.jit import kernel


@kernel
def relax(image, alpha, front, back, low, high, rounds, smooth, along):
    """Gauss-Seidel rounds over front and back (H×W×3 float32, changed in place): each pixel's two
    colours from its own mix and its four neighbours'. low, high: the three channels' range."""
    height, width = alpha.shape
    for _ in range(rounds):
        for y in range(height):
            for x in range(width):
                a = alpha[y, x]
                aa, ab, bb = a * a, a * (1 - a), (1 - a) * (1 - a)
                f0, f1, f2 = a * image[y, x, 0], a * image[y, x, 1], a * image[y, x, 2]
                g0, g1, g2 = (1 - a) * image[y, x, 0], (1 - a) * image[y, x, 1], (
                    1 - a) * image[y, x, 2]
                for k in range(4):
                    ny, nx = y + (k == 0) - (k == 1), x + (k == 2) - (k == 3)
                    if ny < 0 or nx < 0 or ny >= height or nx >= width:
                        continue
                    pull = smooth + along * abs(a - alpha[ny, nx])
                    aa += pull
                    bb += pull
                    f0 += pull * front[ny, nx, 0]
                    f1 += pull * front[ny, nx, 1]
                    f2 += pull * front[ny, nx, 2]
                    g0 += pull * back[ny, nx, 0]
                    g1 += pull * back[ny, nx, 1]
                    g2 += pull * back[ny, nx, 2]
                det = 1 / (aa * bb - ab * ab + 1e-12)
                front[y, x, 0] = min(high[0], max(low[0], det * (bb * f0 - ab * g0)))
                front[y, x, 1] = min(high[1], max(low[1], det * (bb * f1 - ab * g1)))
                front[y, x, 2] = min(high[2], max(low[2], det * (bb * f2 - ab * g2)))
                back[y, x, 0] = min(high[0], max(low[0], det * (aa * g0 - ab * f0)))
                back[y, x, 1] = min(high[1], max(low[1], det * (aa * g1 - ab * f1)))
                back[y, x, 2] = min(high[2], max(low[2], det * (aa * g2 - ab * f2)))
