"""Half precision where the hardware computes quicker in it: CUDA's and the matrix units of recent
Intel CPUs (AMX). Elsewhere bfloat16 is emulated, and slower than float32. CLEANPLATE_FLOAT32=1 in
the environment switches it off, for answers that are the same on all machines."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any


def quick_in_half(device: str) -> bool:
    """Whether bfloat16 is quicker than float32 on this device ("cpu", "cuda:0", "mps")."""
    import torch

    if os.environ.get("CLEANPLATE_FLOAT32") == "1":
        return False
    if device.startswith("cuda"):
        return True
    ask = getattr(torch.cpu, "get_capabilities", None)  # torch 2.10 and newer
    return device == "cpu" and ask is not None and bool(ask().get("amx_bf16", False))


def half_on_cpu(device: str) -> AbstractContextManager[Any]:
    """The same for the CPU alone: what uses a built-in net is measured there."""
    import torch

    quick = device == "cpu" and quick_in_half(device)
    return torch.autocast("cpu", torch.bfloat16, enabled=quick)


def half(device: str) -> AbstractContextManager[Any]:
    """Within it convolutions and products are computed in bfloat16, where that is quicker."""
    import torch

    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=quick_in_half(device))


def keep_strided_in_float(net: Any) -> None:
    """Depthwise convolutions with a stride stay float32, in place: on the CPU the bfloat16
    gradients of one of 96 channels took 0.37 s where float32 took 0.09 s."""
    import torch
    from torch.nn import functional

    def plain(module: Any) -> Any:
        def forward(x: Any) -> Any:
            with torch.autocast("cpu", enabled=False):
                return functional.conv2d(
                    x.float(), module.weight, module.bias, module.stride, module.padding,
                    module.dilation, module.groups,
                )

        return forward

    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1 and max(module.stride) > 1:
            module.forward = plain(module)
