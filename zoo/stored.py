"""Images of a large `.npz` file, read from it when they are requested."""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from zoo.pictures import DataError

LARGE = 2**28  # bytes; smaller arrays are read as a whole
CHUNK = 2**20


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Can be indexed like a uint8 array (n, c, h, w); the images are in a file as (height, width, channels).

    `offset` is where the first one begins; `places` are theirs in the file; `stamp` is the file's size and time, so
    that a changed file is a DataError.
    """

    path: Path
    offset: int
    form: tuple[int, int, int]
    places: Int64[np.ndarray, " n"]
    stamp: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        height, width, channels = self.form
        return len(self.places), channels, height, width

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, chosen: Any) -> UInt8[np.ndarray, "n c h w"]:
        """The images of a slice or of an array of places."""
        places = self.places[chosen]
        found = np.empty((len(places), *self.form), np.uint8)
        with self.path.open("rb", buffering=0) as file:
            if _stamp(file.fileno()) != self.stamp:
                raise DataError(f"{self.path} was changed while it was read: run again")
            for image, place in zip(found, places, strict=True):
                file.seek(self.offset + int(place) * image.nbytes)
                file.readinto(image.data)
        return np.ascontiguousarray(found.transpose(0, 3, 1, 2))

    def ordered(self, places: Int64[np.ndarray, " n"]) -> StoredPixels:
        """The same images in another order."""
        return replace(self, places=self.places[places])


def stored_pixels(path: Path, name: str) -> StoredPixels | None:
    """The images (n, h, w) or (n, h, w, c) under a name in an `.npz` file; None for what is small, packed or no uint8.

    All of it is read once, for the checksum that the file has of it. Raises what zipfile and numpy do for a file that
    is damaged.
    """
    with zipfile.ZipFile(path) as packed, path.open("rb") as file:
        info = packed.getinfo(f"{name}.npy")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size < LARGE:
            return None
        file.seek(info.header_offset + 26)
        lengths = struct.unpack("<HH", file.read(4))
        file.seek(info.header_offset + 30 + sum(lengths))
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, by_columns, dtype = read[np.lib.format.read_magic(file)[0]](file)
        if by_columns or dtype != np.uint8 or len(shape) not in (3, 4):
            return None
        count, height, width, channels = (*shape, 1)[:4]
        offset, stamp = file.tell(), _stamp(file.fileno())
        with packed.open(info) as member:
            while member.read(CHUNK):
                pass
    return StoredPixels(path, offset, (height, width, channels), np.arange(count), stamp)


def cache_file(key: str) -> Path:
    """Where the user's cache keeps what is derived from the files that a key names."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "symbench" / f"{hashlib.sha256(key.encode()).hexdigest()}.npz"


def _stamp(file: int) -> tuple[int, int]:
    info = os.fstat(file)
    return info.st_size, info.st_mtime_ns
