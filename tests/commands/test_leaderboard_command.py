"""``bench leaderboard``: the file ranked, as people paste it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.leaderboard.attack_text import attack_text
from bench.leaderboard.boards import shortened
from bench.leaderboard.columns import Row
from bench.leaderboard.file import merge, read
from bench.leaderboard.grids import grids
from bench.studies.robustness.rows import rows
from bench.studies.shared.terminal import parted
from tests.factory import make_results
from tests.own import call

Capture = pytest.CaptureFixture[str]
NAMES = ("baseline_cnn", "parallel_gcnn_scale.fgsm_mix", "baseline_cnn.pgd_at")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "l.csv"
    merge(path, rows(make_results(models=NAMES, n=200)))
    return path


def lowest(found: list[Row], model: str, eps: float) -> float:
    return min(row["robust_acc"] for row in found if (row["model"], row["eps"]) == (model, eps))


def test_the_best_mean_stands_first_and_numbers_are_the_lowest_of_the_ball(table: Path) -> None:
    found = read(table)
    (grid,) = grids(found)
    assert grid.eps == (0.02, 0.05, 0.1, 0.15)
    for line in grid.lines:
        values = [share.value for share in line.robust if share]
        assert values == [lowest(found, line.model, eps) for eps in grid.eps]
        assert line.mean == pytest.approx(sum(values) / 4)
    means = [line.mean or 0 for line in grid.lines]
    assert means == sorted(means, reverse=True)
    assert [line.rank for line in grid.lines] == [1, 2, 3]
    assert [line.model for line in grids(found, sort="model")[0].lines] == sorted(NAMES)


def test_a_model_without_all_of_the_grid_is_not_ranked(table: Path) -> None:
    merge(table, rows(make_results(models=("late",), n=200, eps=(0.05,))))
    (grid,) = grids(read(table))
    late = grid.lines[-1]
    assert (late.model, late.rank, late.mean) == ("late", None, None)
    assert [share is None for share in late.robust] == [True, False, True, True]
    (only,) = grids(read(table), eps=(0.05,))
    assert {line.rank for line in only.lines} == {1, 2, 3, 4}
    assert only.others == (0.02, 0.1, 0.15)


def test_a_long_grid_is_shown_at_four_eps() -> None:
    eps = tuple(i / 100 for i in range(1, 16))
    (grid,) = grids(rows(make_results(models=("a",), n=50, eps=eps)))
    assert grid.eps == (0.01, 0.06, 0.1, 0.15)
    assert len(grid.others) == 11


def test_tables_fit_80_columns_and_break_names_between_their_parts(
    table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("bench.studies.shared.terminal.WIDE", 80)
    out = call(capsys, "leaderboard", "--leaderboard", table).out
    assert max(map(len, out.splitlines())) <= 80
    assert "parallel_gcnn_scale." in out
    assert re.search(r"\d+\.\d±\d+\.\d", out)


def test_names_are_broken_nowhere_else() -> None:
    assert list(parted("parallel_gcnn_scale.fgsm_mix", 22)) == ["parallel_gcnn_scale.", "fgsm_mix"]
    assert list(parted("parallel_gcnn_scale.fgsm_mix", 40)) == ["parallel_gcnn_scale.fgsm_mix"]
    assert "".join(parted("a_b.c:d/e@1-f", 2)) == "a_b.c:d/e@1-f"


@pytest.mark.parametrize("name", ["pgd", "pgd-20"])
def test_an_attack_may_be_named_as_the_table_names_it(table: Path, capsys: Capture, name: str) -> None:
    words = ("leaderboard", "--leaderboard", table, "--attack", name, "--json")
    found = json.loads(call(capsys, *words).out)
    assert {row["attack"] for row in found} == {"pgd-20"}


@pytest.mark.parametrize("form", ["--markdown", "--latex"])
def test_what_is_pasted_has_every_number(table: Path, capsys: Capture, form: str) -> None:
    out = call(capsys, "leaderboard", "--leaderboard", table, form).out
    (grid,) = grids(read(table))
    for line in grid.lines:
        assert (line.model if form == "--markdown" else line.model.replace("_", r"\_")) in out
        for share in line.robust:
            assert share is not None
            assert f"{100 * share.value:.1f} {chr(177) if form == '--markdown' else chr(92) + 'pm'} " in out


def test_json_is_one_row_a_model_attack_and_eps(table: Path, capsys: Capture) -> None:
    found = json.loads(call(capsys, "leaderboard", "--leaderboard", table, "--json").out)
    assert found == shortened(read(table))[""]
    assert len(found) == len({(row["model"], row["attack"], row["eps"]) for row in found}) == 3 * 3 * 4
    assert {row["attack"] for row in found} == {"fgsm", "pgd-20", "worst(fgsm,pgd-20)"}
    for key in {(row["attack"], row["eps"]) for row in found}:
        ranked = [row for row in found if (row["attack"], row["eps"]) == key]
        assert [row["robust_acc"] for row in ranked] == sorted(
            (r["robust_acc"] for r in ranked), reverse=True
        )
        assert [row["rank"] for row in ranked] == [
            1 + sum(other["robust_acc"] > row["robust_acc"] for other in ranked) for row in ranked
        ]


def test_of_several_seeds_the_lowest_row_is_shown(tmp_path: Path) -> None:
    pgd = rows(make_results(models=("a",), n=50, eps=(0.02, 0.2), attacks=("pgd",)))[0]
    assert pgd["robust"] > 1
    lower = {**pgd, "seeds": "1", "robust_acc": pgd["robust_acc"] / 2, "robust": 1, "digest": "other"}
    (shown,) = shortened([pgd, lower])[""]
    assert shown["robust_acc"] == round(lower["robust_acc"], 4)
    assert shown["id"] == shortened([lower])[""][0]["id"] != shortened([pgd])[""][0]["id"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "pgd-20"),
        ({"steps": 50, "restarts": 5}, "pgd-50x5"),
        ({"library": "foolbox==3.3.4"}, "foolbox:pgd-20"),
        ({"iterate": "best", "random_start": False}, "pgd-20 (best_iterate=True, random_start=False)"),
        ({"params": "target=least-likely"}, "pgd-20 (target=least-likely)"),
        ({"alpha_rule": "absolute", "alpha": 0.01}, "pgd-20 (alpha=0.01)"),
    ],
    ids=str,
)
def test_the_attack_in_one_word(changes: Row, text: str) -> None:
    (pgd,) = rows(make_results(models=("a",), n=20, eps=(0.1,), attacks=("pgd",)))
    assert attack_text({**pgd, **changes}) == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dataset", "digit"), "nearest: digits"),
        (("--eps", "0.3"), "at ε 0.3"),
        (("--leaderboard", "none.csv"), "there is no leaderboard at none.csv"),
    ],
)
def test_refusals_name_the_remedy(table: Path, capsys: Capture, words: tuple[str, str], message: str) -> None:
    answer = call(capsys, "leaderboard", "--leaderboard", table, *words)
    assert answer.code == 2
    assert message in answer.err
