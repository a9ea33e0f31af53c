"""Images for a GPU: those of the next shard are read while the GPU measures this one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from jaxtyping import Float32
from torch import Tensor

from bench.inputs.sources import Images
from zoo.data import Dataset

Part = tuple[int, int]  # place of the first image of a shard, and how many they are


class Ahead:
    """Keeps the images of one shard and of the next one on the host, in memory that a GPU copies from by itself.

    Only data sets of ``zoo.data`` are read in a thread. A user's own may draw random numbers, whose state belongs to
    the cell that is being measured.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._read: dict[tuple[str, Part], Future[Float32[Tensor, "n c h w"]]] = {}

    def images(self, data: Images, part: Part, following: Part | None) -> Float32[Tensor, "n c h w"]:
        """The images of a shard, (n, c, h, w), float32 in [0, 1]; the caller must not write into them.

        Args:
            data: the data set.
            part: the shard.
            following: the shard that is asked for next, as far as is known.

        Raises:
            DataError: they cannot be read.
        """
        if not isinstance(data, Dataset):
            return data.images(*part)
        parts = [part] if following is None else [part, following]
        before = self._read
        self._read = {
            key: before.get(key) or self._thread.submit(_read, data, key[1])
            for key in ((data.sha256, each) for each in parts)
        }
        return self._read[data.sha256, part].result()


def _read(data: Dataset, part: Part) -> Float32[Tensor, "n c h w"]:
    images = data.images(*part)
    return images.pin_memory() if torch.cuda.is_available() else images
