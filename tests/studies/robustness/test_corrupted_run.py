"""Corrupted data sets through the command line: weights, rows, pages and workers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from bench.commands.cli import parser
from bench.inputs.images import base_of, checked_n, groups_of
from bench.inputs.sources import DataSource
from bench.leaderboard import columns
from bench.leaderboard import file as leaderboard
from bench.numbers.groups import by_group
from bench.studies.robustness.corruption_page import INTERVALS, group_rows
from bench.studies.shared.options import data_source, shown_command, with_options
from tests.own import call
from zoo import data, registry

Capture = pytest.CaptureFixture[str]
RUN = (
    "run",
    "--model",
    "baseline_cnn_4",
    "--dataset",
    "corrupted:digits:contrast",
    "--attacks",
    "fgsm,pgd",
    "--steps",
    2,
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_bases_weights_and_grid_are_taken(capsys: Capture) -> None:
    answer = call(capsys, *RUN, "--n", 20, "--workers", 1)
    assert (answer.code, answer.err.count("failed")) == (0, 0)
    rows = leaderboard.read(Path("leaderboard.csv"))
    record = registry.find("baseline_cnn_4", "digits")
    test = data.load("corrupted:digits:contrast", "test")
    assert {(row["dataset"], row["data"], row["weights"], row["trained_on"]) for row in rows} == {
        ("corrupted-digits-contrast", test.sha256, record.sha256, "digits")
    }
    assert sorted({row["eps"] for row in rows}) == [0.02, 0.05, 0.1, 0.15]
    model = registry.load_record(record)
    right = (model(test.images(0, 20)).argmax(1) == test.targets(0, 20)).numpy()
    assert rows[0]["clean_right"] == right.sum()
    assert test.groups is not None
    table = by_group(right, test.groups)
    page = Path("reports/corrupted-digits-contrast-corruptions.html").read_text()
    assert f"{100 * table.mean:.1f}" in page
    assert " ".join(f"{100 * share:.1f}" for share in table.cells[0]) in page
    assert INTERVALS in Path("reports/corrupted-digits-contrast.html").read_text()
    strength = re.compile(
        "<dt>Strength</dt><dd>The images were made here with the parameters of CIFAR-10-C, .*"
    )
    assert strength.search(page)
    for each in Path("reports").glob("*.html"):  # they are not CIFAR-10-C
        assert not re.search("CIFAR-10-C", strength.sub("", each.read_text()), re.I)


def test_pages_are_drawn_again_from_the_store(capsys: Capture) -> None:
    assert call(capsys, *RUN, "--n", 20, "--workers", 1).code == 0
    page = Path("reports/corrupted-digits-contrast-corruptions.html")
    before = page.read_text()
    page.unlink()
    assert call(capsys, "report").code == 0
    assert page.read_text() == before


@pytest.mark.slow
def test_workers_make_the_same_images(capsys: Capture) -> None:
    for workers in (1, 2):
        options = (
            "--n",
            140,
            "--workers",
            workers,
            "--store",
            f"s{workers}",
            "--leaderboard",
            f"{workers}.csv",
        )
        assert call(capsys, *RUN, "--dataset", "corrupted:digits", *options).code == 0
    alone, together = (
        [
            {k: v for k, v in row.items() if k not in columns.TIMING}
            for row in leaderboard.read(Path(f"{n}.csv"))
        ]
        for n in (1, 2)
    )
    assert alone == together


def test_the_default_number_of_images_is_whole_groups() -> None:
    test = data.load("corrupted:digits", "test")
    assert checked_n(None, test, 1000) == 990  # 11 base images under 18 corruptions at 5 severities
    assert checked_n(None, test, 20) == 90
    assert checked_n(100, test, 1000) == 100
    assert checked_n(None, data.load("digits", "test"), 1000) == 360


def test_base_and_groups_of_images() -> None:
    plain, test = data.load("digits", "test"), data.load("corrupted:digits:fog", "test")
    assert base_of(plain) == base_of(test) == ("digits", plain.sha256)
    assert groups_of(plain) is None
    assert groups_of(test) is test.groups
    nameless = dataclasses.replace(test, groups=dataclasses.replace(test.groups, base_sha256=None))
    assert base_of(nameless) == ("digits", None)


def test_no_row_where_no_base_image_is_whole() -> None:
    from tests.factory import make_results

    results = make_results()
    groups = data.load("corrupted:digits", "test").groups
    assert groups is not None
    large = dataclasses.replace(groups, names=groups.names * results.setting.n)
    assert group_rows(results, large) == []
    small = dataclasses.replace(groups, names=("fog",))
    for row, model in zip(group_rows(results, small), results.models, strict=True):
        assert len(row.tables) == 1 + len(results.setting.eps)
        assert row.tables[0].mean == pytest.approx(np.mean(model.clean.correct[: results.setting.n // 5 * 5]))


def test_options_and_shown_command() -> None:
    options = parser().parse_args(["run", "--dataset", "corrupted:digits", "--corruption-seed", "3"])
    assert data_source(options) == DataSource(spec="corrupted:digits", seed=3)
    assert (
        shown_command(["run", "--dataset", "corrupted:folder:/a/b"])
        == "bench run --dataset corrupted:folder:$DATA"
    )
    for words in (["--cluster", "10.0.0.5:6379", "--json"], ["--cluster=10.0.0.5:6379"]):  # where, not what
        assert shown_command(["run", *words, "--n", "5"]) == "bench run --n 5"
    assert shown_command(["run", "--dataset=corrupted:folder:/a:b:fog"]).endswith(
        "=corrupted:folder:$DATA:fog"
    )
    assert shown_command(["run", "--dataset", "corrupted:folder:/a:secret"]).endswith(
        "corrupted:folder:$DATA"
    )


def test_a_shown_command_runs_from_the_same_folder_and_names_no_whole_path() -> None:
    words = [
        "run",
        "--model",
        "../own/net.py:small,baseline_cnn",
        "--weights",
        "w/last.pt",
        "--data-root",
        "d",
    ]
    assert shown_command(words) == f"bench {' '.join(words[:-1])} $DATA"
    whole = ["run", "--model", "/home/me/net.py:small,hf:/home/me/vit", "--weights=/home/me/w.pt"]
    assert shown_command(whole) == "bench run --model net.py:small,hf:vit --weights=w.pt"


def test_a_shown_command_takes_other_options() -> None:
    command = "bench run --model 'a b.py:net' --attacks=fgsm --audit quick --data-root $DATA --n 20"
    assert with_options(command, attacks="strong", audit="") == (
        "bench run --model 'a b.py:net' --data-root $DATA --n 20 --attacks strong"
    )
    assert with_options("bench audit --audit full --n 5", audit="quick") == "bench audit --n 5 --audit quick"


def test_refusals_are_one_line(capsys: Capture) -> None:
    for spec, fragment in (
        ("corrupted:digits:snoww", "did you mean snow"),
        ("cifar10c", "CIFAR-10-C is not in"),
        ("corrupted:cifar10", "cifar10 is not in"),
    ):
        answer = call(capsys, *RUN, "--dataset", spec, "--workers", 1)
        assert (answer.code, answer.out) == (2, "")
        assert fragment in answer.err
        assert len(answer.err.splitlines()) == 1
