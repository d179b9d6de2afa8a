"""The mean of weights from several runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.training.__main__ import main


def saved(path: Path, value: float, size: int = 3) -> Path:
    save_file({"a.weight": torch.full((size, 2), value), "a.bias": torch.arange(size).float()},
              path, {"model": "Net"})
    return path


def test_the_mean_of_two_files_is_written_in_half_precision(tmp_path: Path):
    one, two = saved(tmp_path / "1.safetensors", 1.0), saved(tmp_path / "2.safetensors", 2.0)
    out = tmp_path / "mean.safetensors"
    assert main(["average", str(one), str(two), "--out", str(out)]) == 0
    mean = load_file(out)
    assert mean["a.weight"].dtype == torch.float16 and (mean["a.weight"] == 1.5).all()
    assert mean["a.bias"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("wrong", ["another", "broken", "missing"])
def test_other_files_are_refused_and_nothing_is_written(
    tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
):
    one, two = saved(tmp_path / "1.safetensors", 1.0), tmp_path / "2.safetensors"
    if wrong == "another":
        saved(two, 2.0, size=4)
    elif wrong == "broken":
        two.write_bytes(b"no weights")
    out = tmp_path / "mean.safetensors"
    assert main(["average", str(one), str(two), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert ("another net" if wrong == "another" else "2.safetensors") in said
    assert not out.exists()
