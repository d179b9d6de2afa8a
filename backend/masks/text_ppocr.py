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

from backend.masks.text_lines import Region, regions_of
from backend.values import Control, ModelUnavailable

MODEL = "PP-OCRv6_det_small.onnx"
# Lower than the 0.3 and 0.5 of the detector's own settings: faint lines are candidates too.
THRESHOLD, LEAST_SCORE = 0.2, 0.3


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
    """An onnxruntime session on the CPU with at most two threads, for use in `cancellable`."""
    import os

    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # GELU leaves numbers below 1e-38, on which a processor is a hundred times slower
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # threads that spin while they wait take the cores from the editor and from what comes next
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    finally:
        torch.set_flush_denormal(False)  # onnxruntime changes the calling thread, too


@contextmanager
def cancellable(control: Control):
    """onnxruntime run options that stop a running network within 50 ms of a cancel; numbers too
    small to matter count as 0 in this thread meanwhile (see open_session)."""
    import onnxruntime
    import torch

    options, done = onnxruntime.RunOptions(), threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            if control.is_cancelled():
                options.terminate = True
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    torch.set_flush_denormal(True)
    try:
        yield options
    except Exception:
        control.check()  # a terminated run ends in an onnxruntime error: report it as Cancelled
        raise
    finally:
        torch.set_flush_denormal(False)
        done.set()
        watcher.join()


class Detector:
    """Text lines at one scale; see text_scales for all sizes."""

    coarse = 1024
    in_hues = True
    sizes: tuple[int, ...] = ()

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

    def find(self, rgb: np.ndarray, scale: float, control: Control) -> list[Region]:
        """Lines, and what may be lines (the stroke net decides), in the image's pixels."""
        p = self.probability(rgb, scale, control)
        sx, sy = rgb.shape[1] / p.shape[1], rgb.shape[0] / p.shape[0]
        return [r.scaled(sx, sy) for r in regions_of(p, threshold=THRESHOLD, keep=LEAST_SCORE)]
