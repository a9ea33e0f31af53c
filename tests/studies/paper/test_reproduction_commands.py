"""The commands a page prints do what they say: they parse, and want for nothing but the data."""

from __future__ import annotations

import dataclasses
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.commands.cli import main, parser
from bench.inputs.sources import DataSource
from bench.studies.paper import Reproduction, judge, rows
from bench.studies.paper.plan import SIZES, plan
from bench.studies.paper.sections import DATASETS, SECTIONS, needed, remedy
from bench.studies.shared.options import command_for_terminal, data_ask, shown_data
from bench.studies.shared.weights import weights_of
from tests.paper_factory import full
from zoo import data as zoo_data

STUB = 'bench() { printf "%s\\037" "$@"; printf "\\n"; }; '


def carried_out(command: str) -> list[list[str]]:
    """The words of each call of ``bench`` that a shell makes of a printed command."""
    ran = subprocess.run(
        ["sh", "-uc", STUB + command], env={"DATA": "photos"}, capture_output=True, text=True, check=True
    )
    return [line.split("\037")[:-1] for line in ran.stdout.splitlines()]


def printed() -> Iterator[str]:
    """Every command of pages of a copy, of other images, and of runs without anything."""
    for relation in ("copy", "other"):
        for run in (
            full(relation),
            Reproduction(dataset="digits", beside="cifar10", relation=relation, command="c"),
        ):
            yield from (row.command for section in SECTIONS for row in rows(run, section))
            yield from (o.command for judged in judge(run) for o in judged.outcomes.values() if o.command)


@pytest.mark.slow
def test_printed_commands_parse() -> None:
    calls = [call for command in dict.fromkeys(printed()) for call in carried_out(command)]
    assert {call[0] for call in calls} == {"reproduce", "train"}
    for call in calls:
        parser().parse_args(call)
    trained = {call[1] for call in calls if call[0] == "train" and "cifar100" in call}
    wanted = {name for id in SECTIONS if "cifar100" in needed(id).datasets for name in needed(id).models}
    assert trained == wanted


def where_data_are() -> list[tuple[str, str]]:
    return [(id, dataset) for id in SECTIONS for dataset in needed(id).datasets if dataset in DATASETS]


@pytest.mark.parametrize(("section", "dataset"), where_data_are())
def test_without_the_data_they_fail_for_the_data_alone(
    section: str,
    dataset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SYMBENCH_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for call in carried_out(remedy([section], dataset)):
        words = [word for word in call if word != "--download"]
        places = (
            ["--store", "s", "--reports", "r", "--leaderboard", "l.csv"] if call[0] == "reproduce" else []
        )
        assert main([*words, *places]) == 2
        assert "CIFAR" in (err := capsys.readouterr().err) or dataset in err
        assert "weights" not in err


def parsed(words: list[str]) -> Namespace:
    options = parser().parse_args(words)
    options.argv = words
    return options


@pytest.mark.parametrize("section", ["table2", "table4", "figure1", "figure2", "figure5"])
def test_with_the_data_shipped_weights_serve(section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stand-ins for the images every model of the section can be planned from what is shipped."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 3, 32, 32), np.uint8)
    classes = tuple("0123456789")
    made = zoo_data.Dataset("cifar10", "test", images, np.arange(20) % 10, classes, 255, "0" * 64)
    monkeypatch.setattr(DataSource, "load", lambda *_, **__: made)
    (call,) = carried_out(remedy([section], "cifar10"))
    options = parsed(call)
    sections = () if options.all else (section,)
    found = plan(
        data_ask(options), sections, budget="small", options="--dataset cifar10", sizes=SIZES["small"]
    )
    assert not found.page["missing"]


def test_the_terminal_has_the_paths_that_pages_hide() -> None:
    words = ["--dataset", "folder:/home/me/my photos", "--name", "birds", "--data-root", "/home/me"]
    options = parsed(["tradeoff", *words, "--weights-from", "/home/me/few"])
    page = f"bench train baseline_cnn {shown_data(options)} --out few"
    assert carried_out(page)[0][2:] == [
        "--dataset", "folder:photos", "--name", "birds", "--data-root", "photos", "--out", "few",
    ]  # fmt: skip
    assert carried_out(command_for_terminal(page, options))[0][2:] == [*words, "--out", "/home/me/few"]
    (table1,) = carried_out(command_for_terminal(remedy(["table1"], "cifar10c"), options))
    assert table1[3:7] == ["--dataset", "cifar10c", "--data-root", "/home/me"]
    other = command_for_terminal("bench train baseline_cnn --dataset folder:$DATA --name other", options)
    assert other == "bench train baseline_cnn --dataset folder:PATH --name other"


def test_what_trains_a_model_so_that_it_is_found(tmp_path: Path) -> None:
    ask = data_ask(parsed(["reproduce", "--all"]))
    place = tmp_path / "mine"
    place.mkdir()
    for weights_from, expected in (
        (None, "--dataset digits"),
        ("cifar10", "--dataset cifar10"),
        ("cifar10-copy", "--dataset folder:$DATA --name cifar10-copy"),
    ):
        asked = dataclasses.replace(ask, weights_from=weights_from)
        assert weights_of(asked, "digits", (), seeds=1, options="--dataset digits").train == expected
    asked = dataclasses.replace(ask, weights_from=str(place))
    assert weights_of(asked, "digits", (), seeds=1, options="--dataset d").train == "--dataset d --out mine"
