"""Click models on drawn pictures: right answers, clear errors, odd sizes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from backend.masks import click_points
from backend.masks.click import BuiltinClick, load_builtin, read_weights
from backend.masks.click_deepmask import DeepMaskClick
from backend.masks.click_edges import guided_upsample
from backend.masks.click_grabcut import GrabCutClick
from backend.masks.click_graph import GraphClick
from backend.masks.click_opinion import ConvOpinion
from backend.masks.click_people import PeopleFirst
from backend.models.catalogue import Entry
from backend.networks.click import ClickNet
from backend.networks.click_graph import GraphNet
from backend.networks.click_mobile import Fused, MobileClickNet
from backend.networks.deepmask import DeepMask
from backend.values import BadInput, Box, Control, ModelUnavailable, Point


def disk(height: int = 120, width: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """A red disk on textured green, and its mask."""
    rng = np.random.default_rng(0)
    rgb = np.full((height, width, 3), (60, 140, 70), np.uint8)
    rgb = np.clip(rgb + rng.integers(-12, 12, rgb.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), height // 4, 255, -1)
    rgb[mask > 0] = (200, 40, 40)
    return rgb, mask


def models() -> list:
    torch.manual_seed(0)
    return [
        BuiltinClick(ClickNet().eval(), "click-builtin", "cpu"),
        GraphClick(GraphNet(), "click-builtin"),
        DeepMaskClick(DeepMask("deepcrop-v2").eval(), "deepcrop-v2", "cpu"),
        GrabCutClick(),
        BuiltinClick(MobileClickNet().eval(), "click-builtin", "cpu"),
        GraphClick(GraphNet(), "click-builtin", ConvOpinion(MobileClickNet().eval())),
    ]


@pytest.fixture(params=range(6), ids=["conv", "graph", "deepcrop", "grabcut", "mobile", "fused"])
def model(request: pytest.FixtureRequest):
    return models()[request.param]


def test_grabcut_finds_the_disk() -> None:
    rgb, mask = disk()
    cut = GrabCutClick()
    found = cut.predict(cut.encode(rgb, Control()), (Point(80, 60),)) > 0.5
    truth = mask > 0
    assert (found & truth).sum() / (found | truth).sum() > 0.9


def test_answers_have_the_size_and_range_of_the_picture(model) -> None:
    rgb, _ = disk(90, 140)
    embedding = model.encode(rgb, Control())
    first = model.predict(embedding, (Point(70, 45),))
    again = model.predict(embedding, (Point(70, 45),), (Point(5, 5),), Box(40, 20, 100, 70), first)
    for answer in (first, again):
        assert answer.shape == (90, 140) and answer.dtype == np.float32
        assert answer.min() >= 0 and answer.max() <= 1


def test_a_click_outside_names_the_size(model) -> None:
    rgb, _ = disk(30, 40)
    embedding = model.encode(rgb, Control())
    for outside in (Point(40, 3), Point(3, 30), Point(-1, 3)):
        with pytest.raises(BadInput, match="40 × 30"):
            model.predict(embedding, (outside,))
        with pytest.raises(BadInput, match="40 × 30"):
            model.predict(embedding, (Point(1, 1),), (outside,))


def test_nothing_to_go_by_and_empty_boxes_are_refused(model) -> None:
    rgb, _ = disk(30, 40)
    embedding = model.encode(rgb, Control())
    with pytest.raises(BadInput, match="box"):
        model.predict(embedding, ())
    with pytest.raises(BadInput, match="box"):
        model.predict(embedding, (), box=Box(50, 0, 60, 10))
    with pytest.raises(BadInput, match="previous"):
        model.predict(embedding, (Point(1, 1),), previous=np.zeros((3, 3), np.float32))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 700), (900, 2), (5, 5)])
def test_tiny_and_long_pictures(model, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (*shape, 3), dtype=np.uint8)
    embedding = model.encode(rgb, Control())
    point = Point(shape[1] - 1, shape[0] // 2)
    assert model.predict(embedding, (point,)).shape == shape
    assert model.predict(embedding, (), (), Box(0, 0, shape[1], shape[0])).shape == shape


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32),
                                 np.zeros((0, 4, 3), np.uint8)])
def test_pictures_of_another_form_are_refused(model, bad: np.ndarray) -> None:
    with pytest.raises(BadInput):
        model.encode(bad, Control())


def test_a_wide_picture_of_20000_pixels(model) -> None:
    rgb = np.full((60, 20000, 3), 90, np.uint8)
    rgb[20:40, 15000:15030] = (250, 30, 30)
    embedding = model.encode(rgb, Control())
    answer = model.predict(embedding, (Point(15015, 30),))
    assert answer.shape == (60, 20000)
    assert not answer[:, :10000].any()  # nothing far from the click


def test_a_plain_picture_gives_an_answer_or_nothing(model) -> None:
    embedding = model.encode(np.full((40, 60, 3), 127, np.uint8), Control())
    assert np.isfinite(model.predict(embedding, (Point(30, 20),))).all()


def test_a_further_click_does_not_encode_again() -> None:
    rgb, _ = disk()
    click = BuiltinClick(ClickNet().eval(), "click-builtin", "cpu")
    seen = []
    encode = click.net.encode
    click.net.encode = lambda x: seen.append(1) or encode(x)
    embedding = click.encode(rgb, Control())
    click.predict(embedding, (Point(80, 60),))
    count = len(seen)
    click.predict(embedding, (Point(80, 60),), (Point(3, 3),))
    assert len(seen) <= count + 1  # at most a crop that the first click did not need


def test_graph_keeps_its_windows() -> None:
    rgb, _ = disk()
    click = GraphClick(GraphNet(), "click-builtin")
    embedding = click.encode(rgb, Control())
    click.predict(embedding, (Point(80, 60),))
    windows = dict(embedding.data.windows)
    click.predict(embedding, (Point(80, 60), Point(82, 61)))
    assert all(embedding.data.windows[k] is v for k, v in windows.items())


def test_graph_prepares_for_corrections_while_nobody_waits() -> None:
    rgb, mask = disk()
    inside = mask > 0
    click = GraphClick(GraphNet(), "click-builtin")
    # What the net would say of the disk, so that this needs no weights.
    click._ask = lambda looked, window, *rest, **more: cv2.resize(  # type: ignore[method-assign]
        inside[window.slices].astype(np.float32),
        click._window(looked, window).labels.shape[::-1], interpolation=cv2.INTER_LINEAR)
    click._asked = True
    embedding = click.encode(rgb, Control())
    before = len(embedding.data.fine)
    for found in (click.glance(embedding, (Point(80, 60),)),
                  click.predict(embedding, (Point(80, 60),))):
        assert ((found > 0.5) & inside).sum() > 0.9 * inside.sum()
    assert len(embedding.data.fine) == before, "not while the outline is waited for"
    click.prepare(embedding)
    assert embedding.data.ahead is None
    prepared = dict(embedding.data.fine)
    click.predict(embedding, (Point(80, 60),), (Point(3, 3),), None, found)
    assert all(embedding.data.fine[k] is v for k, v in prepared.items())


def test_the_first_answer_of_all_is_given_away_before_a_click() -> None:
    click = GraphClick(GraphNet(), "click-builtin")
    asked: list[tuple[Point, ...]] = []
    real = click._ask
    click._ask = lambda looked, window, positives, *rest, **more: (  # type: ignore[method-assign]
        asked.append(positives), real(looked, window, positives, *rest, **more))[1]
    for _ in range(2):
        click.prepare(click.encode(disk()[0], Control()))
    assert asked == [(Point(80, 60),)]


def test_a_cancel_stops_encoding() -> None:
    from backend.values import Cancelled

    with pytest.raises(Cancelled):
        GraphClick(GraphNet(), "x").encode(disk()[0], Control(cancelled=lambda: True))


def test_weights_of_another_net_are_refused(tmp_path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "click-builtin.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(ModelUnavailable, match="does not fit"):
        read_weights(ClickNet(), path)


def test_the_nets_word_counts_beside_the_graphs() -> None:
    """A convolutional net that is sure decides what the graph leaves open."""
    from backend.masks import click_opinion

    rgb, mask = disk()
    open_question = np.full(mask.shape, 0.5, np.float32)
    sure = np.where(mask > 0, 9.0, -9.0).astype(np.float32)
    for mixed in (click_opinion.at_first(open_question, rgb, (80, 60), sure),
                  click_opinion.later(open_question, sure)):
        assert ((mixed > 0.5) == (mask > 0)).all()


def test_the_conv_net_sees_clicks_where_they_are() -> None:
    """Clicks, the answer before and the box keep their place at the net's own size."""
    from backend.networks.click import Decoded

    net, given = MobileClickNet().eval(), []

    def decode(features, clicks, previous, box):
        given.append((clicks, previous, box))
        flat = torch.zeros_like(previous)
        return Decoded(flat, flat, flat, flat, flat)

    net.decode = decode
    conv = ConvOpinion(net)
    seen = conv.look(np.zeros((60, 100, 3), np.uint8))  # 64 × 96 in the net
    left = np.zeros((60, 100), np.float32)
    left[:, :50] = 1
    found = conv.logits(seen, (60, 100), [(50, 30, True), (0, 59, False)], left, 1 - left)
    assert found.shape == (60, 100)
    clicks, previous, box = given[0]
    assert clicks[0, 0].tolist() == pytest.approx([50.5 * 0.96, 30.5 * 64 / 60, 1])
    assert clicks[0, 1, 2] == 0
    assert previous.shape == (1, 1, 16, 24)
    assert previous[..., :11].min() == 1 and previous[..., 13:].max() == 0
    assert torch.allclose(box, 1 - previous, atol=1e-5)


@pytest.mark.parametrize("kind", ["graph", "conv", "mobile", "fused"])
def test_loading_half_precision_weights(tmp_path, kind: str) -> None:
    from backend.training.trainer import save_half

    nets = {"graph": GraphNet, "conv": ClickNet, "mobile": MobileClickNet, "fused": Fused}
    net = nets[kind]()
    path = tmp_path / "click-builtin.safetensors"
    save_half(net.state_dict(), path, {"kind": kind})
    assert path.stat().st_size <= 10_000_000
    loaded = load_builtin(Entry("click-builtin", "click", "x", "MIT", 1, ""),
                          {path.name: path}, "cpu", Control())
    if kind == "fused":
        assert isinstance(loaded, PeopleFirst)
        loaded = loaded.click
    assert isinstance(loaded, GraphClick if kind in ("graph", "fused") else BuiltinClick)
    if isinstance(loaded, GraphClick):
        assert (loaded.conv is not None) == (kind == "fused")
    net = net.graph if isinstance(net, Fused) else net
    for key, value in loaded.net.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, net.state_dict()[key], atol=1e-2), key


def test_parts_without_a_click_go_and_large_ones_stay() -> None:
    mask = np.zeros((100, 100), bool)
    mask[10:40, 10:40] = mask[60:80, 60:80] = mask[90:92, 2:4] = True
    kept = click_points.touched(mask, [Point(20, 20)], None)
    assert kept[20, 20] and kept[70, 70] and not kept[91, 3]
    alone = click_points.touched(mask, [Point(20, 20)], None, share=2.0)
    assert alone[20, 20] and not alone[70, 70]
    assert not click_points.touched(mask, [Point(50, 5)], None).any()


def test_guided_upsampling_follows_the_edge() -> None:
    rgb = np.zeros((80, 120, 3), np.uint8)
    rgb[:, 57:] = 230  # the true edge
    coarse = np.zeros((20, 30), np.float32)
    coarse[:, 15:] = 1  # at 60, three pixels off
    fine = guided_upsample(coarse, rgb)
    assert fine.shape == (80, 120)
    assert (fine[:, 50:56] < 0.5).all() and (fine[:, 58:66] > 0.5).all()
