"""Figures for papers: one file, with its caption and the command that drew it as metadata."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import matplotlib
from matplotlib.figure import Figure

from bench.errors import UsageError
from bench.pages.figures import figure_style
from bench.pages.lead import listed

FORMATS = ("pdf", "svg", "png")
_DPI = 300
_Named = TypeVar("_Named")


@dataclass(frozen=True, slots=True, eq=False)
class Captioned:
    """A figure with its caption."""

    figure: Figure
    caption: str


def chosen(found: Sequence[_Named], names: Sequence[str], wanted: Sequence[str]) -> list[_Named]:
    """The models with the wanted names, in the order of ``found``; all if none is wanted.

    Args:
        found: models as a study has them.
        names: of each.
        wanted: names; empty for all.

    Raises:
        UsageError: a wanted name is missing, or there are no models.
    """
    missing = [name for name in wanted if name not in names]
    if missing or not names:
        there = listed(list(names), most=30) or "no model"
        raise UsageError(
            f"{listed(missing) or 'a model'} was not measured for this figure; choose from {there}"
        )
    return [each for each, name in zip(found, names, strict=True) if not wanted or name in wanted]


@figure_style()
def as_file(drawn: Captioned, kind: str, command: str) -> bytes:
    """The figure in one of ``FORMATS``, the same bytes for the same figure, caption and command."""
    buffer = io.BytesIO()
    metadata: dict[str, str | None]
    if kind == "pdf":
        metadata = {"Title": drawn.caption, "Subject": command, "Creator": "symbench", "CreationDate": None}
    elif kind == "svg":
        metadata = {"Title": drawn.caption, "Description": command, "Date": None}
    else:
        metadata = {"Title": drawn.caption, "Description": command, "Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "symbench", "pdf.fonttype": 42}):
        drawn.figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
    return buffer.getvalue()
