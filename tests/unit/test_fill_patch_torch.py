"""PatchMatch by torch against the same by numba, on the CPU and on each GPU that is here."""

import os
import threading
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch

from backend.fill import patch_torch as pt
from backend.fill.matches import Field, Settings
from backend.fill.matches_torch import TorchField
from backend.fill.patchmatch import Fields, PatchMatchFill, load
from backend.fill.plate import fill_plate
from backend.fill.pyramid import Level, build
from backend.models import catalogue
from backend.values import Cancelled, Control

DEVICES = ["cpu"]
if torch.cuda.is_available():
    DEVICES.append("cuda:0")
if torch.backends.mps.is_available():
    DEVICES.append("mps")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One thread: these steps are small, and waiting for others is dear where cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


def picture(height: int = 120, width: int = 161) -> tuple[np.ndarray, np.ndarray]:
    """Waves with a little grain and a slope, and a hole that leaves the picture at the bottom."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [0.5 + 0.3 * np.sin(x / 7), 0.5 + 0.3 * np.sin(y / 9 + x / 20), 0.4 + 0.001 * x]
    grain = np.random.default_rng(0).normal(0, 0.02, (height, width, 3))
    hole = np.zeros((height, width), np.uint8)
    hole[50:90, 60:100] = 255
    hole[height - 20 :, 20:40] = 255
    return (np.stack(waves, -1) + grain).clip(0, 1).astype(np.float32), hole


def levels() -> list[Level]:
    rgb, hole = picture()
    return build(rgb, hole > 0, hole == 0, 3.0, Control(), 4.0)


def both(level: Level, device: str, settings: Settings | None = None) -> tuple[Field, TorchField]:
    """The same matches as a field of either kind."""
    settings = settings or Settings()
    plain = Field(level, 5, settings, Control())
    other = TorchField(level, 5, settings, Control(), device)
    for field in (plain, other):
        field.begin(None)
    return plain, other


def flat(field: Field) -> np.ndarray:
    return field.ny.astype(np.int64) * field.level.tmap.shape[1] + field.nx


def test_costs_are_those_of_numba(device: str) -> None:
    for level in levels():
        plain, other = both(level, device)
        assert np.array_equal(flat(plain), other.at.cpu().numpy())
        for field in (plain, other):
            field.count()
            field.measure()
        assert np.allclose(other.scene.used.cpu().numpy(), plain.used.reshape(-1), atol=1e-5)
        assert plain.dist.max() > 1
        assert np.allclose(other.cost.cpu().numpy(), plain.dist, rtol=1e-4, atol=1e-5)
        assert other.energy() == pytest.approx(plain.energy(), rel=1e-4)


def test_votes_are_those_of_numba(device: str) -> None:
    for level in levels():
        plain, other = both(level, device)
        for field in (plain, other):
            field.measure()
            field.vote()
        found = other.values()
        assert found.shape == (len(level.hy), 5) and found.std() > 0
        assert np.allclose(found, plain.values(), atol=1e-5)


def test_finer_matches_are_those_of_numba(device: str) -> None:
    made = levels()
    plain, other = both(made[1], device)
    fine = Field(made[0], 9, Settings(), Control())
    fine_other = TorchField(made[0], 9, Settings(), Control(), device)
    fine.take(plain)
    fine_other.take(other)
    same = flat(fine) == fine_other.at.cpu().numpy()
    assert same.mean() > 0.95  # the rest found none near and drew one at random
    assert made[0].valid.reshape(-1)[fine_other.at.cpu().numpy()].all()


def test_a_search_finds_valid_sources_as_good_as_numba_finds(device: str) -> None:
    for level in levels():
        plain, other = both(level, device)
        for number in range(4):
            for field in (plain, other):
                field.search(2, 4, 8 if number % 2 else 0)
            assert level.valid.reshape(-1)[other.at.cpu().numpy()].all()
            told = other.cost.clone()
            other.measure()
            assert torch.allclose(told, other.cost, rtol=1e-4, atol=1e-5)
        assert other.energy() < 1.05 * plain.energy()


def test_a_sweep_never_makes_a_match_worse(device: str) -> None:
    _plain, other = both(levels()[0], device)
    other.measure()
    for _ in range(3):
        before = other.cost.clone()
        other._sweep(4, 0)
        assert (other.cost <= before).all() and (other.cost < before).any()


def test_given_matches_stay(device: str) -> None:
    level = levels()[0]
    targets = np.array([3, 50, 400], np.int32)
    sources = level.sources[[7, 70, 700]]
    width = level.tmap.shape[1]
    level.led = targets, (sources // width).astype(np.int32), (sources % width).astype(np.int32)
    _plain, other = both(level, device)
    other.search(2, 4)
    assert np.array_equal(other.at.cpu().numpy()[targets], sources)
    assert (other.cost.cpu().numpy()[targets] == 0).all()


def test_random_numbers_are_spread_evenly() -> None:
    drawn = pt.mixed(torch.arange(100_000))
    assert int(drawn.min()) >= 0 and int(drawn.max()) < 2**32
    assert len(drawn.unique()) > 99_990
    for parts in (7, 256):
        counts = torch.bincount(drawn % parts, minlength=parts).float()
        assert float((counts * parts / 100_000 - 1).abs().max()) < 0.3
    assert abs(float((drawn[1:] > drawn[:-1]).float().mean()) - 0.5) < 0.01


def test_a_fill_by_torch_is_as_good_and_the_same_twice(device: str) -> None:
    rgb, hole = picture()
    inside = hole > 0
    damaged = rgb.copy()
    damaged[inside] = (1, 0, 0)
    by_numba = PatchMatchFill().fill(damaged, hole, Control(), seed=3)
    model = PatchMatchFill(fields=partial(TorchField, device=device))
    once, again = (model.fill(damaged, hole, Control(), seed=3) for _ in range(2))
    assert np.array_equal(once, again)
    assert np.array_equal(once[~inside], rgb[~inside])
    errors = [float(np.square(r - rgb)[inside].mean()) for r in (once, by_numba)]
    assert errors[0] < 1.3 * errors[1] + 1e-4
    other = model.fill(damaged, hole, Control(), seed=4)
    assert not np.array_equal(once, other)


def test_sixteen_bits_through_the_whole_stage(device: str) -> None:
    rgb, hole = picture()
    pixels = np.rint(rgb * 65535).astype(np.uint16)
    model = PatchMatchFill(fields=partial(TorchField, device=device))
    plate = fill_plate(pixels, hole, model, Control())
    assert plate.dtype == np.uint16 and np.array_equal(plate[hole == 0], pixels[hole == 0])
    assert len(np.unique(plate[hole > 0])) > 256


def test_cancel_by_torch_ends_within_half_a_second(device: str) -> None:
    rgb = np.random.default_rng(0).random((500, 600, 3)).astype(np.float32)
    hole = np.zeros((500, 600), np.uint8)
    hole[100:400, 150:450] = 255
    model = PatchMatchFill(fields=partial(TorchField, device=device))

    def waited() -> float:
        """Seconds from the wish to the end."""
        stop, asked = threading.Event(), []

        def cancel() -> None:
            asked.append(time.perf_counter())
            stop.set()

        threading.Timer(1.5, cancel).start()
        with pytest.raises(Cancelled):
            model.fill(rgb, hole, Control(cancelled=stop.is_set))
        return time.perf_counter() - asked[0]

    limit = 0.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    # Long steps are there each time; a machine that is busy elsewhere is so now and then.
    assert any(waited() < limit for _ in range(4))


def failing(error: Exception) -> Fields:
    """Fields whose search fails, as on a GPU that lacks something."""

    class Failing(Field):
        def search(self, sweeps: int, tries: int, reach: int = 0) -> None:
            raise error

    return Failing


@pytest.mark.parametrize(("error", "said"), [
    (torch.OutOfMemoryError("CUDA out of memory"), ("The GPU ran out of memory: PatchMatch",)),
    (NotImplementedError("aten::bincount"), ("lacks an operation: PatchMatch", "aten::bincount")),
])
def test_what_a_gpu_cannot_do_the_cpu_does_and_it_is_said(
    error: Exception, said: tuple[str, ...]
) -> None:
    rgb, hole = picture()
    control = Control()
    made = PatchMatchFill(fields=failing(error)).fill(rgb, hole, control, seed=1)
    assert np.array_equal(made, PatchMatchFill().fill(rgb, hole, Control(), seed=1))
    assert len(control.notes) == 1 and "worked on the CPU" in control.notes[0]
    assert all(words in control.notes[0] for words in said)


def test_other_errors_are_not_hidden() -> None:
    rgb, hole = picture()
    with pytest.raises(RuntimeError, match="illegal memory access"):
        PatchMatchFill(fields=failing(RuntimeError("illegal memory access"))).fill(
            rgb, hole, Control())


def test_the_device_that_is_told_is_the_one_that_is_used() -> None:
    entry = catalogue.get("fill-patchmatch", "fill")
    on_gpu, on_cpu = (load(entry, {}, name, Control()) for name in ("cuda:0", "cpu"))
    assert on_gpu.description.device == "cuda:0" and on_cpu.description.device == "cpu"
    assert on_cpu.fields is Field
    assert isinstance(on_gpu.fields, partial) and on_gpu.fields.func is TorchField
    assert on_gpu.fields.keywords == {"device": "cuda:0"}
