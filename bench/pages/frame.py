"""The frame of every page: templates with their filters, and files written whole, where their content is new."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.pages.digest import digest_of
from bench.pages.format import VERDICTS, interval, norm_text, percent, seconds, significant

if TYPE_CHECKING:
    import jinja2
    import markupsafe

_TEMPLATES = Path(__file__).parent / "templates"
_HEAD = '<meta charset="utf-8">'
_META = re.compile(r'<meta name="symbench-digest" content="(\w+)" data-figures="([^"]*)">')


def write(page: Path, content: object, draw: Callable[[], tuple[str, Mapping[str, bytes]]]) -> Path:
    """Draws a page and writes it, unless the one there is of the same content, with its figures beside it.

    Args:
        page: where it goes; figures go into ``figures/`` beside it. Each file is written whole or not at all.
        content: everything that the page depends on, as ``digest_of`` takes it.
        draw: gives the page's HTML and its figures by name.

    Returns:
        ``page``.

    Raises:
        UsageError: the directory cannot be written.
    """
    digest = digest_of(content)
    if not _is_current(page, digest):
        html, figures = draw()
        _save(page, html, figures, digest)
    return page


def _is_current(page: Path, digest: str) -> bool:
    """Whether a page has this digest, and its figures are what they were when it was written."""
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
    meta = f'<meta name="symbench-digest" content="{digest}" data-figures="{drawn}">'
    try:
        (directory / "figures" if figures else directory).mkdir(parents=True, exist_ok=True)
        for name, data in figures.items():
            _replace(directory / "figures" / name, data)
        _replace(page, html.replace(_HEAD, f"{_HEAD}\n{meta}", 1).encode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(
            f"cannot write the report to {directory}: {error.strerror}; choose another place with --reports"
        ) from error


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a reader never sees half a page."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _breakable(name: str) -> markupsafe.Markup:
    """A model's name, escaped, that a narrow column may break after _ and . (neither is in an entity)."""
    import markupsafe

    return markupsafe.Markup(re.sub("([_.])", r"\1<wbr>", str(markupsafe.escape(name))))


def environment() -> jinja2.Environment:
    """Templates and filters of every page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "seconds": seconds,
        "norm": norm_text,
        "significant": significant,
        "breakable": _breakable,
    }
    environment.globals["verdicts"] = VERDICTS
    return environment
