"""What the pipeline makes of the models' answers (doubles; real models: test_cli_clean)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pipeline_doubles import GREEN, RED, Store, is_colour, scene

from backend.pipeline.clean import clean
from backend.values import BadInput, Box, Cancelled, CleanOptions, CleanResult, Control, Point


def run(pixels: np.ndarray, store: Store | None = None, control: Control | None = None,
        **given: object) -> CleanResult:
    extra = {k: given.pop(k) for k in ("mask", "limit") if k in given}
    return clean(pixels, CleanOptions(**given), store or Store(), control or Control(), **extra)


def deep(pixels: np.ndarray, kind: str) -> np.ndarray:
    if kind == "uint16":
        return pixels.astype(np.uint16) * 257 + np.uint16(3) * (pixels < 250).astype(np.uint16)
    return (pixels / 255).astype(np.float32) if kind == "float32" else pixels


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("alpha", [False, True])
def test_everything_outside_the_hole_is_untouched(kind: str, alpha: bool) -> None:
    pixels = deep(scene(), kind)
    if alpha:
        top = {"uint8": 255, "uint16": 65535, "float32": 1.0}[kind]
        pixels = np.dstack([pixels, np.full(pixels.shape[:2], top, pixels.dtype)])
    before = pixels.copy()
    result = run(pixels)
    inside = result.hole > 0
    assert (pixels == before).all()
    assert result.plate.dtype == pixels.dtype and result.plate.shape == pixels.shape
    assert (result.plate[~inside] == pixels[~inside]).all()
    assert (result.plate[..., :3][result.object_mask > 0] != pixels[..., :3][
        result.object_mask > 0]).any(1).all()
    assert result.object_mask[60, 30] and result.text_mask[24, 140]
    assert (result.hole >= np.maximum(result.object_mask, result.text_mask)).all()


def test_masks_are_as_found_and_the_hole_is_larger() -> None:
    result = run(scene())
    expected = np.zeros((120, 200), np.uint8)
    expected[30:90, 20:40] = expected[30:90, 70:90] = 255
    assert (result.object_mask == expected).all()
    assert result.hole[60, 20 - 5] and not result.hole[60, 20 - 6]
    assert result.hole[24, 110 - 1]  # further out the ground itself is seen: see masks.ground


def test_grow_zero_fills_exactly_the_masks() -> None:
    result = run(scene(), grow=0)
    assert (result.hole == np.maximum(result.object_mask, result.text_mask)).all()


@pytest.mark.parametrize("feather", [0, 4])
def test_feather_changes_only_the_rim(feather: int) -> None:
    plain, given = run(scene(), grow=12), run(scene(), grow=12, feather=feather)
    assert (given.hole == plain.hole).all()
    rim = (given.hole > 0) & (np.maximum(given.object_mask, given.text_mask) == 0)
    different = (given.plate != plain.plate).any(axis=2)
    assert different.any() and not different[~rim].any()
    assert given.report["options"]["feather"] == feather


def test_stages_can_be_left_out() -> None:
    store = Store()
    result = run(scene(), store, text=False)
    assert not result.text_mask.any() and store.used == ["people", "fill"]
    store = Store()
    result = run(scene(), store, people=False, fill=False)
    assert not result.object_mask.any() and store.used == ["text"]
    assert (result.plate == scene()).all() and result.hole.any()
    assert not result.report["filled"]


def test_a_given_mask_is_taken_as_it_is_even_with_growth() -> None:
    mask = np.zeros((120, 200), np.uint8)
    mask[5, 5] = 255
    mask[100:110, 10:60] = 255
    result = run(scene(), people=False, text=False, mask=mask, grow=7)
    assert (result.hole == mask).all() and (result.object_mask == mask).all()


@pytest.mark.parametrize("instances", [True, False])
def test_a_kept_person_stays_and_the_other_goes(instances: bool) -> None:
    picture = scene()
    picture[30:90, 44:64] = (220, 20, 20)  # 4 and 6 px from its neighbours: their growth meets it
    result = run(picture, Store(instances), keep=(Point(54, 60),), text=False)
    assert (result.plate[30:90, 44:64] == picture[30:90, 44:64]).all()
    assert result.hole[60, 30] and result.hole[60, 80] and len(result.people) == 2
    assert result.report["notes"] == []


def test_a_keep_point_on_nobody_is_told() -> None:
    result = run(scene(), keep=(Point(190, 5),))
    assert any("190,5" in note for note in result.report["notes"])
    assert result.hole[60, 30]


def test_a_click_adds_its_object() -> None:
    result = run(scene(), people=False, text=False, clicks=(Point(130, 100),))
    assert result.object_mask[100, 130] and np.count_nonzero(result.object_mask) == 20 * 30
    assert result.report["models"] == {"click": "green-click", "fill": "mean-fill"}


def test_who_found_a_clicked_person_is_told() -> None:
    store = Store()
    store.models["click"].people = store.models["people"].description
    report = run(scene(), store, people=False, text=False, clicks=(Point(130, 100),)).report
    assert report["models"]["people"] == "red-people" and report["models"]["click"] == "green-click"


def test_a_click_on_nothing_is_told_and_changes_nothing() -> None:
    result = run(scene(), people=False, text=False, clicks=(Point(3, 3),))
    assert not result.found and "3,3" in result.report["notes"][0]
    assert (result.plate == scene()).all()


@pytest.mark.parametrize("bad", [
    {"clicks": (Point(200, 5),)}, {"clicks": (Point(-1, 5),)}, {"keep": (Point(5, 120),)},
    {"only_text_in": Box(0, 0, 201, 50)}, {"only_text_in": Box(50, 0, 50, 50)}, {"grow": -1},
    {"feather": -1},
    {"mask": np.zeros((10, 10), np.uint8)}, {"limit": np.zeros((10, 10), np.uint8)},
])
def test_bad_options_are_refused_before_any_model_runs(bad: dict[str, object]) -> None:
    store = Store()
    with pytest.raises(BadInput):
        run(scene(), store, **bad)
    assert store.used == []


@pytest.mark.parametrize("pixels", [
    np.zeros((5, 5), np.uint8), np.zeros((5, 5, 2), np.uint8), np.zeros((5, 5, 3), np.int32),
    np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 3), np.float64),
])
def test_bad_pixels_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(BadInput):
        run(pixels)


def test_text_is_filtered_by_height_and_place() -> None:
    high = run(scene(), people=False, keep_text_below=15.0)
    assert high.text_mask[70, 140] and not high.text_mask[24, 140] and len(high.lines) == 1
    low = run(scene(), people=False, only_text_in=Box(100, 0, 200, 40))
    assert low.text_mask[24, 140] and not low.text_mask[70, 140]


def test_nothing_outside_the_selection_is_marked_or_changed() -> None:
    limit = np.zeros((120, 200), np.uint8)
    limit[:, :60] = 255
    result = run(scene(), limit=limit)
    assert result.hole[60, 30] and not result.hole[:, 60:].any()
    assert not result.object_mask[:, 60:].any() and not result.text_mask.any()
    assert (result.plate[:, 60:] == scene()[:, 60:]).all()


@pytest.mark.parametrize("people", [True, False])
def test_unknown_objects_are_what_stands_out_and_is_of_no_known_class(people: bool) -> None:
    result = run(scene(), text=False, people=people, unknown=True)
    picture = scene()
    red, green = is_colour(picture, RED) > 0, is_colour(picture, GREEN) > 0
    assert result.unknown_mask[green].all()
    near = cv2.dilate(red.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert not result.unknown_mask[near].any(), "no outline of somebody known is left over"
    assert bool(result.object_mask[red].all()) == people
    if not people:
        assert not result.hole[red].any() and (result.plate[red] == picture[red]).all()


def test_transparent_pixels_stay_and_are_not_part_of_the_hole() -> None:
    pixels = np.dstack([scene(), np.full((120, 200), 255, np.uint8)])
    pixels[:, 30:60, 3] = 0
    pixels[:, 30:60, :3] = (220, 20, 20)
    result = run(pixels, text=False)
    assert not result.hole[:, 30:60].any()
    assert (result.plate[:, 30:60] == pixels[:, 30:60]).all()
    assert (result.plate[..., 3] == pixels[..., 3]).all()
    filled = result.plate[60, 22:28, :3]
    assert (filled[:, 0] < 180).all()  # nothing of the hidden red was sampled


def test_a_word_alone_on_a_layer_becomes_transparent() -> None:
    pixels = np.zeros((120, 200, 4), np.uint8)
    pixels[50:70, 50:150] = (20, 20, 220, 255)
    result = run(pixels)
    assert not result.plate[..., 3].any()
    assert "transparent" in result.report["notes"][0]


def test_a_mask_over_everything_is_refused() -> None:
    with pytest.raises(BadInput, match="whole picture"):
        run(scene(), mask=np.full((120, 200), 255, np.uint8))


def test_nothing_to_look_for_in_tiny_or_empty_pictures() -> None:
    store = Store()
    assert not run(np.zeros((1, 1, 3), np.uint8), store).found
    assert not run(np.zeros((50, 50, 4), np.uint8), store).found
    assert store.used == []


def test_report_is_plain_and_its_seconds_add_up() -> None:
    import json

    report = run(scene(), clicks=(Point(130, 100),)).report
    json.dumps(report)
    seconds = dict(report["seconds"])
    total = seconds.pop("total")
    assert {"load", "people", "text", "fill", "click"} <= set(seconds)
    assert sum(seconds.values()) == pytest.approx(total, rel=0.05, abs=0.002)
    assert report["counts"] == {"people": 2, "text_lines": 2, "clicks": 1, "kept": 0}
    assert report["pixels"]["hole"] > report["pixels"]["object_mask"]
    assert report["size"] == [200, 120] and report["device"]["fill"] == "cpu"


def test_cancel_stops_between_the_stages() -> None:
    store, stages = Store(), []
    control = Control(lambda stage, *_: stages.append(stage), lambda: "text" in stages)
    with pytest.raises(Cancelled):
        run(scene(), store, control)
    assert "fill" not in store.used


def test_text_is_filled_first_and_never_from_the_people_beside_it() -> None:
    picture = scene()
    picture[20:28, 40:70] = (20, 20, 220)  # a line that touches both people
    store = Store()
    result = run(picture, store)
    fills = store.models["fill"].seen
    assert max(np.count_nonzero(f) for f in fills[:-1]) < np.count_nonzero(fills[-1])
    assert (result.plate[..., 0][result.hole > 0] < 180).all()  # no red was sampled
    total = sum(np.count_nonzero(f) for f in fills)
    assert total == np.count_nonzero(result.hole)  # each pixel filled once
