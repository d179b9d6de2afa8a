"""Edges that a hole interrupts: which are found, and how they are continued."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.fill import lines
from backend.fill.matches import Settings
from backend.fill.patchmatch import PatchMatchFill
from backend.fill.pyramid import build
from backend.values import Cancelled, Control

RED, GREY, BLUE = (0.75, 0.2, 0.2), (0.55, 0.55, 0.5), (0.05, 0.1, 0.4)
SLOPE = 0.25  # of the edge: x = 120 + SLOPE·(y - 100)


def picture(below: tuple[float, float, float] = GREY) -> np.ndarray:
    """200×240×3: red left of a slanted edge, grey right of it (`below` in the lower half)."""
    y, x = np.mgrid[:200, :240]
    rgb = np.full((200, 240, 3), GREY, np.float32)
    rgb[y > 100] = below
    rgb[x < 120 + SLOPE * (y - 100)] = RED
    noise = np.random.default_rng(0).normal(0, 0.03, rgb.shape)
    return np.clip(cv2.GaussianBlur(rgb, (0, 0), 0.6) + noise, 0, 1).astype(np.float32)


def blob() -> np.ndarray:
    """200×240 bool: an uneven hole over the middle of the edge."""
    hole = np.zeros((200, 240), np.uint8)
    cv2.circle(hole, (118, 95), 34, (1,), -1)
    cv2.circle(hole, (140, 120), 22, (1,), -1)
    return hole > 0


def off_line(point: np.ndarray) -> float:
    return abs(float(point[0] - 120 - SLOPE * (point[1] - 100)))


def test_an_edge_that_goes_on_behind_the_hole_is_found_once() -> None:
    hole = blob()
    rgb = picture()
    rgb[hole] = (0, 1, 0)
    found = lines.gaps(rgb, hole, ~hole, Control())
    assert len(found) == 1
    assert off_line(found[0].start) < 2 and off_line(found[0].stop) < 2
    assert min(found[0].before, found[0].behind) > 20
    assert {bool(p[1] < 100) for p in (found[0].start, found[0].stop)} == {True, False}


def test_the_search_for_edges_ends_when_it_is_cancelled_and_is_one_wherever_the_hole_lies() -> None:
    hole, rgb = blob(), picture()
    rgb[hole] = (0, 1, 0)
    with pytest.raises(Cancelled):
        lines.gaps(rgb, hole, ~hole, Control(cancelled=lambda: True))
    around = [(600, 40), (500, 30)]  # so far from the corner that only a part is looked at
    wide, large = np.pad(rgb, [*around, (0, 0)], mode="edge"), np.pad(hole, around)
    (far,) = lines.gaps(wide, large, ~large, Control())
    for end in (far.start, far.stop):
        assert off_line(end - (500, 600)) < 2
    assert {bool(p[1] < 700) for p in (far.start, far.stop)} == {True, False}


@pytest.mark.parametrize("what", ["other colours", "no edge", "nothing known", "no hole"])
def test_what_is_no_interrupted_edge_is_left(what: str) -> None:
    hole, rgb = blob(), picture()
    known = ~hole
    if what == "other colours":
        rgb[100:] = 0.5 * rgb[100:, :, ::-1]
    elif what == "no edge":
        rgb[120:] = GREY
    elif what == "nothing known":
        known[:] = False
    elif what == "no hole":
        hole[:] = False
    assert lines.gaps(rgb, hole, known, Control()) == []


@pytest.mark.parametrize("tall, found", [(200, 1), (100, 0)])
def test_a_long_edge_goes_on_between_other_colours_on_one_side(tall: int, found: int) -> None:
    """As the sea's edge goes on before another shore; a short one proves less."""
    first = 100 - tall // 2
    y, x = np.mgrid[:200, :240]
    hole, rgb = np.hypot(x - 120, y - 100) < 20, picture(BLUE)
    hole, rgb = hole[first : first + tall], rgb[first : first + tall]
    assert len(lines.gaps(rgb, hole, ~hole, Control())) == found


@pytest.mark.parametrize("tall, change, bend, found", [
    (300, 0.15, 0.0001, 1),  # a roof under a sky that grows lighter, bent by the lens
    (300, 0.15, 0.0, 1),
    (300, 0.30, 0.0001, 0),  # other colours are another thing
    (300, 0.15, 0.0012, 0),  # an arch is no straight edge
    (150, 0.15, 0.0001, 0),  # short edges prove less
])
def test_two_long_edges_go_on_under_light_that_changes(
    tall: int, change: float, bend: float, found: int
) -> None:
    y, x = np.mgrid[:300, :300].astype(np.float32)
    light = np.where(y > 150, change, 0.0)[..., None]
    roof = x > 150 + 0.8 * (150 - y) + bend * (y - 150) ** 2
    rgb = np.where(roof[..., None], GREY, BLUE)
    rgb = (rgb + light).astype(np.float32)
    hole = np.hypot(x - 150, y - 150) < 50
    rgb = cv2.GaussianBlur(rgb, (0, 0), 0.6)
    rgb[hole] = (0, 1, 0)
    part = np.s_[150 - tall // 2 : 150 + tall // 2]
    gaps = lines.gaps(rgb[part], hole[part], ~hole[part], Control())
    assert len(gaps) == found
    for gap in gaps:
        assert np.hypot(*(gap.stop - gap.start)) > 90


@pytest.mark.parametrize("tall, found", [(40, 1), (120, 0)])
def test_a_long_edge_leaves_the_picture_where_the_border_is_near(tall: int, found: int) -> None:
    rgb = np.full((240, 200, 3), GREY, np.float32)
    rgb[:, :90] = RED
    hole = np.zeros((240, 200), bool)
    hole[240 - tall :, 50:150] = True
    rgb[hole] = (0, 1, 0)
    gaps = lines.gaps(rgb, hole, ~hole, Control())
    assert len(gaps) == found
    for gap in gaps:
        assert abs(gap.stop[0] - 90) < 2 and gap.stop[1] > 237 and gap.behind == 0
        filled = PatchMatchFill().fill(rgb, hole.astype(np.uint8) * 255, Control())
        red = filled[..., 0] - filled[..., 2] > 0.3
        assert (red[200:, 50:150].sum(1) == 40).all(), "straight to the border"


def test_of_two_edges_that_would_cross_one_is_taken() -> None:
    y, x = np.mgrid[:200, :200]
    rgb = np.full((200, 200, 3), 0.5, np.float32)
    for d in (x - y, x + y - 199):
        rgb[np.abs(d) < 5] = 0.9
    hole = np.hypot(x - 100, y - 100) < 40
    found = lines.gaps(rgb, hole, ~hole, Control())
    turns = {bool((g.stop - g.start).prod() > 0) for g in found}
    assert found and len(turns) == 1, "all along one bar, none across it"


def test_of_too_many_edges_the_longest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.full((200, 240, 3), GREY, np.float32)
    rgb[40:160, 60:90] = RED
    rgb[:, 150:] = BLUE
    hole = np.zeros((200, 240), bool)
    hole[75:125, 40:200] = True
    rgb[hole] = (0, 1, 0)
    every = lines.gaps(rgb, hole, ~hole, Control())
    assert len(every) == 3
    monkeypatch.setattr(lines, "MOST_ENDS", 2)
    (left,) = lines.gaps(rgb, hole, ~hole, Control())
    assert abs(left.start[0] - 150) < 2, "that of the whole picture's height"


def test_sources_lie_on_the_line_and_are_known() -> None:
    hole, rgb = blob(), picture()
    rgb[hole] = 0
    edges = lines.gaps(rgb, hole, ~hole, Control())
    levels = build(rgb, hole, ~hole, 3.0, Control(), 4.0, edges)
    targets, ny, nx = levels[0].led
    assert len(targets) > 200
    v = levels[0]
    assert v.valid[ny, nx].all(), "whole patches that are known"
    for y, x, ty, tx in zip(ny, nx, v.ys[targets], v.xs[targets], strict=True):
        moved = np.array([x - tx, y - ty], float)
        across = moved @ np.array([1, -SLOPE]) / np.hypot(1, SLOPE)
        assert abs(across) < 1, "moved along the line"
    assert not len(build(rgb, hole, ~hole, 3.0, Control(), 4.0)[0].led[0])


def test_the_edge_is_straight_in_the_fill() -> None:
    hole, rgb = blob(), picture()
    damaged = rgb.copy()
    damaged[hole] = (0, 1, 0)

    def missed(settings: Settings) -> float:
        filled = PatchMatchFill(settings=settings).fill(
            damaged, hole.astype(np.uint8) * 255, Control())
        assert np.array_equal(filled[~hole], rgb[~hole])
        wrong = (filled[..., 0] - filled[..., 2] > 0.3) != (rgb[..., 0] - rgb[..., 2] > 0.3)
        return float(cv2.blur(wrong.astype(np.float32), (3, 3))[hole].mean())

    led = missed(Settings())
    assert led < 0.01, "less than a pixel beside the line"
    assert led <= missed(Settings(led=False))


def test_a_start_of_its_own_is_not_led(monkeypatch: pytest.MonkeyPatch) -> None:
    hole, rgb = blob(), picture()
    monkeypatch.setattr("backend.fill.patchmatch.gaps", lambda *_: pytest.fail("looked for edges"))
    PatchMatchFill().fill(rgb, hole.astype(np.uint8) * 255, Control(), start=rgb, scale=0.25)
