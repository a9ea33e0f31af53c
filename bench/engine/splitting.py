"""Cells whose images do not fit in memory together: they are measured in halves.

A half is measured like a cell of its images alone, as in a run with such a small ``--batch``. So an attack draws its
random numbers again for each half, from a seed of the half's first image; without random numbers a half differs from
the whole only by rounding. The array ``together`` of the result says of each image how many were measured together, and
the row's column ``split`` the smallest of these numbers.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from bench.engine.cell import Cell
from bench.engine.kind import Kind, Subject
from bench.engine.result import KEPT_IMAGES, CellResult
from bench.errors import CellError
from bench.inputs.faults import out_of_memory

TOGETHER = "together"


def measured(kind: Kind, cell: Cell, subject: Subject) -> CellResult:
    """The result of a cell; if memory runs out and the kind allows it, its halves are measured and joined.

    Raises:
        CellError: a single image takes more memory than there is, or what the measurement raises.
    """
    try:
        return kind.measure(cell, subject)
    except (RuntimeError, MemoryError) as fault:
        if not kind.divisible or not out_of_memory(fault):
            raise
        if cell.count == 1:
            raise CellError(
                f"one image of shape {tuple(subject.x.shape[1:])} does not fit into memory; use a device with "
                "more, or fewer --workers"
            ) from fault
    if subject.x.is_cuda:
        gc.collect()  # a reference cycle may keep the memory of the whole
        torch.cuda.empty_cache()
    half = cell.count // 2
    parts = [(0, half), (half, cell.count - half)]
    return _joined([(first, _part(kind, cell, subject, first, count)) for first, count in parts])


def smallest_part(results: Iterable[CellResult]) -> int | None:
    """The smallest number of images that were measured together for lack of memory; ``None`` if no cell was split."""
    return min(
        (int(each.arrays[TOGETHER].min()) for each in results if TOGETHER in each.arrays), default=None
    )


def _part(kind: Kind, cell: Cell, subject: Subject, first: int, count: int) -> CellResult:
    of = slice(first, first + count)
    standing = None if subject.standing is None else subject.standing[of]
    part = replace(subject, x=subject.x[of], y=subject.y[of], standing=standing)
    result = measured(kind, cell.derive(first=cell.first + first, count=count), part)
    return replace(result, arrays={TOGETHER: np.full(count, count), **result.arrays})


def _joined(parts: Sequence[tuple[int, CellResult]]) -> CellResult:
    """The result of the whole from its parts, each with its first image.

    Only the whole's first attacked images are kept.
    """
    arrays = {
        name: np.concatenate([result.arrays[name] for _, result in parts])
        for name in parts[0][1].arrays
        if not name.startswith("image")
    }
    if "image_index" in parts[0][1].arrays:
        index = np.concatenate([first + result.arrays["image_index"] for first, result in parts])
        images = np.concatenate([result.arrays["image"] for _, result in parts])
        arrays |= {"image_index": index[index < KEPT_IMAGES], "image": images[index < KEPT_IMAGES]}
    return CellResult(
        arrays=arrays,
        seconds=sum(result.seconds for _, result in parts),
        gradients=sum(result.gradients for _, result in parts),
    )
