"""Freed memory stays with the process.

The C library hands every large tensor's pages back to the system when it is freed, and the system clears new ones for
the next: with images of 224 pixels this takes half as long as the computing itself. Numbers do not change.
"""

from __future__ import annotations

import ctypes
import sys

KEPT = 2**30  # bytes at the end of the heap that may stay free
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt, in glibc's malloc.h


def keep_freed_memory() -> None:
    """Makes this process allocate large tensors from its heap and keep up to 1 GiB free there; glibc only."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # other C libraries of Linux do not have it
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, KEPT)
