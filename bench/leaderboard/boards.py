"""Rows as people read them: one a model, attack and ε, in a few columns, ranked.

Each kind of row has a board of its own: attacks in a ball, rotations and translations, and CLEVER. Boards are made from
full rows and have only their values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.engine.protocols import released_rules
from bench.leaderboard.attack_text import attack_text
from bench.leaderboard.columns import Row
from bench.leaderboard.layout import row_id
from bench.leaderboard.members import is_worst

Short = dict[str, Any]  # a row of a board
_DIGITS = 4  # digits of shares and distances on boards; full rows have all digits
_NUMBER = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One kind of row.

    Attributes:
        name: part of its file's name; empty for the leaderboard itself.
        score: column of a full row that ranks, the highest first.
        columns: of the board, after ``rank``, each from a full row.
    """

    name: str
    score: str
    columns: Mapping[str, Callable[[Row], Any]]

    @property
    def header(self) -> tuple[str, ...]:
        return ("rank", *self.columns)


def _same(row: Row, column: str) -> Any:
    return row[column]


def _rounded(row: Row, column: str) -> float | None:
    return None if row[column] is None else round(row[column], _DIGITS)


def _param(row: Row, name: str) -> str:
    """A parameter that has no column of its own; empty where the row has none of that name."""
    return dict(part.partition("=")[::2] for part in row["params"].split(";")).get(name, "")


def _eps(row: Row) -> float:
    return round(row["eps"], 6)


def _plain(*columns: str) -> dict[str, Callable[[Row], Any]]:
    return {column: partial(_same, column=column) for column in columns}


def _numbers(**columns: str) -> dict[str, Callable[[Row], Any]]:
    return {name: partial(_rounded, column=column) for name, column in columns.items()}


_ABOUT = _plain("model", "dataset", "n")
_SHARES = _numbers(clean_acc="clean_acc", robust_acc="robust_acc", lo="robust_lo", hi="robust_hi")
_ORIGIN = {**_plain("audit", "protocol", "trained_on", "date"), "id": row_id}
BALLS = Board(
    name="",
    score="robust_acc",
    columns={**_ABOUT, "attack": attack_text, **_plain("norm"), "eps": _eps, **_SHARES, **_ORIGIN},
)
SPATIAL = Board(
    name="spatial",
    score="robust_acc",
    columns={
        **_ABOUT,
        **_plain("attack"),
        **{name: partial(_param, name=name) for name in ("rotation", "translation")},
        **_SHARES,
        **_ORIGIN,
    },
)
CLEVER = Board(
    name="clever",
    score="clever_median",
    columns={
        **_ABOUT,
        **_plain("norm"),
        **{name: partial(_param, name=name) for name in ("radius", "engine")},
        **_numbers(
            clean_acc="clean_acc",
            clever="clever_median",
            lo="clever_lo",
            hi="clever_hi",
            above_attack="clever_above_attack",
            attack_median="attack_median",
        ),
        **_ORIGIN,
    },
)
BOARDS = (BALLS, SPATIAL, CLEVER)


def board_of(row: Row) -> Board:
    """The board that a full row belongs to."""
    if row["attack"] == "clever":
        return CLEVER
    return SPATIAL if row["eps"] is None else BALLS


def chosen(rows: Iterable[Row]) -> list[Row]:
    """The lowest full row of each model, attack and ε, over seeds, curves and backends.

    They are ordered as boards show them: the sound protocol first, worst cases before their attacks, and the best
    model first.
    """
    lowest: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = (*contest(row), row["model"], row["weights"])
        if key not in lowest or _first(row) < _first(lowest[key]):
            lowest[key] = row
    return sorted(lowest.values(), key=_order)


def _first(row: Row) -> tuple[float, str]:
    """Sort key of the shown row: the lowest, and among equal ones the oldest."""
    return _score(row), row["date"]


def contest(row: Row) -> tuple[Any, ...]:
    """The common values of rows that are ranked together: images, protocol, ball and attack."""
    board = board_of(row)
    params = "" if board is BALLS else row["params"]
    attack = attack_text(row) if board is BALLS else row["attack"]
    return (row["dataset"], row["data"], row["n"], row["protocol"], row["norm"], row["eps"], attack, params)


def shortened(rows: Iterable[Row]) -> dict[str, list[Short]]:
    """The rows of every board by its name; ``rank`` is 1 + the number of models with a higher number."""
    found: dict[str, list[Short]] = {board.name: [] for board in BOARDS}
    place, before, tied = 0, None, None
    for row in chosen(rows):
        board = board_of(row)
        place = place + 1 if before is not None and contest(row) == contest(before) else 1
        if place == 1 or tied is None or _score(row) != tied[1]:
            tied = (place, _score(row))
        found[board.name].append(
            {"rank": tied[0], **{column: value(row) for column, value in board.columns.items()}}
        )
        before = row
    return found


def _score(row: Row) -> float:
    number = row[board_of(row).score]
    return -1.0 if number is None else number


def _counted(params: str) -> list[tuple[str, float, str]]:
    """Parameters in an order in which 30 comes before 120."""
    parts = [part.partition("=")[::2] for part in params.split(";") if part]
    return [(name, float(value) if _NUMBER.fullmatch(value) else 0.0, value) for name, value in parts]


def _order(row: Row) -> tuple[Any, ...]:
    released = released_rules(row["protocol"]) is not None
    attack, eps = row["attack"], -1.0 if row["eps"] is None else row["eps"]
    *_, text, params = contest(row)
    kind = (not is_worst(attack), text, _counted(params))
    about = (row["dataset"], released, row["protocol"], -row["n"], row["data"], row["norm"])
    return (*about, *kind, eps, -_score(row), row["model"], row["weights"])
