"""Pixel work of the CPU composer: windows, placing, shadows, letters, colours, coding."""

from __future__ import annotations

import cv2
import numpy as np

Generator = np.random.Generator


def window(
    rng: Generator, photo: np.ndarray, shape: tuple[int, int], low: float
) -> list[np.ndarray]:
    """A random part of a photo (H×W×C uint8), at least `low` of its short side, mirrored half of
    the time: [h×w×3 float32, then h×w×(C−3) float32 where C > 3], 0..255."""
    height, width = photo.shape[:2]
    aspect = shape[1] / shape[0] * np.exp(rng.uniform(-0.2, 0.2))
    share = low + (1 - low) * rng.random() ** 0.8
    tall = share * min(height, width / aspect)
    wide = tall * aspect
    if rng.random() < 0.25:  # the whole photo, a little out of shape
        tall, wide = float(height), min(width, height * aspect * 1.25)
        tall = min(tall, wide / aspect * 1.25)
    tall, wide = max(8, round(tall)), max(8, round(wide))
    y, x = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    part = photo[y : y + tall, x : x + wide]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    mode = cv2.INTER_AREA if tall > shape[0] else cv2.INTER_LINEAR
    out = []
    for first, last in ((0, 3), (3, photo.shape[2])):
        if last > first:
            piece = np.ascontiguousarray(part[..., first:last])
            small = cv2.resize(piece, (shape[1], shape[0]), interpolation=mode)
            out.append(small.astype(np.float32))
    return out


def recolour(rng: Generator, rgb: np.ndarray, strength: float) -> np.ndarray:
    """Gain, gamma, contrast, tint and saturation of h×w×3 (0..255) → float32."""
    wide = strength * (0.6 if rng.random() < 0.75 else 1.2)
    gain, contrast, gamma, colour = np.exp(rng.normal(0, (0.17, 0.2, 0.2, 0.3)) * wide)
    tint = rng.normal(0, 10, 3) * wide
    ramp = np.arange(256, dtype=np.float32)[:, None] / 255
    table = 255 * ((ramp**gamma * gain - 0.5) * contrast + 0.5) + tint
    table = table.clip(0, 255).astype(np.uint8)[None]
    small = rgb if rgb.dtype == np.uint8 else rgb.clip(0, 255).astype(np.uint8)
    out = cv2.LUT(small, table).astype(np.float32)
    if rng.random() < 0.03:
        colour = 0.0
    grey = np.array([[0.299, 0.587, 0.114]], np.float32).repeat(3, 0)
    matrix = np.eye(3, dtype=np.float32) * np.float32(colour) + grey * np.float32(1 - colour)
    return cv2.transform(out, matrix).clip(0, 255)


def cut_part(rng: Generator, cut: np.ndarray) -> np.ndarray:
    """Heads, half bodies, legs of a cut-out."""
    height = cut.shape[0]
    kept = max(8, round(height * rng.uniform(0.25, 0.8)))
    first = 0 if rng.random() < 0.7 else int(rng.integers(height - kept + 1))
    return cut[first : first + kept]


def place(
    rng: Generator, cut: np.ndarray, foot: tuple[float, float], scale: float, angle: float,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Puts a cut-out's lower middle at `foot` (x, y): h×w×3 uint8 and alpha h×w float32.

    The edge is cut a little inside or outside and then softened by up to a pixel.
    """
    if scale < 0.75:
        size = (max(2, round(cut.shape[1] * scale)), max(2, round(cut.shape[0] * scale)))
        cut, scale = cv2.resize(cut, size, interpolation=cv2.INTER_AREA), 1.0
    else:
        cut = np.ascontiguousarray(cut)
    height, width = cut.shape[:2]
    turn = np.deg2rad(angle)
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    stretch = np.exp(rng.normal(0, 0.08)) * (-1 if rng.random() < 0.5 else 1)
    matrix = np.array([[cos * stretch, -sin, 0], [sin * stretch, cos, 0]])
    matrix[:, 2] = np.array(foot) - matrix[:, :2] @ np.array([width / 2, height])
    # Turned about its middle, not its foot, a lying figure stays where it was put.
    middle = matrix[:, :2] @ np.array([width / 2, height / 2]) + matrix[:, 2]
    matrix[:, 2] += np.array([foot[0], foot[1] - height * scale / 2]) - middle
    size = (shape[1], shape[0])
    rgb = cv2.warpAffine(cut[..., :3], matrix, size, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(np.ascontiguousarray(cut[..., 3]), matrix, size)
    alpha = alpha.astype(np.float32) / 255
    if rng.random() < 0.3:
        alpha = cv2.erode(alpha, np.ones((3, 3), np.uint8))
    alpha = ((alpha - rng.uniform(0.35, 0.65)) * rng.uniform(1, 2.5) + 0.5).clip(0, 1)
    if rng.random() < 0.7:
        alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.3, 1.1))
    if rng.random() < 0.2:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.2))
    return rgb, alpha.astype(np.float32)


def laid_shadow(rng: Generator, alpha: np.ndarray, foot: float, tall: float) -> np.ndarray:
    """The outline laid down from the feet, sheared and blurred, and a dark spot below the feet:
    h×w float32, how much of the light is lost."""
    height, width = alpha.shape
    flat = rng.uniform(0.12, 0.5) * (1 if rng.random() < 0.7 else -1)
    lean = rng.uniform(-1.3, 1.3)
    lay = np.array([[1, lean / flat, -lean / flat * foot], [0, 1 / flat, foot * (1 - 1 / flat)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    dark = cv2.warpAffine(alpha, lay, (width, height), flags=flags) * rng.uniform(0.15, 0.6)
    if rng.random() < 0.5:
        columns = np.nonzero(alpha[max(0, min(height - 1, int(foot)) - int(0.08 * tall) - 1) :]
                             .max(0, initial=0) > 0.5)[0]
        if len(columns):
            spot = np.zeros_like(dark)
            centre = (int(columns.mean()), int(min(height - 1, foot)))
            half = (max(2, int(np.ptp(columns) * 0.6)), max(1, int(0.02 * tall)))
            cv2.ellipse(spot, centre, half, 0, 0, 360, rng.uniform(0.3, 0.7), -1)
            dark = np.maximum(dark, spot)
    return cv2.GaussianBlur(dark, (0, 0), float(np.clip(tall * rng.uniform(0.005, 0.03), 0.5, 5)))


def band(rng: Generator, shape: tuple[int, int]) -> np.ndarray:
    """What covers: the side of a straight line, mostly from below, or a post; h×w float32."""
    height, width = shape
    angle = rng.normal(np.pi / 2, 0.12) if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
    ys = (np.arange(height, dtype=np.float32)[:, None] / height - 0.5) * np.sin(angle)
    xs = (np.arange(width, dtype=np.float32)[None] / width - 0.5) * np.cos(angle)
    start = rng.uniform(0.28, 0.48) * rng.uniform(0.4, 1)
    end = start + (rng.uniform(0.02, 0.1) if rng.random() < 0.4 else 9.0)
    along = xs + ys
    return ((along > start) & (along < end)).astype(np.float32)


def write_lines(rng: Generator, rgb: np.ndarray, lines: list[np.ndarray]) -> np.ndarray:
    """Draws one to five lines of text into `rgb` (h×w×3 float32), plain, outlined, shadowed or on
    plates; returns h×w float32: how much of the picture they cover."""
    height, width = rgb.shape[:2]
    covered = np.zeros((height, width), np.float32)
    x0 = rng.uniform(-0.05, 0.6) * width
    y = rng.uniform(0.0, 0.8) * height
    plate, strength = rng.random() < 0.3, rng.uniform(0.5, 1)
    outline = rng.random() < 0.25
    front, back = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    for _ in range(int(rng.integers(1, 6))):
        line = lines[int(rng.integers(len(lines)))]
        tall = height * np.exp(rng.uniform(np.log(0.03), np.log(0.2)))
        scale = min(tall / line.shape[0], 1.1 * width / line.shape[1])
        size = (max(3, round(line.shape[1] * scale)), max(3, round(line.shape[0] * scale)))
        small = cv2.resize(line, size, interpolation=cv2.INTER_AREA)
        x = round(x0 if rng.random() < 0.7 else rng.uniform(-0.1, 0.8) * width)
        pad = 3
        top, left = max(0, round(y) - pad), max(0, x - pad)
        end, right = min(height, round(y) + size[1] + pad), min(width, x + size[0] + pad)
        if end - top < 3 or right - left < 3:
            continue
        ink = np.zeros((end - top, right - left), np.float32)
        sy, sx = max(0, -round(y)), max(0, -x)
        iy, ix = max(0, round(y) - top), max(0, x - left)
        piece = small[sy : sy + ink.shape[0] - iy, sx : sx + ink.shape[1] - ix]
        ink[iy : iy + piece.shape[0], ix : ix + piece.shape[1]] = piece / np.float32(255)
        ink *= np.float32(strength)
        part = rgb[top:end, left:right]
        under = np.zeros_like(ink)
        if plate:
            under[:] = rng.uniform(0.5, 1)
        elif outline:
            under = cv2.dilate(ink, np.ones((3, 3), np.uint8))
        elif rng.random() < 0.3:
            under = np.float32(0.6) * cv2.GaussianBlur(np.roll(ink, (1, 1), (0, 1)), (0, 0), 1.5)
        part += (back - part) * under[..., None]
        part += (front - part) * ink[..., None]
        spot = covered[top:end, left:right]
        np.maximum(spot, np.maximum(ink, under), out=spot)
        y += size[1] * rng.uniform(1.0, 1.5)
    return covered


def code(rng: Generator, rgb: np.ndarray) -> np.ndarray:
    """What cameras and files do: low resolution, blur, grain, JPEG. h×w×3 float32 → uint8."""
    height, width = rgb.shape[:2]
    if rng.random() < 0.12:
        share = rng.uniform(0.4, 0.85)
        size = (max(8, round(width * share)), max(8, round(height * share)))
        rgb = cv2.resize(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), (width, height))
    if rng.random() < 0.2:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 1.3))
    if rng.random() < 0.3:
        grain = rng.standard_normal((height, width, 1), np.float32)
        if rng.random() < 0.5:
            grain = rng.standard_normal((height, width, 3), np.float32)
        rgb = rgb + grain * np.float32(rng.uniform(1, 11))
    out = rgb.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        _, data = cv2.imencode(".jpg", out, quality)
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return out
