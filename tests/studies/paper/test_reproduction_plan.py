"""What `bench reproduce` takes for each section: models, images, ε and protocols."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench.engine.protocols import RELEASED, SOUND, own_script
from bench.errors import UsageError
from bench.inputs.sources import DataSource
from bench.studies.paper import RELATIONS, needed
from bench.studies.paper.plan import SHARED, SIZES, plan, relation_to
from bench.studies.shared.ask import Ask
from tests.reproduction_home import DIGITS, TINY, called, models, planned, weights
from zoo import registry

PAPER = tuple(i / 100 for i in range(1, 16))


@pytest.mark.parametrize("section", ["table2", "table3", "table4", "figure1", "figure2", "figure6"])
def test_a_section_takes_its_models_at_its_eps(section: str) -> None:
    found, of = planned(section), needed(section)
    assert models(found.sound) == models(found.released) == set(of.measured)
    assert ("parallel_gcnn.fgsm_mix" in of.measured) == ("parallel_gcnn" in of.models)
    assert (found.corrupted, found.removal, found.elsewhere) == ((), None, ())
    (sound,) = found.sound
    assert (sound.setting.eps, sound.setting.n) == (of.eps, 360)
    assert (sound.setting.curve, sound.setting.protocol, sound.setting.seed) == (
        "independent",
        SOUND.label,
        3,
    )
    assert [request.attack for request in sound.requests] == ["fgsm", "pgd"]
    for evaluation in found.released:
        assert evaluation.setting.n == 256
        assert len(evaluation.setting.eps) == 1 + 4  # with ε = 0, the clamp alone
        for _, info in evaluation.models:
            assert evaluation.setting.protocol == own_script(info.name).label
    assert set(found.released[0].setting.eps[1:]) & set(of.eps)
    assert found.page["relation"] == "other"
    assert found.page["beside"] == of.datasets[0]


def test_table_1_takes_whole_base_images_under_both_evaluations() -> None:
    found = planned("table1")
    assert (found.sound, found.released, found.removal, found.official) == ((), (), None, False)
    names = {e.setting.protocol: models([e]) for e in found.corrupted}
    gcnns = {*needed("table1").models, "parallel_gcnn.fgsm_mix"} - {"baseline_cnn"}
    assert names == {
        "sound/1": gcnns | {"baseline_cnn"},
        "released:baseline_cnn/1": {"baseline_cnn"},
        "released:cifar10c_gcnn/1": gcnns,
    }
    for evaluation in found.corrupted:
        assert evaluation.setting.dataset == "corrupted-digits"
        assert evaluation.setting.n == 4 * evaluation.data.groups.block  # type: ignore[attr-defined]
        assert set(evaluation.setting.eps) - {0.0} == {0.01, 0.02, 0.03, 0.04}


def test_figure_5_takes_200_images_and_ten_draws() -> None:
    found = planned("figure5")
    assert found.evaluations == ()
    assert found.removal is not None
    assert (found.removal.setting.n, found.removal.setting.draws) == (200, 10)
    assert {info.name for info in found.removal.infos} == {"baseline_cnn", "parallel_gcnn"}


def test_the_whole_paper_takes_every_model_under_every_script(tmp_path: Path) -> None:
    two = weights(tmp_path / "two", "baseline_cnn", "equivariant_gcnn_4")
    found = planned(weights_from=two)
    (sound,) = found.sound
    assert sound.setting.eps == PAPER
    protocols = {(info.name, e.setting.protocol) for e in found.released for _, info in e.models}
    both = {"baseline_cnn", "equivariant_gcnn_4"}
    assert protocols == {(name, rules.label) for name in both for rules in RELEASED.values()}
    for evaluation in found.released:
        assert set(SHARED) <= set(evaluation.setting.eps)
    assert models(found.corrupted) == {"baseline_cnn"}
    assert found.elsewhere == ("table3", "figure6")


def test_the_rest_of_the_zoo_stands_under_every_protocol(tmp_path: Path) -> None:
    both = weights(tmp_path / "both", "baseline_cnn", "parallel_gcnn_scale_4")
    found = planned(weights_from=both)
    paper, rest = found.sound
    assert (models([paper]), paper.setting.eps, paper.setting.n) == ({"baseline_cnn"}, PAPER, 360)
    assert (models([rest]), rest.setting.eps, rest.setting.n) == ({"parallel_gcnn_scale_4"}, SHARED, 256)
    released = [e for e in found.released if "parallel_gcnn_scale_4" in models([e])]
    assert sorted(e.setting.protocol for e in released) == sorted(each.label for each in RELEASED.values())
    assert {(e.setting.eps, e.setting.n) for e in released} == {((0.0, *SHARED), 256)}
    assert "parallel_gcnn_scale_4" not in models(found.corrupted)
    assert "parallel_gcnn_scale_4" not in models(planned("figure2", weights_from=both).evaluations)


def test_full_takes_all_images_and_replicas_beside_the_models(tmp_path: Path) -> None:
    place = weights(tmp_path / "weights", "baseline_cnn", "baseline_cnn@1")
    found = planned(sizes=dataclasses.replace(SIZES["full"], bases=1), weights_from=place)
    replicas = {"baseline_cnn", "baseline_cnn@1"}
    assert models(found.sound) == replicas
    own = [e for e in found.released if e.setting.protocol == "released:baseline_cnn/1"]
    assert [(models([e]), e.setting.n, e.setting.eps) for e in own] == [(replicas, 360, (0.0, *PAPER))]
    others = [e for e in found.released if e not in own]
    assert models([*others, *found.corrupted]) == {"baseline_cnn"}
    assert found.removal is not None
    assert (found.removal.setting.n, len(found.removal.infos)) == (360, 1)


@pytest.mark.parametrize(
    ("spec", "name", "sections", "expected"),
    [
        ("cifar10", "cifar10", (), ("cifar10", "same")),
        ("cifar10", "photos", (), ("cifar10", "same")),
        ("cifar100", "cifar100", (), ("cifar100", "same")),
        ("folder:x", "cifar10-copy", (), ("cifar10", "copy")),
        ("folder:x", "cifar100-jpeg", ("table3",), ("cifar100", "copy")),
        ("folder:x", "cifar10", (), ("cifar10", "copy")),
        ("folder:x", "cifar10x", (), ("cifar10", "other")),
        ("digits", "digits", (), ("cifar10", "other")),
        ("digits", "digits", ("figure1",), ("cifar10", "other")),
        ("digits", "digits", ("figure6",), ("cifar100", "other")),
        ("cifar10c", "cifar10c", ("table1",), ("cifar10c", "same")),
        ("cifar10c:fog", "cifar10c-fog", (), ("cifar10c", "same")),
        ("corrupted:cifar10", "corrupted-cifar10", (), ("cifar10c", "other")),
    ],
)
def test_how_images_are_related_to_the_papers(
    spec: str, name: str, sections: tuple[str, ...], expected: tuple[str, str]
) -> None:
    assert relation_to(spec, name, sections) == expected
    assert expected[1] in RELATIONS


def test_without_any_weights_it_says_how_to_train_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called("cifar10-digits", monkeypatch)
    with pytest.raises(registry.WeightsError, match="no weights of equivariant_gcnn_4 for cifar10-digits"):
        planned("table2")
    with pytest.raises(registry.WeightsError, match="none is no directory"):
        planned("table2", weights_from=str(tmp_path / "none") + "/")


def test_a_device_that_is_not_there_is_refused() -> None:
    ask = Ask(models=(), requests=(), data=DataSource(spec="digits"), device="tpu")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        plan(ask, ("table2",), budget="small", options=DIGITS, sizes=TINY)
