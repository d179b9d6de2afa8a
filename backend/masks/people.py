"""The people models: each gives a probability per pixel and one mask per person.

The loaders that the catalogue names are here; what needs torchvision is imported by them.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import people_rims
from backend.masks.combine import binary
from backend.masks.instances import split_people
from backend.masks.people_closer import closer
from backend.masks.people_held import with_held
from backend.masks.people_regions import LOW, keep_sure_regions
from backend.masks.people_rims import enlarged, sharper
from backend.masks.refine import refine
from backend.models.interfaces import Description
from backend.values import Control, ModelUnavailable

# Long side in px and whether the mirror image is looked at too. Large people are whole only in
# the small picture, distant ones show only in the large one.
SCALES = ((320, True), (448, True))
CHANNEL_SIDE = 384  # px, long side of the passes by channel (an option)
CLOSER_SIDE = 384  # px, long side of the closer look at one person
EXTREME = 6.0  # sides' ratio beyond which a picture is looked at in pieces
MOST_PIECES = 16
LEAST_SIDE = 8  # px: nobody can be told in less
THRESHOLD = 0.5


def fit(height: int, width: int, long_side: int, multiple: int) -> tuple[int, int]:
    """Size (height, width) with about this long side, each a multiple, the aspect nearly kept."""
    scale = long_side / max(height, width)
    return (
        max(multiple, round(height * scale / multiple) * multiple),
        max(multiple, round(width * scale / multiple) * multiple),
    )


def channel_views(rgb: np.ndarray) -> list[np.ndarray]:
    """R, G and B apart, each as a grey picture, and the channels crossed (GBR, BRG): H×W×3."""
    apart = [np.repeat(rgb[..., c : c + 1], 3, 2) for c in range(3)]
    return apart + [np.ascontiguousarray(rgb[..., order]) for order in ([1, 2, 0], [2, 0, 1])]


def pieces(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Windows (y0, x0, y1, x1) of moderate aspect, overlapping by a half, that cover a picture."""
    short, long = min(height, width), max(height, width)
    if long <= EXTREME * short:
        return [(0, 0, height, width)]
    length = round(max(EXTREME / 2 * short, 2 * long / MOST_PIECES))
    count = max(2, int(np.ceil((long - length) / (length / 2))) + 1)
    starts = [round(i * (long - length) / (count - 1)) for i in range(count)]
    if height >= width:
        return [(s, 0, s + length, width) for s in starts]
    return [(0, s, height, s + length) for s in starts]


class BuiltinPeople:
    """The built-in net at two sizes, people looked at closer, doubtful regions dropped, outlines
    looked at once more, held things that were cut in two joined, all brought to the picture's
    size."""

    def __init__(self, net: Any, name: str, device: str, channel_passes: bool = False) -> None:
        self.net = net
        self.channel_passes = channel_passes
        self.description = Description(name, device, 1, 32, 512, 65535, False)

    def coarse(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 → h×w float32 in [0, 1] at the largest of the net's sizes."""
        height, width = rgb.shape[:2]
        size = fit(height, width, SCALES[-1][0], 32)
        total = np.zeros(size, np.float32)
        for long_side, mirrored in SCALES:
            control.check()
            seen = self._run(rgb, fit(height, width, long_side, 32), mirrored, exact=True)
            total += cv2.resize(seen, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        if not self.channel_passes:
            return total / len(SCALES)
        views = channel_views(rgb)
        for view in views:
            control.check()
            seen = self._run(view, fit(height, width, CHANNEL_SIDE, 32), False)
            total += cv2.resize(seen, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        return total / (len(SCALES) + len(views))

    def probability(self, rgb: np.ndarray, control: Control) -> np.ndarray:
        """H×W×3 uint8 RGB of any size and aspect → H×W float32 in [0, 1], half = threshold."""
        height, width = rgb.shape[:2]
        result = np.zeros((height, width), np.float32)
        if min(height, width) < LEAST_SIDE:
            return result
        windows = pieces(height, width)
        for index, (y0, x0, y1, x1) in enumerate(windows):
            control.progress(index / len(windows))
            part = np.ascontiguousarray(rgb[y0:y1, x0:x1])
            seen = closer(part, self.coarse(part, control), self._look, control)
            seen = enlarged(part, seen)
            size = (seen.shape[1], seen.shape[0])
            small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
            grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
            sure = keep_sure_regions(seen, grey=grey)
            if (sure > THRESHOLD).any():
                rims = sharper(part, seen, sure > THRESHOLD, self._look_larger, LOW, control)
                rims[(seen > LOW) & (sure < THRESHOLD)] = 0  # what went does not come back
                sure = keep_sure_regions(rims, grey=grey)
            found = refine(part, with_held(part, sure, control), control)
            np.maximum(result[y0:y1, x0:x1], found, out=result[y0:y1, x0:x1])
        return result

    def instances(self, rgb: np.ndarray, control: Control) -> list[np.ndarray]:
        """One H×W uint8 mask (255 inside) a person, as far as they can be told apart, largest
        first."""
        return split_people(binary(self.probability(rgb, control) > THRESHOLD))

    def _look(self, crop: np.ndarray) -> np.ndarray:
        return self._run(crop, fit(crop.shape[0], crop.shape[1], CLOSER_SIDE, 32), True)

    def _look_larger(self, crop: np.ndarray) -> np.ndarray:
        return self._run(crop, fit(crop.shape[0], crop.shape[1], people_rims.SIDE, 32), False)

    def _run(
        self, rgb: np.ndarray, size: tuple[int, int], mirrored: bool, exact: bool = False
    ) -> np.ndarray:
        """`exact`: in float32. The look that decides who is there is: in bfloat16 faint people
        come and go."""
        import torch

        from backend.models.half import half_on_cpu

        device = self.description.device
        small = cv2.resize(rgb, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            x = torch.from_numpy(small).to(device).permute(2, 0, 1)[None].float().div_(255)
            if mirrored:
                x = torch.cat([x, x.flip(3)])
            with nullcontext() if exact else half_on_cpu(device):
                answer = self.net(x.contiguous(memory_format=torch.channels_last))
            answer = torch.sigmoid(answer.float())
            if mirrored:
                answer = (answer[:1] + answer[1:].flip(3)) / 2
        return answer[0, 0].cpu().numpy()


def read_net(path: Path) -> Any:
    """The net that fits these safetensors weights, in evaluation mode on the CPU."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    from backend.networks.people import LARGE, SMALL, PeopleNet
    from backend.networks.people_seed import SeedNet

    with safe_open(path, "pt") as file:
        about = file.metadata() or {}
    kind = about.get("widths", "")
    if kind == "mobile":
        from backend.networks.people_mobile import MobilePeopleNet

        net: Any = MobilePeopleNet()
    else:
        widths = {"large": LARGE, "small": SMALL}.get(kind)
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

    from backend.networks.blocks import fold_batch_norms

    net = fold_batch_norms(read_net(next(iter(files.values())))).to(device)
    return BuiltinPeople(net.to(memory_format=torch.channels_last), entry.name, device)


def load_torchvision(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """torchvision's FCN, DeepLabV3 and LRASPP, chosen by the entry's name."""
    from backend.masks.people_torchvision import load

    return load(entry, files, device)


def load_maskrcnn(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """torchvision's Mask R-CNN ResNet-50 FPN V2: one mask a person."""
    from backend.masks.people_maskrcnn import load

    return load(entry, files, device)
