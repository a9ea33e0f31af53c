"""A study of an installed package: its command, rows, page, resume and dry run, without a change to the product."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.engine import studies

TOY = """
from bench.engine.cell import Cell
from bench.engine.driver import backend
from bench.engine.kind import Kind
from bench.engine.result import CellResult
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options
from bench.studies.shared.collect import joined, whole
from bench.studies.shared.evaluation import images_of, opened
from bench.studies.shared.options import model_ask
from dataclasses import dataclass

@dataclass(frozen=True)
class Setting:
    dataset: str
    data: str
    n: int

@dataclass(frozen=True)
class Results:
    setting: Setting
    models: dict
    failed: tuple

def cells(setting, model):
    return (Cell(kind="toy", model=model.name, weights=model.weights, dataset=setting.dataset, data=setting.data,
        first=0, count=setting.n, attack="toy", library="toy==1", params=(), norm=None, eps=None, seed=0,
        protocol="sound/1", backend=backend("cpu"), parent=None),)

def measure(cell, subject):
    print("measuring", cell.model)
    return CellResult(arrays={"largest": subject.model(subject.x).max(dim=1).values.numpy()}, seconds=0.0, gradients=0)

class Toy(CellStudy):
    name = "toy"
    kinds = {"toy": Kind(measure=measure)}
    def options(self, parser):
        for add in (model_options, data_options, measuring_options):
            add(parser)
        place_options(parser, "store", "reports")
    def prepare(self, options):
        data, n = images_of(model_ask(options), 5)
        return opened(model_ask(options), data, Setting(data.name, data.sha256, n), cells)
    @staticmethod
    def read_setting(fields):
        return Setting(**fields)
    @staticmethod
    def collected(store, setting, models, *, versions, command, failed=()):
        found = {model.name: whole(store, cells(setting, model)) for model in models}
        return Results(setting, {name: joined(each, "largest") for name, each in found.items() if each}, tuple(failed))
    def seconds(self, ready, store):
        return 0.0
    def write(self, results, others, out):
        page = out / f"toy-{results.setting.dataset}.html"
        page.write_text(str(sorted(results.models)))
        return page
    def as_json(self, results):
        return [{"model": name, "largest": float(each.max())} for name, each in results.models.items()]
    def show(self, results):
        print(*results.models)

STUDY = Toy()
"""
WORDS = ["--n", "5", "--workers", "1"]


@pytest.fixture(autouse=True)
def _toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package ``toy_study`` as pip leaves it."""
    (tmp_path / "toy_study.py").write_text(TOY)
    info = tmp_path / "toy_study-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-study\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[symbench.studies]\ntoy = toy_study:STUDY\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    studies.find_study.cache_clear()
    yield
    studies.find_study.cache_clear()
    sys.modules.pop("toy_study", None)


def test_a_toy_study_has_a_command_rows_a_page_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toy", "--model", "baseline_cnn_4", *WORDS, "--dry-run"]) == 0
    assert capsys.readouterr().out == "1 cells, 0 stored, 1 to run, at most about 0 s\n"
    assert not Path(".symbench").exists()
    assert main(["toy", "--model", "baseline_cnn_4", *WORDS, "--json"]) == 0
    first = capsys.readouterr()
    assert "measuring baseline_cnn_4" in first.err
    assert main(["toy", "--zoo", "baseline_cnn_4,parallel_gcnn_4", *WORDS, "--json"]) == 0
    second = capsys.readouterr()
    assert "measuring baseline_cnn_4" not in second.err
    assert "measuring parallel_gcnn_4" in second.err
    assert json.loads(second.out)[0] == json.loads(first.out)[0]
    assert Path("reports/toy-digits.html").read_text() == "['baseline_cnn_4', 'parallel_gcnn_4']"
    Path("reports/toy-digits.html").unlink()
    assert main(["report"]) == 0
    assert Path("reports/toy-digits.html").read_text() == "['baseline_cnn_4', 'parallel_gcnn_4']"


def test_its_command_is_listed_and_its_own_help_is_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "toy" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["toy", "--help"])
    assert "--model" in capsys.readouterr().out


def test_one_that_cannot_be_loaded_is_named_and_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy_study.py").write_text("import no_such_module")
    assert [each.name for each in metadata.entry_points(group="symbench.studies")] == ["toy"]
    assert main(["toy", *WORDS]) == 2
    assert "the study 'toy' of toy_study cannot be loaded" in capsys.readouterr().err
    assert main(["list", "models"]) == 0
    assert main(["mip", "--model", "baseline_cnn_4", *WORDS, "--draws", "1", "--grid", "2"]) == 0
    assert main(["report"]) == 0
    assert "the study 'toy' of toy_study cannot be loaded" in capsys.readouterr().err
