"""Places that a command writes to."""

from __future__ import annotations

import os
from pathlib import Path

from bench.errors import UsageError


def check_directory(path: Path, option: str = "--reports") -> None:
    """Raises ``UsageError`` unless files can be written in a directory; creates a missing one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        usable = os.access(path, os.W_OK | os.X_OK)
    except OSError as fault:
        raise UsageError(f"cannot write to {path}: {fault.strerror}; give another {option} DIR") from fault
    if not usable:
        raise UsageError(f"cannot write to {path}: permission denied; give another {option} DIR")
