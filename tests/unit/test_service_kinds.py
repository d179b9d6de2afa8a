"""What jobs tell beside their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from pipeline_doubles import GREEN, GreenClick, scene

from backend.service.kinds import Context
from backend.service.kinds_builtin import ClickJob, _click
from backend.service.pixels import Layout
from backend.service.session import StoredImage
from backend.values import Control, Point


class Explaining(GreenClick):
    """A click model that says which object it took, as Mask R-CNN does."""

    explanation = ""

    def predict(self, embedding: Any, positives: Any, *rest: Any) -> np.ndarray:
        self.explanation = "ball: the smallest box around the click"
        return super().predict(embedding, positives, *rest)


class OneModel:
    def __init__(self, model: Any) -> None:
        self.model = model

    def entry(self, task: str, name: Any) -> Any:
        return self.model.description

    def run(self, task: str, name: Any, control: Any, work: Any, device: Any) -> Any:
        return work(self.model, 1.0)


def click(model: Any) -> dict[str, Any]:
    rgb = scene()
    data = np.ascontiguousarray(np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 255, np.uint8)]))
    image = StoredImage(data.reshape(-1), Layout(rgb.shape[1], rgb.shape[0], 4, "u8", "BGRA"))
    context = Context()
    context._store = OneModel(model)  # type: ignore[assignment]
    job = ClickJob(image, (Point(130.5, 100.5),), (), None, 0, None, "cpu")
    answer = _click(job, context, Control())
    assert answer.blocks["mask"][100, 130] == 255 and (rgb[100, 130] == GREEN).all()
    return answer.values["report"]


def test_a_click_tells_which_object_was_taken_and_why():
    report = click(Explaining())
    assert report["explanation"] == "ball: the smallest box around the click"
    assert report["notes"] == ["Taken: ball: the smallest box around the click."]


def test_a_click_model_that_explains_nothing():
    report = click(GreenClick())
    assert report["explanation"] == "" and report["notes"] == []
