"""The fake's selection, and its check of the thread."""

from __future__ import annotations

import threading

import numpy as np
from PyQt6.QtCore import QByteArray


def gui_thread() -> None:
    assert threading.current_thread() is threading.main_thread(), "libkis off the GUI thread"


class Selection:
    def __init__(self, x: int = 0, y: int = 0, coverage: np.ndarray | None = None) -> None:
        empty = np.zeros((0, 0), np.uint8)
        self._x, self._y, self._coverage = x, y, empty if coverage is None else coverage

    def setPixelData(self, data: QByteArray, x: int, y: int, w: int, h: int) -> None:
        gui_thread()
        self._coverage = np.frombuffer(bytes(data), np.uint8).reshape(h, w)
        self._x, self._y = x, y

    def x(self) -> int:
        return self._x

    def y(self) -> int:
        return self._y

    def width(self) -> int:
        return self._coverage.shape[1]

    def height(self) -> int:
        return self._coverage.shape[0]

    def pixelData(self, x: int, y: int, w: int, h: int) -> QByteArray:
        gui_thread()
        out = np.zeros((h, w), np.uint8)
        for row in range(h):
            for column in range(w):
                inside = (y + row - self._y, x + column - self._x)
                if 0 <= inside[0] < self.height() and 0 <= inside[1] < self.width():
                    out[row, column] = self._coverage[inside]
        return QByteArray(out.tobytes())
