"""The style of every figure, and figures as files and as parts of a page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.pages.format import figure_label
from bench.pages.marks import mark_legend, marked, without_marks
from bench.pages.style import CARD, INK, LINE, MUTED, PALETTE, RIGHT, WARN, WRONG, Style

_DPI = 160
_PAGE_COLOURS = {
    CARD: "var(--card)",
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PALETTE[0]: "var(--accent)",
    WRONG: "var(--wrong)",
    WARN: "var(--warn)",
    RIGHT: "var(--right)",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The style of every figure inside the block; matplotlib's state is restored afterwards."""
    rc: Any = {**sns.axes_style("ticks"), **sns.plotting_context("paper", font_scale=0.95)}
    rc |= {
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so layouts are the same everywhere
        "text.parse_math": False,  # a $ in a model's name is a $
        "svg.fonttype": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.facecolor": CARD,
        "axes.linewidth": 0.7,
        "grid.linewidth": 0.6,
        "xtick.major.size": 3,
        "ytick.major.size": 0,
    }
    rc |= dict.fromkeys(("axes.edgecolor", "grid.color"), LINE)
    rc |= dict.fromkeys(("xtick.color", "ytick.color", "axes.labelcolor"), MUTED)
    rc |= {"text.color": INK, "axes.titlecolor": INK}
    with matplotlib.rc_context(rc), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box
        yield


def as_files(figure: Figure, name: str) -> dict[str, bytes]:
    """The figure as SVG and PNG by file name."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return {f"{name}.svg": without_marks(_svg(figure, name)).encode(), f"{name}.png": buffer.getvalue()}


def _svg(figure: Figure, salt: str) -> str:
    """The figure as SVG without dates and with identifiers that depend only on its content."""
    buffer = io.StringIO()
    absent = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata=absent)
    return buffer.getvalue()


def inline(figure: Figure, salt: str) -> str:
    """The figure as an ``<svg>`` element that takes the size and the colours of the page around it."""
    return themed(_svg(figure, salt))


def themed(svg: str) -> str:
    """A figure's SVG file as that element."""
    svg = re.sub(r">\s+<", "><", svg[svg.index("<svg") :])
    return re.sub(r"<[^<>]+>", _themed, svg).replace("<g/>", "")


def _themed(tag: re.Match[str]) -> str:
    """One tag of a figure with the page's colours and size; text outside tags is not changed."""
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group())  # hundredths of a pixel are enough
    text = re.sub(r" transform=\"rotate\(-0 [^)]*\)\"|font-family: 'DejaVu Sans', sans-serif; ", "", text)
    text = re.sub(r'^<g id="(?!C\d)[\w.]+_\d+"', "<g", marked(text.replace("\n", " ").replace(' "', '"')))
    if text.startswith("<svg"):
        return re.sub(r' (width|height|version|xmlns|xmlns:xlink)="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    for colour, variable in _PAGE_COLOURS.items():
        text = text.replace(f": {colour}", f": {variable}")
    return text


def name_lines(axes: Axes, names: Sequence[str], styles: dict[str, Style], *, below: float) -> None:
    """Writes the short names of lines below a panel, at the distance ``below`` as a share of its height."""
    handles = [
        Line2D(
            [],
            [],
            color=styles[name].colour,
            linestyle=(0, styles[name].dash),
            marker=styles[name].marker,
            markersize=3.5,
            linewidth=1.5,
        )
        for name in names
    ]
    legend = axes.legend(
        handles,
        [figure_label(name) for name in names],
        loc="upper left",
        bbox_to_anchor=(-0.03, -below),
        frameon=False,
        fontsize=7.5,
        labelspacing=0.25,
        handlelength=2.6,
        borderaxespad=0,
        borderpad=0,
    )
    mark_legend(legend, names)
