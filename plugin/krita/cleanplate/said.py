"""What the backend says, in the user's language.

The backend speaks English, with values put in: its notes, stages, errors and names of models.
`TEMPLATES` are these texts with {0}, {1}, … where the values stand, so that the catalogues can
translate them. A text that is not known here stays English; tests/unit/test_krita_said.py fails
when the backend has one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import List, Optional, Tuple

from .translate import tr

# What a run notes: fallbacks, conversions, what was not found.
NOTES = (
    "The GPU ran out of memory: {0} worked on the CPU.",
    "The GPU ran out of memory: {0} worked at half size.",
    "The GPU lacks an operation: {0} worked on the CPU ({1}).",
    "Memory was short: {0} worked at half size.",
    "This onnxruntime has no CUDA: MI-GAN's ONNX pipeline runs on the CPU.",
    "Too little known background for PatchMatch: a hole was filled smoothly by Telea.",
    "{0} works on the CPU, where it is fastest.",
    "GrabCut works on the CPU.",
    "{0} works on the CPU: this onnxruntime has no other device.",
    "onnxruntime has no {0} here: {1} works on the CPU.",
    "{0}: its project publishes no hash; pinned to {1}….",
    (
        "Parts with nothing but transparency around them became transparent: there is no "
        "background there to fill from."
    ),
    "The given mask is empty, so there is nothing to keep: mark what shall stay.",
    "No object was found at the click: click inside the object, or give a mask.",
    "Nobody was found in the picture: click on what shall stay, or give a mask.",
    "The picture is wholly transparent, so nothing was looked for in it.",
    "The picture is too small to show anything, so nothing was looked for in it.",
    "Nobody was found at the keep point {0},{1}.",
    "No object was found at the click {0},{1}.",
    "Click {0},{1}: {2}.",
    "Taken: {0}.",
    "{0}: its mask holds the click",
    "{0}: the smallest box that holds the click",
    "{0}: the nearest instance to the click",
    "{0}: the instance that fits the box best",
    "Mask R-CNN found no object of its 80 classes in this picture",
    "The text was not read. {0}",
)
# Progress that says more than the name of its stage.
STAGES = (
    "Starting the Clean Plate backend",
    "Loading {0}",
    "Filling hole {0} of {1}",
    "Reading the text",
    "Finding the object",
    "Installing {0}",
    "Downloading {0}",
    "{0} is installed",
)
# What a user can act on.
ERRORS = (
    "Cancelled",
    "The backend failed at this; the reason is in its log (logs/backend.log).",
    "There is not enough memory for this picture. Close other programs or make it less.",
    "There is not enough memory for this picture.",
    (
        "There is not enough memory for {0} GB of pixels. Close other programs, or work on a "
        "selection."
    ),
    "Too much memory is in use; release finished jobs and pictures.",
    "The picture has not arrived completely; send it again.",
    "This picture is no longer kept in the backend; send it again.",
    "Too many jobs of this editor are waiting; release some.",
    "The picture is {0}×{1} px, more than {2} megapixels. Cut it into parts or make it smaller.",
    "A picture may have {0} million pixels at most.",
    "The picture has more than {0} million pixels; use a smaller one or a selection.",
    "A picture of {0} × {1} px is not supported.",
    "A picture of {0} × {1} pixels is not supported.",
    "Pixels of depth {0} with {1} channels in the order {2} are not supported.",
    "Pixels of depth {0} in the order {1} are not supported.",
    "Pixels of type {0}: use uint8, uint16 or float32.",
    "The picture has no finite pixel values.",
    "The picture has no pixels.",
    (
        "The masks cover the whole picture, so there is no background to fill from. Mark a "
        "smaller area."
    ),
    "The hole covers everything that could be sampled: mark a smaller area.",
    "The {0} is {1}×{2} px, the picture {3}×{4} px: give masks of the picture's size.",
    "The {0} is {1}×{2} px, the picture {3}×{4} px: give a mask of the picture's size.",
    "The original and the background must have the same size and depth.",
    "Growing by {0} px is not possible: give 0 or more.",
    "An edge of {0} px is not possible: give 0 or more.",
    "The {0} {1},{2} is outside the picture, which is {3}×{4} px: x goes from 0 to {5}, y to {6}.",
    "The click {0}, {1} is outside the image, which is {2} × {3} pixels.",
    "The point {0}, {1} is outside the picture.",
    (
        "The box {0},{1},{2},{3} does not lie in the picture, which is {4}×{5} px; a box is "
        "X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1."
    ),
    "The box {0} has no pixel inside the image of {1} × {2} pixels.",
    "Click on the object, or draw a box around it.",
    "Unknown device “{0}”: use auto, cpu, cuda, cuda:N or mps.",
    "This machine has no Apple GPU (mps). Use --device auto or cpu.",
    "There is no device {0}: torch sees {1} CUDA device(s). Use --device auto or cpu.",
    "There is no model “{0}” here. Known: {1}.",
    "No {0} model is installed. `cleanplate models list` shows what can be installed.",
    "The model “{0}” is not installed. Install it with: cleanplate models install {1}",
    "The built-in model “{0}” is not part of this installation: run `python3 install.py` again.",
    "{0} is built in: there is nothing to install.",
    "{0} is built in: there is nothing to {1}.",
    (
        "The text model {0} is missing: it comes with the package rapidocr 3.10 (`python3 "
        "install.py` installs it)."
    ),
    "LaMa with refinement needs the package spandrel: pip install spandrel",
    "{0} needs the package(s) {1}, and pip could not install them. Try: {2}",
    "{0} does not fit the network (for example {1})",
    "{0} does not fit SAM 2.1: {1}",
    "{0} does not fit PSENet ResNet-50: missing or of another shape {1}, unknown {2}",
    "{0} does not hold the weights of Mask R-CNN ResNet-50 FPN V2",
    "{0} does not hold the weights of MobileSAM",
    "{0} does not hold the weights of {1}; install it again with: cleanplate models install {2}",
    "{0} cannot be read as an ONNX model; install it again with: cleanplate models install {1}",
    "{0} cannot be read as a PSENet checkpoint: {1}",
    "{0} holds no state_dict",
    "{0} is not a LightPSENet: {1}",
    "{0} is not a stroke net: {1}",
    "The weights of {0} do not fit: install it again.",
    (
        "{0} needs {1} MB, but only {2} MB are free in {3}. Free some space, or set "
        "CLEANPLATE_HOME to a larger disk."
    ),
    "{0} redirects to an unprotected address.",
    "{0} is damaged. Delete it and install the models again.",
    (
        "{0} has changed since its first use. If you replaced it on purpose, run `cleanplate "
        "models remove` and install it again."
    ),
    (
        "{0} is not the published file ({1} {2}…, expected {3}…). Delete it and install the model "
        "again."
    ),
    "{0} answered {1} {2} for {3}. Try again later. {4}",
    "Or download {0} by other means and save it as {1}.",
    (
        "The download of {0} from {1} broke off ({2}). Check the network and run the same command "
        "again: it goes on where it stopped. {3}"
    ),
    (
        "{0} could not be written ({1}). Free some disk space and run the same command again: it "
        "goes on where it stopped."
    ),
    "{0} offers {1} with {2} bytes; {3} were published.",
    "{0} changed at its source; try again.",
    "{0} is longer than {1} announced.",
    (
        "The plugin speaks protocol {0}, this backend (version {1}) speaks {2}: run `python3 "
        "install.py` again, then restart the editor."
    ),
    (
        "The running backend (version {0}) does not fit this plugin: stop it with `cleanplate "
        "stop`, or run `python3 install.py` again."
    ),
    "The Clean Plate backend does not answer.",
    "The Clean Plate backend did not answer in {0} s.",
    "The connection to the Clean Plate backend has ended.",
    "The run file names a host that is not this computer.",
    "The run file {0} belongs to another user.",
    (
        "The run file's token was refused: the backend that answers is not the one that wrote "
        "run/backend.json. Run `cleanplate stop` and try again."
    ),
    "The backend sent less than it announced.",
    "The Clean Plate backend is not running.",
    "The Clean Plate backend could not start (exit code {0}).",
    "The Clean Plate backend could not be started: {0}",
    "The Clean Plate backend did not get ready within {0} s.",
    (
        "This editor runs in a Flatpak sandbox, which cannot start other programs. Start the "
        "backend in a terminal and try again:  {0} serve"
    ),
    "Clean Plate's backend is not installed in {0}. Run `python3 install.py`.",
)
# Words that stand in the texts above.
WORDS = (
    "CPU, {0} threads",
    "Apple GPU (mps)",
    "mask",
    "selection",
    "object mask",
    "text mask",
    "hole",
    "core",
    "click",
    "keep point",
)
# Names of models, whole and as short as messages have them. Proper names are missing.
TITLES = (
    "Clean Plate's own people net",
    "Clean Plate's own click net",
    "Clean Plate's own saliency net",
    "Clean Plate's own light PSENet",
    "Clean Plate's own stroke net, used by every text model",
    "Clean Plate's own stroke net",
    "Clean Plate's own matting U-Net, trained against critics",
    "Clean Plate's own matting U-Net",
    "Clean Plate's own plain encoder-decoder matte",
    "GrabCut around the click (Rother et al. 2004, OpenCV)",
    "GrabCut around the click",
    "DeepCrop V2, distance to the click as fourth plane",
    "DeepCrop V1, distance planes into the mask branch",
    "DeepMask, the centred object of a crop",
    "Mask R-CNN ResNet-50 FPN V2, COCO (torchvision): the instance under the click",
    "Mask R-CNN ResNet-50 FPN V2, COCO (torchvision; mask AP 41.8)",
    "DeepLabV3 ResNet-101, COCO with VOC labels (torchvision; mIoU 67.4)",
    "FCN ResNet-50, COCO with VOC labels (torchvision; mIoU 60.5)",
    "DeepLabV3 MobileNetV3-Large, COCO with VOC labels (torchvision; mIoU 60.3)",
    "LRASPP MobileNetV3-Large, COCO with VOC labels (torchvision; mIoU 57.9)",
    "BiRefNet-lite, 1024 px (rembg's ONNX file)",
    "U²-Net-p saliency, 320 px (rembg's ONNX file)",
    "U²-Net-p saliency",
    "Minimum barrier distance and border colours (Zhang et al. 2015), no weights",
    "Minimum barrier distance and border colours",
    "PP-OCRv6 small detector, inside the rapidocr package",
    "PP-OCRv6 small detector",
    "PSENet ResNet-50 trained on {0} (Wang et al. 2019)",
    "PSENet ResNet-50 trained on {0}",
    "Closed form with colour pairs (Levin et al. 2008, He et al. 2011), no weights",
    "Closed form with colour pairs",
    "Big LaMa with feature refinement (slow on a CPU)",
    "Big LaMa with feature refinement",
    "PatchMatch, multi-scale patch optimisation",
    "Partial-convolution U-Net (Liu et al. 2018), trained here",
    "Partial-convolution U-Net",
    "Telea's fast marching (OpenCV)",
    "Telea's fast marching",
    "VGG16, ImageNet (torchvision): perceptual loss in training",
    "people",
    "text",
    "fill",
    "unknown",
    "matte",
)
TEMPLATES = NOTES + STAGES + ERRORS + WORDS + TITLES


def said(text: str) -> str:
    """`text` of the backend in the user's language; its values too where they are known words."""
    found = match(text)
    if found is None:
        return text
    template, values = found
    return tr(template, *(_value(value) for value in values))


def telling(text: str) -> bool:
    """Whether a known text tells a value, such as the name of a model."""
    found = match(text)
    return found is not None and bool(found[1])


@lru_cache(maxsize=256)
def match(text: str) -> Optional[Tuple[str, Tuple[str, ...]]]:
    """The template that `text` was made from, and its values; the one with most words of its own
    where several could be it."""
    for template in _by_length():
        values = _values(template, text)
        if values is not None:
            return template, values
    return None


@lru_cache(maxsize=1)
def _by_length() -> List[str]:
    return sorted(TEMPLATES, key=lambda template: -sum(map(len, _pieces(template))))


@lru_cache(maxsize=None)
def _pieces(template: str) -> Tuple[str, ...]:
    """What stands around the values, in its order."""
    pieces, number = [template], 0
    while "{%d}" % number in pieces[-1]:
        pieces += pieces.pop().split("{%d}" % number, 1)
        number += 1
    return tuple(pieces)


def _values(template: str, text: str) -> Optional[Tuple[str, ...]]:
    first, *others = _pieces(template)
    if not others:
        return () if text == first else None
    if not (text.startswith(first) and text.endswith(others[-1])):
        return None
    place, end, values = len(first), len(text) - len(others[-1]), []
    for piece in others[:-1]:
        at = text.find(piece, place, end)
        if at < 0:
            return None
        values.append(text[place:at])
        place = at + len(piece)
    return (*values, text[place:end]) if place < end else None


def _value(value: str) -> str:
    """A value may be several texts."""
    return "; ".join(said(part) for part in value.split("; "))
