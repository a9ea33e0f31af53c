"""Tables of the terminal: 80 columns are enough, numbers are never wrapped, and names only between their parts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

WIDE = 160  # columns where stdout is no terminal: nothing is wrapped in a file
_INTERVAL = re.compile(r"±[0-9.]+")
_PARTS = re.compile(r"[^_.:/@ -]*[_.:/@ -]+|[^_.:/@ -]+")


class Name:
    """A name that is wrapped after ``_``, ``.``, ``:``, ``/``, ``@``, ``-`` or a space only, if that fits at all."""

    def __init__(self, text: str, style: str = "") -> None:
        self.text, self.style = text, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in parted(self.text, options.max_width):
            yield Text(line, style=self.style, overflow="fold")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(max(map(len, _PARTS.findall(self.text)), default=0), len(self.text))


def parted(name: str, width: int) -> Iterator[str]:
    """The lines of a name, each of at most ``width`` characters where its parts are that short."""
    line = ""
    for part in _PARTS.findall(name):
        if line and len(line + part.rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += part
    if line:
        yield line.rstrip()


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str | Name]],
    caption: str = "",
    *,
    left: Sequence[str] = (),
) -> None:
    """Prints a table on stdout, its title above it and what is to be known about it below.

    Args:
        title, caption: plain texts.
        columns: the heads; numbers are aligned right, and not wrapped.
        rows: the cells; a ``Name`` may be wrapped.
        left: the columns of names and texts, which are aligned left and may be wrapped.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    table = _made(columns, rows, left)
    if _needed(console, table) > console.width:
        bare = [[_INTERVAL.sub("", cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
        table, caption = (
            _made(columns, bare, left),
            f"{caption} Intervals do not fit here: see --json or the page.",
        )
    # a table that is still too wide is wrapped by the terminal, with every number
    console.width = max(console.width, _needed(console, table))
    console.print(Text(title, style="italic"))
    console.print(table)
    if caption:
        console.print(Text(caption, style="dim italic"))


def _made(columns: Sequence[str], rows: Sequence[Sequence[str | Name]], left: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True, padding=(0, 1), header_style="bold")
    for column in columns:
        text = column in left
        table.add_column(
            column,
            justify="left" if text else "right",
            vertical="top",
            no_wrap=not text,
            overflow="fold" if text else "ellipsis",
        )
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _needed(console: Console, table: Table) -> int:
    """The width below which something would be cut."""
    return Measurement.get(console, console.options.update(max_width=1000), table).minimum


def _cell(cell: str | Name) -> Name | Text:
    return cell if isinstance(cell, Name) else Text(cell)
