"""What a run did, as plain values for report.json, the service and the editor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from backend import __version__
from backend.models import catalogue
from backend.models import device as devices
from backend.models.interfaces import Description
from backend.models.store import ModelStore
from backend.pipeline.source import Source
from backend.values import CleanOptions, CleanResult, Control


def build_report(
    source: Source,
    result: CleanResult,
    found: Any,
    models: dict[str, Description],
    options: CleanOptions,
    store: ModelStore,
    control: Control,
) -> dict[str, Any]:
    """Everything but `seconds` and `notes`, which are known last.

    Keys: version, size, depth, alpha, found, filled, those of `engines`, counts, pixels (of each
    mask and the hole), hole_share, options.
    """
    height, width = source.shape
    return {
        "version": __version__,
        "size": [width, height],
        "depth": {"uint8": 8, "uint16": 16}.get(source.pixels.dtype.name, 32),
        "alpha": source.pixels.shape[2] == 4,
        "found": result.found,
        "filled": bool(options.fill and result.found),
        **engines(models),
        "device_requested": options.device if options.device != "auto" else store.device,
        "counts": {
            "people": len(result.people),
            "text_lines": len(result.lines),
            "clicks": len(options.clicks),
            "kept": len(options.keep),
        },
        "pixels": {
            "object_mask": int(np.count_nonzero(result.object_mask)),
            "text_mask": int(np.count_nonzero(result.text_mask)),
            "unknown_mask": int(np.count_nonzero(result.unknown_mask)),
            "hole": int(np.count_nonzero(result.hole)),
        },
        "hole_share": round(float(np.count_nonzero(result.hole)) / (width * height), 6),
        "mask_given": found.given is not None,
        "options": plain_options(options),
    }


def engines(models: dict[str, Description]) -> dict[str, Any]:
    """Which model did what, and where: models {task: name}, titles {name: what people call it},
    device {task: device}, device_text {device: what people call it}."""
    on = {task: d.device for task, d in models.items()}
    return {
        "models": {task: d.name for task, d in models.items()},
        "titles": {d.name: catalogue.title_of(d.name, task) for task, d in models.items()},
        "device": on,
        "device_text": {name: devices.describe(name) for name in sorted(set(on.values()))},
    }


def plain_options(options: CleanOptions) -> dict[str, Any]:
    values = asdict(options)
    for name in ("clicks", "keep"):
        values[name] = [list(p) for p in values[name]]
    box = values["only_text_in"]
    values["only_text_in"] = list(box) if box is not None else None
    return values
