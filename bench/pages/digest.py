"""Digests of the content of pages: a page with the digest of the present content is not drawn again."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

_HOME = Path(__file__).parents[2]
_CODE = (".py", ".j2", ".css", ".js", ".csv", ".json")
_PACKAGES = ("jinja2", "matplotlib", "numpy", "pandas", "pillow", "scipy", "seaborn")
_PLAIN = (str, int, float, bool, type(None))


def digest_of(content: object) -> str:
    """sha256 of the content of a page, of the code and templates that draw it, and of the libraries' versions.

    Args:
        content: dataclasses, mappings, lists, tuples, arrays, texts, numbers and ``None``, nested.

    Raises:
        TypeError: it has anything else.
    """
    total = hashlib.sha256(code_digest().encode())
    for piece in _pieces(content):
        total.update(piece)
    return total.hexdigest()


@functools.cache
def code_digest() -> str:
    """sha256 of all code and templates of this version, and of the versions of the drawing packages."""
    total = hashlib.sha256()
    for package in ("bench", "zoo"):
        for file in sorted((_HOME / package).rglob("*")):
            if file.suffix in _CODE:
                total.update(f"{file.relative_to(_HOME)} {file.stat().st_size};".encode())
                total.update(file.read_bytes())
    for name in _PACKAGES:
        total.update(f"{name} {importlib.metadata.version(name)};".encode())
    return total.hexdigest()


def _pieces(value: object) -> Iterator[bytes]:
    """The value in bytes, different for different values."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"{value.dtype.str}{value.shape};".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, (*_PLAIN, np.generic)):
        yield f"{value!r},".encode()
    elif isinstance(value, (list, tuple)) and all(type(each) in _PLAIN for each in value):
        yield f"{list(value)!r},".encode()  # long ones at once
    else:
        yield from _parts(value)


def _parts(value: object) -> Iterator[bytes]:
    """The parts of a value, one after another, between the name of its type and an end mark."""
    yield f"{type(value).__name__}(".encode()
    for part in _inside(value):
        yield from _pieces(part)
    yield b")"


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from (part for pair in value.items() for part in pair)
    elif isinstance(value, (list, tuple)):
        yield from value
    elif dataclasses.is_dataclass(value):
        yield from (getattr(value, field.name) for field in dataclasses.fields(value))
    else:
        raise TypeError(f"a page of {type(value).__name__} has no digest")
