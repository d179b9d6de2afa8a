"""What fillers cost on a GPU: `python tests/bench/gpu.py [--device cuda:0] [--width 3840]`.

In one go, on the bundled sample scaled to 16:9, with five holes of 1 % each: PatchMatch by numba on
the CPU, PatchMatch on the device, and a network of LaMa's shape with random weights and feature
refinement (needs spandrel; its picture is nonsense, its time is not). Each fills once to warm up
and then once for the clock; for the two PatchMatches it prints how far their results lie apart.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from backend.fill import lama  # noqa: E402
from backend.fill.matches_torch import TorchField  # noqa: E402
from backend.fill.patchmatch import PatchMatchFill  # noqa: E402
from backend.fill.plate import fill_plate  # noqa: E402
from backend.models import catalogue, device  # noqa: E402
from backend.models.interfaces import FillModel  # noqa: E402
from backend.values import Control  # noqa: E402


def case(width: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture, H×W×3 uint8, and five holes of 1 % each, H×W uint8."""
    height = width * 9 // 16
    sample = cv2.imread(str(ROOT / "plugin/demo/sample.png"))
    assert sample is not None, "the bundled sample is gone"
    rgb = cv2.resize(sample, (width, height), interpolation=cv2.INTER_CUBIC)[..., ::-1]
    hole = np.zeros((height, width), np.uint8)
    radius = round(float(np.sqrt(0.01 * width * height / np.pi)))
    for x, y in ((0.15, 0.3), (0.35, 0.7), (0.5, 0.3), (0.65, 0.7), (0.85, 0.3)):
        cv2.circle(hole, (round(x * width), round(y * height)), radius, 255, -1)
    return np.ascontiguousarray(rgb), hole


def timed(name: str, rgb: np.ndarray, hole: np.ndarray, model: FillModel) -> np.ndarray:
    """Fills twice and prints the second time and what the user would be told."""
    fill_plate(rgb, hole, model, Control())
    control, begin = Control(), time.perf_counter()
    plate = fill_plate(rgb, hole, model, control)
    print(f"{name}: {time.perf_counter() - begin:.2f} s", *control.notes, flush=True)
    assert np.array_equal(plate[hole == 0], rgb[hole == 0])
    return plate


def random_lama(where: str) -> FillModel:
    """LaMa with random weights, loaded as the real file is."""
    import torch
    from spandrel.architectures.LaMa import LaMa  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    state = {k.replace("model.model", "generator.model", 1): v
             for k, v in LaMa(in_nc=4).state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lama.pth"
        torch.save(state, path)
        entry = catalogue.get("big_lama_refined", "fill")
        return lama.load_module(entry, {path.name: path}, where, Control())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--width", type=int, default=3840)
    args = parser.parse_args()
    where = device.pick(args.device)
    rgb, hole = case(args.width)
    print(f"{rgb.shape[1]}×{rgb.shape[0]}, five holes, {100 * (hole > 0).mean():.1f} %; "
          f"{device.describe(where)}")
    by_numba = timed("PatchMatch, numba, CPU", rgb, hole, PatchMatchFill())
    fields = partial(TorchField, device=where)
    by_torch = timed(
        f"PatchMatch, torch, {where}", rgb, hole, PatchMatchFill(device=where, fields=fields)
    )
    inside = hole > 0
    apart = by_torch[inside].astype(float) - by_numba[inside]
    print(f"their results lie {np.sqrt(np.square(apart).mean()):.1f} of 255 apart")
    if importlib.util.find_spec("spandrel") is None:
        print("LaMa's shape: skipped, it needs spandrel (pip install spandrel)")
        return
    timed(f"LaMa's shape, refined, {where}", rgb, hole, random_lama(where))


if __name__ == "__main__":
    main()
