"""Where `bench reproduce` is tried: a few weights, tiny sizes, and what a run left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bench.commands import measure
from bench.commands.cli import parser
from bench.engine.store import DirectoryStore
from bench.inputs.sources import DataSource
from bench.studies.paper.plan import SIZES, PaperSizes, Plan, plan
from bench.studies.robustness.evaluation import Evaluation
from bench.studies.shared.ask import Ask
from zoo import data as zoo_data
from zoo import registry

TINY = PaperSizes(sound=3, released=3, few=True, across=2, bases=1, removal=2, seeds=1)
DIGITS = "--dataset digits"


def weights(place: Path, *names: str, of: str = "digits") -> str:
    """A directory of weights with a few of a data set's models; ``NAME@1`` is given those of ``NAME``."""
    place.mkdir()
    shipped = registry.shipped()
    for name in names:
        record = shipped[f"{of}/{name.partition('@')[0]}"]
        file = f"{name}.safetensors"
        shutil.copy(record.path, place / file)
        registry.add(place, dataclasses.replace(record, name=name, file=file))
    return str(place)


def planned(*sections: str, sizes: PaperSizes = SIZES["small"], weights_from: str | None = None) -> Plan:
    ask = Ask(models=(), requests=(), data=DataSource(spec="digits"), weights_from=weights_from, seed=3)
    return plan(ask, sections, budget="small", options=DIGITS, sizes=sizes)


def called(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the digits stand in for a folder's images of that name."""
    digits = dataclasses.replace(zoo_data.load("digits", "test"), name=name)
    monkeypatch.setattr(DataSource, "load", lambda *_, **__: digits)


def models(evaluations: Sequence[Evaluation]) -> set[str]:
    return {info.name for evaluation in evaluations for _, info in evaluation.models}


@dataclass
class Home:
    """Where one test's files go, and the command with tiny sizes."""

    path: Path
    weights: str

    def run(self, *words: str, sizes: PaperSizes = TINY) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        argv = ["reproduce", *words, "--workers", "1", *self.places, "--leaderboard", str(self.table)]
        if self.weights:
            argv += ["--weights-from", self.weights]
        options = parser().parse_args(argv)
        options.argv = argv
        tiny = mock.patch.dict(SIZES, dict.fromkeys(SIZES, sizes))
        with tiny, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = measure.execute(options)
        return code, out.getvalue(), err.getvalue()

    @property
    def places(self) -> list[str]:
        return ["--store", str(self.path / "store"), "--reports", str(self.path / "reports")]

    @property
    def table(self) -> Path:
        return self.path / "leaderboard.csv"

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.path / "store")

    def page(self, name: str = "digits") -> str:
        return (self.path / "reports" / f"paper-{name}.html").read_text("utf-8")


@dataclass
class Ran:
    """What a run with ``--json`` left: where it lies, its numbers, its claims, its stderr and its words."""

    home: Home
    numbers: list[dict[str, Any]]
    claims: list[dict[str, Any]]
    err: str
    words: tuple[str, ...]


def ran(home: Home, *words: str) -> Ran:
    code, out, err = home.run(*words, "--json")
    assert code == 0, err
    parts = {kind: [each for each in json.loads(out) if each["kind"] == kind] for kind in ("number", "claim")}
    return Ran(home, parts["number"], parts["claim"], err, words)
