"""The renderer of the text trainers: strips, scenes and PSENet's labels are what they claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

torch = pytest.importorskip("torch")

from backend.training import (  # noqa: E402
    render_text,
    render_text_crops,
    render_text_words,
    text,
)
from backend.training import strokes as strokes_training  # noqa: E402
from backend.training.render_text_quick import Line, QuickRenderer, Style  # noqa: E402
from backend.training.render_text_scene import Layout, TextRenderer, border  # noqa: E402


@pytest.fixture(scope="module")
def atlas() -> render_text.Atlas:
    font = ImageFont.load_default(64)
    strips = []
    for word in ("Sale", "New season", "i"):
        ink = render_text.draw(word, font, spacing=0, vertical=False)
        strips.append(render_text.strip(ink))
    coverage, distance, width = (np.stack(x) for x in zip(*strips, strict=True))
    n = len(strips)
    return render_text.Atlas(coverage, distance, width.astype(np.float32), np.zeros(n),
                             np.zeros(n, bool))


@pytest.fixture(scope="module")
def draw(atlas: render_text.Atlas) -> TextRenderer:
    torch.set_num_threads(1)
    photos = torch.randint(0, 255, (3, 3, 64, 96), dtype=torch.uint8)
    return TextRenderer(atlas, photos, torch.device("cpu"))


def test_a_strip_holds_the_ink_and_its_distance(atlas: render_text.Atlas):
    rows = np.nonzero(atlas.coverage[0].max(1) > 127)[0]
    assert rows[0] == pytest.approx(render_text.PAD, abs=1)
    assert rows[-1] == pytest.approx(render_text.STRIP - render_text.PAD - 1, abs=1)
    inside = atlas.coverage[0] > 200
    assert (atlas.distance[0][inside] < 132).all()
    far = render_text.STRIP // 2, render_text.WIDTH - 1
    assert atlas.distance[0][far] == 255


def test_scenes_repeat_with_their_seed_and_differ_without(draw: TextRenderer):
    layout = Layout(64, 128, ((16, 30), (10, 14)), negative=0)
    one, same, other = (draw.scenes(2, layout, s) for s in (5, 5, 6))
    assert torch.equal(one.image, same.image) and torch.equal(one.text, same.text)
    assert not torch.equal(one.image, other.image)
    assert 0 <= float(one.image.min()) and float(one.image.max()) <= 1


def test_text_lies_inside_its_lines(draw: TextRenderer):
    layout = Layout(96, 160, ((20, 40), (12, 16)), negative=0)
    scene = draw.scenes(4, layout, 11)
    allowed = torch.zeros_like(scene.text[:, 0])
    for line in scene.lines:
        room = 0.2 * line["size"].view(-1, 1, 1) + 1  # outlines reach over the ink's box
        near = (border(line, draw.grid(96, 160)) > -room).float() * line["valid"].view(-1, 1, 1)
        allowed = torch.maximum(allowed, near)
    assert scene.text.sum() > 50
    assert float((scene.text[:, 0] * (1 - allowed)).max()) < 0.2


def test_kernels_shrink_inside_each_other(draw: TextRenderer):
    layout = Layout(128, 128, ((30, 50),), negative=0)
    scene = draw.scenes(4, layout, 3)
    kernels = text.labels(scene, draw)
    assert kernels.shape == (4, 7, 32, 32)
    assert (kernels[:, 1:] <= kernels[:, :-1]).all()
    areas = kernels.sum((0, 2, 3))
    assert areas[0] > areas[3] > areas[6] > 0


def test_losses_fall_with_better_answers():
    target = torch.zeros(1, 7, 16, 16)
    target[:, :, 4:12, 4:12] = 1
    good, bad = (target * 2 - 1) * 6, (1 - target * 2) * 6
    batch = (torch.zeros(1, 3, 64, 64), target)
    assert text.loss(lambda _: good, batch)[0] < 0.05 < text.loss(lambda _: bad, batch)[0]
    stroke = torch.zeros(1, 3, 16, 16)
    stroke[:, 0, 4:8] = 1
    batch = (torch.zeros(1, 4, 16, 16), stroke)
    right = strokes_training.loss(lambda _: (stroke * 2 - 1) * 6, batch)[0]
    wrong = strokes_training.loss(lambda _: (1 - stroke * 2) * 6, batch)[0]
    assert right < 0.1 < wrong


def test_hints_lie_in_the_middle_of_the_crop(draw: TextRenderer):
    scene = draw.scenes(6, strokes_training.LAYOUT, 2)
    hint = strokes_training.hints(scene, draw)[:, 0]
    rows = hint.amax((0, 2)).nonzero()[:, 0]
    assert rows[0] == (72 - strokes_training.BOX) // 2
    assert rows[-1] == rows[0] + strokes_training.BOX - 1


@pytest.fixture(scope="module")
def quick(atlas: render_text.Atlas) -> QuickRenderer:
    photos = np.random.default_rng(0).integers(0, 255, (3, 320, 448, 3)).astype(np.uint8)
    return QuickRenderer(atlas, photos)


def test_crops_are_the_same_for_the_same_seed_and_hold_hints(quick: QuickRenderer):
    crops, labels = render_text_crops.batch(quick, 6, 5)
    again = render_text_crops.batch(quick, 6, 5)
    assert np.array_equal(crops, again[0]) and np.array_equal(labels, again[1])
    assert crops.shape == (6, 4, 72, 256) and labels.shape == (6, 3, 72, 256)
    assert not np.array_equal(crops, render_text_crops.batch(quick, 6, 6)[0])
    rows = np.nonzero(crops[:, 3].max((0, 2)))[0]
    assert len(rows) == render_text_crops.BOX and labels[:, 0].max() == 255


@pytest.mark.parametrize(("outline", "hollow"), [(0.0, False), (0.1, False), (0.1, True)])
def test_a_crops_label_is_what_was_painted(quick: QuickRenderer, outline: float, hollow: bool):
    crop = render_text_crops.Crop(np.full((72, 256, 3), 90, np.float32))
    line = Line(0, 128, 36, 30, float(quick.atlas.width[0]) * 30 / render_text.INK, 0.0)
    u, v = (a.astype(np.float32) for a in np.meshgrid(np.arange(256) - 128, np.arange(72) - 36))
    coverage, distance = quick.sample(line, u, v)
    look = Style(np.full(3, 250.0), np.full(3, 180.0), outline=outline)
    render_text_crops.paint(crop, coverage, distance, np.zeros_like(u), 30, look, hollow)
    changed = np.abs(crop.image - 90).max(2) > 0.5
    assert (crop.text > 0.9).sum() > 50
    assert not changed[crop.text == 0].any() and changed[crop.text > 0.9].all()
    assert (np.abs(crop.image - 250).max(2) < 1).any() != hollow


def test_words_need_no_files_and_fonts_are_told_apart(tmp_path: Path):
    import random

    assert len(render_text_words.HAN) == 3755
    assert render_text_words.latin(random.Random(1)) == render_text_words.latin(random.Random(1))
    for name in ("a.ttf", "NotoSansCJK-Bold.otf", "readme.txt"):
        (tmp_path / name).write_bytes(b"")
    latin, asian = render_text.font_files([tmp_path])
    assert [p.name for p in latin] == ["a.ttf"]
    assert [p.name for p in asian] == ["NotoSansCJK-Bold.otf"]


def test_words_are_labelled_one_by_one_where_asked(atlas: render_text.Atlas):
    photos = np.full((1, 64, 96, 3), 120, np.uint8)
    line = Line(1, 128, 128, 36, float(atlas.width[1]) * 36 / render_text.INK, 0.0)
    counts = {}
    for words in (False, True):
        renderer = QuickRenderer(atlas, photos, words)
        left, right = renderer.pieces(line)[0][0], renderer.pieces(line)[-1][1]
        assert left == pytest.approx(-line.length / 2, abs=1)
        assert right == pytest.approx(line.length / 2, abs=1)
        counts[words] = len(renderer.pieces(line))
    assert counts == {False: 1, True: 2}, "NEW SEASON"
    assert len(QuickRenderer(atlas, photos, True).pieces(Line(0, 0, 0, 36, 90, 0.0))) == 1
