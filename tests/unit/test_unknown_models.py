"""Saliency models: an ONNX file made here, and the method without weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from backend.masks.unknown import DEVIATION, MEAN, load_contrast, load_onnx
from backend.models.catalogue import Entry
from backend.values import Control, ModelUnavailable


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_field(1, _field(1, side)) for side in shape)
    kind = _field(1, _field(1, 1) + _field(2, dims))  # float32 of this shape
    return _field(1, name) + _field(2, kind)


def mean_model(side: int, node_name: str = "input.1") -> bytes:
    """An ONNX file that gives the mean of its three planes, 1×1×side×side."""
    axes = _field(1, "axes") + _field(8, 1) + _field(20, 7)
    keep = _field(1, "keepdims") + _field(3, 1) + _field(20, 2)
    node = _field(1, node_name) + _field(2, "out") + _field(4, "ReduceMean")
    node += _field(5, axes) + _field(5, keep)
    graph = _field(1, node) + _field(2, "g")
    graph += _field(11, _tensor(node_name, (1, 3, side, side)))
    graph += _field(12, _tensor("out", (1, 1, side, side)))
    return _field(1, 7) + _field(7, graph) + _field(8, _field(2, 13))


def make(tmp_path: Path, side: int = 32, name: str = "u2netp"):
    pytest.importorskip("onnxruntime")
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(mean_model(side))
    entry = Entry(name, "unknown", name, "MIT", 1, "")
    return load_onnx(entry, {path.name: path}, "cpu", Control())


def picture() -> np.ndarray:
    rgb = np.full((48, 96, 3), 30, np.uint8)
    rgb[16:32, 32:64] = 240
    return rgb


def test_onnx_input_is_scaled_and_normalised(tmp_path: Path) -> None:
    model = make(tmp_path)
    fed = model.prepare(picture())
    assert fed.shape == (1, 3, 32, 32) and fed.dtype == np.float32
    for plane in range(3):  # 240 is the picture's maximum, so it becomes 1
        assert fed[0, plane].max() == pytest.approx((1 - MEAN[plane]) / DEVIATION[plane], 1e-4)
        low = (30 / 240 - MEAN[plane]) / DEVIATION[plane]
        assert fed[0, plane].min() == pytest.approx(low, abs=1e-4)


def test_onnx_answer_has_the_pictures_size(tmp_path: Path) -> None:
    model = make(tmp_path)
    seen = model.probability(picture(), Control())
    assert seen.shape == (48, 96) and model.description.best_side == 32
    assert seen[24, 48] > 0.95 and seen[2, 2] < 0.05
    masks = model.instances(picture(), Control())
    assert len(masks) == 1 and 300 < (masks[0] > 0).sum() < 800


def test_logits_become_probabilities(tmp_path: Path) -> None:
    assert make(tmp_path, name="birefnet_lite").logits
    flat = np.zeros((20, 20, 3), np.uint8)
    assert not (make(tmp_path, name="birefnet_lite").probability(flat, Control()) > 0.5).any()


def test_a_broken_file_says_how_to_install(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(struct.pack("<Q", 1234))
    entry = Entry("u2netp", "unknown", "u2netp", "MIT", 1, "")
    with pytest.raises(ModelUnavailable, match="models install u2netp"):
        load_onnx(entry, {path.name: path}, "cpu", Control())


def test_a_missing_gpu_provider_is_told(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime has CUDA here")
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(mean_model(32))
    control = Control()
    entry = Entry("u2netp", "unknown", "U²-Net-p", "MIT", 1, "")
    model = load_onnx(entry, {path.name: path}, "cuda:0", control)
    assert model.description.device == "cpu" and "CPU" in control.notes[0]


@pytest.fixture(scope="module")
def contrast():
    pytest.importorskip("numba")
    return load_contrast(SimpleNamespace(name="unknown-contrast"), {}, "cpu", Control())


def test_contrast_finds_what_stands_out(contrast) -> None:
    rgb = np.full((120, 160, 3), (90, 120, 90), np.uint8)
    rgb += np.random.default_rng(0).integers(0, 12, rgb.shape, np.uint8)
    rgb[40:80, 60:110] = (220, 40, 40)
    seen = contrast.probability(rgb, Control()) > 0.5
    truth = np.zeros((120, 160), bool)
    truth[40:80, 60:110] = True
    assert (seen & truth).sum() / (seen | truth).sum() > 0.8


def test_contrast_finds_nothing_in_flat_and_tiny_pictures(contrast) -> None:
    for shape in ((80, 80), (1, 1), (2, 500)):
        rgb = np.full((*shape, 3), 77, np.uint8)
        assert not (contrast.probability(rgb, Control()) > 0.5).any()


def test_the_saliency_models_are_scored_on_labelled_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from backend.cli import main

    folder = tmp_path / "dev" / "click"
    folder.mkdir(parents=True)
    picture = np.full((120, 160, 3), (90, 140, 60), np.uint8)
    truth = np.zeros((120, 160), np.uint8)
    cv2.circle(picture, (80, 60), 30, (30, 40, 220), -1)
    cv2.circle(truth, (80, 60), 30, 255, -1)
    cv2.imwrite(str(folder / "000.png"), picture)
    cv2.imwrite(str(folder / "000_mask.png"), truth)
    out = tmp_path / "out"
    arguments = ["evaluate", "unknown", "--data", str(tmp_path), "--out", str(out)]
    assert main([*arguments, "--unknown-model", "unknown-contrast"]) == 0
    assert "unknown-contrast" in capsys.readouterr().out
    report = json.loads((out / "unknown.json").read_text("utf-8"))
    assert report["rows"][0]["click IoU"] > 0.9
    assert (out / "unknown.jpg").is_file()
    assert main(["evaluate", "unknown", "--data", str(out)]) != 0
