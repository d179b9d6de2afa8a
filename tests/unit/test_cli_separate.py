"""`cleanplate clean --separate`: the real models, the real files."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.cli import main

RAFT = Path(__file__).resolve().parents[1] / "data" / "raft.png"


def test_the_layers_of_the_file_rebuild_the_picture(tmp_path, capsys):
    before = RAFT.read_bytes()
    status = main(["clean", str(RAFT), "--out", str(tmp_path), "--separate", "--device", "cpu"])
    assert status == 0
    assert "taken apart into" in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "raft" / "raft.ora") as archive:
        listed = list(ET.fromstring(archive.read("stack.xml")).iter("layer"))
        shown = None
        for entry in reversed(listed):
            if entry.get("visibility") != "visible":
                continue
            layer = Image.open(io.BytesIO(archive.read(entry.get("src", "")))).convert("RGBA")
            if shown is None:
                shown = Image.new("RGBA", layer.size)
            place = (int(entry.get("x", "0")), int(entry.get("y", "0")))
            shown.alpha_composite(layer, place)
    names = [entry.get("name", "") for entry in listed]
    assert names[-2:] == ["Background", "Original"] and listed[-1].get("visibility") == "hidden"
    assert any(name.startswith("Person") for name in names)
    assert any(name.startswith("Text: ") for name in names)
    source = np.asarray(Image.open(RAFT).convert("RGB")).astype(int)
    assert np.abs(np.asarray(shown)[..., :3].astype(int) - source).max() <= 1
    assert (np.asarray(shown)[..., 3] == 255).all()
    report = json.loads((tmp_path / "raft" / "report.json").read_text("utf-8"))
    assert report["outputs"] == ["background.png", "raft.ora"]
    assert report["rebuild_error"] <= 1.0 and report["seconds"]["total"] > 0
    assert RAFT.read_bytes() == before


def test_single_pictures_and_float(tmp_path, capsys):
    """A float TIFF: taken apart in 16 bits, and that is told."""
    import cv2

    rgb = np.asarray(Image.open(RAFT).convert("RGB"))
    source = tmp_path / "raft.tif"
    cv2.imwrite(str(source), (rgb[..., ::-1] / np.float32(255)).astype(np.float32))
    arguments = ["--no-text", "--format", "png", "--fill-model", "fill-telea", "--device", "cpu"]
    assert main(["clean", str(source), "--out", str(tmp_path / "out"), "--separate",
                 *arguments]) == 0
    folder = tmp_path / "out" / "raft"
    shown = cv2.imread(str(folder / "background.png"), cv2.IMREAD_UNCHANGED)
    assert shown.dtype == np.uint16
    people = sorted(folder.glob("*_person.png"))  # from bottom to top
    assert people and people[0].name == "01_person.png"
    for path in people:
        person = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert person.dtype == np.uint16 and person.shape[2] == 4
        alpha = person[..., 3:] / 65535
        shown = person[..., :3] * alpha + shown[..., :3] * (1 - alpha)
    assert np.abs(shown[..., ::-1] / 257 - rgb).max() <= 1
    assert "16 bits" in capsys.readouterr().out


def test_only_one_of_the_two_ways(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["clean", str(RAFT), "--out", str(tmp_path), "--separate", "--cut-out"])
    assert "not allowed with" in capsys.readouterr().err
