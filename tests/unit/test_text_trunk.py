"""The light PSENet's trunk: PP-OCR's detector, read from the wheel's own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import torch  # noqa: E402

from backend.masks.text_ppocr import MODEL, wheel_file  # noqa: E402
from backend.networks.psenet import MEAN, STD, LightPSENet  # noqa: E402
from backend.training.text_trunk import start_from  # noqa: E402
from backend.values import BadInput  # noqa: E402


def features_of_the_wheel(rgb: np.ndarray) -> np.ndarray:
    """What the published graph joins before its head, by onnxruntime; H×W×3 in [0, 1]."""
    import onnxruntime

    model = onnx.load(str(wheel_file(MODEL)))
    joined = [n for n in model.graph.node if n.op_type == "Concat"][-1].output[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(joined, 1, None))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"])
    bgr = ((rgb[:, :, ::-1] - 0.5) / 0.5).transpose(2, 0, 1)[None].astype(np.float32)
    return session.run([joined], {"x": bgr})[0]


def test_trunk_and_pyramid_see_what_the_published_detector_sees() -> None:
    net = LightPSENet().eval()
    assert start_from(net, wheel_file(MODEL)) == 82
    # at the border the two add different greys, so little may stand there
    rgb = np.full((256, 320, 3), 0.47, np.float32)
    rgb[60:190, 60:260] = np.random.default_rng(3).random((130, 200, 3))
    x = (torch.from_numpy(rgb) - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.inference_mode():
        ours = net.fpn(net.backbone(x.permute(2, 0, 1)[None])).numpy()
    theirs = features_of_the_wheel(rgb)
    assert ours.shape == theirs.shape == (1, 96, 64, 80)
    inside = np.s_[0, :, 12:-12, 12:-12]
    assert np.corrcoef(ours[inside].ravel(), theirs[inside].ravel())[0, 1] > 0.999
    assert np.abs(ours - theirs)[inside].mean() < 0.02 * theirs.std()


def test_another_graph_is_refused(tmp_path: Path) -> None:
    other = wheel_file("ch_ppocr_mobile_v2.0_cls_mobile.onnx")
    with pytest.raises(BadInput, match="is not PP-OCRv6's small detector"):
        start_from(LightPSENet(), other)
