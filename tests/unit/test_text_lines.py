"""Lines from probability maps, their merging, PSENet's scale expansion, and what is accepted."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from backend.masks import psenet, text_accept, text_scales
from backend.masks.text_lines import HUES, Region, box_of, merge, reading_order, regions_of
from backend.values import Control


def map_with(*boxes: tuple[float, float, float, float, float]) -> np.ndarray:
    """A 200×300 map with rotated rectangles (cx, cy, length, height, degrees)."""
    canvas = np.zeros((200, 300), np.uint8)
    for cx, cy, length, height, degrees in boxes:
        corners = cv2.boxPoints(((cx, cy), (length, height), degrees))
        cv2.fillConvexPoly(canvas, corners.round().astype(np.int32), 255)
    return cv2.GaussianBlur(canvas, (0, 0), 0.7).astype(np.float32) / 255


def test_regions_undo_the_shrinking_and_know_the_direction():
    (region,) = regions_of(map_with((150, 100, 120, 12, -30)))
    assert np.rad2deg(region.angle) == pytest.approx(-30, abs=2)
    assert (region.cx, region.cy) == pytest.approx((150, 100), abs=1.5)
    # area·1.6/perimeter is 8.7 px on every side of a 120×12 box, 10 of one that blur made 122×14
    assert 12 + 2 * 8.7 < region.height < 16 + 2 * 11
    assert 120 + 2 * 8.7 < region.length < 124 + 2 * 11
    assert regions_of(0.4 * map_with((150, 100, 120, 12, 0)), keep=0.5) == []


def test_a_bent_line_becomes_pieces_that_follow_it():
    canvas = np.zeros((200, 300), np.uint8)
    cv2.ellipse(canvas, (150, 190), (120, 120), 0, 200, 340, 255, 14)
    pieces = regions_of(canvas.astype(np.float32) / 255)
    assert len(pieces) >= 2
    assert all(p.height < 65 for p in pieces)  # the whole arc is 95 px high
    angles = [p.angle for p in sorted(pieces, key=lambda p: p.cx)]
    assert angles[0] < -0.2 and angles[-1] > 0.2


def test_lines_that_a_faint_bridge_links_are_taken_apart():
    lines = map_with((150, 70, 200, 14, 0), (110, 104, 120, 14, 0))
    bridge = 0.3 * map_with((110, 87, 8, 34, 0))
    above, below = sorted(regions_of(np.maximum(lines, bridge), threshold=0.2),
                          key=lambda r: r.cy)
    assert (above.cy, below.cy) == pytest.approx((70, 104), abs=2)
    assert max(above.height, below.height) < 45  # the two together are 48 px high before growing
    strong = np.maximum(lines, bridge / 0.3)
    assert max(r.height for r in regions_of(strong, threshold=0.2)) > 45


def test_merge_joins_duplicates_and_keeps_neighbours():
    line = Region(100, 50, 120, 20, 0.0, 0.9)
    seen_again = Region(104, 51, 118, 18, 0.02, 0.8)
    below = Region(100, 76, 120, 20, 0.0, 0.9)
    caption = Region(80, 50, 30, 5, 0.0, 0.9)  # small print inside a headline's box
    merged = merge([line, seen_again, below, caption])
    assert sorted(round(r.height) for r in merged) in ([5, 20, 20], [5, 20, 21])
    hue = replace(seen_again, view=HUES)
    (kept,) = merge([hue, line])
    assert kept == line


def test_reading_order_goes_by_rows():
    a, b, c = Region(200, 20, 50, 20, 0), Region(40, 23, 50, 20, 0), Region(40, 60, 50, 20, 0)
    assert reading_order([c, a, b]) == [b, a, c]


def test_box_of_reads_a_square_horizontally():
    box = box_of(cv2.boxPoints(((50, 50), (30, 31), 88)))
    assert abs(box.angle) < 0.1


def test_scale_expansion_keeps_touching_lines_apart():
    text = np.zeros((40, 60), np.uint8)
    text[5:35, 5:55] = 1  # in the largest kernel both lines run together
    middle = np.zeros_like(text)
    middle[7:18, 7:53] = middle[22:33, 7:53] = 1
    small = np.zeros_like(text)
    small[11:14, 12:48] = small[26:29, 12:48] = 1
    small[11:13, 2:3] = 1  # a speck
    labels = psenet.expand(np.stack([text, middle, small]))
    assert set(np.unique(labels)) == {0, 1, 2}
    assert (labels[text > 0] > 0).all() and not labels[text == 0].any()
    assert labels[6, 30] != labels[34, 30]
    # each grows by the same number of steps: they meet in the middle
    assert abs(int((labels == 1).sum()) - int((labels == 2).sum())) <= text.shape[1]


def test_lines_of_kernel_maps_have_their_place():
    maps = np.zeros((7, 60, 100), np.float32)
    for n in range(7):
        maps[n, 20 + n // 2 : 40 - n // 2, 10 + n // 2 : 90 - n // 2] = 1
    (region,) = psenet.regions_of_maps(maps)
    assert (region.cx, region.cy) == pytest.approx((49.5, 29.5), abs=0.6)
    assert (region.length, region.height) == pytest.approx((80, 20), abs=1)
    maps[0] *= 0.6
    assert psenet.regions_of_maps(maps) == []


class Blocks:
    """A detector of dark blocks that reads heights from 8 to 60 px only, and notes its calls."""

    coarse = 1024
    in_hues = True
    sizes: tuple[int, ...] = ()

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, int], float]] = []

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
        self.asked.append((rgb.shape[:2], scale))
        small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        _, _, stats, _ = cv2.connectedComponentsWithStats((small[..., 0] < 60).astype(np.uint8))
        boxes = [Region(x + w / 2, y + h / 2, w, h, 0.0, 0.9) for x, y, w, h, _ in stats[1:]]
        return [b.scaled(1 / scale, 1 / scale) for b in boxes if 8 <= b.height <= 60]


def test_every_size_is_looked_for_and_found_once():
    picture = np.full((1400, 2400, 3), 200, np.uint8)
    picture[350:650, 450:1950] = picture[880:920, 700:1600] = 20
    detector = Blocks()
    found = text_scales.find_regions(detector, picture, Control())
    assert sorted(r.height for r in found) == pytest.approx([40, 300], abs=6)
    headline = max(found, key=lambda r: r.height)
    assert (headline.cx, headline.cy) == pytest.approx((1200, 500), abs=5)
    long_sides = [max(shape) * scale for shape, scale in detector.asked]
    assert long_sides[0] == pytest.approx(1024) and min(long_sides) == pytest.approx(384)


def test_of_several_sizes_the_likeliest_boxes_are_taken():
    picture = np.full((400, 1000, 3), 200, np.uint8)
    picture[100:160, 100:500] = picture[300:310, 600:760] = 20

    class Sizes(Blocks):
        sizes = (500, 1000)

        def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
            seen = super().find(rgb, scale, control)
            if scale < 1:  # boxes of the small picture are worse; high ones are surer in it
                return [replace(r, length=0.9 * r.length, score=0.95) for r in seen]
            halves = [replace(r, cx=r.cx + d * r.length / 4, length=r.length / 2)
                      for r in seen for d in (-1, 1) if r.height > 20]
            return halves + [r for r in seen if r.height <= 20]

    detector = Sizes()
    found = text_scales.find_regions(detector, picture, Control())
    assert [round(max(shape) * scale) for shape, scale in detector.asked] == [500, 1000]
    large, small = sorted(found, key=lambda r: -r.height)
    assert large.length == pytest.approx(360, abs=8) and large.score == 0.95
    assert small.length == pytest.approx(160, abs=2), "too low for the small pass"
    apart = [Region(0, 0, 40, 10, 0.0, 0.5), Region(35, 0, 40, 10, 0.0, 0.6)]
    assert len(text_scales.likeliest(apart)) == 2
    assert text_scales.likeliest([*apart, Region(18, 0, 76, 10, 0.0, 0.9)])[0].length == 76


def test_small_print_is_looked_for_in_its_tiles_only():
    picture = np.full((2400, 3200, 3), 200, np.uint8)
    for y in range(1500, 1560, 14):
        for x in range(2000, 2200, 6):
            cv2.line(picture, (x, y), (x + 2, y + 7), (30, 30, 30), 1)
    tiles = text_scales.tiles_with_small_print(picture, [], 0.3)
    assert 1 <= len(tiles) <= 4
    y, x = tiles[0]
    assert y <= 1530 < y + text_scales.TILE and x <= 2100 < x + text_scales.TILE
    assert text_scales.tiles_with_small_print(np.full_like(picture, 9), [], 0.3) == []


def test_of_print_that_one_pass_may_overlook_tiles_add_the_small_lines():
    """A picture seen nearly at its size: some tiles are looked at, what they show of higher lines
    or of known ones does not count."""
    picture = np.full((1080, 1080, 3), 200, np.uint8)
    for y in range(40, 1040, 14):
        for x in range(40, 1040, 6):
            cv2.line(picture, (x, y), (x + 2, y + 7), (30, 30, 30), 1)

    class Tiles:
        coarse, in_hues, sizes, asked = 1024, False, (), 0

        def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
            assert rgb.shape[:2] == (text_scales.TILE,) * 2
            self.asked += 1
            return [Region(100, 100, 90, height, 0.0, 0.9) for height in (12, 60)]

    detector, control = Tiles(), Control()
    found = text_scales.in_tiles(detector, picture, [], 1.0, control)
    assert detector.asked == text_scales.SOME and {r.height for r in found} == {12}
    assert text_scales.in_tiles(detector, picture, found, 1.0, control) == []
    found = text_scales.in_tiles(detector, picture, [], 0.5, control)
    assert {r.height for r in found} == {12, 60}
    assert text_scales.in_tiles(detector, picture, [], text_scales.FINE, control) == []


def test_tiles_cover_the_image_and_overlap():
    seen = np.zeros((1500, 2300), np.uint8)
    for y, x in text_scales.tile_corners(seen.shape, 640, 96):
        assert y + 640 <= 1500 and x + 640 <= 2300
        seen[y : y + 640, x : x + 640] += 1
    assert seen.min() >= 1


def test_hues_show_what_a_pattern_hides():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 2, (60, 80)).repeat(4, 0).repeat(4, 1) * 160 + 40
    picture = np.repeat(grey[..., None], 3, 2).astype(np.float32)
    picture[100:140, 60:260] = picture[100:140, 60:260] * 0.65 + np.array([20, 90, 20]) * 0.35
    seen = text_scales.hues(picture.astype(np.uint8), 80).astype(np.float32)
    inside, outside = seen[110:130, 80:240, 0], seen[180:230, 80:240, 0]
    assert abs(inside.mean() - outside.mean()) > 6 * outside.std()


def test_hues_are_looked_at_again_for_large_letters_alone(monkeypatch):
    class Blind:
        coarse = 1024
        in_hues = True
        sizes: tuple[int, ...] = ()

        def find(self, rgb, scale, control):
            return []

    passes, asked = text_scales.THOROUGH, []
    large, small = Region(300, 100, 400, 160, 0.0, 0.8, 1), Region(300, 400, 200, 60, 0.0, 0.8, 1)

    def by_hue(detector, rgb, side, control):
        asked.append(side)
        return [large, small] if side == passes.large_hues else []

    monkeypatch.setattr(text_scales, "by_hue", by_hue)
    found = text_scales.find_regions(Blind(), np.zeros((800, 1100, 3), np.uint8), Control())
    assert asked == [passes.hues, passes.large_hues] and found == [large]


def test_a_faint_piece_counts_only_in_the_row_of_a_sure_line():
    sure = Region(100, 50, 120, 30, 0.0, 0.9)
    beside = Region(230, 52, 80, 28, 0.01, 0.4)
    elsewhere = Region(230, 150, 80, 28, 0.0, 0.4)
    assert text_accept.in_row(beside, sure) and not text_accept.in_row(elsewhere, sure)
    (gap,) = text_accept.bridges([sure, replace(beside, cx=300.0)])
    assert 160 < gap.cx < 260 and gap.height == 30
    assert text_accept.bridges([sure, replace(beside, cx=212.0)]) == []  # a space between words


def test_a_doubtful_line_counts_under_a_title():
    title, line = Region(200, 60, 300, 60, 0.0, 0.9), Region(120, 120, 120, 20, 0.02, 0.7)
    assert text_accept.in_column(line, title)
    assert not text_accept.in_column(replace(line, cy=300.0), title)
    assert not text_accept.in_column(replace(line, cx=500.0), title)
    assert not text_accept.in_column(replace(line, angle=0.5), title)


def test_a_line_that_the_border_cuts_is_seen_beside_its_mirror_image():
    picture = np.full((1000, 600, 3), 200, np.uint8)
    picture[:30, 100:400] = 20  # the lower half of a line
    picture[960:, 100:160] = 20  # as dark, but no row of letters

    class Dark:
        coarse = 1024
        in_hues = True
        sizes: tuple[int, ...] = ()

        def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
            ys, xs = np.nonzero(rgb[..., 0] < 100)
            w, h = float(np.ptp(xs) + 1), float(np.ptp(ys) + 1)
            return [Region(float(xs.mean() + 0.5), float(ys.mean() + 0.5), w, h, 0.0, 0.9)]

    (found,) = text_scales.cut_by_border(Dark(), picture, 0.6, Control())
    assert (found.cx, found.cy, found.length, found.height) == (250, 15, 300, 30)
    assert text_scales.cut_by_border(Dark(), picture[::8, ::8], 1.0, Control()) == []


def test_a_margin_that_a_net_was_taught_is_taken_away() -> None:
    taught = Region(50, 40, 100 + 2 * 0.06 * 20, 20 * 1.12, 0.3, 0.9)
    line = psenet.without(0.06, taught)
    assert (line.cx, line.cy, line.angle, line.score) == (50, 40, 0.3, 0.9)
    assert line.height == pytest.approx(20) and line.length == pytest.approx(100)
    assert psenet.without(0.0, taught) == taught


def test_a_detector_that_is_lost_in_hues_does_not_see_them() -> None:
    class Plain:
        coarse = 640
        in_hues = False
        sizes: tuple[int, ...] = ()

        def __init__(self) -> None:
            self.seen: list[np.ndarray] = []

        def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
            self.seen.append(rgb)
            return []

    rgb = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
    plain, other = Plain(), Plain()
    other.in_hues = True
    for detector in (plain, other):
        text_scales.find_regions(detector, rgb, Control())
    assert len(plain.seen) < len(other.seen)
