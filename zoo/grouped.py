"""The layout of a corrupted data set: base image by base image, each under every corruption and severity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

SEVERITIES = 5


@runtime_checkable
class LazyPixels(Protocol):
    """Pixels that are read or made when they are requested; can be indexed like a uint8 array (n, c, h, w)."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: Any) -> UInt8[np.ndarray, "n c h w"]:
        """The images of a slice."""
        ...


@dataclass(frozen=True, slots=True)
class Groups:
    """The place of every image: for each base image every corruption, and for that severities 1 to 5.

    So the first k·`block` images are k base images under all of them, and every mean over them is balanced.

    Attributes:
        names: the corruptions, in their order.
        base: name of the data set the base images are of; models trained on it are measured.
        base_sha256: digest of its evaluation split; None where only the corrupted images are at hand.
        images: number of base images.
        constants: whose published parameters they were made with, `CIFAR-10-C` or `ImageNet-C`; empty where the
            images are files, or were measured before there were two.
    """

    names: tuple[str, ...]
    base: str
    base_sha256: str | None
    images: int
    constants: str = ""

    def __len__(self) -> int:
        return self.images * self.block

    @property
    def block(self) -> int:
        """Images made of one base image."""
        return len(self.names) * SEVERITIES

    @property
    def image(self) -> Int64[np.ndarray, " n"]:
        """(n,) base image of each image, counted from 0 in the base's fixed order."""
        return np.arange(len(self)) // self.block

    @property
    def corruption(self) -> Int64[np.ndarray, " n"]:
        """(n,) index into `names` of each image."""
        return np.arange(len(self)) // SEVERITIES % len(self.names)

    @property
    def severity(self) -> Int64[np.ndarray, " n"]:
        """(n,) severity of each image, 1 to 5."""
        return np.arange(len(self)) % SEVERITIES + 1
