"""What `cleanplate clean --separate` writes for one picture: cut-outs above the background."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from backend.layers.depth import to_16bit
from backend.layers.images import Picture
from backend.layers.ora import Layer, write_ora
from backend.layers.png import encode_png
from backend.pipeline.output import move_in
from backend.pipeline.separate import Separated
from backend.values import BadInput, Control


def source_of(picture: Picture, control: Control) -> np.ndarray:
    """The pixels to take apart: a layered file holds 16 bits at most, and the layers must rebuild
    what lies in it."""
    if picture.pixels.dtype != np.float32:
        return picture.pixels
    control.note("The picture was taken apart in 16 bits, the most that a layered file holds.")
    return to_16bit(picture.pixels)


def write_separated(
    folder: Path, stem: str, picture: Picture, source: np.ndarray, result: Separated,
    control: Control, *, ora: bool,
) -> list[str]:
    """Writes background.png and, from bottom to top, NN_KIND.png (as large as the picture) for
    each cut-out; with `ora` STEM.ora instead of the single cut-outs. Returns the names. Raises
    BadInput when the disk refuses."""
    with control.stage("write", "Writing the layers"):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part",
                                         dir=folder.parent))
            try:
                _write(part, stem, picture, source, result, control, ora)
                return move_in(part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except OSError as error:
            raise BadInput(f"{folder} cannot be written: {error.strerror or error}.") from error


def _write(
    part: Path, stem: str, picture: Picture, source: np.ndarray, result: Separated,
    control: Control, ora: bool,
) -> None:
    background = result.background[..., : source.shape[2]]
    (part / "background.png").write_bytes(encode_png(background, picture.icc, picture.dpi))
    control.progress(0.3)
    if ora:
        layers = [Layer(cut.name, cut.pixels, offset=(cut.box.x0, cut.box.y0))
                  for cut in reversed(result.layers)]
        # Below a see-through background the original would show: it is hidden in all cases.
        layers += [Layer("Background", background), Layer("Original", source, visible=False)]
        write_ora(part / f"{stem}.ora", layers, source, picture.icc, picture.dpi)
        return
    for number, cut in enumerate(result.layers, 1):
        whole = np.zeros((*source.shape[:2], 4), source.dtype)
        whole[cut.box.slices] = cut.pixels
        name = f"{number:02d}_{cut.kind}.png"
        (part / name).write_bytes(encode_png(whole, picture.icc, picture.dpi))
        control.progress(0.3 + 0.7 * number / len(result.layers))
