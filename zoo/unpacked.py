"""Images of a large compressed `.npz` file, unpacked once into a file of the cache that they are read from."""

from __future__ import annotations

import contextlib
import json
import shutil
import zipfile
from pathlib import Path

from zoo import stored
from zoo.notes import note_once
from zoo.stored import StoredPixels, cache_file, stored_pixels
from zoo.whole import replacing


def unpacked_pixels(path: Path, name: str) -> StoredPixels | None:
    """The images under a name in a compressed `.npz` file, of which no more than a part is in memory.

    None for what is small or not compressed, and where the cache cannot be written. Raises what zipfile does for a
    file that is damaged.
    """
    with zipfile.ZipFile(path) as packed:
        info = packed.getinfo(f"{name}.npy")
        if info.compress_type == zipfile.ZIP_STORED or info.file_size < stored.LARGE:
            return None
        stamp = path.stat()
        cache = cache_file(json.dumps([str(path.resolve()), stamp.st_size, stamp.st_mtime_ns, name]))
        if (kept := _kept(cache, name)) is not None:
            return kept
        note_once(
            f"{path} is compressed: its images are unpacked into {cache} ({info.file_size / 1e9:.2g} GB); numpy.savez "
            "saves files that are read as they are"
        )
        with contextlib.suppress(OSError):
            cache.parent.mkdir(parents=True, exist_ok=True)
            with (
                replacing(cache) as file,
                zipfile.ZipFile(file, "w") as copy,
                packed.open(info) as source,
                copy.open(info.filename, "w", force_zip64=True) as target,
            ):
                shutil.copyfileobj(source, target, stored.CHUNK)
    return _kept(cache, name)


def _kept(cache: Path, name: str) -> StoredPixels | None:
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return stored_pixels(cache, name)
    return None
