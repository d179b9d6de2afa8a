"""The catalogue: every model Clean Plate knows, in one typed place.

Addresses, sizes and hashes are as published by the projects named in `title`; a file whose
project publishes no SHA-256 says so by `sha256=None` and is pinned at its first use (download.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from backend.home import models_dir
from backend.values import ModelUnavailable

TASKS = ("people", "click", "unknown", "text", "fill", "matte", "helper")
WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class File:
    """One file of a model. `size` in bytes, exact where `sha256` is known, otherwise about right;
    `sha256_prefix` as torchvision puts it in names."""

    name: str
    url: str = ""
    size: int | None = None
    sha256: str | None = None
    sha256_prefix: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Entry:
    """One model for one task. The installed entry with the highest `rank` is the default.

    `loader` is "module:function" (see interfaces.py); `needs` are Python packages beyond those
    that Clean Plate always has, as pip names them, "pip-name:import_name" where they differ.
    """

    name: str
    task: str
    title: str
    licence: str
    rank: int
    loader: str
    files: tuple[File, ...] = ()
    needs: tuple[str, ...] = ()
    builtin: bool = False
    notes: str = ""

    def path(self, file: File) -> Path:
        return (WEIGHTS if self.builtin else models_dir()) / file.name

    @property
    def size(self) -> int:
        return sum(f.size or 0 for f in self.files)

    @property
    def short(self) -> str:
        """The title up to its first comma, colon or bracket: for messages that name a model."""
        return re.split(r"[,:(]", self.title, maxsplit=1)[0].strip()


_TORCHVISION = "https://download.pytorch.org/models/"
_SANSTER = "https://github.com/Sanster/models/releases/download/"
_REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
_PSENET = "https://github.com/whai362/PSENet/releases/download/checkpoint/"
_SAM2 = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/"
_MOBILE_SAM = (
    "https://github.com/ChaoningZhang/MobileSAM/raw/"
    "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt"
)
_OSAM = "https://github.com/wkentaro/osam/releases/download/"
_EFFICIENT_SAM = (
    "https://github.com/labelmeai/efficient-sam/releases/download/onnx-models-20231225/"
)
_NO_HASH = "No hash is published: opened with weights_only=True and pinned at first use."


def _torchvision(name: str, megabytes: float) -> tuple[File, ...]:
    size = round(megabytes * 1e6)
    return (File(name, _TORCHVISION + name, size, sha256_prefix=name.rsplit("-", 1)[1][:8]),)


def _weights(name: str) -> tuple[File, ...]:
    return (File(name + ".safetensors"),)


_MASKRCNN = _torchvision("maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", 177)
_PEOPLE = "backend.masks.people:load_torchvision"
_PSENET_LOADER = "backend.masks.text:load_psenet"


def _psenet(name: str, rank: int, data: str) -> Entry:
    file = File(name + ".pth.tar", _PSENET + name + ".pth.tar", 115_000_000)
    title = f"PSENet ResNet-50 trained on {data} (Wang et al. 2019)"
    return Entry(
        name, "text", title, "Apache-2.0", rank, _PSENET_LOADER, (file,),
        notes=_NO_HASH + " The size is approximate.",
    )  # fmt: skip


ENTRIES: list[Entry] = [
    # people
    Entry(
        "maskrcnn_resnet50_fpn_v2", "people",
        "Mask R-CNN ResNet-50 FPN V2, COCO (torchvision; mask AP 41.8)", "BSD-3-Clause", 70,
        "backend.masks.people:load_maskrcnn", _MASKRCNN,
    ),
    Entry(
        "deeplabv3_resnet101", "people",
        "DeepLabV3 ResNet-101, COCO with VOC labels (torchvision; mIoU 67.4)", "BSD-3-Clause", 60,
        _PEOPLE, _torchvision("deeplabv3_resnet101_coco-586e9e4e.pth", 233),
    ),
    Entry(
        "fcn_resnet50", "people",
        "FCN ResNet-50, COCO with VOC labels (torchvision; mIoU 60.5)", "BSD-3-Clause", 50,
        _PEOPLE, _torchvision("fcn_resnet50_coco-1167a1af.pth", 135),
    ),
    Entry(
        "people-builtin", "people", "Clean Plate's own people net", "MIT", 40,
        "backend.masks.people:load_builtin", _weights("people-builtin"), builtin=True,
    ),
    Entry(
        "deeplabv3_mobilenet_v3_large", "people",
        "DeepLabV3 MobileNetV3-Large, COCO with VOC labels (torchvision; mIoU 60.3)",
        "BSD-3-Clause", 30, _PEOPLE, _torchvision("deeplabv3_mobilenet_v3_large-fc3c493d.pth", 42),
    ),
    Entry(
        "lraspp_mobilenet_v3_large", "people",
        "LRASPP MobileNetV3-Large, COCO with VOC labels (torchvision; mIoU 57.9)",
        "BSD-3-Clause", 20, _PEOPLE, _torchvision("lraspp_mobilenet_v3_large-d234d4ea.pth", 12.5),
    ),
    # click
    Entry(
        "sam2.1_small", "click", "SAM 2.1 Hiera small (Meta)", "Apache-2.0", 82,
        "backend.masks.click_sam:load_sam2",
        (File("sam2.1_hiera_small.pt", _SAM2 + "sam2.1_hiera_small.pt", 184_416_285,
              "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),),
        ("sam2",),
    ),
    Entry(
        "sam2.1_tiny", "click", "SAM 2.1 Hiera tiny (Meta)", "Apache-2.0", 80,
        "backend.masks.click_sam:load_sam2",
        (File("sam2.1_hiera_tiny.pt", _SAM2 + "sam2.1_hiera_tiny.pt", 156_008_466,
              "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),),
        ("sam2",),
    ),
    Entry(
        "mobile_sam", "click", "MobileSAM (Zhang et al. 2023)", "Apache-2.0", 70,
        "backend.masks.click_sam:load_mobile_sam",
        (File("mobile_sam.pt", _MOBILE_SAM, 40_728_226,
              "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"),),
        ("segment-anything:segment_anything", "segment-anything-hq:segment_anything_hq", "timm"),
    ),
    Entry(
        "sam2.1_small_onnx", "click", "SAM 2.1 Hiera small in ONNX (Meta; osam's files)",
        "Apache-2.0", 81, "backend.masks.click_sam:load_onnx",
        (File("sam2.1_small_preprocess.onnx", _OSAM + "sam2.1/sam2.1_small_preprocess.onnx",
              sha256="06016c6dfb146ce10e4dadfdf49e88a05c8d1f97a6b7c57e150e60d2d46a72e7"),
         File("sam2.1_small.onnx", _OSAM + "sam2.1/sam2.1_small.onnx",
              sha256="153aaef5047a3b95285d90cbb39dad6c7b5821bfd944dbf56483f3f735936941")),
    ),
    Entry(
        "sam2.1_tiny_onnx", "click", "SAM 2.1 Hiera tiny in ONNX (Meta; osam's files)",
        "Apache-2.0", 79, "backend.masks.click_sam:load_onnx",
        (File("sam2.1_tiny_preprocess.onnx", _OSAM + "sam2.1/sam2.1_tiny_preprocess.onnx",
              sha256="5557482c56565f6a6c8206874b1a11c392cef8a1766477bf035b919092f2b619"),
         File("sam2.1_tiny.onnx", _OSAM + "sam2.1/sam2.1_tiny.onnx",
              sha256="11a2c86fabbea9d0268213a9205c99a7f7e379caa0493bd13f5cca8ffaae6777")),
    ),
    Entry(
        "efficient_sam", "click", "EfficientSAM ViT-S (Xiong et al. 2023; osam's ONNX files)",
        "Apache-2.0", 68, "backend.masks.click_sam:load_onnx",
        (File("efficient_sam_vits_encoder.onnx",
              _EFFICIENT_SAM + "efficient_sam_vits_encoder.onnx",
              sha256="4cacbb23c6903b1acf87f1d77ed806b840800c5fcd4ac8f650cbffed474b8896"),
         File("efficient_sam_vits_decoder.onnx",
              _EFFICIENT_SAM + "efficient_sam_vits_decoder.onnx",
              sha256="4727baf23dacfb51d4c16795b2ac382c403505556d0284e84c6ff3d4e8e36f22")),
    ),
    Entry(
        "maskrcnn_resnet50_fpn_v2", "click",
        "Mask R-CNN ResNet-50 FPN V2, COCO (torchvision): the instance under the click",
        "BSD-3-Clause", 60, "backend.masks.click:load_maskrcnn", _MASKRCNN,
    ),
    Entry(
        "click-builtin", "click", "Clean Plate's own click net", "MIT", 50,
        "backend.masks.click:load_builtin", _weights("click-builtin"), builtin=True,
    ),
    Entry(
        "deepcrop-v2", "click", "DeepCrop V2, distance to the click as fourth plane", "MIT", 40,
        "backend.masks.click_deepmask:load", _weights("deepcrop-v2"), builtin=True,
    ),
    Entry(
        "deepcrop-v1", "click", "DeepCrop V1, distance planes into the mask branch", "MIT", 30,
        "backend.masks.click_deepmask:load", _weights("deepcrop-v1"), builtin=True,
    ),
    Entry(
        "deepmask", "click", "DeepMask, the centred object of a crop", "MIT", 20,
        "backend.masks.click_deepmask:load", _weights("deepmask"), builtin=True,
    ),
    Entry(
        "click-grabcut", "click", "GrabCut around the click (Rother et al. 2004, OpenCV)",
        "Apache-2.0", 10, "backend.masks.click_grabcut:load", builtin=True,
    ),
    # unknown objects
    Entry(
        "birefnet_lite", "unknown", "BiRefNet-lite, 1024 px (rembg's ONNX file)", "MIT", 60,
        "backend.masks.unknown:load_onnx",
        (File("BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
              _REMBG + "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx", 224_005_088,
              "5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333"),),
    ),
    Entry(
        "u2netp", "unknown", "U²-Net-p saliency, 320 px (rembg's ONNX file)", "Apache-2.0", 50,
        "backend.masks.unknown:load_onnx",
        (File("u2netp.onnx", _REMBG + "u2netp.onnx", 4_574_861,
              "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"),),
    ),
    Entry(
        "saliency-builtin", "unknown", "Clean Plate's own saliency net", "MIT", 40,
        "backend.masks.unknown:load_builtin", _weights("saliency-builtin"), builtin=True,
    ),
    Entry(
        "unknown-contrast", "unknown",
        "Minimum barrier distance and border colours (Zhang et al. 2015), no weights", "MIT", 10,
        "backend.masks.unknown:load_contrast", builtin=True,
    ),
    # text
    Entry(
        "text-ppocr", "text", "PP-OCRv6 small detector, inside the rapidocr package",
        "Apache-2.0", 60, "backend.masks.text:load_ppocr", builtin=True,
    ),
    _psenet("psenet_r50_tt", 50, "Total-Text"),
    _psenet("psenet_r50_ctw", 49, "CTW1500"),
    _psenet("psenet_r50_ic15_736", 48, "ICDAR 2015 at 736 px"),
    _psenet("psenet_r50_ic15_1024", 47, "ICDAR 2015 at 1024 px"),
    Entry(
        "psenet-builtin", "text", "Clean Plate's own light PSENet", "Apache-2.0", 20,
        "backend.masks.text:load_psenet_builtin", _weights("psenet-builtin"), builtin=True,
    ),
    Entry(
        "text-strokes", "helper", "Clean Plate's own stroke net, used by every text model", "MIT",
        10, "backend.masks.strokes:load", _weights("text-strokes"), builtin=True,
    ),
    # matte
    Entry(
        "matte-closed-form", "matte",
        "Closed form with colour pairs (Levin et al. 2008, He et al. 2011), no weights", "MIT", 50,
        "backend.matte.learned:load_closed_form", builtin=True,
    ),
    Entry(
        "matte-unet", "matte", "Clean Plate's own matting U-Net, trained against critics", "MIT",
        20, "backend.matte.learned:load", _weights("matte-unet"), builtin=True,
    ),
    Entry(
        "matte-encoder", "matte", "Clean Plate's own plain encoder-decoder matte", "MIT", 10,
        "backend.matte.learned:load", _weights("matte-encoder"), builtin=True,
    ),
    # fill
    Entry(
        "big_lama", "fill", "Big LaMa (Suvorov et al. 2021; IOPaint's TorchScript)", "Apache-2.0",
        60, "backend.fill.lama:load_torchscript",
        (File("big-lama.pt", _SANSTER + "add_big_lama/big-lama.pt", 205_669_692,
              "344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9",
              md5="e3aa4aaa15225a33ec84f9f4bc47e500"),),
    ),
    Entry(
        "big_lama_refined", "fill", "Big LaMa with feature refinement (slow on a CPU)",
        "Apache-2.0", 45, "backend.fill.lama:load_module",
        (File("big-lama.pt", _SANSTER + "add_big_lama/big-lama.pt", 205_669_692,
              "344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9",
              md5="e3aa4aaa15225a33ec84f9f4bc47e500"),),
        needs=("spandrel",),
    ),
    Entry(
        "fill-patchmatch", "fill", "PatchMatch, multi-scale patch optimisation", "MIT", 50,
        "backend.fill.patchmatch:load", builtin=True,
    ),
    Entry(
        "migan", "fill", "MI-GAN 512 (Sargsyan et al. 2023; IOPaint's TorchScript)", "MIT", 40,
        "backend.fill.migan:load_torchscript",
        (File("migan_traced.pt", _SANSTER + "migan/migan_traced.pt", 28_000_000,
              md5="76eb3b1a71c400ee3290524f7a11b89c"),),
    ),
    Entry(
        "migan_onnx", "fill", "MI-GAN in ONNX (Sargsyan et al. 2023; pipeline v2)", "MIT", 39,
        "backend.fill.migan:load_onnx",
        (File("migan_pipeline_v2.onnx",
              "https://huggingface.co/andraniksargsyan/migan/resolve/main/migan_pipeline_v2.onnx",
              sha256="6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b"),),
    ),
    Entry(
        "fill-pconv", "fill", "Partial-convolution U-Net (Liu et al. 2018), trained here", "MIT",
        10, "backend.fill.pconv:load", _weights("fill-pconv"), builtin=True,
    ),
    Entry(
        "fill-telea", "fill", "Telea's fast marching (OpenCV)", "Apache-2.0", 20,
        "backend.fill.opencv:load", builtin=True,
    ),
    Entry(
        "fill-navier-stokes", "fill", "Navier–Stokes (OpenCV)", "Apache-2.0", 15,
        "backend.fill.opencv:load", builtin=True,
    ),
    # helpers
    Entry(
        "vgg16", "helper", "VGG16, ImageNet (torchvision): perceptual loss in training",
        "BSD-3-Clause", 10, "backend.training.fill:load_vgg16",
        _torchvision("vgg16-397923af.pth", 528),
    ),
]  # fmt: skip


def entries(task: str | None = None) -> list[Entry]:
    """All entries (of one task), highest rank first."""
    found = [e for e in ENTRIES if task is None or e.task == task]
    return sorted(found, key=lambda e: -e.rank) if task else found


def title_of(name: str, task: str | None = None) -> str:
    """What to call the model `name` in a message; one that is not in the catalogue by its name."""
    return next((e.short for e in ENTRIES if e.name == name and task in (None, e.task)), name)


def get(name: str, task: str | None = None) -> Entry:
    """The entry `name` (of `task`); ModelUnavailable names what there is."""
    for entry in ENTRIES:
        if entry.name == name and (task is None or entry.task == task):
            return entry
    names = ", ".join(dict.fromkeys(e.name for e in ENTRIES if task is None or e.task == task))
    raise ModelUnavailable(f"There is no model “{name}” here. Known: {names}.")
