"""The corrupted images of a base set, made when they are requested."""

from __future__ import annotations

import difflib
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zoo.corruptions.recipe import CORRUPTIONS, VERSION, corrupted, made
from zoo.grouped import SEVERITIES, LazyPixels
from zoo.pictures import DataError

KEPT_BYTES = 256 * 2**20  # of images made, kept in memory for the next attack or model

_FIXED = ("digits", "cifar10", "cifar100")


class CorruptedPixels:
    """Every base image under every corruption and severity, base image by base image.

    Args:
        base: pixels uint8 (n, c, h, h) in the base's fixed order.
        levels: value of white.
        names: the corruptions.
        seed: of the random numbers.
    """

    def __init__(
        self, base: UInt8[np.ndarray, "n c h w"] | LazyPixels, levels: int, names: Sequence[str], seed: int
    ) -> None:
        self._base, self._levels, self._names, self._seed = base, levels, tuple(names), seed
        self._block = len(names) * SEVERITIES
        kept = max(1, KEPT_BYTES // (self._block * int(np.prod(base.shape[1:]))))
        self._made = functools.lru_cache(maxsize=kept)(self._make)

    def __reduce__(self) -> tuple[Any, ...]:
        return CorruptedPixels, (self._base, self._levels, self._names, self._seed)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, h, w), n of the corrupted images."""
        return (len(self), *self._base.shape[1:])

    def __len__(self) -> int:
        return len(self._base) * self._block

    def __getitem__(self, chosen: Any) -> UInt8[np.ndarray, "m c h w"]:
        """The images of a slice; their base images are made under all corruptions and severities."""
        first, stop, step = chosen.indices(len(self))
        if stop <= first:
            return np.empty((0, *self._base.shape[1:]), np.uint8)
        start = first // self._block
        blocks = [self._made(index) for index in range(start, (stop - 1) // self._block + 1)]
        offset = start * self._block
        return np.concatenate(blocks)[first - offset : stop - offset : step]

    def _make(self, index: int) -> UInt8[np.ndarray, "m c h w"]:
        image = self._base[index : index + 1][0].astype(np.float64) / self._levels
        return np.stack(
            [
                corrupted(image, name, severity, index=index, seed=self._seed)
                for name in self._names
                for severity in range(1, SEVERITIES + 1)
            ]
        )


def digest(pixels: CorruptedPixels, base_sha256: str, names: Sequence[str], seed: int) -> str:
    """sha256 of what determines the images: base, recipe, corruptions and seed.

    The images of the first base image are included: if another version of a library gives other bits, the digest
    differs.
    """
    total = hashlib.sha256(f"corrupted {VERSION} {base_sha256} {' '.join(names)} {seed}".encode())
    total.update(np.ascontiguousarray(pixels[: len(names) * SEVERITIES]).data)
    return total.hexdigest()


def split_spec(spec: str) -> tuple[str, str | None]:
    """BASE and NAME of `BASE` or `BASE:NAME`; DataError for a base that is corrupted itself or a wrong NAME."""
    head, _, tail = spec.rpartition(":")
    named = bool(head) and (tail in CORRUPTIONS or head in _FIXED)
    base, name = (head, tail) if named else (spec, None)
    if base.partition(":")[0] in ("corrupted", "cifar10c"):
        raise DataError(f"the images of {base} are corrupted already: give corrupted: a plain data set")
    if name is not None and name not in CORRUPTIONS:
        near = difflib.get_close_matches(name, CORRUPTIONS, n=2, cutoff=0.5)
        known = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(CORRUPTIONS)}"
        raise DataError(f"unknown corruption {name!r}: {known}")
    return base, name


def chosen_names(name: str | None, base: str, channels: int) -> tuple[str, ...]:
    """The corruptions a spec means; DataError where the images lack the colour for it."""
    possible = made(channels)
    if name is None:
        return possible
    if name not in possible:
        raise DataError(f"{name} needs colour, and the images of {base} are grey: choose another corruption")
    return (name,)
