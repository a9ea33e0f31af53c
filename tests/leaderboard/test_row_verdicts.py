"""Verdicts of a leaderboard's rows on each other: from images where they are known, else from counts alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.leaderboard import columns
from bench.leaderboard.columns import Row, identity
from bench.leaderboard.file import mark, merge, read
from bench.leaderboard.row_verdicts import largest_p, remark
from bench.numbers.stats import mcnemar_lower
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import outcomes, rows
from tests.factory import make_results, write_wide

ONE = {"models": ("a",), "n": 1000, "eps": (8 / 255,), "samples": 0}


def row(attack: str = "pgd", robust: int = 384, clean_right: int = 648, **changes: Any) -> Row:
    """A row of an attack with these counts, all on the same 1,000 images in the same ball."""
    name = "pgd" if attack.startswith("worst") else attack
    made = rows(make_results(**ONE, attacks=(name,)))[0]
    numbers = {"robust": robust, "clean_right": clean_right, "audit": "believable(quick)"}
    return {**made, "attack": attack, "digest": f"{attack}{robust}", **numbers, **changes}


def marks(*found: Row) -> list[tuple[str, str]]:
    remark(found)
    return [(each["audit"], each["stronger"]) for each in found]


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_test_is_the_one_sided_binomial_test(high: int, low: int) -> None:
    if high + low == 0:
        assert mcnemar_lower(high, low) == 1.0
    else:
        expected = stats.binomtest(high, high + low, 0.5, alternative="greater").pvalue
        assert mcnemar_lower(high, low) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 30).flatmap(lambda m: st.tuples(st.just(m), st.integers(1, m), st.integers(0, m))))
def test_counts_alone_give_the_largest_p_of_all_tables(counts: tuple[int, int, int]) -> None:
    """Every table of m images that gives these counts, tried one by one."""
    m, high, low = counts
    if low >= high:
        return
    found = largest_p(row("pgd", high, m), row("square", low, m), {})
    tables = [(high - both, low - both) for both in range(low + 1) if high + low - both <= m]
    assert found == pytest.approx(max(mcnemar_lower(a, b) for a, b in tables), rel=1e-12)


@pytest.mark.parametrize(("clean", "pgd", "auto"), [(648, 384, 339), (598, 367, 315), (589, 349, 308)])
def test_autoattack_speaks_against_pgd_on_the_same_images(clean: int, pgd: int, auto: int) -> None:
    """The three adversarially trained models of the photographs; a quick audit had found them believable."""
    found = marks(
        row("pgd", pgd, clean), row("autoattack", auto, clean), row("worst(fgsm,pgd)", pgd - 1, clean)
    )
    beaten = ("upper_bound(rows)", f"{auto} autoattack")
    assert found == [beaten, ("believable(quick)", ""), beaten]


def test_a_difference_that_counts_cannot_prove_leaves_the_row() -> None:
    assert largest_p(row(robust=384), row("square", 360), {}) > 0.05
    assert marks(row(robust=384), row("square", 360)) == [("believable(quick)", "")] * 2


def test_numbers_of_one_step_alone_are_never_believable() -> None:
    """As soon as an attack of many steps stands beside them, they are no worse than its own."""
    fgsm, one_step = row("fgsm", steps=None), ("upper_bound(one step)", "")
    assert marks(fgsm, {**fgsm, "library": "foolbox==3.3.4"}) == [one_step] * 2
    assert marks(row("fgsm", audit="")) == [("", "")]
    assert marks(row("fgsm", audit="not_believable(quick)")) == [("not_believable(quick)", "")]
    assert marks(fgsm, row(robust=384)) == [("", ""), ("believable(quick)", "")]
    assert marks(row("fgsm"), row(robust=384)) == [("believable(quick)", "")] * 2
    joined = row("worst(fgsm,foolbox:fgsm)", params="attacks=foolbox:fgsm();torchattacks:fgsm()")
    assert marks(joined) == [one_step]
    assert (
        marks({**joined, "params": "attacks=torchattacks:fgsm();torchattacks:pgd(steps=20)"})[0] != one_step
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": "w"},
        {"data": "d"},
        {"n": 999},
        {"norm": "l2"},
        {"eps": 4 / 255},
        {"protocol": "released:baseline_cnn/1"},
        {"eps": None},
        {"robust": None},
    ],
    ids=str,
)
def test_other_balls_and_images_say_nothing(changes: dict[str, Any]) -> None:
    lower = {**row("square", 1), **changes}
    assert marks(row(), lower)[0] == ("believable(quick)", "")


def test_runs_of_any_seed_curve_and_backend_count() -> None:
    other = {
        "seeds": "7",
        "curve": "independent",
        "grid": "",
        "backend": "cuda torch 2.15.0",
        "model": "copy",
    }
    assert marks(row(), row("square", 100, **other))[0] == ("upper_bound(rows)", "100 square")


@pytest.mark.parametrize(
    ("audit", "marked"),
    [
        ("", "upper_bound(rows)"),
        ("believable(full)", "upper_bound(rows)"),
        ("upper_bound(full)", "upper_bound(full)"),
        ("not_believable(quick)", "not_believable(quick)"),
    ],
)
def test_only_a_believable_row_gives_way(audit: str, marked: str) -> None:
    assert marks(row(audit=audit), row("square", 100))[0] == (marked, "100 square")


def test_a_worst_row_is_lower_than_its_parts_by_five_images() -> None:
    """It leaves nothing that they do not: p = 0.5^d, 1/32 for five images and 1/16 for four."""
    fgsm, pgd, worst = ({**each, "robust": 384, "clean_right": 648} for each in rows(make_results(**ONE)))
    for d, p in ((5, 1 / 32), (4, 1 / 16)):
        lower = {**worst, "robust": 384 - d}
        assert largest_p(pgd, lower, {}) == p
        assert largest_p({**pgd, "seeds": "1"}, lower, {}) > p  # not a part of it
        assert largest_p(fgsm, lower, {}) == p


def _two(n: int, only_pgd: int, only_square: int, both: int) -> Results:
    """Results whose two attacks leave so many images."""
    results = make_results(models=("a",), n=n, eps=(0.1,), attacks=("pgd", "square"), samples=0)
    (model,) = results.models
    place = np.arange(n)
    pgd = place < only_pgd + both
    square = ((place >= only_pgd) & (place < only_pgd + both)) | (place >= n - only_square)
    curves = tuple(
        replace(curve, standing=standing[None])
        for curve, standing in zip(model.curves, (pgd, square), strict=True)
    )
    return replace(results, models=(replace(model, curves=curves),))


def test_images_known_one_by_one_decide_either_way(tmp_path: Path) -> None:
    """50 against 42 of 100: the same counts, whose images tell."""
    for only_pgd, only_square, both, marked in ((8, 0, 42, True), (40, 32, 10, False)):
        results = _two(100, only_pgd, only_square, both)
        pgd, square = rows(results)[:2]
        assert (pgd["robust"], square["robust"]) == (50, 42)
        assert largest_p(pgd, square, {}) >= 0.05
        p = stats.binomtest(only_pgd, only_pgd + only_square, alternative="greater").pvalue
        assert largest_p(pgd, square, outcomes(results)) == pytest.approx(p)
        path = tmp_path / f"{marked}.csv"
        written = merge(path, [pgd, square], outcomes(results))
        assert written[0]["audit"] == ("upper_bound(rows)" if marked else "")
        assert [read(path)[0][name] for name in ("audit", "stronger")] == (
            ["upper_bound(rows)", "42 square"] if marked else ["", ""]
        )


def test_a_mark_stays_until_the_numbers_change(tmp_path: Path) -> None:
    path, results = tmp_path / "l.csv", _two(100, 8, 0, 42)
    pgd, square = rows(results)[:2]
    merge(path, [pgd, square], outcomes(results))
    merge(path, rows(make_results(models=("b",), n=20, eps=(0.1,), samples=0)))  # images not at hand any more
    mark(path, {(pgd["weights"], pgd["data"]): "believable(quick)"})
    merge(path, [pgd])

    def of_pgd() -> tuple[str, str]:
        (found,) = (each for each in read(path) if identity(each) == identity(pgd))
        return found["audit"], found["stronger"]

    assert of_pgd() == ("upper_bound(rows)", "42 square")
    merge(path, [{**square, "digest": "other", "robust": 49}])
    assert of_pgd() == ("", "")


def test_a_later_attack_marks_the_rows_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    merge(path, [row()])
    assert read(path)[0]["audit"] == "believable(quick)"
    (written,) = merge(path, [row("autoattack", 339)])
    assert written["audit"] == "believable(quick)"
    assert {(each["attack"], each["audit"]) for each in read(path)} == {
        ("pgd", "upper_bound(rows)"),
        ("autoattack", "believable(quick)"),
    }
    before = path.read_bytes()
    mark(path, {})
    assert path.read_bytes() == before


def test_a_leaderboard_of_schema_3_is_lifted(tmp_path: Path) -> None:
    """Its worst rows did not say over what, nor its verdicts from which audit."""
    path, new = tmp_path / "l.csv", rows(make_results(models=("a",), n=50, eps=(0.1,), samples=0))
    older = [
        {**each, "schema": 3, "audit": "believable", "attack": each["attack"].partition("(")[0]}
        for each in new
    ]
    write_wide(path, older, schema=3)
    found = read(path)
    assert [(each["attack"], each["audit"]) for each in found] == [
        (name, "believable(unknown)") for name in ("fgsm", "pgd", "worst(fgsm,pgd)")
    ]
    assert [identity(each) for each in found] == [identity(each) for each in new]
    merge(path, new)
    assert {each["schema"] for each in read(path)} == {columns.SCHEMA}
    assert len(read(path)) == len(new)
