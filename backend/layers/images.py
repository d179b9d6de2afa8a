"""Pictures in: any common file as RGB(A) in its own depth, upright, with what was converted told.

8-bit files go through Pillow. Pillow cannot hold 16-bit colour, so deeper PNG, TIFF and PNM files
go through OpenCV, their profile and orientation still through Pillow's readers.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from backend.layers.depth import MAX_PIXELS, opaque_value
from backend.values import BadInput

SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .tif .tiff .webp .bmp .gif .tga .psd .ppm .pgm .pnm .jp2 .avif"
    .split()
)
ORIENTATION, ICC, BITS, PHOTOMETRIC, EXTRA = 274, 34675, 258, 262, 338

# The size is checked against our own limit before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Picture:
    """pixels: H×W×(3|4) uint8, uint16 or float32, RGB(A), upright. grey: R = G = B because the
    file is grey. icc: a profile of the pixels' (RGB) colours. notes: what was converted."""

    pixels: np.ndarray
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    grey: bool = False
    notes: tuple[str, ...] = ()


def read_picture(path: Path) -> Picture:
    """Raises BadInput, with what to do, for files that are missing, damaged or too large."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be opened: {error.strerror}.") from error
    if not data:
        raise BadInput(f"{path.name} is an empty file.")
    try:
        deep = _deep_header(data)
        return _read_deep(data, deep, path) if deep is not None else _read_8bit(data, path)
    except BadInput:
        raise
    except UnidentifiedImageError as error:
        raise BadInput(f"{path.name} is not a picture that can be read.") from error
    except (OSError, SyntaxError, ValueError, struct.error, KeyError, cv2.error) as error:
        # Pillow's readers raise all of these for damaged files.
        raise BadInput(f"{path.name} is damaged and cannot be read ({error}).") from error


def read_mask(path: Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """H×W uint8, 255 = remove: where the picture is light and opaque.

    Raises BadInput when it cannot be read or is not of `shape`."""
    picture = read_picture(path)
    pixels = picture.pixels
    top = opaque_value(pixels.dtype)
    light = pixels[..., :3].max(2) > top / 2
    if pixels.shape[2] == 4:
        light &= pixels[..., 3] > top / 2
    if shape is not None and light.shape != tuple(shape):
        raise BadInput(
            f"The mask {path.name} is {light.shape[1]}×{light.shape[0]} px, the picture "
            f"{shape[1]}×{shape[0]} px: give a mask of the picture's size."
        )
    return light.astype(np.uint8) * np.uint8(255)


@dataclass(frozen=True)
class _Deep:
    icc: bytes | None = None
    orientation: int = 1
    premultiplied: bool = False
    dpi: tuple[float, float] | None = None


def _deep_header(data: bytes) -> _Deep | None:
    """What Pillow knows of a file whose colours are deeper than 8 bits; None for all others."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        if len(data) < 26 or data[24] != 16:
            return None
        with Image.open(io.BytesIO(data)) as image:
            _check_size(image.size)
            orientation = image.getexif().get(ORIENTATION, 1)
            return _Deep(image.info.get("icc_profile"), orientation, False, image.info.get("dpi"))
    if data[:2] in (b"II", b"MM"):
        return _deep_tiff(data)
    if data[:2] in (b"P5", b"P6"):
        header = [t for line in data[:512].split(b"\n") for t in line.split(b"#")[0].split()]
        if len(header) > 3 and int(header[3]) > 255:
            _check_size((int(header[1]), int(header[2])))
            return _Deep()
    return None


def _deep_tiff(data: bytes) -> _Deep | None:
    stream = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(16 if data[2:4] == b"+\0" else 8))
    stream.seek(tags.next)
    tags.load(stream)
    bits = tags.get(BITS, (1,))
    bits = bits if isinstance(bits, tuple) else (bits,)
    if max(bits) <= 8 or tags.get(PHOTOMETRIC) not in (0, 1, 2):
        return None
    _check_size((int(tags.get(256, 0)), int(tags.get(257, 0))))
    extra = tags.get(EXTRA, ())
    extra = extra if isinstance(extra, tuple) else (extra,)
    dpi = None
    if tags.get(296, 2) == 2 and tags.get(282) and tags.get(283):
        dpi = (float(tags[282]), float(tags[283]))
    return _Deep(tags.get(ICC), int(tags.get(ORIENTATION, 1)), 1 in extra, dpi)


def _read_deep(data: bytes, header: _Deep, path: Path) -> Picture:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise BadInput(f"{path.name} is damaged or of a kind that cannot be read.")
    pixels: Any = np.asarray(decoded)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        if not np.issubdtype(pixels.dtype, np.floating):
            raise BadInput(f"{path.name} has {pixels.dtype} pixels: save it with 16 bits.")
        pixels = pixels.astype(np.float32)
    grey = pixels.ndim == 2
    if grey:
        pixels = np.repeat(pixels[..., None], 3, 2)
    else:
        order = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        pixels = np.asarray(cv2.cvtColor(pixels, order))
    if header.premultiplied and pixels.shape[2] == 4:
        pixels = _straight_alpha(pixels)
    pixels = _upright(pixels, header.orientation)
    icc, notes = header.icc, []
    if grey and icc:
        pixels, icc = _grey_to_srgb(pixels, icc), None
        notes.append("The grey profile was converted to sRGB.")
    icc = _usable_profile(icc, notes)
    dpi = (float(header.dpi[0]), float(header.dpi[1])) if header.dpi else None
    return Picture(np.ascontiguousarray(pixels), icc, dpi, grey, tuple(notes))


def _straight_alpha(pixels: np.ndarray) -> np.ndarray:
    top = opaque_value(pixels.dtype)
    alpha = np.maximum(pixels[..., 3:].astype(np.float32), 1e-6 * top)
    colour = pixels[..., :3] * (np.float32(top) / alpha)
    if pixels.dtype != np.float32:
        colour = np.clip(np.rint(colour), 0, top)
    return np.concatenate([colour.astype(pixels.dtype), pixels[..., 3:]], 2)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _read_8bit(data: bytes, path: Path) -> Picture:
    notes: list[str] = []
    with Image.open(io.BytesIO(data)) as opened:
        _check_size(opened.size)
        if getattr(opened, "n_frames", 1) > 1 and opened.format != "PSD":
            notes.append("The file holds several pictures; the first one was taken.")
        bits = getattr(opened, "tag_v2", {}).get(BITS, (8,))
        if max(bits if isinstance(bits, tuple) else (bits,)) > 8:
            notes.append("The 16-bit file was read with 8 bits: its colour model is not RGB.")
        icc, dpi = opened.info.get("icc_profile"), opened.info.get("dpi")
        image: Image.Image = ImageOps.exif_transpose(opened) or opened
        image.load()
        grey = image.mode in ("1", "L", "LA", "La", "I", "I;16", "F")
        image, icc = _as_rgb(image, icc, notes)
        pixels = np.array(image)
    icc = _usable_profile(icc, notes)
    dpi = (float(dpi[0]), float(dpi[1])) if dpi and all(d > 0 for d in dpi) else None
    return Picture(pixels, icc, dpi, grey, tuple(notes))


def _as_rgb(
    image: Image.Image, icc: bytes | None, notes: list[str]
) -> tuple[Image.Image, bytes | None]:
    """RGB or RGBA; colours of other models go through their profile to sRGB."""
    if image.mode in ("CMYK", "LAB"):
        return _through_profile(image, icc, notes), None
    transparent = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    if image.mode in ("1", "L", "LA", "La") and icc and icc[16:20] == b"GRAY":
        ramp = _grey_ramp(icc)
        notes.append("The grey profile was converted to sRGB.")
        alpha = image.convert("LA").getchannel("A") if transparent else None
        levels = np.rint(ramp * 255).astype(np.uint8)[np.array(image.convert("L"))]
        rgb = Image.fromarray(np.repeat(levels[..., None], 3, 2))
        if alpha is not None:
            rgb.putalpha(alpha)
        return rgb, None
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise BadInput(f"Pictures of the kind {image.mode} cannot be read: save it as 16-bit PNG.")
    return image.convert("RGBA" if transparent else "RGB"), icc


def _through_profile(image: Image.Image, icc: bytes | None, notes: list[str]) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    try:
        if image.mode == "LAB":
            source: Any = ImageCms.createProfile("LAB")
        elif icc is None:
            notes.append("CMYK without a profile was converted to sRGB by plain arithmetic.")
            return image.convert("RGB")
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(
            image, source, srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION)
    except (ImageCms.PyCMSError, OSError) as error:
        notes.append(f"The {image.mode} profile is broken ({error}); plain arithmetic was used.")
        return image.convert("RGB")
    assert converted is not None  # only an in-place conversion returns None
    name = "CMYK" if image.mode == "CMYK" else "Lab"
    notes.append(f"{name} was converted to sRGB through its profile.")
    return converted


def _grey_ramp(icc: bytes) -> np.ndarray:
    """256 float32 in [0, 1]: the sRGB value of each grey level of the profile."""
    levels = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        turned = ImageCms.profileToProfile(
            levels, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise BadInput(f"The grey profile in the file is broken ({error}): remove it.") from error
    return np.array(turned)[0, :, 1].astype(np.float32) / 255


def _grey_to_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    """Deep grey through the ramp, interpolated between its levels."""
    if icc[16:20] != b"GRAY":
        return pixels
    top = opaque_value(pixels.dtype)
    levels = np.linspace(0, top, 256)
    grey = np.interp(pixels[..., 0], levels, _grey_ramp(icc) * top)
    if pixels.dtype != np.float32:
        grey = np.rint(grey)
    return np.repeat(grey.astype(pixels.dtype)[..., None], 3, 2)


def _usable_profile(icc: bytes | None, notes: list[str]) -> bytes | None:
    if icc and icc[16:20] != b"RGB ":
        notes.append("The file's colour profile is not one for RGB and was left out.")
        return None
    return icc or None


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise BadInput("The picture has no pixels.")
    if width * height > MAX_PIXELS:
        raise BadInput(
            f"The picture is {width}×{height} px, more than {MAX_PIXELS // 10**6} megapixels. "
            "Cut it into parts or make it smaller."
        )
