"""numba with its cache in Clean Plate's own folder, and the one pool its kernels run in."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from backend.home import cache_dir

os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "numba"))

import numba  # noqa: E402  (reads the folder when it is imported)

_config: Any = getattr(numba, "config")  # noqa: B009  (its fields are made at run time)
if not _config.CACHE_DIR:  # numba was imported before us by another package
    _config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles without the GIL, so that a thread pool can run it on slices. numba's own parallel
    loops abort when two threads start them at once."""
    return numba.njit(nogil=True, cache=True, fastmath=True, boundscheck=False)(function)


def threads() -> int:
    """CLEANPLATE_THREADS, else all cores this process may use."""
    given = os.environ.get("CLEANPLATE_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


@lru_cache(maxsize=1)
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="fill")


def in_slices(count: int, slices: int, work: Callable[[int, int], Any]) -> list[Any]:
    """Calls work(start, stop) on equal slices of range(count) in the pool, results in order.

    The number of slices is the caller's, not the machine's, so that a result which depends on
    where slices end is the same on every machine.
    """
    edges = [count * i // slices for i in range(slices + 1)]
    futures: list[Future[Any]] = [
        pool().submit(work, a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a
    ]
    return [future.result() for future in futures]
