"""The frame of every page: templates with their filters, and files written whole."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.pages.format import VERDICTS, interval, norm_text, percent, seconds, significant

if TYPE_CHECKING:
    import jinja2
    import markupsafe

_TEMPLATES = Path(__file__).parent / "templates"


def save(page: Path, html: str, figures: Mapping[str, bytes]) -> None:
    """Write a page, and its figures by name into ``figures/`` beside it, each file whole or not at all.

    Raises:
        UsageError: the directory cannot be written.
    """
    directory = page.parent
    try:
        (directory / "figures").mkdir(parents=True, exist_ok=True)
        for name, data in figures.items():
            _replace(directory / "figures" / name, data)
        _replace(page, html.encode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(
            f"cannot write the report to {directory}: {error.strerror}; choose another place with --reports"
        ) from error


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
