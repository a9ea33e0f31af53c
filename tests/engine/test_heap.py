"""The process keeps the pages of large tensors that were freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SIZE = 64 * 2**20
SCRIPT = f"""
import ctypes, resource, sys
from bench.engine.heap import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
library.memset.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
for each in range(4):
    place = library.malloc({SIZE})
    library.memset(place, 1, {SIZE})
    library.free(place)
    if not each:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Pages that the system cleared for the second to the fourth of four equal pieces of memory."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has this setting")
def test_freed_memory_is_used_again() -> None:
    pages = SIZE // 4096
    assert faults("kept") < pages / 10
    assert faults("not kept") > 2 * pages
