"""``--batch``: the shard of the lanes, part of a row's identity, and what ``bench check`` measures a row with."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.engine.store import DirectoryStore
from bench.leaderboard import file as leaderboard
from bench.leaderboard.columns import batch_before, columns_of
from bench.studies.robustness.history import chapters

RUN = shlex.split(
    "run --model baseline_cnn_4 --attacks fgsm,pgd --steps 2 --eps 0.1 --n 50 --workers 1 --json"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in batches of 100, and the same one in batches of 20."""
    place = tmp_path_factory.mktemp("batches")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(RUN) == 0
        assert main([*RUN, "--batch", "20"]) == 0
    return place


def sizes(folder: Path) -> Counter[tuple[int, int]]:
    store = DirectoryStore(folder / ".symbench")
    return Counter((each.cell.first, each.cell.count) for each in store.cells() if each is not None)


def test_the_batch_is_the_shard(folder: Path) -> None:
    assert sizes(folder) == {(0, 50): 3, (0, 20): 3, (20, 20): 3, (40, 10): 3}


def test_rows_of_two_batches_stand_beside_each_other(folder: Path) -> None:
    rows = leaderboard.read(folder / "leaderboard.csv")
    assert Counter(row["batch"] for row in rows) == {100: 3, 20: 3}
    own = {(row["attack"], row["batch"]): row["robust"] for row in rows}
    assert own["fgsm", 20] == own["fgsm", 100]  # draws nothing at random


def test_results_of_two_batches_are_ranked_apart(folder: Path) -> None:
    found = chapters(DirectoryStore(folder / ".symbench"))
    assert [chapter.setting.batch for chapter in found] == [20, 100]
    assert "batch 100" not in (page := (folder / "reports" / "digits.html").read_text())
    assert "<dd>20 images go through a model together</dd>" in page


def test_check_measures_a_row_in_its_own_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    before = sizes(folder)
    check = shlex.split("check --against leaderboard.csv --model baseline_cnn_4 --workers 1 --store")
    assert main([*check, ".symbench"]) == 0
    assert sizes(folder) == before  # nothing was missing
    assert main([*check, "fresh"]) == 0
    store = DirectoryStore(folder / "fresh")
    counts = {each.cell.count for each in store.cells() if each is not None}
    assert counts == {50, 20, 10}


def test_a_run_of_the_first_version_has_batches_of_100(folder: Path) -> None:
    store = DirectoryStore(folder / ".symbench")
    run = next(iter(store.runs()))
    assert run["setting"].pop("batch") == 100
    other = DirectoryStore(folder / "older")
    other.put_run(run)
    assert chapters(other)[0].setting.batch == 100


def test_rows_that_state_no_batch_have_the_one_there_was() -> None:
    assert set(columns_of(6)) - set(columns_of(5)) == {"batch"}
    assert batch_before({"protocol": "sound/1", "attack": "pgd"}) == 100
    assert batch_before({"protocol": "sound/1", "attack": "clever"}) == 10
    assert batch_before({"protocol": "released:baseline_cnn/1", "attack": "pgd"}) is None


def test_a_released_protocol_has_its_own_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split("run --model baseline_cnn --protocol released --eps 0.02 --n 8 --workers 1 --batch 4")
    assert main(words) == 2
    assert "--batch is 4, but protocol" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "counts"),
    [
        (
            "spatial --rotate 30 --translate none --draws 1 --grid none --turns 0 --n 12 --batch 5",
            {5: 4, 2: 2},
        ),
        ("mip --draws 1 --grid 4 --n 5 --batch 3", {3: 1, 2: 1}),
        ("clever --batches 2 --samples 4 --n 3 --batch 2", {2: 2, 1: 2}),
    ],
)
def test_other_studies_take_it_too(
    command: str, counts: dict[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*command.split(), "--model", "baseline_cnn_4", "--workers", "1", "--json"]) == 0
    store = DirectoryStore(tmp_path / ".symbench")
    assert Counter(each.cell.count for each in store.cells() if each is not None) == counts
    assert json.dumps(next(iter(store.runs()))["setting"]["batch"]) == command.split()[-1]
