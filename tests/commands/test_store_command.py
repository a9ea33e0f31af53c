"""``bench store``: info, merge, prune, check."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.engine.records import Stored
from bench.engine.result import CellResult
from bench.engine.store import FILE, DirectoryStore
from tests.engine.test_store import stored, whole
from tests.stores import cell_ids

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def asked(capsys: Capture, *words: str) -> dict:
    capsys.readouterr()
    assert main(["store", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def spoil(path: Path) -> None:
    with closing(sqlite3.connect(path / FILE, isolation_level=None)) as other:
        other.execute("UPDATE cells SET arrays = zeroblob(LENGTH(arrays)) WHERE id = 1")


def test_info_counts_what_is_there(capsys: Capture) -> None:
    whole(Path(".symbench")).close()
    found = asked(capsys, "info")
    assert (found["cells"], found["runs"]) == (3, 1)
    (part,) = found["parts"]
    assert (part["dataset"], part["kind"], part["models"], part["cells"]) == ("toys", "attack", 1, 3)
    assert main(["store", "info"]) == 0
    assert "3 cells and 1 runs" in capsys.readouterr().out


def test_merge_takes_what_is_missing_and_counts_what_is_unequal(capsys: Capture) -> None:
    whole(Path(".symbench"), 2).close()
    other = whole(Path("other"), 4)
    one = stored(0)
    changed = {**one.result.arrays, "standing": ~one.result.arrays["standing"]}
    result = CellResult(arrays=changed, seconds=1.0, gradients=1)
    other.put(Stored(cell=one.cell, result=result, provenance={}))
    other.put_run({"kind": "audit"})
    other.close()
    assert asked(capsys, "merge", "other") == {"cells": 2, "runs": 1, "damaged": 0, "unequal": 1}
    assert asked(capsys, "merge", "other") == {"cells": 0, "runs": 0, "damaged": 0, "unequal": 1}
    kept = DirectoryStore(Path(".symbench")).get(one.cell.key)
    assert kept is not None
    assert kept.result.digest == one.result.digest


def test_merge_leaves_damage_out_and_measures_no_harm(capsys: Capture) -> None:
    whole(Path(".symbench"), 0).close()
    whole(Path("other"), 3).close()
    spoil(Path("other"))
    assert asked(capsys, "merge", "other") == {"cells": 2, "runs": 0, "damaged": 1, "unequal": 0}
    assert main(["store", "check"]) == 0


def test_prune_removes_what_is_named_and_nothing_else(capsys: Capture) -> None:
    store = whole(Path(".symbench"))
    other = stored(9)
    store.put(Stored(cell=other.cell.derive(model="net"), result=other.result, provenance={}))
    store.close()
    assert asked(capsys, "prune", "--model", "net", "--dry-run")["cells"] == 1
    assert len(cell_ids(Path(".symbench"))) == 4
    assert asked(capsys, "prune", "--model", "net", "--attack", "fgsm")["cells"] == 0
    assert asked(capsys, "prune", "--model", "net")["cells"] == 1
    assert set(cell_ids(Path(".symbench"))) == {stored(seed).cell.key for seed in range(3)}


def test_check_names_damage_and_repairs_when_told(capsys: Capture) -> None:
    whole(Path(".symbench")).close()
    assert main(["store", "check"]) == 0
    spoil(Path(".symbench"))
    assert main(["store", "check"]) == 1
    assert "1 damaged" in capsys.readouterr().out
    found = asked(capsys, "check", "--repair")
    assert (found["damaged"], found["repaired"]) == (1, True)
    assert asked(capsys, "check")["cells"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("info", "--store", "nowhere"), "there is no store at nowhere"),
        (("merge", "nowhere"), "there is no store at nowhere"),
        (("merge", ".symbench"), "is the store itself"),
        (("prune",), "say which with --model, --dataset or --attack"),
    ],
)
def test_refusals(words: tuple[str, ...], said: str, capsys: Capture) -> None:
    whole(Path(".symbench"), 1).close()
    assert main(["store", *words]) == 2
    assert said in capsys.readouterr().err
    assert not Path("nowhere").exists()
