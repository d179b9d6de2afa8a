"""From a mask to a soft matte and the true colours of what it keeps: trimap, alpha, foreground."""

from __future__ import annotations

from backend.matte.band import trimap
from backend.matte.colours import foreground
from backend.matte.matting import matte

__all__ = ["foreground", "matte", "trimap"]
