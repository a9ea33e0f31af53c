"""Full rows lie in two tables without repetition; boards are made of them; older files are split and lose nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.leaderboard import disk
from bench.leaderboard.boards import BOARDS
from bench.leaderboard.columns import COLUMNS, Row, identity
from bench.leaderboard.file import merge, read
from bench.leaderboard.layout import RESULT, RUN, Places
from bench.studies.robustness.rows import rows
from tests.factory import make_results, visible, write_wide

ROOT = Path(__file__).parents[2]
SHIPPED = read(ROOT / "leaderboard.csv")


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def in_order(found: list[Row]) -> list[str]:
    return sorted(map(repr, found))


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """The shipped rows in an older leaderboard, split by the first merge."""
    path = tmp_path / "leaderboard.csv"
    write_wide(path, SHIPPED, schema=5)
    merge(path, [])
    return path


def test_an_older_leaderboard_is_split_and_loses_nothing(split: Path) -> None:
    """All rows, all columns; the older file has no dates."""
    assert {row["attack"] for row in SHIPPED} >= {"clever", "rotate", "fgsm", "worst(fgsm,pgd)"}
    expected = [{**row, "schema": 5, "date": ""} for row in SHIPPED]
    assert in_order(read(split)) == in_order(expected)
    assert visible(split.parent) == [
        "leaderboard-clever.csv",
        "leaderboard-spatial.csv",
        "leaderboard.csv",
        "reports",
    ]
    assert visible(split.parent / "reports") == ["results.csv", "runs.csv"]


def test_every_column_is_in_one_table_and_every_run_once(split: Path) -> None:
    assert set(RUN) | set(RESULT) == set(COLUMNS)
    assert not set(RUN) & set(RESULT)
    runs, results = (
        lines(split.parent / "reports" / "runs.csv"),
        lines(split.parent / "reports" / "results.csv"),
    )
    assert len({run["run"] for run in runs}) == len({tuple(run[c] for c in RUN) for run in runs}) == len(runs)
    assert {row["run"] for row in results} == {run["run"] for run in runs}
    assert len({row["id"] for row in results}) == len(results) == len(SHIPPED)
    grids = {row["run"] for row in results if ";" in row["grid"]}  # a run of one attack at one ε has one row
    assert len(grids) < sum(row["run"] in grids for row in results) / 10


def test_each_kind_of_row_has_its_board(split: Path) -> None:
    balls, spatial, clever = (lines(Places(split).board(board.name)) for board in BOARDS)
    kinds = {row["id"]: row for row in lines(split.parent / "reports" / "results.csv")}
    assert {kinds[row["id"]]["attack"] for row in clever} == {"clever"}
    assert {kinds[row["id"]]["attack"] for row in spatial} == {"rotate", "translate", "spatial_worst"}
    assert all(kinds[row["id"]]["eps"] for row in balls)
    # a clone that has run `bench run` with another torch has rows that differ in the backend alone: one is shown
    alike = {identity({**row, "backend": ""}) for row in SHIPPED}
    assert len(balls) + len(spatial) + len(clever) == len(alike)
    assert list(balls[0]) == [
        "rank", "model", "dataset", "n", "attack", "norm", "eps", "clean_acc", "robust_acc", "lo", "hi", "audit",
        "protocol", "trained_on", "date", "id",
    ]  # fmt: skip


def test_a_table_of_results_and_its_leaderboard_are_the_same_rows(split: Path) -> None:
    assert read(split.parent / "reports" / "results.csv") == read(split)


def test_other_leaderboards_of_a_folder_have_tables_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        merge(tmp_path / f"{name}.csv", rows(make_results(models=(name,), n=20)))
    assert {row["model"] for row in read(tmp_path / "a.csv")} == {"a"}
    assert visible(tmp_path / "reports") == ["a-results.csv", "a-runs.csv", "b-results.csv", "b-runs.csv"]


def test_rows_stay_where_the_leaderboard_is_gone(board: Path) -> None:
    known, text = read(board), board.read_bytes()
    board.unlink()
    merge(board, rows(make_results(models=("c",), n=50)))
    assert [row for row in read(board) if row["model"] != "c"] == known
    board.unlink()
    merge(board, [])
    assert board.read_bytes() != text
    assert len(read(board)) == len(known) * 3 // 2


@pytest.mark.parametrize("stop", range(5))
def test_a_merge_that_is_stopped_leaves_the_old_rows_or_the_new_ones(
    board: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """At each file that it writes: runs, results, the leaderboard, and runs again."""
    old, new = read(board), rows(make_results(models=("a", "b"), n=50, seed=1))
    replace, left = disk.os.replace, [stop]

    def stopped(*paths: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        replace(*paths)

    monkeypatch.setattr(disk.os, "replace", stopped)
    changed = [{**row, "weights": f"{row['weights'][:-1]}x", "digest": "other"} for row in old] + new
    if stop < 3:
        with pytest.raises(KeyboardInterrupt):
            merge(board, changed)
    else:
        merge(board, changed)
    found = read(board)
    assert len(found) in (len(old), len(old) + len(changed))
    assert in_order([row for row in found if row in old]) == in_order(old)
    monkeypatch.undo()
    merge(board, changed)
    assert len(read(board)) == len(old) + len(changed)


def test_runs_that_no_row_names_are_taken_away(board: Path) -> None:
    runs = board.parent / "reports" / "runs.csv"
    before = lines(runs)
    merge(board, [{**row, "symbench": "9.9"} for row in read(board)])
    after = lines(runs)
    assert len(before) == len(after) == 2
    assert {run["symbench"] for run in after} == {"9.9"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "reports" / "results.csv").unlink(), "which is missing"),
        (lambda folder: (folder / "reports" / "runs.csv").unlink(), "cannot be read"),
        (lambda folder: _cut(folder / "reports" / "results.csv", 1), "do not belong together: 1 rows"),
        (lambda folder: _cut(folder / "reports" / "runs.csv", 1), "lacks run"),
        (
            lambda folder: _change(folder / "reports" / "results.csv", ",linf,", ",linf,x"),
            "damaged at line 2",
        ),
        (lambda folder: _change(folder / "reports" / "runs.csv", ",7\n", ",8\n"), "newer symbench"),
        (lambda folder: _change(folder / "reports" / "results.csv", "robust_lo", "low"), "damaged at line 1"),
    ],
)
def test_tables_that_do_not_fit_are_refused_and_left_alone(board: Path, change, words: str) -> None:
    change(board.parent)
    files = [board, *(board.parent / "reports").iterdir()]
    before = [file.read_bytes() for file in files]
    for attempt in (lambda: read(board), lambda: merge(board, [])):
        with pytest.raises(UsageError, match=words):
            attempt()
    assert [file.read_bytes() for file in files] == before


def _cut(path: Path, line: int) -> None:
    found = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*found[:line], *found[line + 1 :]]))


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_table_of_results_is_no_leaderboard_to_merge_into(board: Path) -> None:
    with pytest.raises(UsageError, match="give --leaderboard FILE of the leaderboard itself"):
        merge(board.parent / "reports" / "results.csv", [])


def test_a_row_is_dated_by_the_day_its_numbers_came(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {row["date"] for row in read(board)}
    assert len(first) == 1

    class Later:
        @staticmethod
        def now(_: object) -> object:
            from datetime import datetime

            return datetime(2099, 1, 2)

    monkeypatch.setattr("bench.leaderboard.changes.datetime", Later)
    known = read(board)
    merge(board, [{**known[0], "digest": "other"}, *known[1:]])
    assert [row["date"] for row in read(board)[:2]] == ["2099-01-02", *first]
