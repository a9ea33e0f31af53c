"""Writes the files of pages, each as a whole and only if its content is new, and the index of their folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.engine.files import write_atomically
from bench.errors import UsageError
from bench.pages.digest import digest_of
from bench.pages.environment import environment
from bench.pages.index import NAME as INDEX
from bench.pages.index import write_index
from bench.pages.kept import keep

__all__ = ["environment", "write"]

_HEAD = '<meta charset="utf-8">'
_META = re.compile(r'<meta name="symbench-digest" content="(\w+)" data-figures="([^"]*)"')


def write(page: Path, content: object, draw: Callable[[], tuple[str, Mapping[str, bytes]]]) -> Path:
    """Draws a page and writes it, unless the one there is of the same content, with figures and the index.

    Args:
        page: its path; figures go into ``figures/`` beside it. Each file is written whole or not at all. An existing
            page with measurements that this one lacks is kept (``bench.pages.kept``).
        content: everything that the page depends on, as ``digest_of`` takes it.
        draw: gives the page's HTML and its figures by name.

    Returns:
        ``page``.

    Raises:
        UsageError: the directory cannot be written.
    """
    digest = digest_of(content)
    if _is_current(page, digest):
        if (page.parent / INDEX).exists():
            return page
    else:
        html, figures = draw()
        _save(page, html, figures, digest)
    try:
        write_index(page.parent)
    except OSError as error:
        raise _unwritable(page.parent, error) from error
    return page


def _is_current(page: Path, digest: str) -> bool:
    """Whether a page has this digest, and its figures are unchanged since it was written."""
    try:
        found = _META.search(page.read_text("utf-8", errors="replace"))
        return (
            found is not None
            and found[1] == digest
            and all(
                _short((page.parent / "figures" / name).read_bytes()) == short
                for name, _, short in (each.partition(":") for each in found[2].split())
            )
        )
    except OSError:
        return False


def _save(page: Path, html: str, figures: Mapping[str, bytes], digest: str) -> None:
    """Writes a page, and its figures by name into ``figures/`` beside it."""
    directory = page.parent
    drawn = " ".join(f"{name}:{_short(data)}" for name, data in figures.items())
    day = datetime.now(UTC).date().isoformat()
    meta = f'<meta name="symbench-digest" content="{digest}" data-figures="{drawn}" data-drawn="{day}">'
    try:
        (directory / "figures" if figures else directory).mkdir(parents=True, exist_ok=True)
        for name, data in figures.items():
            write_atomically(directory / "figures" / name, data)
        keep(page, html)
        write_atomically(page, html.replace(_HEAD, f"{_HEAD}\n{meta}", 1).encode("utf-8", "replace"))
    except OSError as error:
        raise _unwritable(directory, error) from error


def _unwritable(directory: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot write the report to {directory}: {error.strerror}; choose another place with --reports"
    )


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
