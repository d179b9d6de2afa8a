"""`python -m backend.training NAME …`: one module a trainer, imported when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys

from backend.values import CleanPlateError

NAMES = {
    "pack": "make a small copy of the training photos that can travel to a GPU machine",
    "people": "the built-in people net",
    "saliency": "the built-in net for unknown objects",
    "maskrcnn": "fine-tune torchvision's Mask R-CNN on Penn-Fudan-style folders",
    "click": "the built-in click net, DeepMask and DeepCrop",
    "text": "the built-in PSENet",
    "adverts": "compose adverts with exact masks, for tuning the text masks",
    "text_judge": "how much each sign of text counts (a regression, printed)",
    "strokes": "the net for the strokes of letters",
    "average": "the mean of weights of one net from several runs",
    "fill": "the partial-convolution fill net",
    "matte": "the learned mattes: a U-Net with critics, and an encoder-decoder",
}


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m backend.training",
        description="Trains the built-in models.",
        epilog="\n".join(f"  {name:10} {text}" for name, text in NAMES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=NAMES)
    name = parser.parse_args(arguments[:1]).name
    module = importlib.import_module(f"backend.training.{name}")
    own = argparse.ArgumentParser(prog=f"python -m backend.training {name}")
    module.add_arguments(own)
    try:
        return module.run(own.parse_args(arguments[1:]))
    except CleanPlateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
