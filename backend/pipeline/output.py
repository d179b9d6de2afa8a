"""What `cleanplate clean` writes for one picture; files appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from backend.layers.depth import opaque_value, to_16bit
from backend.layers.images import Picture
from backend.layers.ora import Layer, mask_layer, write_ora
from backend.layers.png import encode_png
from backend.values import BadInput, CleanResult, Control

if TYPE_CHECKING:
    from backend.pipeline.cut_out import CutOut


def write_result(
    folder: Path,
    stem: str,
    picture: Picture,
    result: CleanResult,
    control: Control,
    *,
    ora: bool,
    filled: bool,
) -> list[str]:
    """Writes background.png (when `filled`), the masks and STEM.ora into `folder`; returns names.

    Everything is written beside `folder` first and moved in at the end, so that an interruption
    leaves no half-written file. Raises BadInput when the disk refuses."""
    with control.stage("write", "Writing the layers"):
        try:
            return _write(folder, stem, picture, result, control, ora, filled)
        except OSError as error:
            raise BadInput(f"{folder} cannot be written: {error.strerror or error}.") from error


def write_cut_out(
    folder: Path, stem: str, picture: Picture, result: CutOut, control: Control, *, ora: bool
) -> list[str]:
    """Writes cut_out.png (float pictures: cut_out.tif besides), subject_mask.png and STEM.ora into
    `folder`; returns names. Writes nothing when nothing was found. Raises BadInput when the disk
    refuses."""
    with control.stage("write", "Writing the cut-out"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not result.found:
                return []
            prefix = f".{folder.name}."
            part = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=folder.parent))
            try:
                _write_cut_out(part, stem, picture, result, control, ora)
                return move_in(part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except OSError as error:
            raise BadInput(f"{folder} cannot be written: {error.strerror or error}.") from error


def _write_cut_out(
    part: Path, stem: str, picture: Picture, result: CutOut, control: Control, ora: bool
) -> None:
    cut, source = result.pixels, picture.pixels
    if source.dtype == np.float32:
        (part / "cut_out.tif").write_bytes(_float_tiff(cut))
        cut, source = to_16bit(cut), to_16bit(source)
    (part / "cut_out.png").write_bytes(encode_png(cut, picture.icc, picture.dpi))
    (part / "subject_mask.png").write_bytes(encode_png(result.mask))
    control.progress(0.5)
    if ora:
        layers = [mask_layer("Subject mask", result.mask), Layer("Cut out", cut),
                  Layer("Original", source, visible=False)]
        write_ora(part / f"{stem}.ora", layers, cut, picture.icc, picture.dpi)


def _write(
    folder: Path, stem: str, picture: Picture, result: CleanResult, control: Control,
    ora: bool, filled: bool,
) -> list[str]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        masks = {"object_mask": result.object_mask, "text_mask": result.text_mask,
                 "hole_mask": result.hole}
        if result.report["options"]["unknown"]:
            masks["unknown_mask"] = result.unknown_mask
        for name, mask in masks.items():
            (part / f"{name}.png").write_bytes(encode_png(mask))
        control.progress(0.2)
        if filled:
            plate = for_png(picture, result.plate)
            (part / "background.png").write_bytes(encode_png(plate, picture.icc, picture.dpi))
            if picture.pixels.dtype == np.float32:
                (part / "background.tif").write_bytes(_float_tiff(result.plate))
        control.progress(0.5)
        if ora:
            layers, merged = ora_layers(picture, result, filled)
            write_ora(part / f"{stem}.ora", layers, merged, picture.icc, picture.dpi)
        control.progress(0.9)
        return move_in(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """report.json; last of all, because it holds the time that writing the others took."""
    try:
        part = folder / ".report.json.part"
        part.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
        part.replace(folder / "report.json")
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror or error}.") from error


def move_in(part: Path, folder: Path) -> list[str]:
    """Moves all files of `part` into `folder`, replacing those of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(p.name for p in part.iterdir())
    for name in names:
        os.replace(part / name, folder / name)
    return names


def for_png(picture: Picture, pixels: np.ndarray) -> np.ndarray:
    """Grey pictures stay grey; float becomes 16-bit, clipped to 0–1."""
    if pixels.dtype == np.float32:
        pixels = to_16bit(pixels)
    if picture.grey and pixels.shape[2] == 3:
        # Outside the hole the channels are equal; a fill may tint them by a rounding step.
        return np.rint(pixels.mean(2, dtype=np.float32)).astype(pixels.dtype)
    return pixels


def ora_layers(
    picture: Picture, result: CleanResult, filled: bool
) -> tuple[list[Layer], np.ndarray]:
    """(layers from top to bottom, merged picture).

    Over a picture that lets something through, both Background and Original would show at once,
    so there the Original is hidden."""
    source, plate = picture.pixels, result.plate
    if source.dtype == np.float32:
        source, plate = to_16bit(source), to_16bit(plate)
    layers = [mask_layer("Text mask", result.text_mask)]
    if result.report["options"]["unknown"]:
        layers.append(mask_layer("Unknown mask", result.unknown_mask))
    layers.append(mask_layer("Object mask", result.object_mask))
    if filled:
        layers.append(Layer("Background", plate))
    opaque = source.shape[2] == 3 or bool((source[..., 3] >= opaque_value(source.dtype)).all())
    layers.append(Layer("Original", source, visible=opaque or not filled))
    return layers, plate if filled else source


def _float_tiff(pixels: np.ndarray) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    ok, data = cv2.imencode(".tif", cv2.cvtColor(pixels, order))
    if not ok:
        raise BadInput("The picture cannot be written as TIFF.")
    return data.tobytes()
