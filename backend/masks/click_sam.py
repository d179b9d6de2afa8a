"""Segment Anything at a click: SAM 2.1, MobileSAM and EfficientSAM through packages.

- ONNX files (EfficientSAM and SAM 2.1 as the project osam publishes them): `onnxruntime`.
- SAM 2.1 checkpoints of Meta: the package `sam2`.
- MobileSAM's checkpoint: `segment-anything` (prompt encoder, mask decoder) with the TinyViT of
  `segment-anything-hq` (both on PyPI; MobileSAM itself is not).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.masks import click_edges, click_points
from backend.models.interfaces import Description, Embedding
from backend.values import Box, Control, ModelUnavailable, Point

LONGEST = 1024  # px; larger pictures are shrunk first, as SAM does itself
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
FOREGROUND, BACKGROUND, CORNER, OTHER_CORNER = 1, 0, 2, 3


@dataclass(frozen=True)
class Seen:
    """The picture, its shrunk copy and what the image encoder made of that."""

    rgb: np.ndarray
    small: np.ndarray
    features: Any


class Sam(ABC):
    """See interfaces.ClickModel. A subclass encodes the shrunk picture and answers prompts."""

    def __init__(self, name: str, device: str) -> None:
        self.description = Description(name, device, 1, 1, LONGEST, 20000, False)

    def encode(self, rgb: np.ndarray, control: Control) -> Embedding:
        """H×W×3 uint8 RGB of any size."""
        click_points.check_image(rgb)
        control.check()
        height, width = rgb.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        small = rgb
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        features = self.look(np.ascontiguousarray(small))
        control.check()
        return Embedding((height, width), Seen(rgb, small, features))

    def predict(
        self,
        embedding: Embedding,
        positives: tuple[Point, ...],
        negatives: tuple[Point, ...] = (),
        box: Box | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """H×W float32 in [0, 1]."""
        click_points.check(embedding.size, positives, negatives, box, previous)
        seen: Seen = embedding.data
        height, width = embedding.size
        h, w = seen.small.shape[:2]
        marks = [((x + 0.5), (y + 0.5), FOREGROUND) for x, y in positives]
        marks += [((x + 0.5), (y + 0.5), BACKGROUND) for x, y in negatives]
        if box is not None:
            marks += [(box[0], box[1], CORNER), (box[2], box[3], OTHER_CORNER)]
        table = np.array(marks, np.float32)
        points = table[:, :2] * np.array([w / width, h / height], np.float32)
        before = None
        if previous is not None:
            small = cv2.resize(previous.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
            small = np.clip(small, 1e-4, 1 - 1e-4)
            before = np.log(small / (1 - small))
        logits = self.answer(seen.features, (h, w), points, table[:, 2], before)
        probability = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return click_edges.full_size(probability.astype(np.float32), seen.rgb)

    @abstractmethod
    def look(self, rgb: np.ndarray) -> Any:
        """Image features of an h×w×3 uint8 RGB picture with a long side of at most 1024."""

    @abstractmethod
    def answer(
        self, features: Any, size: tuple[int, int], points: np.ndarray, labels: np.ndarray,
        before: np.ndarray | None,
    ) -> np.ndarray:
        """h×w logits of `size`; `points` N×2 (x, y in pixels of the shrunk picture), `labels` N
        (1 add, 0 take away, 2 and 3 the corners of a box), `before` h×w logits or None."""


class OnnxSam2(Sam):
    """SAM 2.1 in two ONNX files: the picture is stretched to the encoder's square."""

    def __init__(self, encoder: Any, decoder: Any, name: str, device: str) -> None:
        super().__init__(name, device)
        self.encoder, self.decoder = encoder, decoder
        height, width = encoder.get_inputs()[0].shape[2:]
        self.square = (int(height), int(width))

    def look(self, rgb: np.ndarray) -> Any:
        square = cv2.resize(rgb, self.square[::-1], interpolation=cv2.INTER_LINEAR)
        x = (square.astype(np.float32) / 255 - MEAN) / DEVIATION
        return self.encoder.run(None, {"input": x.transpose(2, 0, 1)[None]})

    def answer(
        self, features: Any, size: tuple[int, int], points: np.ndarray, labels: np.ndarray,
        before: np.ndarray | None,
    ) -> np.ndarray:
        scale = np.array([self.square[1] / size[1], self.square[0] / size[0]], np.float32)
        mask = np.zeros((1, 1, 256, 256), np.float32)
        if before is not None:
            mask[0, 0] = cv2.resize(before, (256, 256), interpolation=cv2.INTER_AREA)
        masks, scores, *_ = self.decoder.run(None, {
            "image_embeddings": features[0],
            "high_res_features1": features[1],
            "high_res_features2": features[2],
            "point_coords": (points * scale)[None],
            "point_labels": labels[None],
            "mask_input": mask,
            "has_mask_input": np.array([float(before is not None)], np.float32),
            "orig_im_size": np.array(size, np.int64),
        })
        return masks[0, int(np.argmax(scores))]


class OnnxEfficientSam(Sam):
    """EfficientSAM in two ONNX files; it takes any size and normalises inside."""

    def __init__(self, encoder: Any, decoder: Any, name: str, device: str) -> None:
        super().__init__(name, device)
        self.encoder, self.decoder = encoder, decoder

    def look(self, rgb: np.ndarray) -> Any:
        x = rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255
        return self.encoder.run(None, {"batched_images": x})[0]

    def answer(
        self, features: Any, size: tuple[int, int], points: np.ndarray, labels: np.ndarray,
        before: np.ndarray | None,
    ) -> np.ndarray:
        masks, scores, *_ = self.decoder.run(None, {
            "image_embeddings": features,
            "batched_point_coords": points[None, None],
            "batched_point_labels": labels[None, None].astype(np.float32),
            "orig_im_size": np.array(size, np.int64),
        })
        return masks[0, 0, int(np.argmax(scores[0, 0]))]


class Predictor(Sam):
    """A predictor object of `segment_anything` or `sam2`: the same four methods."""

    def __init__(self, make: Any, name: str, device: str, frame: str) -> None:
        super().__init__(name, device)
        self.make = make
        self.frame = frame  # how the package fits a picture into its square: "pad" or "stretch"

    def look(self, rgb: np.ndarray) -> Any:
        import torch

        predictor = self.make()
        with torch.inference_mode():
            predictor.set_image(rgb)
        return predictor

    def answer(
        self, features: Any, size: tuple[int, int], points: np.ndarray, labels: np.ndarray,
        before: np.ndarray | None,
    ) -> np.ndarray:
        import torch

        corners = points[labels >= CORNER]
        clicks, kinds = points[labels < CORNER], labels[labels < CORNER]
        mask = None
        if before is not None:
            mask = np.zeros((1, 256, 256), np.float32)
            scale = 256 / max(size)
            to = (256, 256) if self.frame == "stretch" else (
                max(1, round(size[1] * scale)), max(1, round(size[0] * scale)))
            mask[0, : to[1], : to[0]] = cv2.resize(before, to, interpolation=cv2.INTER_AREA)
        single = len(points) > 1  # SAM's advice: three answers to one click, else one
        with torch.inference_mode():
            masks, scores, _ = features.predict(
                point_coords=clicks if len(clicks) else None,
                point_labels=kinds.astype(np.int32) if len(clicks) else None,
                box=corners.ravel() if len(corners) else None,
                mask_input=mask, multimask_output=not single, return_logits=True,
            )
        return np.asarray(masks[int(np.argmax(scores))], np.float32)


def load_onnx(entry: Any, files: dict[str, Path], device: str, control: Control) -> Sam:
    """EfficientSAM or SAM 2.1 in ONNX; on the CPU unless onnxruntime has CUDA."""
    import onnxruntime

    control.check()
    known = onnxruntime.get_available_providers()
    cuda = device.startswith("cuda") and "CUDAExecutionProvider" in known
    providers = ["CUDAExecutionProvider"] * cuda + ["CPUExecutionProvider"]
    if device != "cpu" and not cuda:
        control.note(f"{entry.short} works on the CPU: this onnxruntime has no other device.")
    encoder, decoder = (
        onnxruntime.InferenceSession(str(path), providers=providers) for path in files.values()
    )
    kind = OnnxSam2 if entry.name.startswith("sam2") else OnnxEfficientSam
    return kind(encoder, decoder, entry.name, device if cuda else "cpu")


def load_sam2(entry: Any, files: dict[str, Path], device: str, control: Control) -> Sam:
    """Meta's SAM 2.1 checkpoint with the package `sam2` (on PyPI)."""
    from sam2.build_sam import build_sam2  # type: ignore[import-not-found]
    from sam2.sam2_image_predictor import (  # type: ignore[import-not-found]
        SAM2ImagePredictor,
    )

    control.check()
    size = "t" if "tiny" in entry.name else "s"
    try:
        net = build_sam2(f"configs/sam2.1/sam2.1_hiera_{size}.yaml",
                         str(next(iter(files.values()))), device=device)
    except (RuntimeError, KeyError) as error:
        raise ModelUnavailable(f"{next(iter(files))} does not fit SAM 2.1: {error}") from error
    return Predictor(lambda: SAM2ImagePredictor(net), entry.name, device, "stretch")


def load_mobile_sam(entry: Any, files: dict[str, Path], device: str, control: Control) -> Sam:
    """MobileSAM's checkpoint in the packages' networks."""
    import torch
    from segment_anything import SamPredictor  # type: ignore[import-not-found]

    control.check()
    net = mobile_sam_net()
    path = next(iter(files.values()))
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {("image_encoder.tiny." + k[len("image_encoder."):]
              if k.startswith("image_encoder.") else k): v for k, v in state.items()}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise ModelUnavailable(f"{path.name} does not hold the weights of MobileSAM") from error
    net = net.to(device).eval()
    return Predictor(lambda: SamPredictor(net), entry.name, device, "pad")


def mobile_sam_net() -> Any:
    """MobileSAM (Zhang et al. 2023): SAM's heads on TinyViT-5M at 1024 px."""
    import torch
    from segment_anything.modeling import (  # type: ignore[import-not-found]
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )
    from segment_anything_hq.modeling import TinyViT  # type: ignore[import-not-found]

    class Encoder(torch.nn.Module):
        """TinyViT of the HQ package also returns features that MobileSAM has no use for."""

        img_size = 1024

        def __init__(self) -> None:
            super().__init__()
            self.tiny = TinyViT(
                img_size=1024, in_chans=3, num_classes=1000, embed_dims=[64, 128, 160, 320],
                depths=[2, 2, 6, 2], num_heads=[2, 4, 5, 10], window_sizes=[7, 7, 14, 7],
                mlp_ratio=4.0, drop_rate=0.0, drop_path_rate=0.0, use_checkpoint=False,
                mbconv_expand_ratio=4.0, local_conv_size=3, layer_lr_decay=0.8,
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.tiny(x)[0]

    return Sam(
        image_encoder=Encoder(),  # type: ignore[arg-type]
        prompt_encoder=PromptEncoder(
            embed_dim=256, image_embedding_size=(64, 64), input_image_size=(1024, 1024),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3, transformer_dim=256, iou_head_depth=3,
            iou_head_hidden_dim=256,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
        ),
        pixel_mean=[123.675, 116.28, 103.53], pixel_std=[58.395, 57.12, 57.375],
    )
