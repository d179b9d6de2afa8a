"""The inner loops of PatchMatch. Features are H × (W·C) float32, so that a patch row is one run.

A *target* is a pixel whose patch touches the hole; `tmap` gives its index or -1. `ny`, `nx` hold
the centre of the source patch each target copies from.
"""

from __future__ import annotations

import numpy as np

from backend.fill.jit import kernel

R = 3  # patches of 7×7


@kernel
def distance(feat, channels, ty, tx, sy, sx, limit):
    """Sum of squared differences of two patches; stops above `limit`."""
    total = np.float32(0.0)
    run = (2 * R + 1) * channels
    a = (tx - R) * channels
    b = (sx - R) * channels
    for dy in range(-R, R + 1):
        row_a = feat[ty + dy, a : a + run]
        row_b = feat[sy + dy, b : b + run]
        part = np.float32(0.0)
        for k in range(run):
            d = row_a[k] - row_b[k]
            part += d * d
        total += part
        if total >= limit:
            return total
    return total


@kernel
def cost(feat, channels, tone, used, ty, tx, sy, sx, limit, lift, aside):
    """Distance, dearer the further the source lies: rows of a picture tend to show the same
    things, and near places the same light. `lift`, `aside`: surcharge a pixel up or sideways.
    `used` (h × w): surcharge on sources that are copied again and again.
    `tone` (h × w × 7, half the size): the surroundings' colour of each source, the colour
    expected of each target, whose difference is added, and the weight of that."""
    factor = np.float32(1.0) + lift * np.float32(abs(sy - ty)) + aside * np.float32(abs(sx - tx))
    factor += used[sy, sx]
    off = np.float32(0.0)
    for c in range(3):
        d = tone[sy >> 1, sx >> 1, c] - tone[ty >> 1, tx >> 1, 3 + c]
        off += d * d
    off *= tone[ty >> 1, tx >> 1, 6]
    rest = limit / factor
    if off >= rest:
        return factor * off
    return factor * (off + distance(feat, channels, ty, tx, sy, sx, rest - off))


@kernel
def mix(state):
    """One step of splitmix64: a random number that depends on its input only."""
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def measure(feat, channels, tone, used, ys, xs, ny, nx, dist, lift, aside, start, stop):
    """Costs of the present matches."""
    far = np.float32(1e30)
    for t in range(start, stop):
        dist[t] = cost(feat, channels, tone, used, ys[t], xs[t], ny[t], nx[t], far, lift, aside)


@kernel
def search(
    feat, channels, tone, used, valid, tmap, ys, xs, old_y, old_x, ny, nx, dist, given, lift, aside,
    start, stop, step, tries, radius, seed,
):
    """One sweep over targets [start, stop): propagation from the neighbours already swept
    (`step` +1: from above and left, -1: from below and right) and a random search around the
    best whose radius halves. Targets whose match is `given` keep it. Neighbours of other slices
    are read from the matches before the sweep, so slices do not depend on each other's speed."""
    height, width = valid.shape
    n = stop - start
    for i in range(n):
        t = start + i if step > 0 else stop - 1 - i
        if given[t]:
            continue
        y, x = ys[t], xs[t]
        by, bx, best = ny[t], nx[t], dist[t]
        for side in range(2):
            dy = step if side == 0 else 0
            dx = step if side == 1 else 0
            nb = tmap[y - dy, x - dx]
            if nb >= 0:
                if start <= nb < stop:
                    cy, cx = ny[nb] + dy, nx[nb] + dx
                else:
                    cy, cx = old_y[nb] + dy, old_x[nb] + dx
                if 0 <= cy < height and 0 <= cx < width and valid[cy, cx]:
                    if cy != by or cx != bx:
                        d = cost(feat, channels, tone, used, y, x, cy, cx, best, lift, aside)
                        if d < best:
                            by, bx, best = cy, cx, d
        state = mix(np.uint64(t) + np.uint64(seed) * np.uint64(1000003))
        reach = radius
        for _ in range(tries):
            if reach < 1:
                break
            state = mix(state)
            span = 2 * reach + 1
            cy = by - reach + int(state % np.uint64(span))
            cx = bx - reach + int((state >> np.uint64(32)) % np.uint64(span))
            if 0 <= cy < height and 0 <= cx < width and valid[cy, cx]:
                d = cost(feat, channels, tone, used, y, x, cy, cx, best, lift, aside)
                if d < best:
                    by, bx, best = cy, cx, d
            reach //= 2
        ny[t], nx[t], dist[t] = by, bx, best


@kernel
def misfit(feat, channels, known, ys, xs, ny, nx, out, start, stop):
    """What a match leaves unexplained of the known pixels of its target's patch: squared colour
    differences as a share of the squared deviations from the patch's mean; a nearly flat patch
    counts as explained."""
    for t in range(start, stop):
        y, x, sy, sx = ys[t], xs[t], ny[t], nx[t]
        count, off = np.float32(1e-6), np.float32(0.0)
        spread = np.float32(0.0)
        for c in range(3):
            total, squares = np.float32(0.0), np.float32(0.0)
            count = np.float32(1e-6)
            for dy in range(-R, R + 1):
                for dx in range(-R, R + 1):
                    if known[y + dy, x + dx]:
                        a = feat[y + dy, (x + dx) * channels + c]
                        d = a - feat[sy + dy, (sx + dx) * channels + c]
                        off += d * d
                        total += a
                        squares += a * a
                        count += np.float32(1.0)
            spread += squares - total * total / count
        out[t] = off / (spread + np.float32(2e-4) * count)


@kernel
def vote(feat, channels, tmap, hy, hx, ny, nx, weight, out, start, stop):
    """Weighted mean of what all patches over each hole pixel [start, stop) propose."""
    height, width = tmap.shape
    acc = np.zeros(channels, np.float32)
    for p in range(start, stop):
        y, x = hy[p], hx[p]
        total = np.float32(1e-20)
        for c in range(channels):
            acc[c] = 0.0
        for dy in range(-R, R + 1):
            if 0 <= y + dy < height:
                for dx in range(-R, R + 1):
                    if 0 <= x + dx < width:
                        t = tmap[y + dy, x + dx]
                        if t >= 0:
                            w = weight[t]
                            sy, sx = ny[t] - dy, (nx[t] - dx) * channels
                            for c in range(channels):
                                acc[c] += w * feat[sy, sx + c]
                            total += w
        for c in range(channels):
            out[p, c] = acc[c] / total


@kernel
def best_patch(tmap, hy, hx, ny, nx, weight, out_y, out_x, start, stop):
    """For each hole pixel the source pixel in the one patch over it that counts most."""
    height, width = tmap.shape
    for p in range(start, stop):
        y, x = hy[p], hx[p]
        best = np.float32(-1.0)
        for dy in range(-R, R + 1):
            if 0 <= y + dy < height:
                for dx in range(-R, R + 1):
                    if 0 <= x + dx < width:
                        t = tmap[y + dy, x + dx]
                        if t >= 0 and weight[t] > best:
                            best = weight[t]
                            out_y[p], out_x[p] = ny[t] - dy, nx[t] - dx


@kernel
def upsample(ys, xs, coarse_map, cny, cnx, valid, sources, ny, nx, seed, start, stop):
    """Matches of a finer level from the coarser one: same shift doubled, same parity; a match
    that is not a valid source there is replaced by the nearest valid one tried, else a random
    one."""
    height, width = valid.shape
    ch, cw = coarse_map.shape
    for t in range(start, stop):
        y, x = ys[t], xs[t]
        qy, qx = min((y - R) // 2 + R, ch - 1), min((x - R) // 2 + R, cw - 1)
        found = False
        for ring in range(3):
            for dy in range(-ring, ring + 1):
                for dx in range(-ring, ring + 1):
                    if found or max(abs(dy), abs(dx)) != ring:
                        continue
                    py, px = qy + dy, qx + dx
                    if 0 <= py < ch and 0 <= px < cw and coarse_map[py, px] >= 0:
                        c = coarse_map[py, px]
                        sy, sx = y + 2 * (cny[c] - py), x + 2 * (cnx[c] - px)
                        if 0 <= sy < height and 0 <= sx < width and valid[sy, sx]:
                            ny[t], nx[t], found = sy, sx, True
        if not found:
            state = mix(np.uint64(t) + np.uint64(seed) * np.uint64(7919))
            s = sources[int(state % np.uint64(len(sources)))]
            ny[t], nx[t] = s // width, s % width
