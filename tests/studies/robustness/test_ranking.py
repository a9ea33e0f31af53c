"""Ranks on constructed cases."""

from dataclasses import replace

import numpy as np
import pytest

from bench.studies.robustness.ranking import attack_label, display_names, standings
from bench.studies.robustness.results import ModelResult, Results
from tests.factory import make_results


def _with_counts(results: Results, *counts: np.ndarray) -> Results:
    """The same models, image i of model m surviving the first counts[m][i] values of ε in every attack."""
    steps = np.arange(len(results.setting.eps))[:, None]
    models = [
        replace(model, curves=tuple(replace(c, standing=count > steps) for c in model.curves))
        for model, count in zip(results.models, counts, strict=True)
    ]
    return replace(results, models=tuple(models))


def _renamed(model: ModelResult, **changes: str) -> ModelResult:
    return replace(model, info=replace(model.info, **changes))


def _three(n: int = 100, **options) -> Results:
    return make_results(models=("a", "b", "c"), n=n, **options)


def _best(n: int, of: int) -> np.ndarray:
    return np.where(np.arange(100) < n, of, 0)


def test_a_clear_winner_and_two_that_cannot_be_told_apart() -> None:
    lines = standings(_with_counts(_three(), _best(52, 3), _best(90, 4), _best(53, 3)))
    assert [(s.name, s.rank, s.better) for s in lines] == [("b", 1, ()), ("c", 2, ("b",)), ("a", 2, ("b",))]
    assert lines[0].mean_worst.value == pytest.approx(0.9)
    assert [s.value for s in lines[1].worst] == [0.53, 0.53, 0.53, 0.0]
    assert [s.n for s in lines[1].worst] == [100] * 4


def test_ranks_may_skip_and_better_ones_come_best_first() -> None:
    lines = standings(_with_counts(_three(), _best(10, 4), _best(50, 4), _best(90, 4)))
    assert [(s.name, s.rank) for s in lines] == [("c", 1), ("b", 2), ("a", 3)]
    assert lines[2].better == ("c", "b")


def test_rank_is_not_order() -> None:
    """b cannot be told from a, nor from c, but a is better than c: ranks 1, 1, 2."""
    lines = standings(_with_counts(_three(), _best(60, 4), _best(56, 4), _best(50, 4)))
    assert [(s.name, s.rank) for s in lines] == [("a", 1), ("b", 1), ("c", 2)]


def test_equal_models_share_rank_1_in_the_order_of_names() -> None:
    same = [_best(40, 2)] * 3
    assert [(s.name, s.rank) for s in standings(_with_counts(_three(), *same))] == [
        ("a", 1),
        ("b", 1),
        ("c", 1),
    ]


def test_holm_counts_all_pairs() -> None:
    """p = 2·2⁻⁶ = 0.031 is significant alone, and not among three pairs."""
    a, b = _best(56, 4), _best(50, 4)
    pair = replace(_three(), models=_three().models[:2])
    assert [s.rank for s in standings(_with_counts(pair, a, b))] == [1, 2]
    assert [s.rank for s in standings(_with_counts(_three(), a, b, a))] == [1, 1, 1]


def test_worst_case_is_image_by_image() -> None:
    """Each attack alone breaks half of the images; together they break all."""
    results = make_results(models=("a",), n=100, eps=(0.1,))
    fgsm, pgd = results.models[0].curves
    half = np.arange(100)[None] < 50
    curves = (replace(fgsm, standing=half), replace(pgd, standing=~half))
    (line,) = standings(replace(results, models=(replace(results.models[0], curves=curves),)))
    assert line.worst[0].value == line.mean_worst.value == 0.0
    assert line.rank == 1


def test_other_attack_sets_are_listed_last_without_rank() -> None:
    results = _with_counts(_three(), _best(10, 4), _best(20, 4), _best(99, 4))
    lighter = replace(results.models[2], curves=results.models[2].curves[:1])
    lines = standings(replace(results, models=(lighter, *results.models[:2])))
    assert [(s.name, s.rank) for s in lines] == [("b", 1), ("a", 2), ("c", None)]
    assert lines[2].better == ()
    assert lines[2].mean_worst.value == pytest.approx(0.99)


def test_the_larger_attack_set_is_ranked_where_both_are_as_common() -> None:
    results = _three()
    small = replace(results.models[0], curves=results.models[0].curves[:1])
    mixed = replace(results, models=(small, results.models[1]))
    assert [(s.name, s.rank) for s in standings(mixed)] == [("b", 1), ("a", None)]
    assert attack_label(mixed) == "fgsm, pgd"


def test_order_of_attacks_does_not_matter() -> None:
    results = _three()
    turned = replace(results.models[0], curves=results.models[0].curves[::-1])
    assert all(s.rank for s in standings(replace(results, models=(turned, *results.models[1:]))))


def test_models_that_were_not_attacked_have_no_rank() -> None:
    results = _three()
    bare = replace(results, models=tuple(replace(m, curves=()) for m in results.models))
    lines = standings(bare)
    assert [s.rank for s in lines] == [None] * 3
    assert all(s.mean_worst.value == pytest.approx(s.clean.value) for s in lines)
    assert attack_label(bare) == ""
    assert standings(replace(results, models=())) == ()


def test_eps_0_counts_like_any_other() -> None:
    results = make_results(models=("a",), n=50, eps=(0.0, 0.1))
    (line,) = standings(results)
    assert line.worst[0] == line.clean
    assert line.mean_worst.value == pytest.approx((line.worst[0].value + line.worst[1].value) / 2)


def test_attack_label_names_libraries_that_are_not_the_default() -> None:
    assert attack_label(_three(attacks=("fgsm", "foolbox:pgd"))) == "fgsm, foolbox:pgd"


def test_models_that_share_a_name_show_their_weights() -> None:
    results = _three()
    first, second, third = results.models
    models = (
        _renamed(first, name="net", weights="1a2b3c4d" + "0" * 56),
        _renamed(second, name="net", weights="99999999" + "0" * 56),
        third,
    )
    assert display_names(replace(results, models=models)) == ("net (1a2b3c4d)", "net (99999999)", "c")
    alike = (models[0], _renamed(second, name="net", weights="1a2b3c4d" + "f" * 56), third)
    assert display_names(replace(results, models=alike))[:2] == (
        "net (1a2b3c4d00000000)",
        "net (1a2b3c4dffffffff)",
    )
