"""Faint lines in the colours of their own letters, and the renderer for training on a CPU."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from backend.masks import strokes, text_accept, text_faint, text_scales
from backend.masks.text_lines import Region
from backend.values import Control


def dim(item: strokes.Strokes) -> bool:
    return text_accept.strength(item) < 0.73


def watermark() -> tuple[np.ndarray, np.ndarray]:
    """A translucent line over bricks of many colours: the picture and the letters' bool map."""
    rng = np.random.default_rng(5)
    bricks = rng.integers(30, 226, (13, 40, 3)).repeat(24, 0).repeat(24, 1).astype(np.float32)
    bricks = cv2.GaussianBlur(bricks, (0, 0), 1.0)[:300, :960]
    sheet = Image.new("L", (960, 300))
    ImageDraw.Draw(sheet).text((60, 110), "Preview only copy", 255, ImageFont.load_default(70))
    cover = np.asarray(sheet, np.float32)[..., None] / 255
    picture = bricks + (np.array([250, 60, 200]) - bricks) * cover * 0.45
    return picture.round().astype(np.uint8), cover[..., 0] > 0.5


def known_part(picture: np.ndarray, letters: np.ndarray) -> strokes.Strokes:
    """What the stroke net would say of the first word, in its box."""
    rows, columns = np.nonzero(letters[:, :330])
    x0, x1, y0, y1 = columns.min(), columns.max(), rows.min() - 8, rows.max() + 8
    region = Region((x0 + x1) / 2, (y0 + y1) / 2, float(x1 - x0), float(y1 - y0), 0.0, 0.9)
    crop = strokes.cut(picture, region)
    size = crop.rgb.shape[1::-1]
    text = cv2.warpAffine(letters.astype(np.float32), crop.matrix, size) * 0.7
    return strokes.Strokes(crop, text, text * 0, text * 0)


def test_letters_that_share_no_colour_stand_out_in_their_own_view():
    picture, letters = watermark()
    item = known_part(picture, letters)
    assert text_faint.contrast(item) < text_faint.FAINT
    (view,) = text_faint.views(picture, [item], Control())
    grey = view.image[..., 0].astype(np.float32)
    rest = np.zeros_like(letters)
    rest[90:210, 360:700] = True  # words that the view was not made from

    def apart(values: np.ndarray) -> float:
        ink, ground = values[letters & rest], values[~letters & rest]
        return float((ink.mean() - ground.mean()) / ((ink.std() + ground.std()) / 2))

    plain = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    assert apart(grey) > 1.2 > 2 * abs(apart(plain))
    assert (grey[letters & rest] > 135).mean() > 0.7


def on_dark() -> tuple[np.ndarray, np.ndarray]:
    """White letters on dark bricks, and their bool map."""
    picture, letters = watermark()
    picture[letters] = (255, 255, 255)
    picture[~letters] //= 4
    return picture, letters


def test_clear_lines_get_no_view():
    picture, letters = on_dark()
    item = known_part(picture, letters)
    assert not text_faint.hard_to_see(item)
    assert text_faint.views(picture, [item], Control()) == []


def test_what_stands_before_some_letters_makes_the_line_no_fainter():
    picture, letters = on_dark()
    clear = known_part(picture, letters)
    picture[80:220, 150:180] = (230, 225, 220)  # as light as the letters, and far from the ground
    hidden = letters.copy()
    hidden[:, 150:180] = False
    item = known_part(picture, letters)
    seen = cv2.warpAffine(hidden.astype(np.float32), item.crop.matrix, item.text.shape[::-1]) * 0.7
    item = strokes.Strokes(item.crop, seen, item.effect, item.plate)
    assert text_faint.contrast(item) > 0.8 * text_faint.contrast(clear)
    assert text_faint.views(picture, [item], Control()) == []


def test_the_surer_a_line_the_fainter_it_must_be_for_a_view():
    picture, letters = watermark()
    unsure = known_part(picture, letters)
    assert text_faint.hard_to_see(unsure)
    sure = strokes.Strokes(unsure.crop, unsure.text / 0.7, unsure.effect, unsure.plate)
    assert text_accept.strength(sure) > 0.95
    assert not text_faint.hard_to_see(sure) and not text_faint.faint(sure)


def test_only_lines_linked_to_the_known_one_are_taken_from_a_view():
    known = Region(200, 100, 200, 40, 0, 0.9)
    where = text_faint.window(known, (400, 900))
    view = text_faint.View(np.full((400, 900, 3), 80, np.uint8), known, where)

    class Seen:
        coarse = 1024
        in_hues = True
        sizes: tuple[int, ...] = ()

        def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
            x0, y0 = where[:2]
            return [r.scaled(1, 1, -x0, -y0) for r in (
                Region(300, 100, 420, 42, 0.0, 0.9),  # the whole line
                Region(250, 150, 300, 30, 0.0, 0.8),  # the one below
                Region(250, 190, 300, 30, 0.0, 0.8),  # below that one
                Region(850, 280, 60, 30, 0.0, 0.9),  # alone
                Region(300, 100, 400, 40, 1.2, 0.9),  # another way
                Region(620, 100, 100, 40, 0.0, 0.4),  # doubtful
            )]  # fmt: skip

    found = text_faint.lines_in(view, 2, Seen(), Control())
    assert sorted(round(r.cy) for r in found) == [100, 150, 190]
    assert all(r.view == 2 and r.cx < 400 for r in found)


def test_a_view_replaces_what_it_shows_more_clearly():
    def item(cx: float, strongest: float, score: float, number: int) -> strokes.Strokes:
        region = Region(cx, 100, 200, 40, 0.0, score, number)
        crop = strokes.cut(np.zeros((200, 900, 3), np.uint8), region)
        return strokes.Strokes(crop, crop.hint * strongest, crop.hint * 0, crop.hint * 0)

    faint, sure = item(150, 0.6, 0.8, 0), item(500, 0.85, 0.9, 0)
    clear, same, doubtful = (item(150, 0.8, 0.9, 2), item(500, 0.86, 0.9, 2),
                             item(750, 0.4, 0.9, 2))
    left = text_accept.instead([faint, sure], [clear, same, doubtful])
    assert [id(x) for x in left] == [id(sure), id(clear)]  # shown alike: once is enough


def test_what_continues_a_line_of_a_view_is_taken_from_it():
    def item(cx: float, score: float, strongest: float) -> strokes.Strokes:
        crop = strokes.cut(np.zeros((300, 900, 3), np.uint8), Region(cx, 100, 200, 40, 0.0, score))
        return strokes.Strokes(crop, crop.hint * strongest, crop.hint * 0, crop.hint * 0)

    sure, beside, far = item(150, 0.9, 0.8), item(400, 0.7, 0.6), item(800, 0.7, 0.6)
    assert text_accept.instead([], [sure, beside, far]) == [sure, beside]


def test_the_badge_that_a_line_stands_on_is_no_letter() -> None:
    def item(length: float, height: float, number: int) -> strokes.Strokes:
        region = Region(250, 100, length, height, 0.0, 0.9, number)
        crop = strokes.cut(np.zeros((200, 600, 3), np.uint8), region)
        return strokes.Strokes(crop, crop.hint * 0.9, crop.hint * 0, crop.hint * 0)

    line, disc, word = item(80, 20, 0), item(90, 95, 2), item(400, 95, 2)
    assert [id(x) for x in text_accept.instead([line], [disc])] == [id(line)]
    both = text_accept.instead([line], [word])  # small letters across large ones
    assert {id(x) for x in both} == {id(line), id(word)}


def test_a_view_of_what_is_beside_a_line_shows_that_line_no_second_time():
    def item(cx: float, cy: float, length: float, strongest: float) -> strokes.Strokes:
        region = Region(cx, cy, length, 40, 0.0, 0.9)
        crop = strokes.cut(np.zeros((300, 900, 3), np.uint8), region)
        return strokes.Strokes(crop, crop.hint * strongest, crop.hint * 0, crop.hint * 0)

    known = item(300, 100, 200, 0.9)
    part, moved = item(280, 100, 120, 0.8), item(305, 115, 190, 0.8)
    longer, below = item(350, 100, 300, 0.8), item(300, 160, 150, 0.8)
    assert text_accept.instead([known], [part, moved, below], dim) == [known, below]
    assert text_accept.instead([known], [longer], dim) == [known]  # it is seen whole
    faint = item(300, 100, 200, 0.7)
    stretched = item(350, 100, 300, 0.72)
    found = text_accept.instead([faint], [stretched, below], dim)
    assert found == [faint, stretched, below]


def test_letters_of_another_colour_stand_out_where_the_ground_has_few():
    """The ground's colours vary together, the letters shine through in one that it lacks."""
    rng = np.random.default_rng(3)
    light = rng.uniform(-70, 70, (13, 40)).repeat(24, 0).repeat(24, 1)[:300, :960]
    ground = np.array([128, 120, 105]) + light[..., None] * np.array([1.0, 0.9, 0.7])
    ground += rng.normal(0, 2, ground.shape)
    sheet = Image.new("L", (960, 300))
    ImageDraw.Draw(sheet).text((60, 150), "Preview only copy", 255, ImageFont.load_default(70))
    cover = np.asarray(sheet, np.float32) / 255
    picture = ground + (np.array([190, 90, 150]) - ground) * cover[..., None] * 0.3
    picture = np.clip(picture, 0, 255).round().astype(np.uint8)
    letters = cover > 0.5
    views = text_faint.quiet_pair(picture, Region(300, 80, 500, 60, 0.0, 0.9))
    near = np.zeros_like(letters)
    near[120:250, 40:800] = True

    def apart(grey: np.ndarray) -> float:
        ink, rest = (grey[some & near].astype(np.float32) for some in (letters, ~letters))
        return abs(float((ink.mean() - rest.mean()) / ((ink.std() + rest.std()) / 2)))

    assert len(views) == 2
    assert max(apart(view.image[..., 0]) for view in views) > 2.0
    assert apart(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) < 0.7
    box = Region(300, 80, 500, 60, 0.0, 0.9)
    barred = picture.copy()
    barred[50:110, 50:550] = 255  # taken for letters, and plain to see
    clear = strokes.cut(barred, box)
    item = strokes.Strokes(clear, clear.hint * 0.9, clear.hint * 0, clear.hint * 0)
    assert text_faint.quiet_views(picture, [item], 2, Control()) == []  # no faint line is known
    clear = strokes.cut(picture, box)
    faint = strokes.Strokes(clear, clear.hint * 0.6, clear.hint * 0, clear.hint * 0)
    assert len(text_faint.quiet_views(picture, [faint, faint], 2, Control())) == 2
    assert text_faint.quiet_views(picture, [faint], 0, Control()) == []


def test_the_quick_renderer_labels_what_it_draws():
    pytest.importorskip("torch")
    from backend.training import render_text as rt
    from backend.training.render_text_quick import KERNELS, QuickRenderer

    sheet = Image.new("L", (400, 100))
    ImageDraw.Draw(sheet).text((10, 10), "Summer 20%", 255, ImageFont.load_default(60))
    ink = np.asarray(sheet)
    ys, xs = np.nonzero(ink)
    coverage, distance, width = rt.strip(ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1])
    atlas = rt.Atlas(coverage[None], distance[None], np.array([width], np.float32),
                     np.zeros(1), np.zeros(1, bool))
    draw = QuickRenderer(atlas, np.full((2, 200, 300, 3), 128, np.uint8))
    images, kernels, weights = draw.batch(6, 256, seed=4)
    assert images.shape == (6, 3, 256, 256) and kernels.shape == weights.shape == (6, 64, 64)
    again = draw.batch(6, 256, seed=4)
    assert (again[0] == images).all() and (again[1] == kernels).all()
    assert (draw.batch(6, 256, seed=5)[0] != images).any()
    assert kernels.max() == KERNELS and (kernels == 0).any()
    import torch

    from backend.training.text import nested

    maps = nested(torch.from_numpy(kernels).float()).numpy()
    assert (maps[:, 1:] <= maps[:, :-1]).all()  # each kernel lies in the larger one
    # on flat ground the letters are where the text map is
    rng = np.random.default_rng(0)
    flat = np.full((256, 256, 3), 128, np.float32)
    draw.ground = lambda side, rng: (flat.copy(), np.zeros((64, 64), bool))
    scenes = [draw.scene(256, rng) for _ in range(6)]
    changed = np.stack([np.abs(s.image - 128).max(2) > 40 for s in scenes])
    cells = changed.reshape(6, 64, 4, 64, 4).any((2, 4))
    inside = np.stack([cv2.dilate(s.taken, np.ones((5, 5))) > 0 for s in scenes])
    assert (cells & ~inside).sum() < 0.12 * cells.sum()


@pytest.mark.parametrize("side", [5.0, 31.0, 150.0])
def test_wide_means_in_a_smaller_picture_are_the_same_means(side: float):
    rng = np.random.default_rng(5)
    light = cv2.GaussianBlur(rng.random((300, 420, 3)).astype(np.float32) * 255, (0, 0), 3)
    light += np.linspace(0, 80, 420, dtype=np.float32)[None, :, None]
    box = (int(side) | 1,) * 2
    exact = cv2.blur(cv2.blur(light, box), box)
    near = text_scales.mean_around(light, side)
    assert near.shape == light.shape and near.dtype == np.float32
    assert np.abs(near - exact).mean() < 0.15 * np.abs(light - exact).mean()


def test_what_one_plane_does_not_foretell_is_left():
    rng = np.random.default_rng(6)
    a, b = (cv2.GaussianBlur(rng.normal(0, 90, (240, 320)).astype(np.float32), (0, 0), 2)
            for _ in range(2))  # fmt: skip
    word = np.zeros((240, 320), np.float32)
    word[100:130, 80:240:20] = 12
    word = word[:, ::-1].copy()
    left = text_faint.beyond(0.8 * a - 0.5 * b + word, a, b, 60.0)
    on, off = left[100:130][word[100:130] > 0], left[:60]
    assert on.mean() > 6 and np.abs(off).mean() < 0.25 * np.abs(0.8 * a - 0.5 * b)[:60].mean()
