"""The clicked object with the built-in click net; and the loader of Mask R-CNN at a click.

The whole picture is encoded once. When the object turns out small, a crop around it is encoded
too (and kept), so that its outline is found at a finer size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import click_edges, click_points
from backend.models.interfaces import Description, Embedding
from backend.values import Box, Control, ModelUnavailable, Point

WHOLE = 416  # px, long side of the whole picture in the net
CROP = 352  # px, long side of a crop around the object
MARGIN = 0.3  # of the object's box, on each side of a crop
ZOOM = 1.35  # a crop must enlarge the object by this much to be worth its time
LONGEST = 4.0  # aspect from which the net sees only a window around the click


@dataclass
class Encoded:
    """The picture and what the net knows of its regions, by region."""

    rgb: np.ndarray
    regions: dict[Box, Any] = field(default_factory=dict)


class BuiltinClick:
    """Encode once, predict often; see interfaces.ClickModel."""

    def __init__(self, net: Any, name: str, device: str) -> None:
        self.net = net
        self.description = Description(name, device, 1, 32, WHOLE, 20000, False)

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        """H×W×3 uint8 RGB of any size. The array is kept, not copied."""
        click_points.check_image(rgb)
        control.check()
        encoded = Encoded(rgb)
        height, width = rgb.shape[:2]
        if max(height, width) <= LONGEST * min(height, width):
            self._features(encoded, Box(0, 0, width, height), WHOLE)
        control.check()
        return Embedding((height, width), encoded)

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32 in [0, 1], 0 far from the object. Raises BadInput (see click_points)."""
        click_points.check(embedding.size, positives, negatives, box, previous)
        encoded: Encoded = embedding.data
        height, width = embedding.size
        clicks = _clicks(positives, negatives)
        whole = self._window(embedding.size, positives, box)
        coarse = self._decode(encoded, whole, WHOLE, clicks, previous, box)
        object_box = self._object_box(coarse, whole, positives, box)
        result = np.zeros((height, width), np.float32)
        if object_box is None:
            return result
        region = self._crop(encoded, object_box, whole)
        answer = coarse
        if region != whole:
            guess = _cut(coarse, whole, region)
            inside = [c for c in clicks if _holds(region, c[0], c[1])]
            answer = self._decode(encoded, region, CROP, inside, guess, box)
        answer = self._cleaned(answer, region, positives, box)
        self._paste(result, answer, encoded.rgb, region)
        return result

    def _window(
        self, size: tuple[int, int], positives: tuple[Point, ...], box: Box | None,
    ) -> Box:
        """The whole picture, or of a very long one the part around the clicks."""
        height, width = size
        long = int(LONGEST * min(height, width))
        if max(height, width) <= long:
            return Box(0, 0, width, height)
        along = [p[0] if width > height else p[1] for p in positives]
        if box is not None:
            along += [box[0], box[2]] if width > height else [box[1], box[3]]
        # Steps keep the window, and with it the cached features, the same for near clicks.
        step = max(1, long // 4)
        span = max(long, int(max(along) - min(along)) + long // 2)
        start = int((max(along) + min(along)) / 2 - span / 2) // step * step
        start = max(0, min(start, max(height, width) - span))
        end = min(max(height, width), start + span)
        return Box(start, 0, end, height) if width > height else Box(0, start, width, end)

    def _features(self, encoded: Encoded, region: Box, long_side: int) -> Any:
        import torch

        if region not in encoded.regions:
            small = cv2.resize(
                encoded.rgb[region.slices], _input_size(region, long_side)[::-1],
                interpolation=cv2.INTER_AREA,
            )
            with torch.inference_mode():
                x = torch.from_numpy(small).to(self.description.device)
                x = x.permute(2, 0, 1)[None].float().div_(127.5).sub_(1)
                x = x.contiguous(memory_format=torch.channels_last)
                features = self.net.encode(x)
            if len(encoded.regions) > 6:  # many crops of one picture: forget the oldest
                keys = [k for k in encoded.regions if k != self._first(encoded)]
                del encoded.regions[keys[0]]
            encoded.regions[region] = features
        return encoded.regions[region]

    @staticmethod
    def _first(encoded: Encoded) -> Box:
        return next(iter(encoded.regions))

    def _decode(
        self, encoded: Encoded, region: Box, long_side: int, clicks: list[tuple[float, ...]],
        previous: np.ndarray | None, box: Box | None,
    ) -> np.ndarray:
        """Probability over `region` at the size of the net's answer; `previous` is the whole
        picture's or the region's own."""
        import torch

        features = self._features(encoded, region, long_side)
        height, width = _input_size(region, long_side)
        half = (height // self.net.stride, width // self.net.stride)
        points = np.array(clicks or [(0, 0, -1)], np.float32)
        points[:, 0] = (points[:, 0] + 0.5 - region.x0) * (width / region.width)
        points[:, 1] = (points[:, 1] + 0.5 - region.y0) * (height / region.height)
        before = np.zeros(half, np.float32)
        if previous is not None:
            own = previous.shape == encoded.rgb.shape[:2]
            part = previous[region.slices] if own else previous
            before = cv2.resize(part.astype(np.float32), half[::-1], interpolation=cv2.INTER_AREA)
        drawn = np.zeros(half, np.float32)
        if box is not None:
            x0, x1 = ((v - region.x0) * half[1] / region.width for v in (box[0], box[2]))
            y0, y1 = ((v - region.y0) * half[0] / region.height for v in (box[1], box[3]))
            drawn[max(0, round(y0)) : max(0, round(y1)), max(0, round(x0)) : max(0, round(x1))] = 1
        device = self.description.device
        with torch.inference_mode():
            decoded = self.net.decode(
                features, torch.from_numpy(points)[None].to(device),
                torch.from_numpy(before)[None, None].to(device),
                torch.from_numpy(drawn)[None, None].to(device),
            )
            return torch.sigmoid(decoded.logits[0, 0].float()).cpu().numpy()

    def _object_box(
        self, coarse: np.ndarray, window: Box, positives: tuple[Point, ...], box: Box | None,
    ) -> Box | None:
        """Box in image pixels that holds the coarse answer and all positive clicks."""
        found = click_points.bounding(self._cleaned(coarse, window, positives, box) > 0.3)
        xs, ys = [p[0] for p in positives], [p[1] for p in positives]
        if found is not None:
            sx, sy = window.width / coarse.shape[1], window.height / coarse.shape[0]
            xs += [window.x0 + found.x0 * sx, window.x0 + found.x1 * sx]
            ys += [window.y0 + found.y0 * sy, window.y0 + found.y1 * sy]
        elif not positives:
            return None
        return Box(int(min(xs)), int(min(ys)), int(np.ceil(max(xs))), int(np.ceil(max(ys))))

    def _crop(self, encoded: Encoded, found: Box, whole: Box) -> Box:
        """The region to decode for an object in `found`: a known one where it fits."""
        long = max(found.width, found.height, 16)
        room = int(MARGIN * long) + 4
        wanted = Box(
            max(whole.x0, found.x0 - room), max(whole.y0, found.y0 - room),
            min(whole.x1, found.x1 + room), min(whole.y1, found.y1 + room),
        )
        side = max(wanted.width, wanted.height)
        for region in encoded.regions:
            if region == whole or max(region.width, region.height) > 2.2 * side:
                continue
            tight = room // 3
            if (region.x0 <= max(whole.x0, found.x0 - tight)
                    and region.y0 <= max(whole.y0, found.y0 - tight)
                    and region.x1 >= min(whole.x1, found.x1 + tight)
                    and region.y1 >= min(whole.y1, found.y1 + tight)):
                return region
        zoom = (CROP / side) / (WHOLE / max(whole.width, whole.height))
        if zoom < ZOOM or side < 8:
            return whole
        return _squarer(wanted, whole)

    def _cleaned(
        self, answer: np.ndarray, region: Box, positives: tuple[Point, ...], box: Box | None,
    ) -> np.ndarray:
        """The answer without parts that no click touches."""
        sx, sy = answer.shape[1] / region.width, answer.shape[0] / region.height
        points = [Point((x - region.x0 + 0.5) * sx, (y - region.y0 + 0.5) * sy)
                  for x, y in positives if _holds(region, x, y)]
        here = None
        if box is not None:
            here = Box(*(int(v) for v in ((box[0] - region.x0) * sx, (box[1] - region.y0) * sy,
                                          (box[2] - region.x0) * sx, (box[3] - region.y0) * sy)))
        keep = click_points.touched(answer > 0.5, points, here)
        # A rim of doubt around what stays, so that the edge can still be refined.
        rim = cv2.dilate(keep.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        return np.where(rim, answer, 0).astype(np.float32)

    def _paste(
        self, result: np.ndarray, answer: np.ndarray, rgb: np.ndarray, region: Box,
    ) -> None:
        """Brings the answer to full size along the picture's edges, only where it matters."""
        here = region.slices
        result[here] = click_edges.full_size(answer, rgb[here])


def _clicks(
    positives: tuple[Point, ...], negatives: tuple[Point, ...],
) -> list[tuple[float, ...]]:
    return [(x, y, 1.0) for x, y in positives] + [(x, y, 0.0) for x, y in negatives]


def _input_size(region: Box, long_side: int) -> tuple[int, int]:
    """(height, width) of the net's input: multiples of 32, the aspect nearly kept, and pixels
    enlarged four times at most."""
    scale = min(4.0, long_side / max(region.width, region.height))
    return (max(32, round(region.height * scale / 32) * 32),
            max(32, round(region.width * scale / 32) * 32))


def _holds(region: Box, x: float, y: float) -> bool:
    return region.x0 <= x < region.x1 and region.y0 <= y < region.y1


def _squarer(wanted: Box, whole: Box) -> Box:
    """Widens a long box towards a square, as far as the picture goes: nets see squares best."""
    side = max(wanted.width, wanted.height)

    def spread(low: int, high: int, first: int, last: int) -> tuple[int, int]:
        size = min(last - first, max(high - low, int(0.75 * side)))
        start = max(first, min((low + high - size) // 2, last - size))
        return start, start + size

    x0, x1 = spread(wanted.x0, wanted.x1, whole.x0, whole.x1)
    y0, y1 = spread(wanted.y0, wanted.y1, whole.y0, whole.y1)
    return Box(x0, y0, x1, y1)


def _cut(answer: np.ndarray, whole: Box, region: Box) -> np.ndarray:
    """The part of an answer over `whole` that lies over `region`, at the answer's scale."""
    sx, sy = answer.shape[1] / whole.width, answer.shape[0] / whole.height
    x0, y0 = int((region.x0 - whole.x0) * sx), int((region.y0 - whole.y0) * sy)
    x1 = max(x0 + 1, round((region.x1 - whole.x0) * sx))
    y1 = max(y0 + 1, round((region.y1 - whole.y0) * sy))
    return answer[y0:y1, x0:x1]


def read_weights(net: Any, path: Path) -> Any:
    """Puts fp16 safetensors into `net`, in evaluation mode; ModelUnavailable when they differ."""
    from safetensors.torch import load_file

    state = {k: v.float() for k, v in load_file(path).items()}
    missing, unexpected = net.load_state_dict(state, strict=False)
    wrong = [k for k in missing if not k.endswith("num_batches_tracked")] + list(unexpected)
    if wrong:
        raise ModelUnavailable(f"{path.name} does not fit the network (for example {wrong[0]})")
    return net.eval()


def load_builtin(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """The built-in net; its weights say whether they are the region graph's, a convolutional
    net's, or both. See the card beside them."""
    from safetensors import safe_open

    path = next(iter(files.values()))
    with safe_open(path, "pt") as file:
        kind = (file.metadata() or {}).get("kind", "conv")
    if kind in ("graph", "fused"):
        from backend.masks.click_graph import GraphClick
        from backend.masks.click_opinion import ConvOpinion
        from backend.masks.click_people import PeopleFirst
        from backend.networks.blocks import fold_batch_norms
        from backend.networks.click_graph import GraphNet
        from backend.networks.click_mobile import Fused

        if device != "cpu":
            control.note(f"{entry.short} works on the CPU, where it is fastest.")
        if kind == "graph":
            return GraphClick(read_weights(GraphNet(), path), entry.name)
        both = read_weights(Fused(), path)
        graph = GraphClick(both.graph, entry.name, ConvOpinion(fold_batch_norms(both.conv)))
        return PeopleFirst(graph, builtin_people)
    import torch

    if kind == "mobile":
        from backend.networks.click_mobile import MobileClickNet as ClickNet
    else:
        from backend.networks.click import ClickNet

    net = read_weights(ClickNet(), path).to(device)
    return BuiltinClick(net.to(memory_format=torch.channels_last), entry.name, device)


def builtin_people(control: Control) -> Any:
    """The built-in people model, on the CPU as the click net is."""
    from backend.masks import people
    from backend.models import catalogue

    entry = catalogue.get("people-builtin")
    return people.load_builtin(
        entry, {file.name: entry.path(file) for file in entry.files}, "cpu", control)


def load_maskrcnn(entry: Any, files: dict[str, Path], device: str, control: Control) -> Any:
    """torchvision's Mask R-CNN, asked for the instance under the click."""
    from backend.masks.click_maskrcnn import load

    return load(entry, files, device, control)
