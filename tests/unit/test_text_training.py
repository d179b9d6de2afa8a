"""The renderer of the text trainers: strips, scenes and PSENet's labels are what they claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

torch = pytest.importorskip("torch")

from backend.training import (  # noqa: E402
    render_text,
    render_text_covers,
    render_text_crops,
    render_text_shapes,
    render_text_words,
    text,
)
from backend.training import render_text_layouts as layouts  # noqa: E402
from backend.training import strokes as strokes_training  # noqa: E402
from backend.training.render_text_quick import GAP, Line, QuickRenderer, Scene  # noqa: E402
from backend.training.render_text_scene import Layout, TextRenderer, border  # noqa: E402
from backend.training.render_text_style import Style  # noqa: E402


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
    batch = (torch.zeros(1, 3, 64, 64), target, torch.ones(1, 1, 16, 16))
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


def a_disc() -> np.ndarray:
    """A grey disc as a cut-out."""
    y, x = np.mgrid[:60, :60] - 29.5
    cut = np.full((60, 60, 4), 120, np.uint8)
    cut[..., 3] = np.where(np.hypot(y, x) < 28, 255, 0)
    return cut


@pytest.mark.parametrize("seed", range(6))
def test_what_is_pasted_covers_just_its_alpha(seed: int):
    before = np.random.default_rng(seed).uniform(0, 255, (72, 256, 3)).astype(np.float32)
    image = before.copy()
    rng = np.random.default_rng(seed)
    alpha = render_text_covers.pasted(image, [a_disc()], np.full(3, 250.0), rng)
    assert alpha.shape == (72, 256) and alpha.min() == 0 and alpha.max() <= 1
    assert (image[alpha == 0] == before[alpha == 0]).all()
    inside = image[alpha == 1]
    if len(inside):  # a disc of one grey, tinted or not, stays of one colour
        assert np.ptp(inside, 0).max() < 1 < np.ptp(before[alpha == 1], 0).max()


def test_letters_behind_a_thing_are_not_labelled(quick: QuickRenderer):
    _, plain = render_text_crops.batch(quick, 24, 5)
    crops, covered = render_text_crops.batch(quick, 24, 5, [a_disc()])
    assert np.array_equal(crops, render_text_crops.batch(quick, 24, 5, [a_disc()])[0])
    assert not np.array_equal(plain, covered)
    crop = render_text_crops.Crop(np.zeros((72, 256, 3), np.float32))
    crop.text[:], crop.effect[:], crop.plate[:] = 1, 0.5, 1
    alpha = np.zeros((72, 256), np.float32)
    alpha[:, :100] = 1
    crop.cover(alpha)
    for label, value in ((crop.text, 1), (crop.effect, 0.5), (crop.plate, 1)):
        assert (label[:, :100] == 0).all() and (label[:, 100:] == value).all()


def test_drawn_shapes_are_seen_and_not_labelled(quick: QuickRenderer):
    line = Line(0, 128.0, 36.0, 30.0, 120.0, 0.0)
    look = Style(np.full(3, 20.0), np.full(3, 200.0))
    crops = []
    for shapes in (False, True):
        crop = render_text_crops.Crop(np.full((72, 256, 3), 220, np.float32))
        rng = np.random.default_rng(1)
        assert render_text_crops.add(quick, crop, line, look, rng, shapes) is look
        crops.append(crop)
    plain, drawn = crops
    assert np.array_equal(plain.text, drawn.text) and plain.text.max() == 1
    assert (np.abs(plain.image - drawn.image).max(2) > 30).mean() > 0.01


def test_some_crops_have_shapes_and_more_on_flat_ground_have_things(
    quick: QuickRenderer, monkeypatch: pytest.MonkeyPatch
):
    count = 300
    drawn, behind = [], {True: 0, False: 0}
    monkeypatch.setattr(render_text_shapes, "add", lambda *args: drawn.append(1))

    def pasted(image: np.ndarray, cutouts: object, ink: object, rng: object) -> np.ndarray:
        behind[ink is None] += 1
        return np.zeros(image.shape[:2], np.float32)

    monkeypatch.setattr(render_text_crops, "pasted", pasted)
    render_text_crops.batch(quick, count, 3, [a_disc()])
    assert 0.1 < len(drawn) / count < 0.3
    few = behind[True]
    monkeypatch.setattr(render_text_crops, "is_flat", lambda part: True)
    behind[True] = 0
    render_text_crops.batch(quick, count, 3, [a_disc()])
    assert few < behind[True] and 0.3 < behind[True] / count < 0.5


def test_some_plain_lines_glow():
    rng = np.random.default_rng(3)
    looks = [render_text_crops.looks(np.full(3, 128.0), rng) for _ in range(2000)]
    # a glow wider than any of the usual styles'
    wide = [x for x in looks if x.glow > 0.25]
    assert len(wide) > 10 and all(x.opacity == 1 and not x.shadow for x in wide)


def test_some_lines_are_as_faint_as_watermarks():
    rng = np.random.default_rng(3)
    looks = [render_text_crops.looks(np.full(3, 128.0), rng) for _ in range(400)]
    faint = [x for x in looks if x.opacity < render_text_crops.LEAST_SEEN[1]]
    assert 0.05 < len(faint) / len(looks) < 0.25
    assert all(x.opacity >= render_text_crops.LEAST_SEEN[0] and not x.plate for x in faint)


def test_a_missed_effect_costs_more_than_one_too_many():
    class Says(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((1, 3, 8, 8), self.value)

    net, target = Says(), torch.zeros(1, 3, 8, 8)
    target[:, 1, :, :4] = 1  # half of it is an effect
    net.value = -2.0
    missed = strokes_training.loss(net, (torch.zeros(1, 4, 8, 8), target))[1]["effect"]
    net.value = 2.0
    many = strokes_training.loss(net, (torch.zeros(1, 4, 8, 8), target))[1]["effect"]
    assert missed > 3 * many


def test_a_deeper_stroke_net_starts_with_the_answers_of_a_shallow_one(tmp_path: Path):
    from safetensors.torch import save_file

    from backend.networks.strokes import WIDTHS, StrokeNet
    from backend.values import BadInput

    torch.manual_seed(1)
    shallow, deep = StrokeNet(WIDTHS[:-1]).eval(), StrokeNet()
    save_file(shallow.state_dict(), tmp_path / "shallow.safetensors")
    strokes_training.start_from(deep, tmp_path / "shallow.safetensors")
    x = torch.rand(1, 4, 40, 48)
    with torch.inference_mode():
        assert torch.allclose(shallow(x), deep.eval()(x), atol=1e-4)
    save_file(StrokeNet((16, 16)).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="does not fit"):
        strokes_training.start_from(deep, tmp_path / "other.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"no weights")
    for name in ("torn.safetensors", "missing.safetensors"):
        with pytest.raises(BadInput, match="cannot be read"):
            strokes_training.start_from(deep, tmp_path / name)


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


def atlas_of(*lines: str) -> render_text.Atlas:
    font = ImageFont.load_default(64)
    strips = [render_text.strip(render_text.draw(x, font, spacing=0, vertical=False))
              for x in lines]
    coverage, distance, width = (np.stack(x) for x in zip(*strips, strict=True))
    n = len(lines)
    return render_text.Atlas(coverage, distance, width.astype(np.float32), np.zeros(n),
                             np.zeros(n, bool))


def test_what_stands_wide_apart_is_labelled_one_by_one_where_asked():
    photos = np.full((1, 64, 96, 3), 120, np.uint8)
    atlas = atlas_of("New season", "Now    10:00")
    for number, parts in ((0, 1), (1, 2)):
        line = Line(number, 128, 128, 36, float(atlas.width[number]) * 36 / render_text.INK, 0.0)
        for words in (False, True):
            pieces = QuickRenderer(atlas, photos, words).pieces(line)
            assert pieces[0][0] == pytest.approx(-line.length / 2, abs=1)
            assert pieces[-1][1] == pytest.approx(line.length / 2, abs=1)
            assert len(pieces) == (parts if words else 1)
    scene = Scene(np.full((256, 256, 3), 120, np.float32), np.zeros((64, 64), np.uint8),
                  np.ones((64, 64), np.uint8))
    QuickRenderer(atlas, photos, True).draw(scene, line, None, np.random.default_rng(0))
    between = scene.weight == GAP
    assert between.any() and not scene.kernel[between].any()
    assert scene.kernel[32, :31].any() and scene.kernel[32, 33:].any()


def test_print_too_small_and_a_photos_own_text_are_no_ground():
    atlas = atlas_of("Sale")
    photos = np.full((1, 320, 448, 3), 120, np.uint8)
    draw = QuickRenderer(atlas, photos)
    weights = []
    for size in (7.0, 20.0):
        scene = Scene(np.full((128, 128, 3), 120, np.float32), np.zeros((32, 32), np.uint8),
                      np.ones((32, 32), np.uint8))
        length = float(atlas.width[0]) * size / render_text.INK
        assert draw.draw(scene, Line(0, 64, 64, size, length, 0.0), None, np.random.default_rng(1))
        weights.append(scene.weight)
    assert (weights[0] == 0).any() and (weights[1] > 0).all()
    known = np.ones(photos.shape[:3], bool)
    _, _, weight = QuickRenderer(atlas, photos, known=known).batch(8, 128, 3)
    assert (weight == 0).any() and (draw.batch(8, 128, 3)[2] > 0).any()
    better, worse = (torch.full((1, 7, 32, 32), v) for v in (-6.0, 6.0))
    there = torch.from_numpy(weights[0])[None, None].float()
    batch = (torch.zeros(1, 3, 128, 128), torch.zeros(1, 7, 32, 32), there)
    assert text.loss(lambda _: better, batch)[0] < 0.1 < text.loss(lambda _: worse, batch)[0]
    unknown = torch.where(there == 0, worse, better)  # wrong only where nothing is known
    assert text.loss(lambda _: unknown, batch)[0] == pytest.approx(
        float(text.loss(lambda _: better, batch)[0]), abs=1e-4)


def test_layouts_keep_labels_on_what_they_label():
    rng = np.random.default_rng(4)
    image = np.zeros((128, 128, 3), np.float32)
    image[40:80, 24:100] = 255
    plane = np.zeros((32, 32), np.uint8)
    plane[10:20, 6:25] = 7
    for _ in range(5):
        turned, (level, flag) = layouts.aslant(image, [(plane, True), (plane, False)], rng)
        shown = turned[..., 0].reshape(32, 4, 32, 4).mean((1, 3)) > 127
        for label in (level > 3, flag > 0):
            assert (shown & label).sum() > 0.8 * (shown | label).sum()
        assert set(np.unique(flag)) <= {0, 7}
    spots = [layouts.strewn(320, rng) for _ in range(20)]
    assert all(6 <= len(s) < 22 for s in spots)
    boxed = np.full((64, 96, 3), 200, np.float32)
    layouts.frame(boxed, 48, 32, 30, 12, 0.0, np.zeros(3), rng, filled=False)
    assert (boxed[32, 48] == 200).all() and (boxed < 100).any()  # around the word, not over it
    assert layouts.is_flat(np.full((9, 9, 3), 7.0)) and not layouts.is_flat(image)
    cover = np.zeros((40, 60), np.float32)
    cover[10:30, 20:40] = 1
    part = layouts.raised(np.full((40, 60, 3), 100, np.float32), cover, 20, rng)
    assert part[:5].std() == 0 and part.max() > 105 and part.min() < 95
    assert layouts.coarse(image, 0.5).shape == image.shape


def test_letters_a_font_lacks_are_told():
    font = ImageFont.load_default(40)
    assert render_text.has(font, "a") and not render_text.has(font, "\u8d28")
