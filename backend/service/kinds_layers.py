"""The jobs of working by hand: find (for a review), refill, separate, cut_out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backend.service import checks, pixels
from backend.service.errors import Refused
from backend.service.kinds import Answer, Context, Kind, only, register
from backend.service.session import Session, StoredImage
from backend.values import CleanOptions, Control


@dataclass(frozen=True)
class LayerJob:
    """Masks by name, H×W uint8; what was not given is not in it."""

    image: StoredImage
    options: CleanOptions
    masks: dict[str, np.ndarray]
    original: StoredImage | None = None

    def mask(self, name: str) -> np.ndarray | None:
        return self.masks.get(name)


def _checked(session: Session, arguments: dict[str, Any], *names: str) -> LayerJob:
    """`image` and `options` and the masks called `names`, which must have the picture's size."""
    only(arguments, "image", "options", *names)
    options = checks.clean_options(arguments.get("options", ()))
    image = session.image(arguments.get("image"))
    masks = {
        name: session.mask(arguments[name], image.layout, name.replace("_", " "))
        for name in names
        if name in arguments
    }
    return LayerJob(image, options, masks)


def _check_find(session: Session, arguments: dict[str, Any]) -> LayerJob:
    return _checked(session, arguments)


def _find(job: LayerJob, context: Context, control: Control) -> Answer:
    from backend.pipeline.items import find_items
    from backend.pipeline.report import engines

    items, found = find_items(job.image.decoded(), job.options, context.store, control)
    listed = [{"kind": i.kind, "name": i.name, "box": list(i.box)} for i in items]
    blocks: dict[str, np.ndarray | bytes] = {f"item{n}": i.mask for n, i in enumerate(items)}
    report = {
        **engines(found.models),
        "counts": {kind: sum(i.kind == kind for i in items)
                   for kind in ("person", "object", "text")},
        "seconds": {name: round(took, 4) for name, took in control.seconds.items()},
        "notes": list(control.notes),
    }
    return Answer({"items": listed, "report": report}, blocks)


def _check_refill(session: Session, arguments: dict[str, Any]) -> LayerJob:
    rest = {k: v for k, v in arguments.items() if k != "original"}
    job = _checked(session, rest, "object_mask", "text_mask", "changed")
    if "original" not in arguments:
        return job
    original = session.image(arguments["original"])
    if original.layout != job.image.layout:
        raise Refused("The original and the background must have the same size and depth.")
    return replace(job, original=original)


def _refill(job: LayerJob, context: Context, control: Control) -> Answer:
    from backend.pipeline.refill import refill

    image, original = job.image, job.original
    done = refill(
        image.decoded(), job.mask("object_mask"), job.mask("text_mask"), job.options,
        context.store, control, changed=job.mask("changed"),
        original=None if original is None else original.decoded(),
    )  # fmt: skip
    result, restored = done.result, done.restored > 0
    plate = pixels.encode(image.data, image.layout, result.plate, result.hole)
    blocks: dict[str, np.ndarray | bytes] = {"plate": plate}
    if original is not None and restored.any():
        # Byte for byte: float documents are not taken through the colours that the fill works in.
        image.layout.view(plate)[restored] = image.layout.view(original.data)[restored]
        blocks["restored"] = done.restored
    for name in ("object_mask", "text_mask", "hole"):
        mask = getattr(result, name)
        if mask.any():
            blocks[name] = mask
    found = bool(result.found or restored.any())
    values = {"found": found, "report": result.report, "lines": [], "people": []}
    return Answer(values, blocks)


def _check_separate(session: Session, arguments: dict[str, Any]) -> LayerJob:
    return _checked(session, arguments, "object_mask", "text_mask")


def _separate(job: LayerJob, context: Context, control: Control) -> Answer:
    from backend.pipeline import separate, stack

    image = job.image

    def native(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
        """In the editor's own colours: there its layers are blended."""
        data = pixels.encode(image.data, image.layout, picture, where)
        own = image.layout.view(data)
        return own if image.layout.has_alpha else stack.with_alpha(own)

    done = separate.separate(
        image.decoded(), job.mask("object_mask"), job.mask("text_mask"), job.options,
        context.store, control, native=native,
    )  # fmt: skip
    background = done.background[..., : image.layout.channels]
    blocks: dict[str, np.ndarray | bytes] = {"background": np.ascontiguousarray(background)}
    listed = []
    for number, cut in enumerate(done.layers):
        blocks[f"layer{number}"] = np.ascontiguousarray(cut.pixels)
        listed.append({"kind": cut.kind, "name": cut.name, "box": list(cut.box)})
    values = {"layers": listed, "order": image.layout.order_with_alpha, "report": done.report}
    return Answer(values, blocks)


def _check_cut_out(session: Session, arguments: dict[str, Any]) -> LayerJob:
    return _checked(session, arguments, "mask")


def _cut_out(job: LayerJob, context: Context, control: Control) -> Answer:
    from backend.pipeline import stack
    from backend.pipeline.cut_out import cut_out

    image, layout, data = job.image, job.image.layout, job.image.data
    done = cut_out(image.decoded(), job.options, context.store, control, mask=job.mask("mask"))
    if not layout.has_alpha:
        data = stack.with_alpha(layout.view(data)).reshape(-1).view(np.uint8)
        layout = replace(layout, order=layout.order_with_alpha, channels=layout.channels + 1)
    # Where nothing was taken away, the source's very bytes stay.
    own = layout.view(data)[..., -1]
    alpha = done.pixels[..., 3].astype(own.dtype)
    changed = ((alpha != own) | (alpha == 0)).astype(np.uint8) * np.uint8(255)
    made = pixels.encode(data, layout, done.pixels, changed)
    values = {"found": done.found, "order": layout.order, "report": done.report}
    return Answer(values, {"pixels": made})


register(Kind("find", _check_find, _find))
register(Kind("refill", _check_refill, _refill))
register(Kind("separate", _check_separate, _separate))
register(Kind("cut_out", _check_cut_out, _cut_out))
