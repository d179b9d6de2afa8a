"""The people models: each gives a probability per pixel and one mask per person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.models.interfaces import Description
from backend.values import Control, ModelUnavailable


def _fit(height: int, width: int, long_side: int, multiple: int) -> tuple[int, int]:
    """Size (height, width) with about this long side, each a multiple, the aspect nearly kept."""
    scale = long_side / max(height, width)
    return (
        max(multiple, round(height * scale / multiple) * multiple),
        max(multiple, round(width * scale / multiple) * multiple),
    )


class BuiltinPeople:
    """The built-in net at a long side of 384 px, mean of the image and its mirror."""

    def __init__(self, net: Any, name: str, device: str) -> None:
        self.net = net
        self.description = Description(name, device, 1, 32, 384, 20000, False)

    def probability(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB → H×W float32 in [0, 1]."""
        import torch

        control.check()
        height, width = rgb.shape[:2]
        size = _fit(height, width, 384, 32)
        small = cv2.resize(rgb, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            x = torch.from_numpy(small).to(self.description.device).permute(2, 0, 1)[None]
            x = x.float().div_(255).contiguous(memory_format=torch.channels_last)
            answer = torch.sigmoid(self.net(torch.cat([x, x.flip(3)])))
            mean = (answer[:1] + answer[1:].flip(3)) / 2
        control.check()
        found = mean[0, 0].float().cpu().numpy()
        return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)

    def instances(self, rgb: np.ndarray, control: Control) -> list[np.ndarray]:
        """One H×W uint8 mask (255 inside) a connected group of people, largest first."""
        mask = (self.probability(rgb, control) > 0.5).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        order = sorted(range(1, count), key=lambda i: -int(stats[i, cv2.CC_STAT_AREA]))
        return [(labels == i).astype(np.uint8) * 255 for i in order]


def read_net(path: Path) -> Any:
    """The net that fits these safetensors weights, in evaluation mode on the CPU."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    from backend.networks.people import LARGE, SMALL, PeopleNet
    from backend.networks.people_seed import SeedNet

    with safe_open(path, "pt") as file:
        about = file.metadata() or {}
    widths = {"large": LARGE, "small": SMALL}.get(about.get("widths", ""))
    net = SeedNet() if widths is None else PeopleNet(widths)
    state = {k: v.float() for k, v in load_file(path).items()}
    missing, unexpected = net.load_state_dict(state, strict=False)
    wrong = [k for k in missing if not k.endswith("num_batches_tracked")] + list(unexpected)
    if wrong:
        raise ModelUnavailable(f"{path.name} does not fit the network (for example {wrong[0]})")
    return net.eval()


def load_builtin(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The built-in net of safetensors weights; see the card beside them."""
    import torch

    net = read_net(next(iter(files.values()))).to(device)
    return BuiltinPeople(net.to(memory_format=torch.channels_last), entry.name, device)
