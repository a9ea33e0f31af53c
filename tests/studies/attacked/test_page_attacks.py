"""What the page says of attacks: spatial and minimum-norm ones, many at once, and what the judge noted."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.attacks import Request, parse_requests
from bench.numbers.stats import wilson
from bench.pages.format import distinct_names
from bench.studies.attacked.spatial import spatial_table, tried
from bench.studies.attacked.tables import attack_blocks, costs, noted
from bench.studies.robustness import ranking
from bench.studies.robustness.names import attack_names
from bench.studies.robustness.results import Curve, Results
from tests.audit_factory import page, undrawn, with_spatial, without_curves, words
from tests.factory import make_results
from tests.studies.attacked.test_report import tables


@pytest.fixture(scope="module")
def three() -> Results:
    return make_results(models=("good", "weak", "bad"), n=40, samples=1)


def test_spatial_accuracy_stands_in_its_own_table(three: Results) -> None:
    results = with_spatial(three, "spatial_grid", "spatial_random", at=(0, 2))
    text = undrawn(results)
    (rows,) = tables(text, "spatial")
    assert [cell[0].split()[0] for cell in rows[0]] == ["Model", "Clean", "spatial_grid", "spatial_random"]
    assert {row[0][0].split()[0] for row in rows[1:]} == {"good", "bad"}
    by_name = {model.info.name: model for model in results.models}
    for row in rows[1:]:
        k = int(by_name[row[0][0].split()[0]].spatial[0].standing.sum())
        share = wilson(k, 40)
        assert row[2][0] == f"{100 * share.value:.1f} {100 * share.lo:.1f}–{100 * share.hi:.1f}"
    assert "not part of the worst case" in words(text)
    assert "black beyond the border" in words(text)
    plain = tables(undrawn(three), "headline")
    assert tables(text, "headline") == plain


def test_a_page_without_spatial_attacks_has_no_such_section(three: Results) -> None:
    assert "Rotations" not in undrawn(three)
    assert spatial_table(three, ranking.standings(three)) is None


def test_what_a_spatial_attack_tries() -> None:
    grid, random = parse_requests(
        ("spatial_grid", "spatial_random"), params={"rotation": 20, "translation": 0.2}
    )
    shift = "along each axis up to ±20 % of the side"
    assert tried(grid) == f"every combination of 31 angles up to ±20° and 5 shifts {shift}: 775 in all"
    assert tried(random).endswith(f"with angles up to ±20° and shifts {shift}")
    (one,) = parse_requests(("spatial_grid",), params={"rotations": 1, "translations": 1})
    assert tried(one) == "every combination of no turn and no shift: 1 in all"


def test_models_under_spatial_attacks_alone(three: Results, tmp_path: Path) -> None:
    spatial = with_spatial(three, "spatial_grid")
    text = page(tmp_path, without_curves(spatial, 0, 1, 2))
    head, *rows = tables(text, "headline")[0]
    assert not [cell for cell in head if "ε" in cell[0] or "Mean" in cell[0]]
    assert all(len(row) == len(head) for row in rows)
    assert 'id="curves"' not in text
    assert 'id="attacks"' not in text
    assert "Worst case at" not in text
    assert len(tables(text, "spatial")[0]) == 4
    mixed = page(tmp_path / "mixed", without_curves(spatial, 1))
    head, *rows = tables(mixed, "headline")[0]
    assert all(len(row) == len(head) for row in rows)
    unattacked = next(row for row in rows if row[1][0].startswith("weak"))
    assert [text for text, a in unattacked if a.get("class") == "none"] == ["–"] * 5


def test_minimum_norm_attacks_alone() -> None:
    results = make_results(models=("a", "b"), n=30, attacks=("ddn",), norm="l2")
    told = words(undrawn(results))
    assert "ddn searches for the nearest misclassified image, so one run gives the whole curve." in told
    assert "fgsm" not in told


def test_attacks_are_named_with_what_was_changed() -> None:
    plain, more, best = (
        parse_requests(("pgd",), params=params)[0]
        for params in ({}, {"steps": 50}, {"best_iterate": True, "random_start": False})
    )
    (model,) = make_results(models=("m",), n=10, attacks=("pgd",)).models
    curves = tuple(dataclasses.replace(model.curves[0], request=r) for r in (plain, more, best))
    results = make_results(models=("m",), n=10, attacks=("pgd",))
    results = dataclasses.replace(results, models=(dataclasses.replace(model, curves=curves),))
    assert list(attack_names(results).values()) == [
        "pgd",
        "pgd (steps 50)",
        "pgd (best iterate, no random start)",
    ]


def test_digits_of_a_surrogate_are_named_where_attacks_differ_in_them_alone() -> None:
    (request,) = parse_requests(("transfer",), params={})

    def on(surrogate: str) -> Request:
        return dataclasses.replace(
            request, params=tuple((dict(request.params) | {"surrogate": surrogate}).items())
        )

    one, other, two = (
        f"digits/a#{'0' * 16}",
        f"digits/a#{'1' * 16}",
        f"digits/a#{'0' * 16}+digits/b#{'2' * 16}",
    )
    assert list(distinct_names(map(on, (one, two, one))).values()) == [
        "transfer (surrogate digits/a)",
        "transfer (surrogate digits/a+digits/b)",
    ]
    assert list(distinct_names(map(on, (one, two, other))).values()) == [
        f"transfer (surrogate {one})",
        "transfer (surrogate digits/a+digits/b)",
        f"transfer (surrogate {other})",
    ]


def test_the_judge_s_notes_are_told_where_there_are_any() -> None:
    results = make_results(models=("m",), n=40, eps=(0.1, 0.2), attacks=("pgd",))
    (curve,) = results.models[0].curves
    none = np.zeros((2, 40), bool)
    silent = none.copy()
    silent[1, :3] = True
    quiet = dataclasses.replace(curve, silent=none, projected=none)
    loud = dataclasses.replace(curve, silent=silent, projected=none)

    def of(one: Curve) -> Results:
        models = (dataclasses.replace(results.models[0], curves=(one,)),)
        return dataclasses.replace(results, models=models)

    lines = ranking.standings(of(loud))
    (note,) = noted(lines, attack_names(results), ("0.1", "0.2"))
    assert (note.attack, note.eps, note.silent, note.counted) == ("pgd", "0.2", 3, False)
    (row,) = tables(undrawn(of(loud)), "noted")[0][1:]
    assert [text for text, _ in row] == ["m", "pgd", "0.2", "7.5 3 images", "0", "0"]
    told = words(undrawn(of(quiet)))
    assert "None of these occurred." in told
    assert "unless the attack is run with --best-iterate" in told


def test_bold_is_the_strongest_attack_of_a_row() -> None:
    results = make_results(models=("m",), n=40, eps=(0.05, 0.1), attacks=("fgsm", "pgd"))
    fgsm, pgd = results.models[0].curves
    right = results.models[0].clean.correct
    assert pgd.standing[1].sum() < right.sum()
    same = dataclasses.replace(fgsm, standing=np.stack([pgd.standing[0], right]))
    model = dataclasses.replace(results.models[0], curves=(same, pgd))
    results = dataclasses.replace(results, models=(model,))
    (block,) = attack_blocks(ranking.standings(results), list(attack_names(results)), ("0.05", "0.1"))
    assert [[bool(cell and cell.strongest) for cell in row.cells] for row in block.rows] == [
        [False, False],
        [False, True],
    ]


def test_costs_add_up_over_models_and_eps() -> None:
    results = make_results(models=("a", "b"), n=30, attacks=("pgd", "ddn"), norm="l2")
    pgd, ddn = costs(results, attack_names(results))
    curves = [model.curves for model in results.models]
    assert pgd.gradients == sum(sum(pair[0].gradients) for pair in curves)
    assert ddn.gradients == sum(pair[1].gradients[0] for pair in curves)
    assert (pgd.minimum_norm, ddn.minimum_norm) == (False, True)


@pytest.mark.parametrize(
    ("attacks", "said"),
    [
        (("fgsm", "pgd"), "A stronger attack, such as AutoAttack or its members."),
        (("pgd", "square"), "of these square was run."),
        (("apgd_t", "square"), "of these apgd_t, square were run."),
    ],
)
def test_the_page_says_whether_a_stronger_attack_was_run(attacks: Sequence[str], said: str) -> None:
    results = make_results(models=("m",), n=10, attacks=attacks, samples=0)
    assert said in words(undrawn(results))


def test_the_commands_for_a_model_of_a_file_are_the_pages_own_with_other_options() -> None:
    results = make_results(models=("net:small", "m"), n=10, samples=0)
    command = "bench run --model ../net.py:small,m --weights w.pt --mean 0.5 --attacks fgsm,pgd --n 10"

    def told(origin: str) -> str:
        first, *others = results.models
        own = dataclasses.replace(first, info=dataclasses.replace(first.info, origin=origin))
        return words(undrawn(dataclasses.replace(results, models=(own, *others), command=command)))

    own = "bench run --model ../net.py:small,m --weights w.pt --mean 0.5"
    assert f"{own} --n 10 --attacks strong" in told("file")
    assert f"{own} --attacks fgsm,pgd --n 10 --audit full" in told("file")
    assert "--attacks strong" not in told("python")
    assert "bench audit --model m,net:small --audit full" in told("entry point")


def test_many_attacks_begin_with_the_worst_case(tmp_path: Path) -> None:
    few = make_results(models=("a", "b"), n=20, samples=0)
    assert "worst case" not in re.findall(r'aria-label="Accuracy against ε, ([^"]*)"', page(tmp_path, few))
    many = make_results(models=("a", "b"), n=20, attacks=("fgsm", "pgd", "square"), samples=0)
    shown = re.findall(r'aria-label="Accuracy against ε, ([^"]*)"', page(tmp_path, many))
    assert shown == ["worst case", "fgsm", "pgd", "square"]
    assert (tmp_path / "figures" / "digits-curves-worst-case.svg").exists()


def test_seeds_have_a_section_where_there_are_several(three: Results) -> None:
    again = dataclasses.replace(three, setting=dataclasses.replace(three.setting, seed=1))
    assert 'id="variation"' in undrawn(three, others=(again,))
    assert "ariation" not in undrawn(three)
