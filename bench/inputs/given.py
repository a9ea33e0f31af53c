"""Images that a user passes in Python: arrays with labels, a data set, or a loader."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, Dataset

from bench.errors import UsageError
from bench.inputs.array_data import array_data
from bench.inputs.item_data import item_data
from bench.inputs.sources import Images


def given_images(name: str | None, x: Any, y: Any = None) -> Images:
    """Checked images and labels; the given ones are not changed.

    Args:
        name: of the data set; ``None`` for its own, or else ``data``.
        x: images (n, c, h, w), a torch ``Dataset`` or ``DataLoader``, or a data set of ``zoo.data``.
        y: labels of the images (n,); ``None`` if ``x`` has its own.

    Raises:
        UsageError: the shape, the type or a value is wrong.
    """
    if not isinstance(x, (Images, Dataset, DataLoader)):
        if y is None:
            raise UsageError("x came without labels; give y, or a data set that has its own")
        return array_data(name or "data", x, y)
    if y is not None:
        raise UsageError(
            f"y is a {type(y).__name__}, but {type(x).__name__} has labels of its own; leave y out, and give attacks "
            "by their name: attacks=…"
        )
    return x if isinstance(x, Images) else item_data(name or "data", x)
