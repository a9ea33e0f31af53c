"""All that was measured in one ball: rows ``worst(…)``, ranks and marks take it, and say what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.leaderboard.columns import Row
from bench.leaderboard.members import members
from bench.studies.attacked.screen import ranked_table
from bench.studies.robustness.balls import beaten, joined, lowest
from bench.studies.robustness.ranking import standings
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import rows
from tests.audit_factory import undrawn, words
from tests.factory import make_results
from tests.studies.attacked.test_report import tables

GRID = (0.02, 0.05, 0.1)


def results(
    attacks: tuple[str, ...] = ("fgsm", "pgd"), eps: tuple[float, ...] = GRID, **changes: str | int
) -> Results:
    """Results of one model in a setting that may differ; the clean outcomes are the same in all."""
    norm = str(changes.get("norm", "linf"))
    made = make_results(models=("a",), n=60, eps=eps, attacks=attacks, samples=0, norm=norm)
    return replace(
        made, setting=replace(made.setting, **changes), models=(replace(made.models[0], info=INFO),)
    )


INFO = make_results(models=("a",), n=60, eps=GRID, samples=0).models[0].info


def breaking(found: Results, *places: int) -> Results:
    """The same, where each attack breaks the images at these places and no others."""
    standing = ~np.isin(np.arange(60), places)
    curves = tuple(
        replace(curve, standing=np.tile(standing, (len(found.setting.eps), 1)))
        for curve in found.models[0].curves
    )
    return replace(found, models=(replace(found.models[0], curves=curves),))


def worst(found: Results, *pool: Results) -> list[Row]:
    return [row for row in rows(joined(found, (found, *pool))) if row["attack"].startswith("worst(")]


def names(entries: str) -> list[str]:
    """What ``params`` states, each attack without its parameters."""
    found = []
    for entry in entries.removeprefix("attacks=").split(";"):
        call, _, differs = entry.partition(")")
        found.append(call.partition("(")[0].partition(":")[2] + differs)
    return found


def test_a_worst_row_takes_the_attacks_of_other_runs_in_its_ball() -> None:
    own, other = breaking(results(), 0, 1), breaking(results(("square",), (0.05,)), 2)
    found = worst(own, other)
    assert [row["attack"] for row in found] == [
        "worst(fgsm,pgd)",
        "worst(fgsm,pgd,square)",
        "worst(fgsm,pgd,square)",
    ]
    assert [row["robust"] for row in found] == [58, 57, 57]  # what broke at 0.05 counts at 0.1
    assert names(found[1]["params"]) == ["fgsm", "pgd", "square@grid=0.05"]
    assert names(found[2]["params"]) == ["fgsm", "pgd", "square@grid=0.05,eps=0.05"]
    assert [row["robust"] for row in worst(own)] == [58, 58, 58]
    (alone,) = worst(other, own)  # the run of one attack has a worst row too
    assert (alone["attack"], alone["robust"], alone["grid"]) == ("worst(fgsm,pgd,square)", 57, "0.05")
    assert names(alone["params"]) == ["fgsm@grid=0.02+0.05", "pgd@grid=0.02+0.05", "square"]


@pytest.mark.parametrize(
    ("changes", "stated"),
    [
        ({"seed": 3}, "square@seed=3"),
        ({"curve": "independent"}, "square@curve=independent,grid="),
    ],
)
def test_other_seeds_and_independent_runs_count(changes: dict, stated: str) -> None:
    own, other = breaking(results(), 0), breaking(results(("square",), **changes), 1)
    first = worst(own, other)[0]
    assert (first["robust"], names(first["params"])[-1]) == (58, stated)


@pytest.mark.parametrize(
    "changes",
    [{"data": "d"}, {"n": 59}, {"norm": "l2"}, {"backend": "cuda"}, {"protocol": "released:baseline_cnn/1"}],
    ids=str,
)
def test_other_images_balls_kernels_and_protocols_do_not(changes: dict) -> None:
    own, other = breaking(results(), 0), breaking(results(("square",), **changes), 1)
    assert {row["attack"] for row in worst(own, other)} == {"worst(fgsm,pgd)"}
    if "protocol" in changes:
        assert joined(other, [own, other]) is other


def test_an_independent_row_takes_independent_runs_alone() -> None:
    own = breaking(results(curve="independent"), 0)
    cumulative, independent = (
        breaking(results(("square",), curve=c), 1) for c in ("cumulative", "independent")
    )
    assert {row["attack"] for row in worst(own, cumulative)} == {"worst(fgsm,pgd)"}
    assert {row["attack"] for row in worst(own, independent)} == {"worst(fgsm,pgd,square)"}


def test_other_weights_do_not_count() -> None:
    own, other = results(), results(("square",))
    stranger = replace(other, models=(replace(other.models[0], info=replace(INFO, weights="w")),))
    assert {row["attack"] for row in worst(own, stranger)} == {"worst(fgsm,pgd)"}


@pytest.mark.parametrize(
    "others",
    [
        [results(("square",), (0.05,))],
        [results(("pgd",), seed=2), results(("square",), curve="independent")],
        [results(("foolbox:fgsm",), (0.02, 0.1))],
        [],
    ],
)
def test_a_worst_row_states_the_rows_that_are_part_of_it(others: list[Results]) -> None:
    """Read back, each part at the same ε is the very row that its own run gives."""
    own = results()
    for row in worst(own, *others):
        stated = members(row)
        for found in (own, *others):
            for part in rows(found):
                if part["eps"] == row["eps"] and not part["attack"].startswith("worst"):
                    assert members(part) <= stated


def test_minimum_norm_attacks_are_read_back_too() -> None:
    own, other = (results(attacks, norm="l2") for attacks in (("foolbox:fgsm", "pgd"), ("ddn",)))
    (ddn, *_) = (row for row in rows(other) if row["eps"] == 0.05)
    (row,) = (row for row in worst(own, other) if row["eps"] == 0.05)
    assert ddn["curve"] == "minimum_norm"
    assert members(ddn) <= members(row)


def test_ranks_use_the_lowest_number_and_name_what_found_it() -> None:
    own = breaking(results(), 0, 1)
    other = breaking(results(("square",), (0.05,)), *range(2, 12))
    (line,) = standings(joined(own, (own, other)))
    assert [share.k for share in line.worst] == [58, 48, 48]
    assert [share.k for share in line.own] == [58, 58, 58]
    assert line.beaten is not None
    assert (line.beaten.attack, line.beaten.at) == ("square", 1)
    assert (line.beaten.own.k, line.beaten.lowest.k) == (58, 48)


def test_a_model_is_beaten_by_five_images_and_not_by_four() -> None:
    """p = 0.5^d: 1/32 and 1/16."""
    own = breaking(results(), 0)
    for last, found in ((6, True), (5, False)):
        taken = joined(own, [breaking(results(("square",)), *range(1, last))])
        assert (beaten(taken.setting, taken.models[0]) is not None) is found
        assert lowest(taken.setting, taken.models[0]).sum() == 3 * (60 - last)


def test_page_and_terminal_show_the_lowest_number_beside_the_tables_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own, other = breaking(results(), 0, 1), breaking(results(("square",), (0.05,)), *range(2, 12))
    taken = joined(own, (own, other))
    html = undrawn(taken, others=(joined(other, (own, other)),))
    assert (
        "square in another run: 80.0 % stand at ε = 0.05, where the attacks of this table leave 96.7 %"
        in html
    )
    text = words(html)
    assert "≤ upper bound (rows)" in text
    assert "the worst case also uses attacks of other runs in the same balls: square (1 of 1 models)" in text
    assert "of these square was run" in text
    first, second = tables(html, "headline")
    assert [cell[0] for cell in first[1]][3:6] == [
        "96.7 88.6–99.1",
        "80.0 68.2–88.2 own attacks 96.7",
        "80.0 68.2–88.2 own attacks 96.7",
    ]
    assert [cell[0] for cell in second[1]][3] == "80.0 68.2–88.2 own attacks 83.3"
    ranked_table(taken, {})
    shown = " ".join(capsys.readouterr().out.split())
    assert "≤ a 90.0" in shown
    assert "an attack of another run leaves significantly fewer images, and counts here" in shown
    assert "Not audited" not in shown
