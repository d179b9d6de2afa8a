"""The sample, and what is made of the backend's answer."""

from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from backend.layers.ora import Layer, mask_layer, write_ora
from plugin.client import CleanReply, Image

PHOTO = Path(__file__).with_name("sample.png")
HEADLINE, LINE = "SUMMER SALE", "two for one, this weekend only"


def compose() -> np.ndarray:
    """The photo as an advert: H×W×4 uint8 RGBA, opaque."""
    picture = Picture.open(PHOTO).convert("RGBA")
    draw = ImageDraw.Draw(picture)
    for text, size, top in ((HEADLINE, 60, 400), (LINE, 24, 468)):
        # The font that comes with Pillow, so that nothing of the system's is needed.
        font = ImageFont.load_default(size)
        place = (picture.width // 2, top)
        draw.text(place, text, font=font, fill="white", anchor="ma", stroke_width=2,
                  stroke_fill=(32, 60, 90, 255))
    return np.asarray(picture)


def to_image(pixels: np.ndarray) -> Image:
    """As an editor hands it over."""
    height, width = pixels.shape[:2]
    return Image(width, height, 4, "u8", "RGBA", np.ascontiguousarray(pixels).tobytes())


def _plane(data: "bytes | None", shape: "tuple[int, int]") -> np.ndarray:
    if data is None:
        return np.zeros(shape, np.uint8)
    return np.frombuffer(data, np.uint8).reshape(shape)


def write_layers(path: Path, pixels: np.ndarray, reply: CleanReply) -> None:
    """An OpenRaster file: Text mask, Object mask (both hidden), Background, Original."""
    shape = (pixels.shape[0], pixels.shape[1])
    plate = np.frombuffer(reply.plate, np.uint8).reshape(pixels.shape)
    draft = path.with_suffix(".part")
    write_ora(draft, [
        mask_layer("Text mask", _plane(reply.text_mask, shape)),
        mask_layer("Object mask", _plane(reply.object_mask, shape)),
        Layer("Background", plate),
        Layer("Original", pixels),
    ], plate)
    draft.replace(path)


def before_after(pixels: np.ndarray, reply: CleanReply, gap: int = 12) -> Picture.Image:
    """Sample and plate side by side on white."""
    plate = np.frombuffer(reply.plate, np.uint8).reshape(pixels.shape)
    height, width = pixels.shape[:2]
    sheet = Picture.new("RGB", (2 * width + gap, height), "white")
    sheet.paste(Picture.fromarray(pixels).convert("RGB"), (0, 0))
    sheet.paste(Picture.fromarray(plate).convert("RGB"), (width + gap, 0))
    return sheet
