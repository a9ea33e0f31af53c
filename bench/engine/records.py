"""A cell with its result as a record with checksums: a description, its digest, and the arrays.

A record is believed only if the seal is that of the description, the description is of the wanted cell, and the
arrays have the digest that it states.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.engine.cell import Cell, canonical_json, key_of
from bench.engine.result import CellResult

_KINDS = "biufcUS"  # types of array elements: none of them needs unpickling
_ALIGNED = 64  # bytes; torch reads arrays where they begin


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Stored:
    """A cell with its result.

    Attributes:
        cell: the measurement.
        result: per-image arrays, seconds, gradients.
        provenance: device and versions; not part of the key.
    """

    cell: Cell
    result: CellResult
    provenance: dict[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """A stored cell in bytes.

    Attributes:
        description: canonical JSON of the cell, its costs and provenance, and names, types, shapes and digest of
            the arrays.
        seal: sha256 of the description.
        arrays: the arrays one after another, each from a multiple of 64 bytes on.
    """

    description: bytes
    seal: bytes
    arrays: bytes


def encode(stored: Stored) -> Record:
    """The record of a cell; ``ValueError`` for an array of Python objects."""
    layout, parts = [], []
    for name, value in stored.result.arrays.items():
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        _checked(array.dtype)
        layout.append([name, array.dtype.str, list(array.shape)])
        parts.append(array.tobytes() + bytes(-array.nbytes % _ALIGNED))
    fields = {
        "cell": asdict(stored.cell),
        "seconds": stored.result.seconds,
        "gradients": stored.result.gradients,
        "provenance": stored.provenance,
        "arrays": layout,
        "digest": stored.result.digest,
    }
    description = canonical_json(fields).encode()
    return Record(description, _seal(description), b"".join(parts))


def decode(record: Record, key: str | None = None) -> Stored:
    """The cell of a record.

    Args:
        record: as ``encode`` makes it.
        key: of the wanted cell; ``None`` takes any.

    Raises:
        ValueError: the record is damaged or of another cell.
    """
    try:
        return _decoded(record, key)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError) as fault:
        raise ValueError(f"a damaged record: {fault}") from None


def _decoded(record: Record, key: str | None) -> Stored:
    if _seal(record.description) != record.seal:
        raise ValueError("the description does not have its seal")
    fields = json.loads(record.description)
    cell = Cell.from_json(fields["cell"])
    if key not in (None, key_of(fields["cell"])):
        raise ValueError("the record is of another cell")
    whole, start, arrays = memoryview(bytearray(record.arrays)), 0, {}
    for name, kind, shape in fields["arrays"]:
        dtype = _checked(np.dtype(kind))
        size = math.prod(shape) * dtype.itemsize
        arrays[name] = np.frombuffer(whole[start : start + size], dtype=dtype).reshape(shape)
        start += size + -size % _ALIGNED
    result = CellResult(arrays=arrays, seconds=fields["seconds"], gradients=fields["gradients"])
    if start != len(whole) or result.digest != fields["digest"]:
        raise ValueError("the arrays do not have their digest")
    return Stored(cell=cell, result=result, provenance=fields["provenance"])


def sealed(value: Any) -> tuple[str, bytes]:
    """A value's canonical JSON and the seal of it."""
    text = canonical_json(value)
    return text, _seal(text.encode())


def unsealed(text: Any, seal: Any) -> Any:
    """The value; ``ValueError`` if the text does not have the seal."""
    if not isinstance(text, str) or _seal(text.encode(errors="replace")) != seal:
        raise ValueError("the text does not have its seal")
    return json.loads(text)


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _checked(dtype: np.dtype) -> np.dtype:
    if dtype.kind not in _KINDS:
        raise ValueError(f"arrays of {dtype} are not stored")
    return dtype
