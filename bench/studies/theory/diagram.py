"""Designs of networks as plain SVG: the front in full, the layers that follow in one box."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

from bench.studies.theory.design import Part

_WIDE, _HIGH, _GAP, _LINE = 118, 54, 22, 12
_COLOURS = {"rotation": "var(--accent)", "scale": "var(--right)"}

Drawn = tuple[str, int, int]  # the elements, their width and height


def diagram(parts: Sequence[Part]) -> str:
    """Parts in a row from left to right, branches one above the other, as an ``<svg>`` element."""
    drawn, width, height = _row(parts)
    label = escape(" → ".join(part.label for part in parts))
    return (
        f'<svg viewBox="-1 -1 {width + 2} {height + 2}" style="max-width: {width}px; width: 100%" role="img"'
        f' aria-label="{label}" font-size="10" text-anchor="middle" fill="currentColor">{drawn}</svg>'
    )


def _row(parts: Sequence[Part]) -> Drawn:
    """Parts side by side, an arrow between each two."""
    each = [_branches(part) if part.branches else _box(part) for part in parts]
    height = max(high for _, _, high in each)
    out, x = "", 0
    for i, (drawn, wide, high) in enumerate(each):
        if i:
            out += _arrow(x, height / 2, x + _GAP, height / 2)
            x += _GAP
        out += f'<g transform="translate({x} {(height - high) / 2:g})">{drawn}</g>'
        x += wide
    return out, x, height


def _branches(part: Part) -> Drawn:
    """Branches one above the other, an arrow from what comes before to each, and from each to the join."""
    rows = [_row(row) for row in part.branches]
    widest = max(wide for _, wide, _ in rows)
    height = sum(high for _, _, high in rows) + _LINE * (len(rows) - 1)
    joined, wide, high = _box(part)
    out, y = f'<g transform="translate({widest + 2 * _GAP} {(height - high) / 2:g})">{joined}</g>', 0
    for drawn, own, tall in rows:
        middle = y + tall / 2
        out += f'<g transform="translate({_GAP} {y})">{drawn}</g>'
        out += _arrow(0, height / 2, _GAP, middle) + _arrow(_GAP + own, middle, widest + 2 * _GAP, height / 2)
        y += tall + _LINE
    return out, widest + 2 * _GAP + wide, height


def _box(part: Part) -> Drawn:
    """A part with what it does and the shape of its output."""
    lines = [*textwrap.wrap(part.label, 20), "×".join(map(str, part.shape))]
    top = (_HIGH - _LINE * len(lines)) / 2 + 9
    text = "".join(
        f'<text x="{_WIDE / 2:g}" y="{top + _LINE * i:g}"{_muted(i == len(lines) - 1)}>{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    colour = _COLOURS.get(part.kind, "var(--muted)")
    return (
        f'<rect width="{_WIDE}" height="{_HIGH}" rx="4" fill="var(--card)" stroke="{colour}"/>{text}',
        _WIDE,
        _HIGH,
    )


def _muted(last: bool) -> str:
    return ' fill="var(--muted)"' if last else ""


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line with a head that points to the right."""
    line = f"M{x:g} {y:g}L{to_x:g} {to_y:g}"
    head = f"M{to_x - 5:g} {to_y - 3:g}L{to_x:g} {to_y:g}L{to_x - 5:g} {to_y + 3:g}"
    return f'<path d="{line}{head}" fill="none" stroke="var(--muted)"/>'
