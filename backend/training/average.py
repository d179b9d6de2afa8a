"""The mean of several weights of one net that were trained from the same beginning: what one run
learnt at the cost of another is kept in part (Izmailov et al. 2018, Averaging Weights Leads to
Wider Optima and Better Generalization)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from backend.training.trainer import save_half
from backend.values import BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="safetensors weights")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="where the mean is written, in half precision")


def mean(states: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of each tensor, float32; raises BadInput where the weights are of other nets."""
    first = {k: v.shape for k, v in states[0].items()}
    for n, state in enumerate(states):
        if {k: v.shape for k, v in state.items()} != first:
            raise BadInput(f"File {n + 1} holds weights of another net than the first: give files "
                           "of one training command.")
    return {k: torch.stack([s[k].float() for s in states]).mean(0) for k in first}


def run(args: argparse.Namespace) -> int:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    states = []
    for path in args.files:
        try:
            states.append(load_file(path))
        except (OSError, SafetensorError) as error:
            raise BadInput(f"{path} cannot be read as weights: {error}") from error
    with safe_open(args.files[0], "pt") as file:
        about = file.metadata() or {}
    save_half(mean(states), args.out, {**about, "mean_of": str(len(states))})
    print(f"{args.out}: the mean of {len(states)} files, {len(states[0])} tensors")
    return 0
