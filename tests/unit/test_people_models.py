"""The people models: loading, inputs as documented, answers of the picture's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.models.catalogue import Entry
from backend.values import Cancelled, Control, ModelUnavailable

torch = pytest.importorskip("torch")

WEIGHTS = Path(__file__).parents[2] / "backend/models/weights/people-builtin.safetensors"


def entry(name: str) -> Entry:
    return Entry(name, "people", name, "MIT", 1, "")


@pytest.fixture(scope="module")
def builtin():
    from backend.masks.people import load_builtin

    return load_builtin(entry("people-builtin"), {WEIGHTS.name: WEIGHTS}, "cpu", Control())


def test_builtin_finds_the_people_on_the_beach(builtin) -> None:
    """The demo shows two people on a beach (Kodak 12 with a headline); the sky is none."""
    import cv2

    path = Path(__file__).parents[2] / "plugin" / "demo" / "sample.png"
    if not path.exists():
        pytest.skip("the demo picture is not here")
    bgr = cv2.imread(str(path))
    assert bgr is not None
    rgb = bgr[..., ::-1].copy()
    seen = builtin.probability(rgb, Control())
    assert seen.shape == rgb.shape[:2] and seen.dtype == np.float32
    assert 0.001 < (seen > 0.5).mean() < 0.3
    assert not (seen[:20] > 0.5).any()  # sky


def test_builtin_marks_nothing_in_flat_pictures(builtin) -> None:
    for value in (0, 128, 255):
        rgb = np.full((90, 120, 3), value, np.uint8)
        assert not (builtin.probability(rgb, Control()) > 0.5).any()
        assert builtin.instances(rgb, Control()) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (40, 30), (24, 300), (9, 20000)])
def test_builtin_takes_any_size_and_aspect(builtin, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    seen = builtin.probability(rgb, Control())
    assert seen.shape == shape and np.isfinite(seen).all()
    assert 0 <= seen.min() and seen.max() <= 1


def test_builtin_stops_when_cancelled(builtin) -> None:
    with pytest.raises(Cancelled):
        builtin.probability(np.zeros((64, 64, 3), np.uint8), Control(cancelled=lambda: True))


def test_pieces_cover_extreme_pictures() -> None:
    from backend.masks.people import EXTREME, MOST_PIECES, pieces

    assert pieces(100, 500) == [(0, 0, 100, 500)]
    seen = np.zeros((50, 1000), bool)
    for y0, x0, y1, x1 in pieces(50, 1000):
        seen[y0:y1, x0:x1] = True
        assert (x1 - x0) <= EXTREME * (y1 - y0)
    assert seen.all()
    assert len(pieces(1000, 50)) == len(pieces(50, 1000))
    assert len(pieces(10, 20000)) <= 2 * MOST_PIECES


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from backend.masks.people import read_net

    wrong = tmp_path / "people-builtin.safetensors"
    save_file({"stem.0.weight": torch.zeros(16, 3, 3, 3)}, wrong)
    with pytest.raises(ModelUnavailable, match="people-builtin"):
        read_net(wrong)


# torchvision --------------------------------------------------------------------------------


def test_torchvision_input_is_that_of_the_weights_own_transforms() -> None:
    segmentation = pytest.importorskip("torchvision.models.segmentation")
    from backend.masks.people_torchvision import PERSON, SHORT, prepare

    weights = segmentation.FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1
    assert weights.meta["categories"][PERSON] == "person"
    assert weights.transforms().resize_size == [SHORT]
    rgb = np.random.default_rng(1).integers(0, 255, (333, 517, 3), np.uint8)
    expected = weights.transforms()(torch.from_numpy(rgb).permute(2, 0, 1))
    ours = prepare(rgb, "cpu")[0]
    assert ours.shape == expected.shape
    # torchvision rounds to uint8 after scaling: half a level of 255 over the deviation
    assert float((ours - expected).abs().max()) < 1.1 / 255 / 0.22


def test_torchvision_long_pictures_stay_in_bounds() -> None:
    pytest.importorskip("torchvision")
    from backend.masks.people_torchvision import LONGEST, prepare

    assert max(prepare(np.zeros((100, 1000, 3), np.uint8), "cpu").shape) == LONGEST


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "fcn_resnet50"])
def test_torchvision_state_dicts_load_and_class_15_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with the official keys and shapes whose biases make everything a person."""
    segmentation = pytest.importorskip("torchvision.models.segmentation")
    from backend.masks import people_torchvision
    from backend.masks.people import load_torchvision

    monkeypatch.setattr(people_torchvision, "SHORT", 64)
    more = {"aux_loss": True} if name == "fcn_resnet50" else {}
    net = getattr(segmentation, name)(
        weights=None, weights_backbone=None, num_classes=21, **more
    )
    state = net.state_dict()
    last = ("classifier.4",) if name == "fcn_resnet50" else (
        "classifier.low_classifier", "classifier.high_classifier")
    for layer in last:
        state[layer + ".weight"].zero_()
        state[layer + ".bias"].zero_()
    state[last[0] + ".bias"][15] = 20.0
    path = tmp_path / f"{name}.pth"
    torch.save(state, path)
    model = load_torchvision(entry(name), {path.name: path}, "cpu", Control())
    rgb = np.random.default_rng(2).integers(0, 255, (70, 90, 3), np.uint8)
    seen = model.probability(rgb, Control())
    assert seen.shape == (70, 90) and seen.min() > 0.99
    assert len(model.instances(rgb, Control())) == 1


def test_torchvision_refuses_another_file(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    from backend.masks.people import load_torchvision

    path = tmp_path / "wrong.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelUnavailable, match="lraspp_mobilenet_v3_large"):
        load_torchvision(entry("lraspp_mobilenet_v3_large"), {"a": path}, "cpu", Control())


def test_maskrcnn_state_dict_loads(tmp_path: Path) -> None:
    detection = pytest.importorskip("torchvision.models.detection")
    from backend.masks.people import load_maskrcnn

    weights = detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    assert weights.meta["categories"][1] == "person"
    net = detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
    path = tmp_path / "maskrcnn.pth"
    torch.save(net.state_dict(), path)
    model = load_maskrcnn(entry("maskrcnn_resnet50_fpn_v2"), {"a": path}, "cpu", Control())
    assert model.description.instances
    loaded = model.net.state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in net.state_dict().items())


class TwoPeopleAndADog:
    """Answers as torchvision's detector does, at the size it is fed."""

    def __init__(self) -> None:
        self.fed: list = []

    def __call__(self, images: list) -> list:
        self.fed = images
        height, width = images[0].shape[1:]
        masks = torch.zeros(4, 1, height, width)
        masks[0, 0, :, : width // 2 + 10] = 0.8
        masks[1, 0, :, width // 2 - 10 :] = 0.9
        masks[2, 0] = 1.0  # a dog
        masks[3, 0] = 1.0  # a person nobody is sure of
        return [{
            "labels": torch.tensor([1, 1, 18, 1]), "scores": torch.tensor([0.7, 0.9, 0.95, 0.2]),
            "masks": masks,
        }]


def test_maskrcnn_keeps_people_apart() -> None:
    pytest.importorskip("torchvision")
    from backend.masks.people_maskrcnn import LONGEST, MaskRcnnPeople

    net = TwoPeopleAndADog()
    model = MaskRcnnPeople(net, "maskrcnn_resnet50_fpn_v2", "cpu")
    rgb = np.zeros((100, 2000, 3), np.uint8)
    rgb[..., 0] = 255  # red: the first plane of what the net is fed
    masks = model.instances(rgb, Control())
    assert len(masks) == 2 and all(m.shape == (100, 2000) for m in masks)
    assert not (masks[0] & masks[1]).any()
    assert masks[0][50, 1500] != masks[1][50, 1500] and masks[0][50, 300] != masks[1][50, 300]
    fed = net.fed[0]
    assert max(fed.shape) == LONGEST and fed.max() == 1 and fed[1:].max() == 0
    assert (model.probability(rgb, Control()) > 0.5).all()
