"""The files of a leaderboard, and the split of full rows into two tables without repetition.

``leaderboard.csv`` is for people and is always made from the full rows: ``reports/results.csv`` has a line for each
row, and ``reports/runs.csv`` the values common to many rows: a model on some images. Lines refer to each other by ids,
which are digests of their values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.leaderboard.columns import COLUMNS, ERRORS, Row, columns_of, identity
from bench.leaderboard.lines import cell

RUN: tuple[str, ...] = (
    "model", "weights", "dataset", "data", "n", "seeds", "batch", "protocol", "backend", "trained_on", "parameters",
    "clean_acc", "clean_lo", "clean_hi", "clean_right", "suspect", *ERRORS, "versions", "symbench", "schema",
)  # fmt: skip
RESULT: tuple[str, ...] = tuple(column for column in COLUMNS if column not in RUN)
FOLDER, RESULTS_FILE, RUNS_FILE = "reports", "results.csv", "runs.csv"
_ID = 11  # hexadecimal digits; a letter before them, so that spreadsheets do not read a number


@dataclass(frozen=True, slots=True)
class Places:
    """The files of a leaderboard.

    Attributes:
        leaderboard: the file that is named, for people.
    """

    leaderboard: Path

    @property
    def results(self) -> Path:
        """One line a row."""
        return self.leaderboard.parent / FOLDER / f"{self._prefix}{RESULTS_FILE}"

    @property
    def runs(self) -> Path:
        """One line a model on some images."""
        return self.leaderboard.parent / FOLDER / f"{self._prefix}{RUNS_FILE}"

    def board(self, name: str) -> Path:
        """The file of a board; that without a name is the leaderboard itself."""
        return self.leaderboard.with_name(f"{self._stem}-{name}.csv") if name else self.leaderboard

    @property
    def _stem(self) -> str:
        return self.leaderboard.name.removesuffix(".csv")

    @property
    def _prefix(self) -> str:
        return "" if self._stem == "leaderboard" else f"{self._stem}-"


def runs_beside(results: Path) -> Path:
    """The table of runs that belongs to a table of results."""
    return results.with_name(results.name.removesuffix(RESULTS_FILE) + RUNS_FILE)


def results_header(schema: int) -> tuple[str, ...]:
    """The columns of ``results.csv`` as a schema has them."""
    return ("id", "run", *columns_of(schema, RESULT))


def runs_header(schema: int) -> tuple[str, ...]:
    """The columns of ``runs.csv`` as a schema has them."""
    return ("run", *columns_of(schema, RUN))


def row_id(row: Mapping[str, Any]) -> str:
    """The id of a row, as ``r4ea3ca0c7ec``: a digest of its identity."""
    return _id("r", identity(row))


def split(rows: Iterable[Row]) -> tuple[list[list[str]], dict[str, list[str]]]:
    """The lines of ``results.csv`` in the order of the rows, and those of ``runs.csv`` by the id of the run."""
    results: list[list[str]] = []
    runs: dict[str, list[str]] = {}
    for row in rows:
        about = [cell(row[column]) for column in RUN]
        run = _id("m", about)
        runs[run] = [run, *about]
        results.append([row_id(row), run, *(cell(row[column]) for column in RESULT)])
    return results, runs


def _id(letter: str, content: Iterable[Any]) -> str:
    return letter + hashlib.sha256(json.dumps(list(content)).encode()).hexdigest()[:_ID]
