"""The demo through a real backend process: what it writes, and that it cleans up behind itself."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plugin.demo.compose import PHOTO, compose
from tests.install.conftest import ROOT


def test_sample_is_the_photo_with_a_headline() -> None:
    photo = np.asarray(Image.open(PHOTO).convert("RGBA"))
    sample = compose()
    changed = (photo != sample).any(axis=2)
    assert sample.shape == (512, 768, 4) and sample.dtype == np.uint8
    assert (sample[..., 3] == 255).all()
    rows = np.flatnonzero(changed.any(axis=1))
    assert changed.mean() > 0.01 and rows.min() > 380, "the text stands below the people's heads"


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in launcher is a shell script")
def test_demo(tmp_path: Path, compiled_kernels: None) -> None:
    home = tmp_path / "home"
    launcher = home / "bin" / "cleanplate"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m backend "$@"\n')
    launcher.chmod(0o755)
    environ = dict(os.environ, CLEANPLATE_HOME=str(home))
    done = subprocess.run([sys.executable, "-m", "plugin.demo", "--home", str(home)], cwd=ROOT,
                          env=environ, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (home / "run" / "backend.json").exists(), "the demo ends the backend it started"

    sample = compose()
    with zipfile.ZipFile(home / "demo" / "sample.ora") as archive:
        stack = ET.fromstring(archive.read("stack.xml"))
        layers = {
            layer.get("name"): np.asarray(Image.open(BytesIO(archive.read(str(layer.get("src"))))))
            for layer in stack.iter("layer")
        }
    assert list(layers) == ["Text mask", "Object mask", "Background", "Original"]
    assert np.array_equal(layers["Original"][..., :3], sample[..., :3])
    text, people = layers["Text mask"][..., 3] > 0, layers["Object mask"][..., 3] > 0
    letters = (np.asarray(Image.open(PHOTO).convert("RGB")) != sample[..., :3]).any(axis=2)
    assert text[letters].mean() > 0.9, "the headline is found"
    assert people[250, 330] and people[200, 260], "both people are found"
    changed = (layers["Background"][..., :3] != sample[..., :3]).any(axis=2)
    assert changed[text | people].mean() > 0.9
    assert changed.mean() < 0.4, "the rest of the picture stays as it is"
    both = Image.open(home / "demo" / "before_after.png")
    assert both.size == (2 * 768 + 12, 512)


def test_demo_without_a_backend_says_so(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "plugin.demo", "--home", str(tmp_path)], cwd=ROOT,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "not installed" in done.stderr and "Traceback" not in done.stderr
