"""Processes that tests start, wait for and look for afterwards."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.forked import Forked

T = TypeVar("T")


def until(
    found: Callable[[], T], process: subprocess.Popen[bytes] | Forked | None = None, seconds: float = 60
) -> T:
    """What a function gives as soon as it gives something; the process, if one is named, must run that long."""
    end = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            said = ""
            if process is not None:
                process.kill()
                said = process.stderr.read().decode() if process.stderr else ""
            raise AssertionError(f"waited in vain: {said}")
        time.sleep(0.02)
    return value


def children(of: int) -> list[int]:
    """The processes whose parent is this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == of:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(processes: list[int]) -> bool:
    """Whether all of them have ended."""
    return not any(map(alive, processes))
