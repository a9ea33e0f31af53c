"""Released protocols from what is asked to rows, pages and exports."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.attacks import RELEASED_REQUESTS, parse_requests
from bench.engine.driver import Failure
from bench.engine.executors import InProcess
from bench.engine.protocols import PROTOCOLS
from bench.engine.store import DirectoryStore, MemoryStore
from bench.errors import UsageError
from bench.inputs.sources import DataSource
from bench.leaderboard import file as leaderboard
from bench.leaderboard.members import is_worst
from bench.studies import attacked as report
from bench.studies.attacked.drawing import write_page
from bench.studies.robustness import ranking
from bench.studies.robustness.collect import collect
from bench.studies.robustness.evaluation import PAPER_GRID, prepare, prepare_each, run_each
from bench.studies.robustness.history import chapters, page_results
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import rows
from bench.studies.shared.ask import Ask
from tests.engine.test_resume import Killed, Mortal
from tests.engine.test_run import Counting
from tests.factory import make_results
from tests.own import call, write_models

Capture = pytest.CaptureFixture[str]
DIGITS = DataSource(spec="digits")


def ask(*models: str, **changes: object) -> Ask:
    fields = {"eps": ("0.1",), "n": 12, "protocol": "released", **changes}
    return Ask(models=models, requests=(), data=DIGITS, **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    return DirectoryStore(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def measured(store: DirectoryStore) -> tuple[Results, ...]:
    """Two architectures with one script and one with another."""
    evaluations = prepare_each(ask("baseline_cnn_4", "equivariant_gcnn_4", "parallel_gcnn_4"))
    outcomes = run_each(evaluations, store, InProcess(evaluations[0].loaded))
    assert not any(outcome.failures for outcome in outcomes)
    return tuple(results for outcome in outcomes for results in outcome.results)


def test_released_measures_each_model_under_its_own_script(measured: tuple[Results, ...]) -> None:
    found = {r.setting.protocol: [m.info.name for m in r.models] for r in measured}
    assert found == {
        "released:baseline_cnn/1": ["baseline_cnn_4", "parallel_gcnn_4"],
        "released:equivariant_gcnn/1": ["equivariant_gcnn_4"],
    }
    for results in measured:
        assert results.setting.eps == (0.0, 0.1)
        assert results.setting.curve == "independent"
        for model in results.models:
            assert [curve.request for curve in model.curves] == list(RELEASED_REQUESTS)
            for curve in model.curves:
                assert np.array_equal(curve.standing, curve.predicted == model.clean.label)
                assert np.isfinite(curve.distance).all()
                assert curve.gradients == (0, 12 * int(dict(curve.request.params).get("steps") or 1))


def test_rows_carry_the_protocol_and_are_the_arrays(measured: tuple[Results, ...]) -> None:
    for results in measured:
        for model in results.models:
            own = [row for row in rows(results) if row["model"] == model.info.name]
            assert {row["protocol"] for row in own} == {results.setting.protocol}
            assert [(row["attack"], row["eps"]) for row in own] == [
                (attack, eps) for attack in ("fgsm", "pgd", "worst(fgsm,pgd)") for eps in (0.0, 0.1)
            ]
            fgsm, pgd = own[1], own[3]
            assert (fgsm["library"], fgsm["params"]) == ("symbench==released-1", "batch=128")
            assert (pgd["steps"], pgd["alpha"], pgd["random_start"]) == (40, 0.01, False)
            standing, right = model.curves[1].standing[1], model.clean.correct
            assert pgd["robust_acc"] == standing.mean()
            assert pgd["robust_given_clean"] == standing[right].mean()


def test_more_may_be_right_under_attack_than_clean() -> None:
    results = make_results(models=("a",), n=20, eps=(0.1,), attacks=("fgsm",))
    (model,) = results.models
    right = np.arange(20) < 5
    curve = dataclasses.replace(model.curves[0], standing=(np.arange(20) > 1)[None])
    model = dataclasses.replace(model, clean=dataclasses.replace(model.clean, correct=right), curves=(curve,))
    results = dataclasses.replace(
        results,
        models=(model,),
        setting=dataclasses.replace(results.setting, protocol="released:baseline_cnn/1"),
    )
    (row,) = rows(results, {(model.info.weights, results.setting.data): "believable"})
    assert (row["clean_right"], row["robust"], row["robust_given_clean"]) == (5, 18, 3 / 5)
    assert row["audit"] == ""
    assert ranking.standings(results)[0].worst[0].k == 18


def test_a_verdict_does_not_mark_released_rows(measured: tuple[Results, ...], tmp_path: Path) -> None:
    table, found = tmp_path / "leaderboard.csv", rows(measured[0])
    leaderboard.merge(table, found)
    leaderboard.mark(table, {(row["weights"], row["data"]): "believable" for row in found})
    assert {row["audit"] for row in leaderboard.read(table)} == {""}


def test_what_is_stored_is_not_measured_again(store: DirectoryStore, measured: tuple[Results, ...]) -> None:
    evaluations = prepare_each(ask("baseline_cnn_4", "equivariant_gcnn_4"))
    executor = Counting(evaluations[0].loaded)
    outcomes = run_each(evaluations, store, executor)
    assert executor.ran == []
    for outcome, before in zip(outcomes, measured, strict=True):
        again = outcome.results[0].models[0].curves
        assert [c.digest for c in again] == [c.digest for c in before.models[0].curves]


@pytest.mark.parametrize("before", [True, False])
def test_killed_and_started_again_it_ends_the_same(measured: tuple[Results, ...], before: bool) -> None:
    mortal = Mortal(1, before=before)
    evaluations = prepare_each(ask("baseline_cnn_4"))
    with pytest.raises(Killed):
        run_each(evaluations, mortal, Counting(evaluations[0].loaded))
    again = Counting(evaluations[0].loaded)
    (outcome,) = run_each(evaluations, mortal, again)
    assert len(again.ran) == before
    (model,) = outcome.results[0].models
    assert [c.digest for c in model.curves] == [c.digest for c in measured[0].models[0].curves]


def test_a_failed_cell_is_named_with_its_protocol(measured: tuple[Results, ...]) -> None:
    evaluation = prepare(ask("baseline_cnn_4", protocol="released:weighted_gcnn_rs"))
    (lane,) = evaluation.lanes
    assert str(Failure(cell=lane.first, reason="why")) == (
        "baseline_cnn_4, fgsm,pgd (symbench==released-1) under released:weighted_gcnn_rs/1, images 0–11: why"
    )


def test_the_default_grid_is_the_scripts() -> None:
    setting = prepare(ask("baseline_cnn_4", protocol="released:parallel_gcnn", eps=None)).setting
    assert setting.eps == (0.0, *map(float, PAPER_GRID))
    assert setting.protocol == "released:baseline_cnn/1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": "l2"}, "has linf only; leave --norm out"),
        ({"requests": parse_requests(["pgd"], params={})}, "leave --attacks, --library and"),
        ({"protocol": "released:scale"}, "unknown protocol 'released:scale'"),
    ],
)
def test_what_a_released_protocol_cannot_be_asked_for(changes: dict, message: str) -> None:
    wanted = dataclasses.replace(ask("baseline_cnn_4", protocol="released:baseline_cnn"), **changes)
    with pytest.raises(UsageError, match=message):
        prepare_each(wanted)


def test_ones_own_model_under_a_script(tmp_path: Path) -> None:
    own = f"{write_models(tmp_path)}:net"
    (evaluation,) = prepare_each(ask(own, protocol="released:equivariant_gcnn"))
    assert evaluation.setting.protocol == "released:equivariant_gcnn/1"
    with pytest.raises(UsageError, match="bypasses a model's normalisation layer, and 'own:net' has none"):
        prepare_each(ask(own, protocol="released:cifar10c_gcnn"))
    with pytest.raises(UsageError, match="no script was released for model"):
        prepare_each(ask(own))


def test_a_page_shows_protocols_apart(
    store: DirectoryStore, measured: tuple[Results, ...], tmp_path: Path
) -> None:
    main, *others = [page_results(store, chapter)[0] for chapter in chapters(store)]
    assert [r.setting.protocol for r in (main, *others)] == [r.setting.protocol for r in measured]
    again = collect(
        store, main.setting, [(m.info, RELEASED_REQUESTS) for m in main.models],
        classes=main.classes, versions={}, command="",
    )  # fmt: skip
    assert [m.info.name for m in again[0].models] == ["baseline_cnn_4", "parallel_gcnn_4"]
    html = report.write(main, (*others, make_results(models=("a",))), tmp_path).read_text("utf-8")
    assert "not robust accuracies" in html
    assert "upper bound" not in html.partition('id="others"')[0]
    for results in measured:
        name = results.setting.protocol.partition("/")[0]
        assert html.count(PROTOCOLS[name].summary.partition(".")[0]) >= 1
    assert "the clamp alone" in html
    assert "equivariant_gcnn_4" not in html.partition('id="others"')[0]
    sound = report.write(make_results(models=("a",)), (main,), tmp_path).read_text("utf-8")
    assert "not robust accuracies" not in sound
    assert PROTOCOLS["released:baseline_cnn"].summary in sound


def test_sound_results_lead_a_page_whatever_was_measured_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Results] = []
    monkeypatch.setattr(
        "bench.studies.attacked.write", lambda main, others, where, **_: drawn.extend((main, *others))
    )
    store = MemoryStore()
    for protocol, requests in (("sound", parse_requests(["fgsm"], params={})), ("released:baseline_cnn", ())):
        wanted = dataclasses.replace(ask("baseline_cnn_4", protocol=protocol), requests=requests)
        (evaluation,) = prepare_each(wanted)
        run_each((evaluation,), store, InProcess(evaluation.loaded))
    write_page(store, "digits", tmp_path, (), ())
    assert [r.setting.protocol for r in drawn] == ["sound/1", "released:baseline_cnn/1"]


def test_the_command(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
    words = ("run", "--model", "baseline_cnn_4,weighted_gcnn_rs_4", "--protocol", "released", "--n", 8,
             "--eps", 0.05, "--workers", 1)  # fmt: skip
    plan = json.loads(call(capsys, *words, "--dry-run", "--json").out)
    assert (plan["cells"], plan["stored"], plan["to_run"]) == (2, 0, 2)
    answer = call(capsys, *words, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert len(found) == 2 * 3 * 2
    assert {row["protocol"] for row in found} == {"released:baseline_cnn/1", "released:weighted_gcnn_rs/1"}
    assert leaderboard.read(Path("leaderboard.csv")) == sorted(
        found, key=lambda row: (row["model"], row["attack"], row["eps"])
    )
    assert json.loads(call(capsys, *words, "--dry-run", "--json").out)["stored"] == 2
    shown = call(capsys, *words)
    assert "its own units" in shown.out.replace("\n", " ")
    assert call(capsys, "export", "images.csv").code == 0
    frame = pd.read_csv("images.csv")
    assert len(frame) == 2 * 2 * 2 * 8
    for row in found:
        same = frame[
            (frame.model == row["model"]) & (frame.attack == row["attack"]) & (frame.eps == row["eps"])
        ]
        if not is_worst(row["attack"]):
            assert same.standing.mean() == row["robust_acc"]
            assert same.clean_standing.mean() == row["clean_acc"]
    assert call(capsys, "export", "images.npz", "--model", "baseline_cnn_4").code == 0
    kept = np.load("images.npz", allow_pickle=False)
    assert not kept["standing"].any()
    change = np.abs(kept["attacked"] - kept["clean"]).max(axis=(1, 2, 3))
    assert np.allclose(change, kept["distance"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--attacks", "pgd"), "leave --attacks"),
        (("--steps", 50), "leave --attacks"),
        (("--norm", "l2"), "leave --norm out"),
        (("--protocol", "released:nothing"), "unknown protocol"),
    ],
)
def test_the_command_refuses(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call(capsys, "run", "--model", "baseline_cnn_4", "--protocol", "released:baseline_cnn", *words)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
