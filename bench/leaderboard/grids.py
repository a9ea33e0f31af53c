"""Tables of models by ε, as in papers, each from the rows of one data set, protocol and norm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.leaderboard.attack_text import attack_text
from bench.leaderboard.boards import BALLS, board_of, chosen
from bench.leaderboard.columns import Row
from bench.leaderboard.marks import BELIEVABLE, NOT_BELIEVABLE, UPPER_BOUND, verdict_of
from bench.numbers.stats import Share

_WORST_FIRST = (NOT_BELIEVABLE, UPPER_BOUND, BELIEVABLE, "")
SORTS = ("robust", "clean", "model")
_MOST = 4  # columns by default: a terminal of 80 columns has room for them


@dataclass(frozen=True, slots=True, kw_only=True)
class GridLine:
    """One model.

    Attributes:
        rank: 1 + the number of models with a higher ``mean``; ``None`` where an ε was not measured.
        model: its name, with the first digits of its weights if models share a name.
        clean: accuracy without attack.
        robust: the lowest accuracy of any attack by ε; ``None`` if there is none.
        mean: of ``robust``; ``None`` as ``rank``.
        verdict: of the audits, the worst one; empty where there is none.
    """

    rank: int | None
    model: str
    clean: Share
    robust: tuple[Share | None, ...]
    mean: float | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The models of one table.

    Attributes:
        dataset, n, protocol, norm: of all rows.
        eps: the columns, ascending.
        others: ε that are measured and not shown.
        attacks: of all rows.
        lines: in the requested order.
    """

    dataset: str
    n: int
    protocol: str
    norm: str
    eps: tuple[float, ...]
    others: tuple[float, ...]
    attacks: tuple[str, ...]
    lines: tuple[GridLine, ...]


def grids(rows: Iterable[Row], *, eps: Sequence[float] | None = None, sort: str = SORTS[0]) -> list[Grid]:
    """The tables that full rows make, each of a data set, n, protocol and norm.

    Args:
        rows: of attacks in balls; others are skipped.
        eps: the columns; ``None`` for the ε of most models.
        sort: ``robust`` (the mean over the columns), ``clean`` or ``model``.
    """
    tables: dict[tuple[Any, ...], list[Row]] = {}
    for row in chosen(row for row in rows if board_of(row) is BALLS):
        key = (row["dataset"], row["data"], row["n"], row["protocol"], row["norm"])
        tables.setdefault(key, []).append(row)
    found = [_grid(table, eps, sort) for table in tables.values()]
    return [grid for grid in found if grid.eps]


def _grid(rows: Sequence[Row], asked: Sequence[float] | None, sort: str) -> Grid:
    by_model: dict[tuple[str, str], dict[float, Row]] = {}
    for row in rows:
        lowest = by_model.setdefault((row["model"], row["weights"]), {})
        if row["eps"] not in lowest or row["robust_acc"] < lowest[row["eps"]]["robust_acc"]:
            lowest[row["eps"]] = row
    measured = {row["eps"] for row in rows}
    eps = _columns(by_model.values()) if asked is None else tuple(e for e in asked if e in measured)
    first = rows[0]
    return Grid(
        **{name: first[name] for name in ("dataset", "n", "protocol", "norm")},
        eps=eps,
        others=tuple(sorted(measured - set(eps))),
        attacks=tuple(sorted({attack_text(row) for row in rows if row["eps"] in eps})),
        lines=_lines(by_model, eps, sort),
    )


def _columns(models: Collection[Mapping[float, Row]]) -> tuple[float, ...]:
    """At most four ε, from the model's grid that fills most cells of a table; without 0, where nothing is attacked."""
    own = dict.fromkeys(tuple(sorted(eps for eps in lowest if eps)) for lowest in models)

    def filled(grid: tuple[float, ...]) -> int:
        return min(len(grid), _MOST) * sum(lowest.keys() >= set(grid) for lowest in models)

    found = max(own, key=filled)
    if len(found) <= _MOST:
        return found
    return tuple(found[round(i * (len(found) - 1) / (_MOST - 1))] for i in range(_MOST))


def _lines(
    by_model: Mapping[tuple[str, str], Mapping[float, Row]], eps: Sequence[float], sort: str
) -> tuple[GridLine, ...]:
    shared = Counter(model for model, _ in by_model)
    made = []
    for (model, weights), lowest in by_model.items():
        there = [lowest[e] for e in eps if e in lowest]
        if there:
            name = model if shared[model] == 1 else f"{model} ({weights[:8]})"
            made.append((name, lowest, there))
    means = [
        sum(row["robust_acc"] for row in there) / len(eps) for *_, there in made if len(there) == len(eps)
    ]
    lines = []
    for name, lowest, there in made:
        whole = len(there) == len(eps)
        mean = sum(row["robust_acc"] for row in there) / len(eps) if whole else None
        lines.append(
            GridLine(
                rank=None if mean is None else 1 + sum(other > mean for other in means),
                model=name,
                clean=_share(there[0], "clean"),
                robust=tuple(_share(lowest[e], "robust") if e in lowest else None for e in eps),
                mean=mean,
                verdict=min((verdict_of(row["audit"]) for row in there), key=_WORST_FIRST.index),
            )
        )
    orders = {
        "robust": lambda line: (line.mean is None, -(line.mean or 0), line.model),
        "clean": lambda line: (-line.clean.value, line.model),
        "model": lambda line: line.model,
    }
    return tuple(sorted(lines, key=orders[sort]))


def _share(row: Row, name: str) -> Share:
    value, n = row[f"{name}_acc"], row["n"]
    return Share(value * n, n, value, row[f"{name}_lo"], row[f"{name}_hi"])
