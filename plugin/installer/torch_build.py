"""Which build of torch to ask for: the small CPU one where there is no GPU."""

import glob
import os
import shutil
import sys
import urllib.error
import urllib.request
from typing import List

from .processes import output

INDEX = "https://download.pytorch.org/whl/"  # the project's own index of builds
TIMEOUT = 5.0


def has_gpu() -> bool:
    """An NVIDIA or AMD compute device that a driver serves."""
    if glob.glob("/dev/nvidia[0-9]*") or os.path.exists("/proc/driver/nvidia/version"):
        return True
    smi = shutil.which("nvidia-smi")
    if smi and (output([smi, "-L"], timeout=15) or "").strip():
        return True
    return os.path.exists("/dev/kfd")


def indexes(platform: str, gpu: bool) -> List[str]:
    """Indexes to try before PyPI, best first. PyPI itself has CUDA for Linux and CPU elsewhere."""
    if platform == "darwin":
        return []
    if not gpu:
        return [INDEX + "cpu"]
    return [INDEX + name for name in ("cu130", "cu128", "cu126")] if platform == "win32" else []


def reachable(index: str, timeout: float = TIMEOUT) -> bool:
    """Whether `index` answers and lists both packages."""
    for package in ("torch", "torchvision"):
        request = urllib.request.Request("%s/%s/" % (index, package), method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                if answer.status != 200:
                    return False
        except (urllib.error.URLError, OSError, ValueError):
            return False
    return True


def choose() -> List[str]:
    """The indexes to try on this machine, in order; empty means PyPI straight away."""
    return [index for index in indexes(sys.platform, has_gpu()) if reachable(index)]
