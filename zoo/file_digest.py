"""The digest of many files, read only once while they do not change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from zoo.whole import replacing


def file_digest(what: str, files: Sequence[tuple[str, Path]]) -> str:
    """sha256 of `what` and of the files, each with its name.

    Reading gigabytes takes a while, so the answer is kept in the user's cache directory for as long as the
    files keep their names, sizes and times.
    """
    stats = [path.stat() for _, path in files]
    listing = [
        (str(path.resolve()), info.st_size, info.st_mtime_ns)
        for (_, path), info in zip(files, stats, strict=True)
    ]
    kept = _home() / f"{hashlib.sha256(json.dumps(listing).encode()).hexdigest()}.sha256"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = kept.read_text()
        if len(text) == 64:
            return text
    total = hashlib.sha256(what.encode())
    for name, path in files:
        with path.open("rb") as file:
            total.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()};".encode())
    _keep(kept, total.hexdigest())
    return total.hexdigest()


def _home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symbench"


def _keep(path: Path, text: str) -> None:
    """Writes the text whole or not at all; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
