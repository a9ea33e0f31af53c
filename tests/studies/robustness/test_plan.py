"""The grid spreads into lanes that depend on what is asked and on nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.attacks import parse_requests
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.numbers.eps import parse_eps
from bench.studies.robustness.plan import clean_cells, lanes
from bench.studies.robustness.results import Setting

SETTING = Setting(
    dataset="toys",
    data="d",
    n=250,
    norm="linf",
    eps=(0.1, 0.2),
    curve="cumulative",
    seed=0,
    protocol="sound/1",
    backend="cpu",
)
MODEL = ModelInfo(name="m", weights="w", trained_on="toys", parameters=1, origin="zoo")
FGSM, PGD = parse_requests(["fgsm", "pgd"], params={})


@given(n=st.integers(1, 1000))
def test_shards_cover_the_first_n_images_once(n: int) -> None:
    cells = clean_cells(replace(SETTING, n=n), MODEL)
    covered = [i for cell in cells for i in range(cell.first, cell.first + cell.count)]
    assert covered == list(range(n))
    assert all(cell.count == 100 for cell in cells[:-1])


def test_growing_n_keeps_the_full_shards() -> None:
    small = {cell.key for cell in clean_cells(replace(SETTING, n=200), MODEL)}
    large = {cell.key for cell in clean_cells(replace(SETTING, n=250), MODEL)}
    assert small < large


def test_an_iterative_lane_chains_and_a_single_step_one_does_not() -> None:
    chained = {lane.request: lane.chained for lane in lanes(SETTING, [MODEL], [FGSM, PGD])}
    assert chained == {FGSM: False, PGD: True}
    independent = lanes(replace(SETTING, curve="independent"), [MODEL], [FGSM, PGD])
    assert not any(lane.chained for lane in independent)


def test_the_first_cell_of_both_curves_is_the_same() -> None:
    one = lanes(SETTING, [MODEL], [PGD])[0]
    other = lanes(replace(SETTING, curve="independent"), [MODEL], [PGD])[0]
    assert one.following(0, "clean").key == other.following(0, "clean").key


def test_a_larger_eps_leaves_the_smaller_cells_alone() -> None:
    short = lanes(SETTING, [MODEL], [PGD])[0]
    long = lanes(replace(SETTING, eps=(0.1, 0.2, 0.3)), [MODEL], [PGD])[0]
    assert [short.following(i, "p").key for i in (0, 1)] == [long.following(i, "p").key for i in (0, 1)]


def test_cells_hold_every_parameter_and_an_absolute_step() -> None:
    cell = lanes(SETTING, [MODEL], [PGD])[0].following(1, "p")
    assert dict(cell.params) == {
        "alpha": 2.5 * 0.2 / 20,
        "alpha_rule": "2.5*eps/steps",
        "best_iterate": False,
        "random_start": True,
        "restarts": 1,
        "steps": 20,
    }


def test_eps_texts() -> None:
    assert parse_eps(["8/255", "0.01", 0.0, "8/255"]) == (0.0, 0.01, 8 / 255)


@pytest.mark.parametrize("bad", ["-0.1", "nan", "inf", "eight", "1/0", ""])
def test_bad_eps(bad: str) -> None:
    with pytest.raises(UsageError, match="--eps has"):
        parse_eps([bad])


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["pdg"], {}, "unknown attack 'pdg'; nearest: pgd"),
        (["cleverhans:pgd"], {}, "unknown attack library 'cleverhans'"),
        (["torchattacks:fgsm"], {"norm": "l2"}, "use foolbox:fgsm"),
        ([], {}, "no attack was requested"),
        (["pgd"], {"params": {"steps": 0}}, "--steps is 0"),
        (["pgd"], {"params": {"restarts": 0}}, "--restarts is 0"),
        (["fgsm", "square"], {"params": {"steps": 3}}, r"--steps .* \(fgsm, square\); leave it out"),
        (["autoattack"], {"params": {"best_iterate": True}}, "--best-iterate was given"),
        (["foolbox:fgsm"], {"params": {"random_start": False}}, "--no-random-start was given"),
        (["pgd"], {"params": {"alpha": -1.0}}, "--alpha is -1.0"),
        (["pgd"], {"params": {"alpha": float("nan")}}, "--alpha is nan"),
    ],
)
def test_bad_requests(names: list[str], options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_requests(names, **{"params": {}, **options})


def test_requests_are_named_once_and_in_order() -> None:
    requests = parse_requests(["foolbox:pgd", "fgsm", "foolbox:pgd"], params={"steps": 7})
    assert [request.label for request in requests] == ["foolbox:pgd", "fgsm"]
    assert dict(requests[0].params)["steps"] == 7
    assert requests[1].params == ()
