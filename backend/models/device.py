"""Which device computes. Never a silent fallback: a device that is asked for by name must exist."""

from __future__ import annotations

import os
import re
import shutil

from backend.values import BadInput

_SHAPE = re.compile(r"^(auto|cpu|mps|cuda(:\d+)?)$")


def check_name(requested: str) -> str:
    """Refuses anything but auto, cpu, mps, cuda or cuda:N. Imports nothing."""
    if not _SHAPE.match(requested):
        raise BadInput(f"Unknown device “{requested}”: use auto, cpu, cuda, cuda:N or mps.")
    return requested


def pick(requested: str = "auto") -> str:
    """The device to compute on: "cpu", "cuda:N" or "mps". Imports torch."""
    check_name(requested)
    import torch

    if requested == "cpu":
        return "cpu"
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "auto":
        return "cuda:0" if cuda else "mps" if _mps() else "cpu"
    if requested == "mps":
        if not _mps():
            raise BadInput("This machine has no Apple GPU (mps). Use --device auto or cpu.")
        return "mps"
    index = int(requested.partition(":")[2] or 0)
    if index >= cuda:
        raise BadInput(
            f"There is no device {requested}: torch sees {cuda} CUDA device(s). "
            "Use --device auto or cpu."
        )
    return f"cuda:{index}"


def describe(device: str) -> str:
    """For people: "NVIDIA H100 80GB HBM3 (cuda:0)" or "CPU, 8 threads". Imports torch."""
    if device.startswith("cuda"):
        import torch

        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device == "mps":
        return "Apple GPU (mps)"
    return f"CPU, {os.cpu_count() or 1} threads"


def gpu_in_sight() -> bool:
    """Whether an NVIDIA driver seems to be here, asked without importing torch."""
    return bool(shutil.which("nvidia-smi")) or os.path.exists("/proc/driver/nvidia/version")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that a device ran out of memory (torch and onnxruntime)."""
    if type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    words = ("out of memory", "failed to allocate memory", "cudnn_status_alloc_failed")
    return isinstance(error, RuntimeError) and any(word in text for word in words)


def release_memory() -> None:
    """Gives cached GPU memory back; harmless where there is none."""
    import gc
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _mps() -> bool:
    import torch

    return bool(torch.backends.mps.is_available())
