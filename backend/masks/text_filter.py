"""Which found text is taken: by height, by place, and the plates behind it on request."""

from __future__ import annotations

import numpy as np

from backend.masks.combine import binary, chosen_lines, filter_text
from backend.models.interfaces import TextFound
from backend.values import CleanOptions, Control


def apply(
    found: TextFound, options: CleanOptions, rgb: np.ndarray, control: Control
) -> TextFound:
    """Drops the lines that the options keep in the picture; adds plates where wanted.

    `keep_text_below`: lines whose letters are lower than so many px stay. `only_text_in`: lines
    of which less than half lies in the box stay. `with_backplates`: the plates behind the lines
    that go are taken as well. `rgb` is the H×W×3 uint8 picture.
    """
    taken = chosen_lines(found.lines, options.keep_text_below, options.only_text_in)
    if all(taken) and options.only_text_in is None and not options.with_backplates:
        return TextFound(found.probability, binary(found.mask), found.lines)
    mask = filter_text(binary(found.mask), found.lines, taken, options.only_text_in)
    lines = tuple(line for line, go in zip(found.lines, taken, strict=True) if go)
    if options.with_backplates and lines:
        from backend.masks.backplates import backplate_mask

        mask = np.maximum(mask, backplate_mask(rgb, lines, control))
    probability = np.where(mask > 0, np.maximum(found.probability, 0.5), found.probability)
    dropped = (found.mask > 0) & (mask == 0)
    return TextFound(np.where(dropped, 0, probability).astype(np.float32), mask, lines)
