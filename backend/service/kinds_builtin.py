"""The jobs of Clean Plate: clean, look, click, models_install."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.service import checks, pixels
from backend.service.errors import Refused
from backend.service.kinds import SIDE, Answer, Context, Kind, only, register
from backend.service.session import Session, StoredImage
from backend.values import Box, CleanOptions, CleanResult, Control, Point

SURE = 0.5  # a click's pixel belongs to the object from this probability on


@dataclass(frozen=True)
class CleanJob:
    image: StoredImage
    options: CleanOptions
    mask: np.ndarray | None
    limit: np.ndarray | None


def _check_clean(session: Session, arguments: dict[str, Any]) -> CleanJob:
    only(arguments, "image", "options", "mask", "limit")
    options = checks.clean_options(arguments.get("options", ()))
    image = session.image(arguments.get("image"))
    masks = {
        name: session.mask(arguments[name], image.layout, name) if name in arguments else None
        for name in ("mask", "limit")
    }
    return CleanJob(image, options, masks["mask"], masks["limit"])


def _clean(job: CleanJob, context: Context, control: Control) -> Answer:
    from backend.pipeline.clean import clean

    source = job.image.decoded()
    result = clean(source, job.options, context.store, control, mask=job.mask, limit=job.limit)
    plate = None
    if job.options.fill:
        plate = pixels.encode(job.image.data, job.image.layout, result.plate, result.hole)
    return clean_answer(result, plate)


def clean_answer(result: CleanResult, plate: np.ndarray | None) -> Answer:
    """A CleanResult as values and blocks; a mask that is all zero is left out, and the plate (in
    the editor's bytes) when nothing was to be filled."""
    blocks: dict[str, np.ndarray | bytes] = {}
    if plate is not None:
        blocks["plate"] = plate
    for name in ("object_mask", "text_mask", "unknown_mask", "hole"):
        mask = getattr(result, name)
        if mask.any():
            blocks[name] = mask
    boxes = []
    for person in result.people:
        box = Box.around(person)
        if box is not None:
            blocks[f"person{len(boxes)}"] = person[box.slices]
            boxes.append(list(box))
    lines = [
        {
            "polygon": np.asarray(line.polygon, float).tolist(),
            "height": float(line.height),
            "score": float(line.score),
            "words": str(line.words),
        }
        for line in result.lines
    ]
    values = {"found": result.found, "report": result.report, "lines": lines, "people": boxes}
    return Answer(values, blocks)


@dataclass(frozen=True)
class LookJob:
    image: StoredImage
    model: str | None
    device: str


def _check_look(session: Session, arguments: dict[str, Any]) -> LookJob:
    only(arguments, "image", "model", "device")
    image = session.image(arguments.get("image"))
    model = checks.model_name(arguments["model"]) if "model" in arguments else None
    return LookJob(image, model, checks.device(arguments.get("device", "auto")))


def _look(job: LookJob, context: Context, control: Control) -> Answer:
    """Does what needs no click while nobody waits: before the first one the model is loaded and
    the picture encoded, after it a model that can prepares for corrections."""
    entry = context.store.entry("click", job.model)

    def work(model: Any, scale: float) -> str:
        with control.stage("click", "Looking at the picture"):
            embedding = _embedding(job.image, model, control)
            prepare = getattr(model, "prepare", None)
            if prepare is not None:
                prepare(embedding)
        return str(model.description.device)

    device = context.store.run("click", entry.name, control, work, job.device)
    return Answer({"report": {"model": entry.name, "device": device}})


def _embedding(image: StoredImage, model: Any, control: Control) -> Any:
    """What the model knows of the picture, made once."""
    key = (model.description.name, model.description.device)
    if key not in image.embeddings:
        image.embeddings[key] = model.encode(image.rgb8(), control)
    return image.embeddings[key]


@dataclass(frozen=True)
class ClickJob:
    image: StoredImage
    positives: tuple[Point, ...]
    negatives: tuple[Point, ...]
    box: Box | None
    previous: int
    model: str | None
    device: str
    glance: bool = False

    @property
    def clicked(self) -> tuple[tuple[Point, ...], tuple[Point, ...], Box | None]:
        return self.positives, self.negatives, self.box


def _check_click(session: Session, arguments: dict[str, Any]) -> ClickJob:
    only(arguments, "image", "positives", "negatives", "box", "previous", "model", "device",
         "glance")
    image = session.image(arguments.get("image"))
    positives = checks.points(arguments.get("positives", ()), "positives")
    negatives = checks.points(arguments.get("negatives", ()), "negatives")
    width, height = image.layout.width, image.layout.height
    for point in positives + negatives:
        if not (0 <= point.x < width and 0 <= point.y < height):
            raise Refused(f"The point {point.x:g}, {point.y:g} is outside the picture.")
    box = checks.box(arguments["box"], "box") if "box" in arguments else None
    if not positives and box is None:
        raise Refused("Click on the object, or draw a box around it.")
    model = checks.model_name(arguments["model"]) if "model" in arguments else None
    previous = checks.integer(arguments.get("previous", 0), "previous", 0)
    device = checks.device(arguments.get("device", "auto"))
    glance = checks.boolean(arguments.get("glance", False), "glance")
    return ClickJob(image, positives, negatives, box, previous, model, device, glance)


def _click(job: ClickJob, context: Context, control: Control) -> Answer:
    from backend.layers.outline import outline, packed
    from backend.pipeline.report import engines

    store, image = context.store, job.image
    entry = store.entry("click", job.model)
    used: dict[str, Any] = {"whole": True}

    def work(model: Any, scale: float) -> np.ndarray:
        used["model"] = model.description
        with control.stage("click", "Looking at the picture"):
            embedding = _embedding(image, model, control)
            control.progress(0.9, "Finding the object")
            previous = image.answers.get(job.previous)
            if previous is not None:
                previous = previous.astype(np.float32)
            glance = getattr(model, "glance", None)
            if job.glance and glance is not None and previous is None:
                found, used["whole"] = glance(embedding, *job.clicked), False
            else:
                found = model.predict(embedding, *job.clicked, previous)
            used["people"] = getattr(model, "people", None)  # the click was on a person
            if getattr(model, "explanation", ""):  # which instance was taken, and why
                used["explanation"] = model.explanation
                control.note(f"Taken: {model.explanation}.")
            control.check()
            return found

    probability = store.run("click", entry.name, control, work, job.device)
    mask = np.where(probability >= SURE, np.uint8(255), np.uint8(0))
    box = Box.around(mask)
    models = {"click": used["model"]}
    if used["people"] is not None:
        models["people"] = used["people"]
    report = {
        **engines(models),
        "explanation": used.get("explanation", ""),
        "seconds": {name: round(took, 4) for name, took in control.seconds.items()},
        "notes": list(control.notes),
    }
    values = {
        "box": None if box is None else list(box),
        "found": box is not None,
        "whole": used["whole"],
        "answer": image.remember(probability),
        "report": report,
    }
    lines = [] if box is None else outline(mask, box)
    return Answer(values, {"mask": mask, "outline": packed(lines)})


def _check_install(session: Session, arguments: dict[str, Any]) -> str:
    from backend.models import catalogue

    only(arguments, "name")
    name = checks.model_name(arguments.get("name"), "name")
    if catalogue.get(name).builtin:
        raise Refused(f"{catalogue.title_of(name)} is built in: there is nothing to install.")
    return name


def _install(name: str, context: Context, control: Control) -> Answer:
    from backend.models import catalogue
    from backend.models.command import install

    entry = catalogue.get(name)
    install(entry, control)
    return Answer({"name": name, "title": entry.title, "licence": entry.licence})


register(Kind("clean", _check_clean, _clean))
register(Kind("look", _check_look, _look, interactive=True))
register(Kind("click", _check_click, _click, interactive=True))
register(Kind("models_install", _check_install, _install, lane=SIDE))
