"""Official click models without their weights: the choice of an instance, what goes into and comes
out of the networks, and loading files of the right keys and shapes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from backend.masks.click_maskrcnn import Instances, MaskRcnnClick
from backend.masks.click_sam import MEAN, OnnxEfficientSam, OnnxSam2, Predictor
from backend.models.catalogue import Entry
from backend.models.interfaces import Embedding
from backend.values import BadInput, Box, Control, ModelUnavailable, Point


def instances(scale: float = 1.0) -> Embedding:
    """A large box whose mask is only its left half, and a small one inside its right half."""
    masks = np.zeros((2, 40, 60), np.float32)
    masks[0, 5:35, 5:20] = 1
    masks[1, 12:18, 42:48] = 1
    boxes = np.array([[5, 5, 35, 35], [40, 10, 50, 20]], np.float32)
    found = Instances(masks, boxes, ("dog", "ball"), (scale, scale))
    return Embedding((int(40 / scale), int(60 / scale)), found)


def chooser() -> MaskRcnnClick:
    return MaskRcnnClick(None, [], "maskrcnn_resnet50_fpn_v2", "cpu")


@pytest.mark.parametrize(("point", "said", "pixel"), [
    (Point(10, 10), "dog: its mask holds the click", (20, 10)),
    (Point(30, 30), "dog: the smallest box that holds the click", (20, 10)),
    (Point(58, 15), "ball: the nearest instance to the click", (15, 45)),
])
def test_the_instance_under_the_click(point: Point, said: str, pixel: tuple[int, int]) -> None:
    model = chooser()
    answer = model.predict(instances(), (point,))
    assert model.explanation == said
    assert answer[pixel] > 0.5 and (answer > 0.5).sum() in (450, 36)


def test_of_two_boxes_the_smaller_is_taken() -> None:
    found = instances().data
    found = Instances(found.masks * 0, np.array([[0, 0, 60, 40], [30, 5, 55, 30]], np.float32),
                      found.names, found.scale)
    model = chooser()
    model.predict(Embedding((40, 60), found), (Point(42, 12),))
    assert model.explanation.startswith("ball: the smallest box")


def test_clicks_are_scaled_to_the_shrunk_picture() -> None:
    model = chooser()
    answer = model.predict(instances(0.5), (Point(20, 20),))
    assert answer.shape == (80, 120) and answer[40, 20] > 0.5
    assert model.explanation == "dog: its mask holds the click"


def test_boxes_negatives_and_pictures_without_instances() -> None:
    model = chooser()
    assert model.predict(instances(), (), (), Box(39, 9, 51, 21))[15, 45] > 0.5
    both = model.predict(instances(), (Point(10, 10), Point(45, 15)), (Point(12, 12),))
    assert both[15, 45] > 0.5 and both[20, 10] < 0.5
    nothing = Instances(np.zeros((0, 40, 60), np.float32), np.zeros((0, 4), np.float32), (), (1, 1))
    assert not model.predict(Embedding((40, 60), nothing), (Point(3, 3),)).any()
    assert "no object" in model.explanation
    with pytest.raises(BadInput, match="60 × 40"):
        model.predict(instances(), (Point(60, 3),))


def test_maskrcnn_sees_rgb_in_0_1_and_its_answer_fits_the_picture() -> None:
    seen: list[torch.Tensor] = []

    def net(images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        seen.append(images[0])
        h, w = images[0].shape[1:]
        return [{"masks": torch.ones(1, 1, h, w), "boxes": torch.tensor([[0.0, 0, w, h]]),
                 "labels": torch.tensor([1])}]

    model = MaskRcnnClick(net, ["background", "person"], "m", "cpu")
    rgb = np.zeros((20, 2000, 3), np.uint8)
    rgb[..., 0] = 255
    embedding = model.encode(rgb, Control())
    assert seen[0].shape == (3, 13, 1333)  # shrunk to torchvision's longest side
    assert torch.equal(seen[0].mean((1, 2)), torch.tensor([1.0, 0, 0]))  # red stays first
    assert model.predict(embedding, (Point(1999, 19),)).shape == (20, 2000)


def test_loading_maskrcnn_weights(tmp_path: Any) -> None:
    from torchvision.models import detection

    from backend.masks.click_maskrcnn import load

    entry = Entry("maskrcnn_resnet50_fpn_v2", "click", "x", "MIT", 1, "")
    path = tmp_path / "weights.pth"
    torch.save({"backbone.wrong": torch.zeros(1)}, path)
    with pytest.raises(ModelUnavailable, match="Mask R-CNN"):
        load(entry, {path.name: path}, "cpu", Control())
    made = detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
    torch.save(made.state_dict(), path)
    model = load(entry, {path.name: path}, "cpu", Control())
    assert model.categories[1] == "person" and len(model.categories) == 91
    assert model.net.transform.image_mean == [0.485, 0.456, 0.406]
    assert model.net.transform.min_size == (800,) and model.net.transform.max_size == 1333
    key = "roi_heads.mask_predictor.mask_fcn_logits.weight"
    assert torch.equal(model.net.state_dict()[key], made.state_dict()[key])


class Session:
    """Stands in for an onnxruntime session: keeps what it is fed."""

    def __init__(self, outputs: Any, square: int = 64) -> None:
        self.outputs, self.square, self.fed = outputs, square, {}

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(shape=[1, 3, self.square, self.square])]

    def run(self, names: Any, fed: dict[str, np.ndarray]) -> Any:
        self.fed = fed
        return self.outputs(fed) if callable(self.outputs) else self.outputs


def half_logits(fed: dict[str, np.ndarray]) -> Any:
    height, width = fed["orig_im_size"]
    masks = np.full((1, 2, height, width), -9, np.float32)
    masks[0, 1, :, : width // 2] = 9
    return masks, np.array([[0.1, 0.8]], np.float32), None


def test_sam2_onnx_input_and_output() -> None:
    encoder = Session([np.zeros((1, 4, 4, 4), np.float32)] * 3)
    decoder = Session(half_logits)
    sam = OnnxSam2(encoder, decoder, "sam2.1_tiny_onnx", "cpu")
    rgb = np.zeros((40, 80, 3), np.uint8)
    rgb[..., 0] = 255
    embedding = sam.encode(rgb, Control())
    x = encoder.fed["input"]
    assert x.shape == (1, 3, 64, 64) and x.dtype == np.float32  # stretched to the square
    assert np.allclose(x[0, 0], (1 - MEAN[0]) / 0.229, atol=1e-4)
    assert np.allclose(x[0, 2], -MEAN[2] / 0.225, atol=1e-4)
    answer = sam.predict(embedding, (Point(20, 10),), (Point(70, 30),), Box(0, 0, 40, 40))
    assert decoder.fed["point_labels"].tolist() == [[1, 0, 2, 3]]
    assert np.allclose(decoder.fed["point_coords"][0, 0], (20.5 * 64 / 80, 10.5 * 64 / 40))
    assert np.allclose(decoder.fed["point_coords"][0, 3], (32, 64))
    assert decoder.fed["has_mask_input"][0] == 0
    assert answer.shape == (40, 80) and answer[:, :35].min() > 0.5 and answer[:, 45:].max() < 0.5
    sam.predict(embedding, (Point(20, 10),), previous=answer)
    assert decoder.fed["has_mask_input"][0] == 1
    assert decoder.fed["mask_input"][0, 0, 128, 20] > 0 > decoder.fed["mask_input"][0, 0, 128, 250]


def test_efficient_sam_input_is_rgb_in_0_1_at_the_pictures_size() -> None:
    encoder = Session([np.zeros((1, 4, 4, 4), np.float32)])

    def answer(fed: dict[str, np.ndarray]) -> Any:
        masks, scores, _ = half_logits(fed)
        return masks[None], scores[None], None

    decoder = Session(answer)
    sam = OnnxEfficientSam(encoder, decoder, "efficient_sam", "cpu")
    rgb = np.full((512, 2048, 3), 51, np.uint8)
    embedding = sam.encode(rgb, Control())
    assert encoder.fed["batched_images"].shape == (1, 3, 256, 1024)
    assert np.allclose(encoder.fed["batched_images"], 0.2)
    found = sam.predict(embedding, (Point(100, 50),))
    assert decoder.fed["batched_point_coords"].shape == (1, 1, 1, 2)
    assert np.allclose(decoder.fed["batched_point_coords"][0, 0, 0], (50.25, 25.25))
    assert found.shape == (512, 2048) and found[200, 500] > 0.5 > found[200, 1500]


def test_predictor_of_the_packages_gets_clicks_box_and_mask() -> None:
    class Fake:
        def set_image(self, rgb: np.ndarray) -> None:
            self.size = rgb.shape[:2]

        def predict(self, **given: Any) -> Any:
            self.given = given
            masks = np.stack([np.full(self.size, v, np.float32) for v in (-5, 5, 0)])
            return masks, np.array([0.2, 0.9, 0.3]), None

    sam = Predictor(Fake, "mobile_sam", "cpu", "pad")
    embedding = sam.encode(np.zeros((50, 100, 3), np.uint8), Control())
    first = sam.predict(embedding, (Point(10, 20),))
    fake = embedding.data.features
    assert fake.given["multimask_output"] and fake.given["box"] is None
    assert first.min() > 0.9  # the answer with the best score
    sam.predict(embedding, (), (), Box(1, 2, 30, 40), first)
    assert fake.given["point_coords"] is None and fake.given["box"].tolist() == [1, 2, 30, 40]
    mask = fake.given["mask_input"]
    assert mask.shape == (1, 256, 256) and mask[0, 100, 200] > 0 and mask[0, 200, 200] == 0


def test_loading_mobile_sam(tmp_path: Any) -> None:
    pytest.importorskip("segment_anything", reason="the package segment-anything is not here")
    pytest.importorskip("segment_anything_hq", reason="segment-anything-hq is not here")
    from backend.masks.click_sam import load_mobile_sam, mobile_sam_net

    entry = Entry("mobile_sam", "click", "MobileSAM", "MIT", 1, "")
    path = tmp_path / "mobile_sam.pt"
    state = {k.replace("image_encoder.tiny.", "image_encoder."): v
             for k, v in mobile_sam_net().state_dict().items()}
    torch.save(state, path)
    # The published file has 40,728,226 bytes: these keys and shapes are its own.
    assert abs(path.stat().st_size - 40_728_226) < 60_000
    model = load_mobile_sam(entry, {path.name: path}, "cpu", Control())
    answer = model.predict(model.encode(np.zeros((64, 64, 3), np.uint8), Control()),
                           (Point(3, 3),))
    assert answer.shape == (64, 64)
    torch.save({"image_encoder.none": torch.zeros(1)}, path)
    with pytest.raises(ModelUnavailable, match="MobileSAM"):
        load_mobile_sam(entry, {path.name: path}, "cpu", Control())


def test_catalogue_entries_of_clicks_load_from_where_they_say() -> None:
    import importlib

    from backend.models import catalogue

    for entry in catalogue.entries("click"):
        module, _, function = entry.loader.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), entry.name
        assert entry.builtin or all(f.url.startswith("https://") for f in entry.files)
