"""Shards: the images of a cell, which go through a model together."""

from __future__ import annotations

from collections.abc import Iterator

BATCH = 100  # images of a shard, unless the user gives another number or a GPU has room for more


def shards(n: int, batch: int) -> Iterator[tuple[int, int]]:
    """Place of the first image and number of images of each shard of n images; the last one may be smaller."""
    return ((first, min(batch, n - first)) for first in range(0, n, batch))
