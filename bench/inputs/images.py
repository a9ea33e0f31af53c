"""The plain images from which corrupted ones were made, and the groups of corrupted ones."""

from __future__ import annotations

from bench.errors import UsageError
from bench.inputs.sources import Images
from zoo.data import Dataset
from zoo.grouped import Groups


def base_of(data: Images) -> tuple[str, str | None]:
    """Name and digest of the plain images behind corrupted ones, else of the images themselves.

    Models trained on the plain images are measured. The digest is ``None`` if the plain images are not available.
    """
    groups = groups_of(data)
    return (groups.base, groups.base_sha256) if groups else (data.name, data.sha256)


def groups_of(data: Images) -> Groups | None:
    """Which corruption and severity each image is; ``None`` for images that are not corrupted."""
    return data.groups if isinstance(data, Dataset) else None


def checked_n(n: int | None, data: Images, default: int) -> int:
    """The number of images; where none was given at most ``default``, but whole groups of corrupted ones.

    Raises:
        UsageError: the data set has fewer.
    """
    if n is not None and not 1 <= n <= len(data):
        raise UsageError(f"--n is {n}, but {data.name} has 1 to {len(data)} test images")
    groups = groups_of(data)
    block = groups.block if groups else 1
    return n or max(block, min(default, len(data)) // block * block)
