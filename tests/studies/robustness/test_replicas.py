"""Spreads over seeds on constructed arrays, the section that shows them, and how replicas are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.commands.trainings import Training, finished
from bench.numbers.stats import Spread, wilson
from bench.pages.frame import environment
from bench.studies.attacked.variation import variation
from bench.studies.robustness.replicas import over_attack_seeds, replicas
from bench.studies.robustness.results import ModelResult, Results
from tests.factory import make_results
from tests.own import call
from tests.studies.attacked.test_report import tables
from zoo import data, entries, recipes, registry

N = 100
EPS = (0.1, 0.2)


def measured(**counts: Sequence[int]) -> Results:
    """Models with these numbers of images right when clean, and standing at each ε under each attack.

    Keys are names, with ``_at_`` for ``@``.
    """
    names = [name.replace("_at_", "@") for name in counts]
    results = make_results(models=names, n=N, eps=EPS, samples=0)
    image = np.arange(N)
    models = []
    for model, (clean, *standing) in zip(results.models, counts.values(), strict=True):
        stands = image < np.array(standing)[:, None]
        curves = tuple(replace(curve, standing=stands) for curve in model.curves)
        info = replace(model.info, parameters=1000)
        models.append(
            replace(model, info=info, clean=replace(model.clean, correct=image < clean), curves=curves)
        )
    return replace(results, models=tuple(models))


def only(results: Results, model: ModelResult) -> Results:
    return replace(results, models=(model,))


def reseeded(results: Results, seed: int, *standing: np.ndarray) -> Results:
    """The same setting with another seed; the only model stands on these images, whatever the ε."""
    (model,) = results.models
    curves = tuple(
        replace(curve, standing=np.tile(s, (len(EPS), 1)))
        for curve, s in zip(model.curves, standing, strict=True)
    )
    setting = replace(results.setting, seed=seed)
    return replace(results, setting=setting, models=(replace(model, curves=curves),))


def spread(mean: float, sd: float, n: int) -> tuple:
    return pytest.approx(mean), pytest.approx(sd), n


def shown(found: Spread) -> tuple:
    return found.mean, found.sd, found.n


def test_replicas_are_grouped_by_design() -> None:
    results = measured(
        net_at_2=(96, 60, 30),
        other=(50, 20, 10),
        net=(90, 50, 20),
        net_at_10=(93, 70, 10),
        lone_at_1=(1, 1, 1),
    )
    (group,) = replicas(results)
    assert (group.name, group.members) == ("net", ("net", "net@2", "net@10"))
    assert shown(group.clean) == spread(0.93, 0.03, 3)
    assert [shown(each) for each in group.worst] == [spread(0.6, 0.1, 3), spread(0.2, 0.1, 3)]
    assert group.attacks == results.models[0].attack_set


def test_replicas_are_worst_case_over_the_attacks() -> None:
    results = measured(net=(90, 50, 20), net_at_1=(90, 50, 20))
    fgsm, pgd = results.models[1].curves
    late = replace(pgd, standing=np.arange(N)[None] >= np.array([[40], [0]]))  # 40 to 49, and 0 to 19
    models = (results.models[0], replace(results.models[1], curves=(fgsm, late)))
    (group,) = replicas(replace(results, models=models))
    assert shown(group.worst[0]) == spread(0.3, 0.4 / np.sqrt(2), 2)
    assert shown(group.worst[1]) == spread(0.2, 0, 2)


@pytest.mark.parametrize(
    "changes",
    [{"trained_on": "cifar10"}, {"parameters": 7}, {"origin": "file"}, {"name": "net"}, {"name": "net_4@1"}],
)
def test_models_that_differ_in_more_than_the_seed_are_no_replicas(changes: dict) -> None:
    results = measured(net=(90, 50, 20), net_at_1=(91, 51, 21))
    assert len(replicas(results)) == 1
    first, second = results.models
    other = replace(second, info=replace(second.info, **changes))
    assert replicas(replace(results, models=(first, other))) == ()


def test_models_under_other_attacks_are_no_replicas() -> None:
    results = measured(net=(90, 50, 20), net_at_1=(91, 51, 21))
    first, second = results.models
    assert replicas(replace(results, models=(first, replace(second, curves=second.curves[:1])))) == ()


def test_attack_seeds_of_one_model() -> None:
    base, image = measured(net=(90, 50, 20)), np.arange(N)
    first = reseeded(base, 3, image < 40, image < 90)
    second = reseeded(base, 0, image < 90, (image >= 10) & (image < 40))
    (found,) = over_attack_seeds([first, second])
    assert found.seeds == (0, 3)
    assert found.setting == replace(base.setting, seed=0)
    assert found.model == base.models[0].info
    assert shown(found.worst[0]) == spread(0.35, 0.1 / np.sqrt(2), 2)
    assert found.joint == (wilson(30, N),) * len(EPS)


def test_attack_seeds_are_compared_only_where_all_else_is_equal() -> None:
    image = np.arange(N)
    base = measured(net=(90, 50, 20))
    first, second = (reseeded(base, seed, image < 40, image < 50) for seed in (0, 1))
    (model,) = second.models
    others = [
        only(second, replace(model, info=replace(model.info, weights="0" * 64))),
        only(second, replace(model, curves=model.curves[:1])),
        only(second, replace(model, curves=())),
        *(
            replace(second, setting=replace(second.setting, **{name: value}))
            for name, value in (
                ("data", "0" * 64), ("n", 99), ("norm", "l2"), ("eps", (0.1, 0.3)),
                ("curve", "independent"), ("protocol", "sound/2"), ("backend", "cuda torch 2.10"),
            )
        ),
        first,
    ]  # fmt: skip
    assert len(over_attack_seeds([first, second])) == 1
    for other in others:
        assert over_attack_seeds([first, other]) == ()
    assert over_attack_seeds([first]) == over_attack_seeds([]) == ()


def section(results: Results, others: Sequence[Results] = ()) -> str:
    templates = environment()
    page = '{% import "macros.html.j2" as show %}{% include "variation.html.j2" %}'
    return templates.from_string(page).render(variation=variation(results, others))


def test_the_section_keeps_the_two_kinds_of_seeds_apart() -> None:
    image = np.arange(N)
    results = measured(net=(90, 50, 20), net_at_1=(96, 60, 30))
    single = measured(net=(90, 50, 20))
    again = reseeded(single, 1, image < 54, image < 60)
    html = section(results, [again])
    ((_, training),) = tables(html, "training-seeds")
    assert [text.strip() for text, _ in training] == [
        *("net net, net@1", "2", "93.0 ± 4.2", "55.0 ± 7.1", "25.0 ± 7.1", "fgsm, pgd"),
    ]
    ((_, attacked),) = tables(html, "attack-seeds")
    assert [text.strip() for text, _ in attacked] == [
        "net",
        "52.0 ± 2.8 all seeds 50.0",
        "37.0 ± 24.0 all seeds 20.0",
    ]
    assert html.count("<section") == html.count("</section>") == 1


def test_the_section_is_empty_without_seeds() -> None:
    results = measured(net=(90, 50, 20), other=(91, 51, 21))
    assert not variation(results, [results])
    assert not section(results, [results]).strip()


def test_names_in_the_section_are_escaped_and_told_apart() -> None:
    image = np.arange(N)
    base = measured(net=(90, 50, 20))
    (model,) = base.models
    twins = [
        only(base, replace(model, info=replace(model.info, name="<b>", weights=digit * 64))) for digit in "12"
    ]
    found = [reseeded(each, seed, image < 40, image < 50) for each in twins for seed in (0, 1)]
    html = section(found[0], found[1:])
    assert "<b>" not in html
    assert "&lt;b&gt; (11111111)" in html
    assert "&lt;b&gt; (22222222)" in html


TRAIN = ("train", "baseline_cnn_4", "--epochs", 1, "--threads", 1)


def test_replicas_are_trained_one_after_another(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call(capsys, *TRAIN, "--seeds", "1,0,1")
    assert answer.code == 0
    assert [line.rpartition(" ")[2] for line in answer.err.splitlines() if "training" in line] == ["1", "0"]
    found = registry.records(Path("weights"))
    assert set(found) == {"digits/baseline_cnn_4", "digits/baseline_cnn_4@1"}
    before = {key: record.path.read_bytes() for key, record in found.items()}
    again = call(capsys, *TRAIN, "--seeds", "0..1")
    assert (again.code, again.err.count("already trained by this recipe"), again.err.count("epoch")) == (
        0,
        2,
        0,
    )
    assert {key: record.path.read_bytes() for key, record in found.items()} == before
    digits = data.load("digits", "train")
    recipe = replace(recipes.recipe("standard", digits.levels), epochs=1)
    training = Training(entries.entry("baseline_cnn_4"), recipe, 1)
    assert finished(Path("weights"), training, digits, 1.0) == found["digits/baseline_cnn_4@1"]
    others = (
        (replace(training, entry=entries.entry("baseline_cnn")), digits, 1.0),
        (replace(training, recipe=replace(recipe, epochs=2)), digits, 1.0),
        (replace(training, seed=2), digits, 1.0),
        (training, data.load("digits", "test"), 1.0),
        (training, digits, 0.5),
    )
    for other in others:
        assert finished(Path("weights"), *other) is None
    found["digits/baseline_cnn_4@1"].path.unlink()
    assert finished(Path("weights"), training, digits, 1.0) is None


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        *(
            (("baseline_cnn_4", f"--seeds={text}"), "write e.g. 0..4 or 0,2,5")
            for text in ("", "a", "4..0", "0..", "..4", "-1", "0...4", "0,,1", "1.5", "²")
        ),
        (("baseline_cnn_4", "--seeds", "0..1", "--seed", "0"), "--seed and --seeds"),
        (("baseline_cnn_4@1", "--seeds", "0..1"), "leave out what begins at the @"),
    ],
)
def test_seeds_that_cannot_be_are_refused(
    words: tuple[str, ...], fragment: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.commands.train.train", None)
    answer = call(capsys, "train", *words)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert fragment in answer.err
