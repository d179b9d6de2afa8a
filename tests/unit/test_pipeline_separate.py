"""Taking a picture apart: with simple models, so that every rule can be told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipeline_doubles import BLUE, RED, Store, scene

from backend.masks import combine
from backend.pipeline import items, separate, stack, subjects
from backend.pipeline.items import find_items
from backend.pipeline.separate import Separated
from backend.values import BadInput, Cancelled, CleanOptions, Control, ModelUnavailable, TextLine

DEPTHS = [np.uint8, np.uint16, np.float32]


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line reads LINE; the recogniser is tested with the text models."""

    class Reader:
        def read(self, rgb: Any, lines: Any, control: Any) -> tuple[TextLine, ...]:
            return tuple(TextLine(x.polygon, x.height, x.score, "LINE") for x in lines)

    monkeypatch.setattr(items, "reader", Reader)


def picture(dtype: type = np.uint8, channels: int = 3, text_on_person: bool = True) -> np.ndarray:
    """The scene with a word across the second person; transparent and see-through parts."""
    rgb = scene()
    if text_on_person:
        rgb[54:58, 74:86] = BLUE
    if dtype == np.uint16:
        rgb = rgb.astype(np.uint16) * 257
    elif dtype == np.float32:
        rgb = rgb.astype(np.float32) / 255
        rgb[:6] *= 4
    if channels == 4:
        top = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
        alpha = np.full(rgb.shape[:2], top, rgb.dtype)
        alpha[:, :12] = 0
        alpha[80:, 12:100] = top * 0.6
        alpha[60:70, 110:140] = top * 0.3
        rgb = np.dstack([rgb, alpha])
    return np.ascontiguousarray(rgb)


def taken_apart(pixels: np.ndarray, **options: Any) -> Separated:
    masks = (options.pop("objects", None), options.pop("text", None))
    return separate.separate(pixels, *masks, CleanOptions(**options), Store(), Control())


def full(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.shape[2] == 4 else stack.with_alpha(pixels)


def error(result: Separated, pixels: np.ndarray, hidden: str = "") -> np.ndarray:
    """H×W: how far the shown layers are from the picture, in levels of 255; in double precision,
    without the rounding of any editor."""
    top = {"uint8": 255.0, "uint16": 65535.0}.get(pixels.dtype.name, 1.0)
    shown = result.background.astype(np.float64) / top
    for layer in result.layers:
        if layer.kind == hidden:
            continue
        part, add = shown[layer.box.slices], layer.pixels.astype(np.float64) / top
        upper, lower = add[..., 3:], part[..., 3:]
        alpha = upper + lower * (1 - upper)
        colour = add[..., :3] * upper + part[..., :3] * lower * (1 - upper)
        part[..., :3] = np.where(alpha > 0, colour / np.where(alpha > 0, alpha, 1), part[..., :3])
        part[..., 3:] = alpha
    source = full(pixels).astype(np.float64) / top
    seen = source[..., 3:] > 0
    apart = np.abs(np.where(seen, shown, 0) - np.where(seen, source, 0))
    return np.round(np.maximum(apart[..., :3].max(2) * source[..., 3], apart[..., 3]) * 255, 9)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [3, 4])
def test_all_layers_give_the_picture_again(dtype, channels):
    pixels = picture(dtype, channels)
    before = pixels.copy()
    result = taken_apart(pixels, unknown=False)
    assert {layer.kind for layer in result.layers} == {"person", "text"}
    assert error(result, pixels).max() <= 1.0
    assert result.report["rebuild_error"] <= 1.0
    assert pixels.tobytes() == before.tobytes(), "the input was written to"
    assert result.background.dtype == dtype
    outside = result.hole == 0
    assert result.background[outside].tobytes() == full(pixels)[outside].tobytes()


@pytest.mark.parametrize("feather", [0, 15])
def test_any_feather_gives_the_picture_again(feather):
    result = taken_apart(picture(), grow=8, feather=feather)
    assert result.layers and error(result, picture()).max() <= 1.0


def test_order_names_and_boxes():
    result = taken_apart(picture(), clicks=((130.0, 100.0),))
    assert [(c.kind, c.name) for c in result.layers] == [
        ("person", "Person 1"), ("person", "Person 2"), ("object", "Object 1"),
        ("text", "Text: LINE"), ("text", "Text: LINE"), ("text", "Text: LINE"),
    ]  # fmt: skip
    for cut in result.layers:
        assert cut.pixels.shape == (cut.box.height, cut.box.width, 4)
        shown = cut.pixels[..., 3] > 0
        assert shown[0].any() and shown[-1].any() and shown[:, 0].any() and shown[:, -1].any()
    assert result.report["counts"] == {"person": 2, "object": 1, "text": 3}
    assert result.report["models"]["fill"] == "mean-fill"


@pytest.mark.parametrize("dtype", DEPTHS)
def test_hiding_text_on_a_person_leaves_no_hole(dtype):
    """The cut-out of the person is whole, and red where the word was."""
    pixels = picture(dtype)
    result = taken_apart(pixels)
    person = next(c for c in result.layers if c.name == "Person 2")
    top = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    x0, y0 = person.box.x0, person.box.y0
    word = person.pixels[54 - y0 : 58 - y0, 74 - x0 : 86 - x0]
    assert (word[..., 3] == top).all(), "a hole where the word was"
    assert np.abs(word[..., :3].astype(float) * (255 / top) - RED).max() < 40, "not the person"
    without_text = error(result, pixels, hidden="text")
    assert without_text[62:88, 72:88].max() <= 1.0, "the rest of the person changed"
    assert without_text[55, 80] > 50, "the word is still there"


def test_hiding_people_shows_the_background():
    pixels = picture(text_on_person=False)
    result = taken_apart(pixels)
    red = np.abs(result.background[..., :3].astype(int) - RED).max(2)
    assert red.min() > 40 and (result.background[..., 3] == 255).all()


def test_given_masks_are_taken_apart_and_named():
    pixels = picture()
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[30:90, 20:40] = 255  # a person
    mask[95:115, 120:150] = 255  # a thing
    mask[5:25, 50:60] = 255  # and another
    text = np.zeros_like(mask)
    text[60:80, 110:180] = 255
    result = taken_apart(pixels, objects=mask, text=text)
    assert [(c.kind, c.name) for c in result.layers] == [
        ("person", "Person 1"), ("object", "Object 1"), ("object", "Object 2"),
        ("text", "Text: LINE"),
    ]  # fmt: skip
    assert error(result, pixels).max() <= 1.0
    assert (result.background[35:85, 72:88] == full(pixels)[35:85, 72:88])[:19].all()
    none = np.zeros_like(mask)
    empty = taken_apart(pixels, objects=none, text=none)
    assert not empty.layers and not empty.report["found"]
    assert np.array_equal(empty.background, full(pixels))


def test_a_word_alone_on_a_transparent_layer():
    pixels = np.zeros((60, 120, 4), np.uint8)
    pixels[20:40, 20:100] = (*BLUE, 255)
    result = taken_apart(pixels, people=False)
    assert [c.kind for c in result.layers] == ["text"]
    assert error(result, pixels).max() <= 1.0
    assert not result.background[..., 3].any()


def test_people_do_not_share_pixels():
    result = taken_apart(picture(text_on_person=False))
    count = np.zeros((120, 200), int)
    for cut in result.layers:
        count[cut.box.slices] += cut.pixels[..., 3] > 0
    assert count.max() == 1


def test_the_mask_under_letters_is_what_lies_beside_them():
    mask, letters = np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)
    mask[10:50, 10:30] = 255
    letters[20:26, 5:55] = 255
    torn = cv_subtract(mask, letters)
    assert np.array_equal(subjects.under_text(torn, letters), mask)


def cv_subtract(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, 0, a).astype(np.uint8)


def test_found_things_one_by_one():
    found, _ = find_items(
        picture(), CleanOptions(clicks=((130.0, 100.0), (80.0, 40.0))), Store(), Control())
    kinds = [(i.kind, i.name) for i in found]
    assert kinds == [("person", "Person 1"), ("person", "Person 2"), ("object", "Object 1"),
                     ("text", "LINE"), ("text", "LINE"), ("text", "LINE")]
    assert all(i.mask.shape == (i.box.height, i.box.width) for i in found)


def test_lines_share_the_text_mask_without_a_rest():
    rng = np.random.default_rng(0)
    mask = (rng.random((90, 160)) > 0.6).astype(np.uint8) * 255
    lines = [
        TextLine(np.array([(5, y), (150, y + 6), (150, y + 20), (5, y + 14)], np.float32), 14.0)
        for y in (5, 35, 60)
    ]
    parts = items.text_items(mask, lines)
    whole = np.zeros_like(mask, dtype=int)
    for part in parts:
        whole[part.box.slices] += part.mask > 0
    assert len(parts) == 3 and whole.max() == 1
    assert np.array_equal(whole > 0, mask > 0)


def test_a_letter_that_hangs_into_the_next_line_stays_whole():
    mask = np.zeros((60, 60), np.uint8)
    mask[10:34, 10:14] = 255  # a descender of the upper line, 4 px of it in the lower one
    lines = [TextLine(np.array([(0, y), (60, y), (60, y + 20), (0, y + 20)], np.float32), 20.0)
             for y in (10, 30)]
    owner = items.owners(mask, lines)
    assert (owner[mask > 0] == 0).all() and (owner[mask == 0] == -1).all()


def test_distance_from_a_polygon():
    square = np.array([(10, 10), (20, 10), (20, 20), (10, 20)], np.float32)
    x, y = np.array([15, 10, 25, 13, 0]), np.array([15, 15, 15, 24, 10])
    for polygon in (square, square[::-1]):
        assert items.distance(polygon, x, y) == pytest.approx([-5, 0, 5, 4, 10])


def test_without_a_recogniser_names_are_numbers(monkeypatch):
    class Missing:
        def __init__(self) -> None:
            raise ModelUnavailable("The text model is missing.")

    monkeypatch.setattr(items, "reader", Missing)
    control = Control()
    result = separate.separate(picture(), None, None, CleanOptions(people=False), Store(), control)
    assert [c.name for c in result.layers] == ["Text 1", "Text 2", "Text 3"]
    assert any("not read" in note for note in result.report["notes"])


def test_names_of_layers_are_printable_and_short():
    box = combine.Box(0, 0, 1, 1)
    name = items.layer_name(items.Item("text", "A\n\tB\x00 " + "x" * 500, box, np.ones((1, 1))), 1)
    assert name.startswith("Text: A B") or name.startswith("Text: AB")
    assert len(name) <= len("Text: ") + items.LONGEST_NAME and name.isprintable()


def test_wrong_arguments_and_cancel():
    with pytest.raises(BadInput, match="text mask is 3×2"):
        taken_apart(picture(), text=np.zeros((2, 3), np.uint8))
    with pytest.raises(BadInput, match="outside the picture"):
        taken_apart(picture(), clicks=((500.0, 1.0),))
    with pytest.raises(Cancelled):
        separate.separate(picture(), None, None, CleanOptions(), Store(),
                          Control(cancelled=lambda: True))


@pytest.mark.parametrize("ground", [90, 160])
def test_letters_are_opaque_and_their_edges_soft(ground):
    """Grey ink with a dark outline on a rough ground: each is whole, edges keep the ink's colour,
    however the ground changes below them."""
    rng = np.random.default_rng(2)
    below = np.dstack([rng.integers(ground - 40, ground + 40, (80, 120, 3)),
                       np.full((80, 120), 255)]).astype(np.uint8)
    source = below.copy()
    source[20:60, 20:100, :3] = 30  # the outline
    source[26:54, 26:94, :3] = 225
    half = below[19, 20:100, :3].astype(float) * 0.5 + 30 * 0.5
    source[19, 20:100, :3] = np.rint(half)
    line = TextLine(np.array([(20, 20), (100, 20), (100, 60), (20, 60)], np.float32), 40.0)
    owner = np.where((source != below).any(2), 0, -1).astype(np.int32)
    limits = stack.Range.of(source)
    reach = separate.ink(source, below, owner, [line], limits)
    layer, _ = stack.cut(source, below, np.zeros((80, 120), np.float32), reach, limits)
    inside = layer[21:59, 21:99, 3]
    assert (inside > 230).mean() > 0.95, "ink that is see-through"
    edge = layer[19, 25:95]
    assert np.abs(edge[:, 3].astype(int) - 128).mean() < 15
    assert np.abs(edge[:, :3].astype(int) - 30).mean() < 20, "the edge has the ground's colour"
    assert np.array_equal(stack.over(below, layer, limits), source)
