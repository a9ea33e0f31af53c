"""What the terminal shows: progress on stderr, the ranked table on stdout."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bench.ranking import attack_label, standings
from bench.report.format import eps_texts
from bench.results import Results
from bench.stats import Share


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr)


@contextlib.contextmanager
def cells_bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar over cells with the time left, on stderr; silent where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cells,"),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("cells", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def ranked_table(results: Results) -> None:
    """Prints the models best first: clean accuracy, worst case over the attacks at each ε, and the mean."""
    setting = results.setting
    table = Table(
        title=f"{escape(setting.dataset)}: accuracy in % under {escape(attack_label(results))} "
        f"({setting.norm}, {setting.curve}), n = {setting.n}",
        caption="95 % intervals in brackets; rank = 1 + number of models significantly better. "
        "Attacks give upper bounds on robust accuracy.",
    )
    table.add_column("rank", justify="right")
    table.add_column("model", overflow="fold")
    table.add_column("clean", justify="right")
    for eps in eps_texts(setting.eps):
        table.add_column(f"ε {eps}", justify="right")
    table.add_column("mean", justify="right")
    for standing in standings(results):
        table.add_row(
            "–" if standing.rank is None else str(standing.rank),
            escape(standing.name),
            percent(standing.clean),
            *(percent(share) for share in standing.worst),
            percent(standing.mean_worst),
        )
    width = None if sys.stdout.isatty() else 60 + 18 * (2 + len(setting.eps))
    Console(width=width).print(table)


def percent(share: Share) -> str:
    """A share as ``97.2 [95.0, 98.5]``, in percent."""
    return f"{100 * share.value:.1f} [{100 * share.lo:.1f}, {100 * share.hi:.1f}]"
