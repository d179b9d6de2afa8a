"""Half precision is taken where the hardware is quick in it, and changes no mask to speak of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.masks.people import BuiltinPeople
from backend.models import half as module
from backend.models.store import ModelStore
from backend.values import Control


@pytest.fixture
def in_half(monkeypatch: pytest.MonkeyPatch):
    """Lets a test choose what the CPU is good at."""

    def choose(quick: bool) -> None:
        capabilities = {"amx_bf16": quick}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)

    return choose


def test_only_matrix_units_count(in_half, monkeypatch: pytest.MonkeyPatch) -> None:
    in_half(True)
    assert module.quick_in_half("cpu") and module.quick_in_half("cuda:0")
    assert not module.quick_in_half("mps")
    monkeypatch.setenv("CLEANPLATE_FLOAT32", "1")
    assert not module.quick_in_half("cpu") and not module.quick_in_half("cuda:0")
    monkeypatch.delenv("CLEANPLATE_FLOAT32")
    in_half(False)
    assert not module.quick_in_half("cpu")
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not module.quick_in_half("cpu")  # torch before 2.10 cannot tell


def test_a_gpu_computes_its_answers_as_before(in_half) -> None:
    in_half(True)
    with module.half_on_cpu("cuda:0"):
        assert not torch.is_autocast_enabled("cpu")
    with module.half_on_cpu("cpu"):
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_autocast_enabled("cpu")


def test_the_people_mask_is_the_same_but_for_its_rim(in_half) -> None:
    people = ModelStore("cpu").get("people", "people-builtin", Control())
    assert isinstance(people, BuiltinPeople)
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8).repeat(20, 0).repeat(20, 1)
    seen = []
    for quick in (False, True):
        in_half(quick)
        seen.append(people.coarse(rgb, Control()))
    assert seen[0].dtype == seen[1].dtype == np.float32
    assert np.abs(seen[0] - seen[1]).max() < 0.05


def test_strided_depthwise_convolutions_answer_the_same() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(8, 8, 3, 2, 1, groups=8), torch.nn.Conv2d(8, 8, 3, 1, 1, groups=8)
    )
    x = torch.randn(2, 8, 16, 16)
    before = net(x)
    module.keep_strided_in_float(net)
    assert torch.equal(net(x), before)
    with torch.autocast("cpu", torch.bfloat16):
        assert net[0](x).dtype == torch.float32  # exact where bfloat16 would be slow
        assert net(x).dtype == torch.bfloat16
    assert set(net.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}
