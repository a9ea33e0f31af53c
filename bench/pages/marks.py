"""Marks the parts of a figure that belong to a model, so that a page can highlight the model in all figures."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.legend import Legend

from bench.numbers.stats import Share
from bench.pages.format import interval, model_key, percent

_START = "model-"
_GROUP = re.compile(rf'<g id="{_START}([0-9a-f]*)"')


def mark(artist: Artist, name: str, values: Sequence[str] = (), part: str = "line") -> None:
    """Marks a part of a figure as one of a model.

    Args:
        artist: the part.
        name: of the model, as tables have it.
        values: texts of its points under the pointer, in their order.
        part: ``line``, ``point``, ``band``, ``bar``, ``text``, ``leader`` (from a name to its
            point) or ``behind`` (a line of another panel, in grey).
    """
    artist.set_gid(_START + json.dumps([model_key(name), part, *values]).encode().hex())


def mark_legend(legend: Legend, names: Sequence[str]) -> None:
    """Marks each line of a legend with its model."""
    for name, handle, text in zip(names, legend.legend_handles, legend.get_texts(), strict=True):
        if handle is not None:
            mark(handle, name)
        mark(text, name, part="text")


def value_text(where: str, share: Share) -> str:
    """The text of a point, as ``ε 0.1: 94.4 % (91.6–96.4)``."""
    return f"{where}: {percent(share.value)} % ({interval(share)})"


def without_marks(svg: str) -> str:
    """A figure's file: the marks are for pages only."""
    return _GROUP.sub("<g", svg)


def marked(tag: str) -> str:
    """A tag of a figure with its mark as attributes of the page."""
    found = _GROUP.match(tag)
    if not found:
        return tag
    name, part, *values = json.loads(bytes.fromhex(found[1]))
    said = f' data-values="{html.escape("|".join(values))}"' if values else ""
    return f'<g data-model="{html.escape(name)}" data-part="{part}"{said}{tag[found.end() :]}'
