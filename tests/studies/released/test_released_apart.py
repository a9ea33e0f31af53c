"""Commands for sound results ignore those of released protocols."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from bench.engine.store import DirectoryStore
from bench.leaderboard import file as leaderboard
from bench.studies.attacked.headline import headline
from bench.studies.attacked.screen import ranked_table
from bench.studies.audit.section import Mark
from bench.studies.robustness import ranking
from bench.studies.robustness.history import chapters
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import rows
from tests.factory import make_results
from tests.own import call

Capture = pytest.CaptureFixture[str]
PAIR = ("baseline_cnn_4", "equivariant_gcnn_4")
RUN = ("run", "--model", ",".join(PAIR), "--n", 12, "--eps", 0.05, "--workers", 1)
RELEASED = (*RUN, "--protocol", "released:baseline_cnn")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)


def under(label: str) -> Results:
    results = make_results(models=("a", "b"), n=20)
    return dataclasses.replace(results, setting=dataclasses.replace(results.setting, protocol=label))


def test_pairs_are_compared_under_the_sound_protocol(capsys: Capture) -> None:
    assert call(capsys, *RELEASED).code == 0
    answer = call(capsys, "compare", *PAIR)
    assert answer.code == 2
    assert "has no run that holds all of" in answer.err
    assert call(capsys, *RUN, "--attacks", "fgsm").code == 0
    assert call(capsys, *RELEASED).code == 0  # now the newest
    answer = call(capsys, "compare", *PAIR, "--json")
    assert answer.code == 0
    assert [(pair["attacks"], pair["eps"]) for pair in json.loads(answer.out)] == [
        ([], None),
        (["fgsm"], 0.05),
    ]


def test_only_sound_rows_are_checked_again(capsys: Capture) -> None:
    assert call(capsys, *RELEASED).code == 0
    check = ("check", "--model", PAIR[0], "--against", "leaderboard.csv", "--workers", 1, "--json")
    answer = call(capsys, *check)
    assert answer.code == 2
    assert (
        "no row of leaderboard.csv is of digits (the default data set); it has no attack row at all"
        in answer.err
    )
    assert call(capsys, *RUN, "--attacks", "fgsm").code == 0
    answer = call(capsys, *check)
    assert answer.code == 0
    found = json.loads(answer.out)
    assert [(row["attack"], row["eps"], row["status"]) for row in found] == [
        ("none", None, "kept"),
        ("fgsm", 0.05, "kept"),
    ]


def test_an_audit_makes_its_own_sound_page(capsys: Capture) -> None:
    assert call(capsys, *RELEASED).code == 0
    audit = ("audit", "--model", PAIR[0], "--n", 12, "--eps", 0.05, "--workers", 1, "--json")
    assert call(capsys, *audit).code == 0
    found = [chapter.setting.protocol for chapter in chapters(DirectoryStore(Path(".symbench")))]
    assert found == ["sound/1", "released:baseline_cnn/1"]
    html = Path("reports/digits.html").read_text("utf-8")
    assert "protocol sound/1" in html.partition("</header>")[0]
    assert 'id="audit"' in html
    assert {row["audit"] for row in leaderboard.read(Path("leaderboard.csv"))} == {""}


def test_every_protocol_is_measured_with_every_seed_and_the_first_is_the_newest(capsys: Capture) -> None:
    command = (*RUN, "--protocol", "released", "--seeds", 2, "--seed", 3, "--json")
    answer = call(capsys, *command)
    assert answer.code == 0
    protocols = ("released:baseline_cnn/1", "released:equivariant_gcnn/1")
    order = dict.fromkeys((row["seeds"], row["protocol"]) for row in json.loads(answer.out))
    assert list(order) == [(seed, protocol) for seed in ("3", "4") for protocol in protocols]
    asked = [
        (each.setting.seed, each.setting.protocol) for each in chapters(DirectoryStore(Path(".symbench")))
    ]
    assert asked == [(seed, protocol) for seed in (3, 4) for protocol in protocols]


@pytest.mark.parametrize("protocol", ["released", "released:baseline_cnn"])
def test_an_audit_of_a_released_protocol_is_refused(capsys: Capture, protocol: str) -> None:
    answer = call(capsys, *RUN, "--protocol", protocol, "--audit", "quick")
    assert answer.code == 2
    assert f"protocol {protocol} cannot be audited" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(("label", "marked"), [("sound/1", True), ("released:baseline_cnn/1", False)])
def test_verdicts_stand_beside_sound_numbers_only(capsys: Capture, label: str, marked: bool) -> None:
    results = under(label)
    keys = [(model.info.weights, results.setting.data) for model in results.models]
    verdict = "not_believable"
    table = headline(
        results, ranking.standings(results), {key: Mark(verdict, "quick", "why") for key in keys}
    )
    assert bool(table.marks) is marked
    assert table.released is not marked
    ranked_table(results, dict.fromkeys(keys, verdict))
    shown = capsys.readouterr().out
    assert ("✗" in shown) is marked
    assert ("upper bounds" in shown) is marked


def test_iterates_are_counted_only_where_they_were_looked_at() -> None:
    attacks = {"fgsm", "pgd"}
    for label, silent in (("sound/1", {0}), ("released:baseline_cnn/1", {None})):
        assert {row["silent"] for row in rows(under(label)) if row["attack"] in attacks} == silent
