"""The DB text detector that the rapidocr wheel carries (PP-OCRv6 small, Apache-2.0).

Its network is run directly so that the probability map itself is at hand, not only boxes.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks.text_lines import Region, merge, regions_of
from backend.values import Control, ModelUnavailable

MODEL = "PP-OCRv6_det_small.onnx"
COARSE = 1024  # long side of the pass over the whole image
TILE, OVERLAP = 1024, 160


def wheel_file(name: str) -> Path:
    """A model file inside the installed rapidocr package; raises ModelUnavailable."""
    import importlib.util

    spec = importlib.util.find_spec("rapidocr")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    if folder is None or not (folder / name).is_file():
        raise ModelUnavailable(
            f"The text model {name} is missing: it comes with the package rapidocr 3.10 "
            "(`python3 install.py` installs it)."
        )
    return folder / name


def open_session(path: Path) -> Any:
    """An onnxruntime session on the CPU with at most two threads."""
    import os

    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def cancellable(control: Control):
    """onnxruntime run options that stop a running network within 50 ms of a cancel."""
    import onnxruntime

    options, done = onnxruntime.RunOptions(), threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            if control.is_cancelled():
                options.terminate = True
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield options
    except Exception:
        control.check()  # a terminated run ends in an onnxruntime error: report it as Cancelled
        raise
    finally:
        done.set()
        watcher.join()


class Detector:
    """Finds text lines at all sizes: a coarse pass for headlines, tiles for captions."""

    def __init__(self, path: Path | None = None) -> None:
        self._session = open_session(path or wheel_file(MODEL))
        self._input = self._session.get_inputs()[0].name

    def probability(self, rgb: np.ndarray, scale: float, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB → float32 map in [0, 1] at about `scale` times the size (sides are
        rounded to multiples of 32)."""
        h, w = (max(32, round(side * scale / 32) * 32) for side in rgb.shape[:2])
        how = cv2.INTER_AREA if h < rgb.shape[0] else cv2.INTER_LINEAR
        bgr = cv2.resize(rgb, (w, h), interpolation=how)[..., ::-1]  # the network wants B, G, R
        x = (bgr.astype(np.float32) * (2 / 255) - 1).transpose(2, 0, 1)[None]
        control.check()
        with cancellable(control) as options:
            return self._session.run(None, {self._input: np.ascontiguousarray(x)}, options)[0][0, 0]

    def regions(self, rgb: np.ndarray, control: Control) -> list[Region]:
        """Text lines of an H×W×3 uint8 RGB image of any size, in image pixels."""
        long = max(rgb.shape[:2])
        scale = min(COARSE / long, 2.0)
        found = self._pass(rgb, scale, control)
        if scale < 0.8:
            for n, (y, x) in enumerate(tiles := tile_corners(rgb.shape[:2], TILE, OVERLAP)):
                control.progress(n / len(tiles))
                tile = rgb[y : y + TILE, x : x + TILE]
                found += [r.scaled(1, 1, x, y) for r in self._pass(tile, 1.0, control)]
        return merge(found)

    def _pass(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
        p = self.probability(rgb, scale, control)
        sx, sy = rgb.shape[1] / p.shape[1], rgb.shape[0] / p.shape[0]
        return [r.scaled(sx, sy) for r in regions_of(p)]


def tile_corners(shape: tuple[int, int], tile: int, overlap: int) -> list[tuple[int, int]]:
    """(y, x) of tiles that cover an image, spread evenly, each `overlap` into the next."""

    def starts(side: int) -> list[int]:
        if side <= tile:
            return [0]
        n = int(np.ceil((side - overlap) / (tile - overlap)))
        return [round(i * (side - tile) / (n - 1)) for i in range(n)]

    return [(y, x) for y in starts(shape[0]) for x in starts(shape[1])]
