"""Widget ↔ image mapping of the Krita plugin, for Krita before and since 5.2."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 cannot be loaded", exc_type=ImportError)

from PyQt6.QtCore import QPointF  # noqa: E402
from PyQt6.QtGui import QTransform  # noqa: E402

from tests.fake_krita.support import application, load  # noqa: E402

application()
canvas = load("canvas")
WIDTH, HEIGHT = 700, 500


def view(zoom: float, rotation: float, mirror: bool, resolution: int) -> Any:
    document = SimpleNamespace(width=lambda: WIDTH, height=lambda: HEIGHT,
                               resolution=lambda: resolution)
    # Krita 5.1's zoom level is relative to the document's resolution in 72nds of an inch.
    level = zoom * resolution / 72
    shown = SimpleNamespace(zoomLevel=lambda: level, rotation=lambda: rotation,
                            mirror=lambda: mirror)
    return SimpleNamespace(document=lambda: document, canvas=lambda: shown)


def scrolled(x: int, y: int) -> Any:
    bars = SimpleNamespace(horizontalScrollBar=lambda: SimpleNamespace(value=lambda: x),
                           verticalScrollBar=lambda: SimpleNamespace(value=lambda: y))
    return lambda self: bars


def expected(zoom: float, rotation: float, mirror: bool, scroll: tuple[int, int],
             point: tuple[float, float]) -> np.ndarray:
    """Written down anew: scale and mirror, turn, then move the bounding box's corner."""
    angle = math.radians(rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    scale = np.diag([-zoom if mirror else zoom, zoom])
    corners = turn @ scale @ np.array([[0, WIDTH, 0, WIDTH], [0, 0, HEIGHT, HEIGHT]])
    return turn @ scale @ np.array(point) - corners.min(axis=1) - np.array(scroll)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("rotation", [0, 30, -75, 180])
@pytest.mark.parametrize("resolution", [72, 300])
def test_before_5_2(
    monkeypatch: pytest.MonkeyPatch, mirror: bool, rotation: float, resolution: int
) -> None:
    monkeypatch.setattr(canvas.Canvas, "_scroll_area", scrolled(-40, 85))
    shown = canvas.Canvas(view(1.5, rotation, mirror, resolution), None)
    for point in ((0, 0), (699.5, 12.25), (350, 250)):
        widget = expected(1.5, rotation, mirror, (-40, 85), point)
        back = shown.to_image(QPointF(*widget))
        assert abs(back.x() - point[0]) < 1e-6 and abs(back.y() - point[1]) < 1e-6


def test_since_5_2_krita_tells_its_transformation() -> None:
    to_canvas = QTransform().translate(30, 40).rotate(20).scale(2, 2)
    to_image = QTransform().scale(300 / 72, 300 / 72)
    asked = SimpleNamespace(flakeToCanvasTransform=lambda: to_canvas,
                            flakeToImageTransform=lambda: to_image)
    flake = QPointF(12.5, 7.25)
    image = canvas.Canvas(asked, None).to_image(to_canvas.map(flake))
    assert abs(image.x() - to_image.map(flake).x()) < 1e-6
    assert abs(image.y() - to_image.map(flake).y()) < 1e-6
