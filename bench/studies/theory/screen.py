"""The table of claims."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.studies.theory import TheoryResults


def claims_table(results: TheoryResults) -> None:
    """Prints each claim, what was measured, and whether it holds here."""
    table = Table(title=f"{escape(results.dataset)}: the paper's theory, n = {results.n}", show_lines=True)
    for column in ("claim", "where", "measured", "here"):
        table.add_column(column, overflow="fold")
    for claim in results.claims:
        table.add_row(*map(escape, (claim.statement, claim.where, claim.measured, claim.verdict)))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
