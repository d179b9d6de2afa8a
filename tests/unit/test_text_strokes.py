"""Crops, the colour decision, and the filters on found lines."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import strokes, strokes_colour, text_accept, text_filter, text_read, text_scales
from backend.masks.text_lines import EVEN, Region
from backend.models.interfaces import TextFound
from backend.values import Box, CleanOptions, Control, ModelUnavailable, TextLine


def letters(size: tuple[int, int], text: str, height: int, at: tuple[int, int]) -> np.ndarray:
    """H×W float32 coverage of a text in Pillow's own font."""
    sheet = Image.new("L", (size[1], size[0]))
    ImageDraw.Draw(sheet).text(at, text, 255, ImageFont.load_default(height))
    return np.asarray(sheet, np.float32) / 255


@pytest.mark.parametrize("height", [11.0, 60.0, 180.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.5])
def test_a_crop_goes_back_to_its_place(height: float, angle: float):
    y, x = np.mgrid[:500, :600]
    picture = np.stack([x / 600, y / 500, (x + y) / 1100], -1)
    region = Region(300, 250, 3 * height, height, angle)
    crop = strokes.cut((picture * 255).round().astype(np.uint8), region)
    assert crop.hint.shape == crop.rgb.shape[:2]
    assert crop.scale == pytest.approx(strokes.BOX / height)
    back = np.zeros((500, 600), np.float32)
    strokes.paste(back, crop.rgb[..., 0].astype(np.float32) / 255, crop)
    inside = np.zeros(back.shape, np.uint8)
    cv2.fillConvexPoly(inside, region.corners().round().astype(np.int32), 1)
    assert np.abs(back - picture[..., 0])[inside > 0].max() < 0.02


def test_long_lines_are_cut_into_overlapping_parts():
    parts = strokes.split(Region(5000, 100, 9000, 40, 0.0))
    assert len(parts) > 3
    assert all(p.length * strokes.BOX / p.height <= strokes.LONGEST * 1.2 for p in parts)
    ends = [(p.cx - p.length / 2, p.cx + p.length / 2) for p in parts]
    assert all(b[0] < a[1] for a, b in zip(ends, ends[1:], strict=False))
    assert ends[0][0] <= 500 and ends[-1][1] >= 9500


def test_colours_turn_a_blurred_guess_into_letters():
    cover = letters((72, 330), "Autumn 50%", 40, (20, 12))
    rng = np.random.default_rng(3)
    ground = rng.integers(60, 150, (18, 83, 3)).repeat(4, 0).repeat(4, 1)[:72, :330]
    rgb = ground * (1 - cover[..., None]) + np.array([250, 230, 60]) * cover[..., None]
    guess = cv2.GaussianBlur(cover, (0, 0), 5)
    guess *= 0.7 / guess.max()
    found = strokes_colour.decide(rgb.round().astype(np.uint8), guess) > 0.5
    truth = cover > 0.5

    def iou(p: np.ndarray) -> float:
        return (p & truth).sum() / (p | truth).sum()

    assert iou(found) > 0.85 > iou(guess > 0.35) + 0.15
    again = strokes_colour.decide(rgb.round().astype(np.uint8), guess) > 0.5
    assert (again == found).all()


def test_wrong_files_are_refused(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelUnavailable, match="not a stroke net"):
        strokes.load_net(tmp_path / "a.safetensors", "cpu")


def test_a_fused_net_says_the_same():
    import torch

    from backend.networks.strokes import StrokeNet

    torch.manual_seed(0)
    net = StrokeNet().eval()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(part.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(part.running_var, 0.5, 2.0)
    x = torch.rand(1, 4, 16, 24)
    with torch.inference_mode():
        plain = net(x)
        joined = strokes.fused(net)(x)
    assert torch.allclose(plain, joined, atol=1e-4)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in net.modules())


def answer(region: Region, strongest: float) -> strokes.Strokes:
    """What the stroke net says to a region: letters of one certainty."""
    crop = strokes.cut(np.zeros((400, 600, 3), np.uint8), region)
    return strokes.Strokes(crop, crop.hint * strongest, crop.hint * 0, crop.hint * 0)


def test_score_strokes_and_neighbours_decide_together():
    title = answer(Region(300, 100, 300, 60, 0.0, 0.9), 0.7)
    under = answer(Region(250, 160, 150, 20, 0.0, 0.65), 0.6)  # alone too doubtful
    beside = answer(Region(500, 102, 60, 50, 0.0, 0.35), 0.5)
    far = answer(Region(250, 330, 150, 20, 0.0, 0.65), 0.6)
    wrong = answer(Region(100, 330, 80, 30, 0.0, 0.9), 0.1)  # the net sees no letters
    huge = answer(Region(300, 200, 500, 200, 0.0, 0.84), 0.9)
    taken = text_accept.accepted([far, under, wrong, beside, huge, title], short=400)
    assert {id(x) for x in taken} == {id(title), id(under), id(beside)}
    assert text_accept.accepted([under, beside], short=400) == []


def test_what_can_be_read_is_text_and_vouches_for_its_neighbours():
    name = answer(Region(300, 100, 300, 40, 0.0, 0.6), 0.5)
    under = answer(Region(250, 140, 150, 20, 0.0, 0.62), 0.55)
    elsewhere = answer(Region(250, 330, 150, 20, 0.0, 0.62), 0.55)
    empty = answer(Region(500, 250, 60, 20, 0.0, 0.9), 0.1)  # the net sees no letters
    items = [under, elsewhere, empty, name]
    assert text_accept.accepted(items, short=400) == []
    tried = []

    def legible(region: Region) -> bool:
        tried.append(region)
        return region == name.crop.region

    taken = text_accept.accepted(items, 400, legible=legible)
    assert {id(x) for x in taken} == {id(name), id(under)}
    assert empty.crop.region not in tried and len(tried) == 3


def test_what_is_seen_in_even_contrast_alone_must_be_legible():
    hidden = answer(Region(300, 100, 200, 40, 0.0, 0.95, view=EVEN), 0.9)
    assert text_accept.accepted([hidden], 400) == []
    assert text_accept.accepted([hidden], 400, legible=lambda region: True) == [hidden]


def test_even_contrast_shows_dark_letters_on_dark_ground():
    picture = np.full((200, 400, 3), 235, np.uint8)
    picture[:, 200:] = 30
    dark = letters((200, 400), "TDA 2030", 34, (225, 80)) > 0.5
    picture[dark] = 44  # 14 of 255 lighter than its ground
    shown = text_scales.even(picture).astype(int)
    assert shown.shape == picture.shape
    near = np.zeros_like(dark)
    near[85:110, 230:370] = True
    assert shown[dark].mean() - shown[near & ~dark].mean() > 60
    flat = text_scales.even(np.full((100, 100, 3), 77, np.uint8))
    assert (flat == 128).all()


def test_a_word_is_legible_and_a_pattern_is_not():
    reader = text_read.reader()
    assert reader is not None
    picture = np.full((120, 400, 3), 210, np.uint8)
    cv2.putText(picture, "SUMMER SALE", (20, 60), cv2.FONT_HERSHEY_DUPLEX, 1.4, (60, 40, 30), 2)
    word = Region(160, 45, 300, 44, 0.0)
    assert text_read.legible(reader, picture, word, Control())
    noise = np.random.default_rng(0).integers(0, 255, picture.shape).astype(np.uint8)
    stripes = np.where(np.arange(400)[None, :, None] % 12 < 5, picture[:1, :1], noise[:1, :1])
    for pattern in (noise, np.broadcast_to(stripes, picture.shape).astype(np.uint8)):
        assert not text_read.legible(reader, np.ascontiguousarray(pattern), word, Control())


def found_two() -> TextFound:
    mask = np.zeros((100, 200), np.uint8)
    mask[10:20, 10:90] = 255
    mask[60:90, 10:190] = 255
    small = TextLine(np.array([[8, 8], [92, 8], [92, 22], [8, 22]], np.float32), 14.0)
    large = TextLine(np.array([[8, 58], [192, 58], [192, 92], [8, 92]], np.float32), 34.0)
    return TextFound((mask / 255).astype(np.float32), mask, (small, large))


def test_small_lines_and_lines_elsewhere_stay():
    picture = np.zeros((100, 200, 3), np.uint8)
    found = found_two()
    kept = text_filter.apply(found, CleanOptions(), picture, Control())
    assert (kept.mask == found.mask).all() and len(kept.lines) == 2
    kept = text_filter.apply(found, CleanOptions(keep_text_below=20), picture, Control())
    assert [x.height for x in kept.lines] == [34.0]
    assert not kept.mask[:50].any() and (kept.mask[60:90, 10:190] == 255).all()
    assert not kept.probability[:50].any()
    options = CleanOptions(only_text_in=Box(0, 0, 200, 40))
    kept = text_filter.apply(found, options, picture, Control())
    assert [x.height for x in kept.lines] == [14.0] and not kept.mask[50:].any()


def test_letters_as_high_as_half_the_picture_are_read_from_afar_too():
    huge = answer(Region(300, 200, 500, 200, 0.0, 0.84), 0.65)
    same = replace(huge.crop.region, cx=310.0, height=180.0)
    assert text_accept.accepted([huge], 400) == []
    assert text_accept.accepted([huge], 400, lambda: [same]) == [huge]
    for other in (replace(same, score=0.5), replace(same, cy=300.0), replace(same, length=150.0)):
        assert text_accept.accepted([huge], 400, lambda r=other: [r]) == []
    faint = answer(huge.crop.region, 0.5)
    assert text_accept.accepted([faint], 400, lambda: [same]) == []
