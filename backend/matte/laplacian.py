"""The matting Laplacian of the unsure pixels, and its solver, compiled with numba.

Closed form: Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting", PAMI
2008. Each row couples an unsure pixel with the 5×5 pixels around it, so the matrix is kept as
N×25 values. Sure pixels move to the right-hand side. Solved by conjugate gradients under an
incomplete Cholesky factor without fill-in.
"""

from __future__ import annotations

import numpy as np

from backend.fill.jit import kernel


@kernel
def assemble(image, index, alpha, epsilon, values, right):
    """Adds every 3×3 window that holds an unsure pixel.

    image H×W×3 float32; index H×W int32, -1 = sure; alpha H×W float32 of the sure pixels;
    values N×25 and right N float64, both zero before.
    """
    height, width = index.shape
    d = np.empty((9, 3))
    z = np.empty((9, 3))
    inverse = np.empty((3, 3))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            wanted = False
            for k in range(9):
                if index[y - 1 + k // 3, x - 1 + k % 3] >= 0:
                    wanted = True
                    break
            if not wanted:
                continue
            for c in range(3):
                mean = 0.0
                for k in range(9):
                    d[k, c] = image[y - 1 + k // 3, x - 1 + k % 3, c]
                    mean += d[k, c]
                mean /= 9
                for k in range(9):
                    d[k, c] -= mean
            a = b = e = g = h = i = 0.0
            for k in range(9):
                a += d[k, 0] * d[k, 0]
                b += d[k, 0] * d[k, 1]
                e += d[k, 0] * d[k, 2]
                g += d[k, 1] * d[k, 1]
                h += d[k, 1] * d[k, 2]
                i += d[k, 2] * d[k, 2]
            a, b, e = a / 9 + epsilon / 9, b / 9, e / 9
            g, h, i = g / 9 + epsilon / 9, h / 9, i / 9 + epsilon / 9
            one = g * i - h * h
            two = e * h - b * i
            three = b * h - e * g
            det = a * one + b * two + e * three
            inverse[0, 0] = one / det
            inverse[0, 1] = inverse[1, 0] = two / det
            inverse[0, 2] = inverse[2, 0] = three / det
            inverse[1, 1] = (a * i - e * e) / det
            inverse[1, 2] = inverse[2, 1] = (b * e - a * h) / det
            inverse[2, 2] = (a * g - b * b) / det
            for k in range(9):
                for c in range(3):
                    z[k, c] = (inverse[c, 0] * d[k, 0] + inverse[c, 1] * d[k, 1]
                               + inverse[c, 2] * d[k, 2])
            for k in range(9):
                ky, kx = k // 3, k % 3
                row = index[y - 1 + ky, x - 1 + kx]
                if row < 0:
                    continue
                for m in range(9):
                    my, mx = m // 3, m % 3
                    value = -(1 + z[k, 0] * d[m, 0] + z[k, 1] * d[m, 1] + z[k, 2] * d[m, 2]) / 9
                    if k == m:
                        value += 1.0
                    if index[y - 1 + my, x - 1 + mx] >= 0:
                        values[row, (my - ky + 2) * 5 + mx - kx + 2] += value
                    else:
                        right[row] -= value * alpha[y - 1 + my, x - 1 + mx]


@kernel
def neighbours(index, ys, xs, found):
    """found N×25 int32: the row of each pixel around, -1 = none."""
    height, width = index.shape
    for row in range(ys.size):
        for k in range(25):
            y, x = ys[row] + k // 5 - 2, xs[row] + k % 5 - 2
            found[row, k] = -1
            if 0 <= y < height and 0 <= x < width:
                found[row, k] = index[y, x]


@kernel
def factor(values, found, shift, lower):
    """Incomplete Cholesky into lower N×13 float32 (the last is 1 / diagonal); False where a
    pivot is not positive and a larger shift is needed."""
    for row in range(values.shape[0]):
        diagonal = values[row, 12] * (1 + shift)
        for k in range(12):
            column = found[row, k]
            if column < 0:
                lower[row, k] = 0
                continue
            total = values[row, k]
            ky, kx = k // 5, k % 5
            for m in range(k):
                # The same pixel seen from the neighbour: its offset less the neighbour's.
                oy, ox = m // 5 - ky + 2, m % 5 - kx + 2
                if 0 <= oy < 5 and 0 <= ox < 5 and oy * 5 + ox < 12:
                    total -= lower[row, m] * lower[column, oy * 5 + ox]
            entry = total * lower[column, 12]
            lower[row, k] = entry
            diagonal -= entry * entry
        if not diagonal > 1e-9:
            return False
        lower[row, 12] = 1 / np.sqrt(diagonal)
    return True


@kernel
def multiply(values, found, x, out):
    for row in range(x.size):
        total = values[row, 12] * x[row]
        for k in range(25):
            column = found[row, k]
            if k != 12 and column >= 0:
                total += values[row, k] * x[column]
        out[row] = total


@kernel
def precondition(lower, found, r, out):
    """out = (L Lᵀ)⁻¹ r."""
    count = r.size
    for row in range(count):
        total = r[row]
        for k in range(12):
            column = found[row, k]
            if column >= 0:
                total -= lower[row, k] * out[column]
        out[row] = total * lower[row, 12]
    for row in range(count - 1, -1, -1):
        value = out[row] * lower[row, 12]
        out[row] = value
        for k in range(12):
            column = found[row, k]
            if column >= 0:
                out[column] -= lower[row, k] * value


@kernel
def iterate(values, found, lower, x, r, p, state, rounds, least):
    """Up to `rounds` steps of conjugate gradients on x, r and p in place; state[0] is r·z, kept
    between calls. Returns True when the residual's norm is below `least`."""
    z = np.empty_like(r)
    q = np.empty_like(r)
    for _ in range(rounds):
        multiply(values, found, p, q)
        step = 0.0
        for i in range(r.size):
            step += p[i] * q[i]
        if step <= 0:
            return True
        step = state[0] / step
        norm = 0.0
        for i in range(r.size):
            x[i] += step * p[i]
            r[i] -= step * q[i]
            norm += r[i] * r[i]
        if norm < least * least:
            return True
        precondition(lower, found, r, z)
        fresh = 0.0
        for i in range(r.size):
            fresh += r[i] * z[i]
        ratio = fresh / state[0]
        state[0] = fresh
        for i in range(r.size):
            p[i] = z[i] + ratio * p[i]
    return False
