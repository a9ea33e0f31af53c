"""Replaces files as a whole, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from bench.errors import UsageError


def check_place(path: Path) -> None:
    """Raises ``OSError`` unless a file can be made and locked beside the leaderboard."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:16]}.") as folder:
        try:
            with FileLock(Path(folder) / "lock", timeout=60):
                pass
        except NotImplementedError as error:
            raise OSError(errno.ENOLCK, "its file system refuses locks") from error


def target(path: Path) -> Path:
    """The file itself if ``path`` is a link; refuses anything but a plain file."""
    try:
        target = Path(path).resolve()
        special = target.exists() and not target.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise unwritable(Path(path), error) from None
    if special:
        raise UsageError(f"{path} is not a plain file; give another --leaderboard FILE")
    return target


def unwritable(path: Path, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(f"{path} cannot be written ({reason}); give a --leaderboard FILE that can be")


def check_file(path: Path) -> None:
    """Raises ``OSError`` if an existing file cannot be replaced, or its folder cannot be made."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{path.parent} is not a folder")
    if path.parent.exists() and not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, f"no permission to write in {path.parent}")


def write(path: Path, text: str) -> None:
    """Replaces the file as a whole, unless it has this text already."""
    check_file(path)
    if path.exists() and path.read_bytes() == text.encode():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
