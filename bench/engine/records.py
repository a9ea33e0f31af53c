"""A cell with its result as a record with checksums: a description, its digest, and the arrays.

A record is believed only if the seal is that of the description, the description is of the wanted cell, and the
arrays have the digest that it states. The arrays of images lie at the end: what a table counts can be read, and
checked by a digest of its own, without them.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from bench.engine.cell import Cell, canonical_json, key_of
from bench.engine.result import IMAGES, CellResult, digest_of

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
        description: canonical JSON of the cell, its costs and provenance, and names, types, shapes and digests of
            the arrays.
        seal: sha256 of the description.
        arrays: the arrays one after another, each from a multiple of 64 bytes on; those of images last.
    """

    description: bytes
    seal: bytes
    arrays: bytes


def encode(stored: Stored) -> Record:
    """The record of a cell; ``ValueError`` for an array of Python objects."""
    layout, parts, front = [], [], 0
    for name, value in sorted(stored.result.arrays.items(), key=lambda item: item[0] in IMAGES):
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        _checked(array.dtype)
        layout.append([name, array.dtype.str, list(array.shape)])
        parts.append(array.tobytes() + bytes(-array.nbytes % _ALIGNED))
        front += len(parts[-1]) * (name not in IMAGES)
    content = b"".join(parts)
    fields = {
        "cell": asdict(stored.cell),
        "seconds": stored.result.seconds,
        "gradients": stored.result.gradients,
        "provenance": stored.provenance,
        "arrays": layout,
        "digest": stored.result.digest,
        "front": [front, sha256(content[:front]).hexdigest()],
    }
    description = canonical_json(fields).encode()
    return Record(description, _seal(description), content)


def decode(record: Record, key: str | None = None) -> Stored:
    """The cell of a record.

    Args:
        record: as ``encode`` makes it.
        key: of the wanted cell; ``None`` takes any.

    Raises:
        ValueError: the record is damaged or of another cell.
    """
    with _damage_said():
        fields = _opened(record.description, record.seal, key)
        result = _result(fields, record.arrays, fields["arrays"])
        if digest_of(result.arrays) != fields["digest"]:
            raise ValueError("the arrays do not have their digest")
        return _stored(fields, result)


def decode_without_images(
    description: bytes, seal: bytes, read: Callable[[int], bytes], key: str | None = None
) -> Stored:
    """The cell of a record without the arrays of images, which are not read.

    Args:
        description, seal: as in ``Record``.
        read: the first bytes of the record's arrays, as many as requested.
        key: as in ``decode``.

    Raises:
        ValueError: the record is damaged, of another cell, or of a version that did not write images last.
    """
    with _damage_said():
        fields = _opened(description, seal, key)
        size, digest = fields["front"]
        content = read(size)
        if sha256(content).hexdigest() != digest:
            raise ValueError("the arrays do not have their digest")
        result = _result(fields, content, [part for part in fields["arrays"] if part[0] not in IMAGES])
        return _stored(fields, result)


@contextlib.contextmanager
def _damage_said() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError) as fault:
        raise ValueError(f"a damaged record: {fault}") from None


def _opened(description: bytes, seal: bytes, key: str | None) -> dict[str, Any]:
    if _seal(description) != seal:
        raise ValueError("the description does not have its seal")
    fields = json.loads(description)
    if key not in (None, key_of(fields["cell"])):
        raise ValueError("the record is of another cell")
    return fields


def _result(fields: dict[str, Any], content: bytes, layout: list[Any]) -> CellResult:
    memory, start, arrays = memoryview(bytearray(content)), 0, {}
    for name, kind, shape in layout:
        dtype = _checked(np.dtype(kind))
        end = start + math.prod(shape) * dtype.itemsize
        arrays[name] = np.frombuffer(memory[start:end], dtype=dtype).reshape(shape)
        start = end + -end % _ALIGNED
    if start != len(memory):
        raise ValueError("the arrays do not have their size")
    costs = {name: fields[name] for name in ("seconds", "gradients")}
    return CellResult(arrays=arrays, whole=fields["digest"], **costs)


def _stored(fields: dict[str, Any], result: CellResult) -> Stored:
    return Stored(cell=Cell.from_json(fields["cell"]), result=result, provenance=fields["provenance"])


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
    return sha256(content).digest()


def _checked(dtype: np.dtype) -> np.dtype:
    if dtype.kind not in _KINDS:
        raise ValueError(f"arrays of {dtype} are not stored")
    return dtype
