"""Shadows of lines by the shape of their letters."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import text_shadow
from backend.masks.text_lines import Region
from backend.values import Control

HIGH, WIDE = SHAPE = (480, 560)
HEIGHT = 60


def ground(seed: int = 5, rough: float = 9.0) -> np.ndarray:
    """A photo's kind of ground: wide light and fine grain, H×W×3 float32."""
    rng = np.random.default_rng(seed)
    wide = cv2.resize(rng.uniform(90, 190, (8, 9, 3)).astype(np.float32), SHAPE[::-1],
                      interpolation=cv2.INTER_CUBIC)  # fmt: skip
    grain = cv2.GaussianBlur(rng.normal(0, 1, (*SHAPE, 1)).astype(np.float32), (0, 0), 2)
    return wide + (grain / grain.std() * rough)[..., None]


def letters(words: str = "Weekend", angle: float = 0.0) -> tuple[np.ndarray, Region]:
    """H×W float32 of a line in the middle, turned by `angle`, and its box."""
    sheet = Image.new("L", (WIDE, HIGH))
    font = ImageFont.load_default(HEIGHT * 1.3)
    middle = (SHAPE[1] / 2, SHAPE[0] / 2)
    ImageDraw.Draw(sheet).text(middle, words, 255, font, anchor="mm")
    box = cv2.boundingRect(np.asarray(sheet))
    turned = sheet.rotate(-math.degrees(angle), Image.Resampling.BICUBIC)
    region = Region(*middle, box[2] + 4, box[3] + 4, angle, 0.9)
    return np.asarray(turned, np.float32) / 255, region


def cast(ink: np.ndarray, dx: float, dy: float, soft: float = 4.0) -> np.ndarray:
    moved = cv2.warpAffine(ink, np.array([[1, 0, dx], [0, 1, dy]], float), SHAPE[::-1])
    return cv2.GaussianBlur(moved, (0, 0), soft)


def painted(
    base: np.ndarray, ink: np.ndarray, shade: np.ndarray, strength: float = 0.3,
    colour: float = 0.0, fill: tuple[int, int, int] = (200, 40, 50),
) -> np.ndarray:
    """H×W×3 uint8: the ground with the shadow and the letters over it."""
    picture = base + (colour - base) * (shade * strength)[..., None]
    picture = picture + (np.array(fill, np.float32) - picture) * ink[..., None]
    return np.clip(picture, 0, 255).round().astype(np.uint8)


def seen(picture: np.ndarray, ink: np.ndarray, boxes: list[Region]) -> np.ndarray:
    return text_shadow.of_lines(picture, ink, boxes, Control()) > 0.5


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2])
@pytest.mark.parametrize("turn", [0.7, 2.5, -1.1])
def test_a_weak_shadow_aslant_is_marked_and_little_else(angle: float, turn: float):
    """`turn`: the shadow's direction as seen from the line, radians."""
    ink, box = letters(angle=angle)
    shade = cast(ink, 6 * math.cos(turn + angle), 6 * math.sin(turn + angle))
    marked = seen(painted(ground(), ink, shade, 0.3), ink, [box])
    assert marked[(shade > 0.3) & (ink < 0.1)].mean() > 0.9
    assert marked[(shade < 0.02) & (ink < 0.02)].mean() < 0.02


def test_a_light_shadow_of_dark_letters_counts_too():
    ink, box = letters()
    shade = cast(ink, 4, 4)
    marked = seen(painted(ground(), ink, shade, 0.3, 255, (20, 20, 25)), ink, [box])
    assert marked[(shade > 0.4) & (ink < 0.1)].mean() > 0.9


def test_a_clear_shadow_right_below_is_marked():
    ink, box = letters()
    shade = cast(ink, 0, 6)
    marked = seen(painted(ground(rough=3), ink, shade, 0.5), ink, [box])
    assert marked[(shade > 0.3) & (ink < 0.1)].mean() > 0.9


@pytest.mark.parametrize("seed", range(8))
def test_letters_without_a_shadow_get_none(seed: int):
    ink, box = letters()
    soft = cv2.GaussianBlur(ink, (0, 0), 1.0)  # a soft edge is the same on all sides
    assert not seen(painted(ground(seed), soft, ink * 0), ink, [box]).any()


@pytest.mark.parametrize("where", ["ledge", "plate", "light"])
def test_what_runs_along_a_line_is_no_shadow(where: str):
    ink, box = letters()
    base = ground(rough=3)
    bottom = round(box.cy + box.height / 2)
    if where == "ledge":
        base[bottom + 3 : bottom + 14] *= 0.6
    elif where == "plate":
        base[round(box.cy - box.height / 2) - 8 : bottom + 8] = 230
    else:
        base *= np.linspace(1.3, 0.6, SHAPE[0], dtype=np.float32)[:, None, None]
    assert not seen(painted(base, ink, ink * 0), ink, [box]).any()


def test_what_one_line_shows_surely_another_may_show_faintly():
    """Alone the small line is not sure; beside the large one, whose shadow falls the same way, it
    is."""
    large, box = letters("Weekend")
    small = np.zeros_like(large)
    little = cv2.resize(large, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    place = np.s_[SHAPE[0] - little.shape[0] :, : little.shape[1]]
    small[place] = little
    low = Region(box.cx * 0.4, SHAPE[0] - little.shape[0] + box.cy * 0.4, box.length * 0.4,
                 box.height * 0.4, 0.0, 0.9)  # fmt: skip
    ink = np.maximum(large, small)
    shade = np.maximum(cast(large, 4, 4), 0.5 * cast(small, 2, 2, 1.5))
    picture = painted(ground(rough=7), ink, shade, 0.3)
    known = (ink * 255).astype(np.uint8)
    alone = text_shadow.tendency(text_shadow.around_line(picture, known, low))
    assert text_shadow.LIKELY < alone.votes and not alone.sure
    around = (cast(small, 2, 2, 1.5) > 0.5) & (ink < 0.1)
    assert not seen(picture, ink, [low])[around].any()
    assert seen(picture, ink, [box, low])[around].mean() > 0.8


@pytest.mark.parametrize(("size", "pitch"), [(16, 24), (22, 33), (30, 45)])
def test_what_jpeg_leaves_around_letters_is_no_shadow(size: int, pitch: int):
    """A page of print at quality 40: many lines, whose blocks are darker on the same side."""
    rng = np.random.default_rng(1)
    words = "the quick brown fox jumps over lazy dog with numbers 1234 in Lines of Text".split()
    sheet = Image.new("L", (1000, 1400), 250)
    font, boxes = ImageFont.load_default(size), []
    for top in range(20, 1330, pitch):
        line = " ".join(rng.choice(words, size=int(310 / size)))
        ImageDraw.Draw(sheet).text((30, top), line, 20, font)
        x0, y0, x1, y1 = font.getbbox(line)
        boxes.append(Region(30 + (x0 + x1) / 2, top + (y0 + y1) / 2, x1 - x0 + 4, y1 - y0 + 4,
                            0.0, 0.9))  # fmt: skip
    page = np.asarray(sheet)
    _, coded = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, 40])
    picture = np.repeat(np.asarray(cv2.imdecode(coded, 0))[..., None], 3, 2)
    ink = (250 - page.astype(np.float32)) / 230
    assert not seen(picture, ink, boxes).any()


@pytest.mark.parametrize("width", [6, 20, 60])
@pytest.mark.parametrize("slope", [0.06, 0.3])
def test_a_horizon_behind_the_letters_is_no_shadow(slope: float, width: float):
    """Light above, dark below, through the middle of the line."""
    ink, box = letters()
    y, x = np.mgrid[:HIGH, :WIDE].astype(np.float32)
    below = (y - HIGH / 2) - slope * (x - WIDE / 2)
    base = ground(rough=3) * (0.85 - 0.45 * np.tanh(below / width))[..., None]
    assert not seen(painted(base, ink, ink * 0), ink, [box]).any()


def test_print_too_small_to_tell_and_no_lines_at_all():
    ink, box = letters()
    picture = painted(ground(), ink, cast(ink, 4, 4))
    tiny = Region(box.cx, box.cy, 40, text_shadow.SMALLEST - 1, 0.0, 0.9)
    assert not seen(picture, ink, [tiny]).any() and not seen(picture, ink, []).any()
    assert not seen(picture, ink * 0, [box]).any()


def test_the_model_marks_the_shadow_of_words_on_a_busy_ground():
    """The default model with its real nets."""
    from backend.models.store import ModelStore

    ink, _ = letters("Weekend")
    shade = cast(ink, 5, 4)
    picture = painted(ground(rough=12), ink, shade, 0.45, fill=(250, 220, 60))
    found = ModelStore("cpu").get("text", "text-ppocr", Control()).find(picture, Control())
    clear = (shade > 0.3) & (ink < 0.1)
    assert (found.mask[clear] > 0).mean() > 0.9
    assert (found.mask[(shade < 0.02) & (ink < 0.02)] > 0).mean() < 0.03
