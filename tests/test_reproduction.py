"""bench reproduce: what each section takes, that nothing is measured twice, and what is said of the rest."""

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

import numpy as np
import pytest

from bench import leaderboard
from bench.cli import main, parser
from bench.commands import reproduce
from bench.errors import CellError, UsageError
from bench.evaluation import Ask, Evaluation
from bench.executors import Bench
from bench.paper import COLUMNS, RELATIONS, SECTIONS, needed, numbers
from bench.paper.across import across_protocols
from bench.paper.claims import CLAIMS
from bench.protocols import RELEASED, SOUND, own_script
from bench.reproduction import SHARED, SIZES, Plan, Sizes, plan, relation_to
from bench.reproduction_collect import collect_reproduction, reproductions
from bench.sources import DataSource
from bench.store import DirectoryStore, Stored
from zoo import registry

TINY = Sizes(sound=3, released=3, few=True, across=2, bases=1, removal=2, seeds=1)
DIGITS = "--dataset digits"
PAPER = tuple(i / 100 for i in range(1, 16))


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


def planned(
    *sections: str, sizes: Sizes = SIZES["small"], name: str | None = None, weights_from: str | None = None
) -> Plan:
    ask = Ask(
        models=(), requests=(), data=DataSource(spec="digits", name=name), weights_from=weights_from, seed=3
    )
    return plan(ask, sections, budget="small", options=DIGITS, sizes=sizes)


def models(evaluations: Sequence[Evaluation]) -> set[str]:
    return {info.name for evaluation in evaluations for _, info in evaluation.models}


@dataclass
class Home:
    """Where one test's files go, and the command with tiny sizes."""

    path: Path
    weights: str

    def run(self, *words: str, sizes: Sizes = TINY) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        argv = ["reproduce", *words, "--workers", "1", *self.places, "--leaderboard", str(self.table)]
        if self.weights:
            argv += ["--weights-from", self.weights]
        options = parser().parse_args(argv)
        options.argv = argv
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = reproduce.carried_out(options, sizes)
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


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> str:
    return weights(tmp_path_factory.mktemp("weights") / "two", "baseline_cnn", "equivariant_gcnn_4")


@pytest.fixture(scope="module")
def table2(tmp_path_factory: pytest.TempPathFactory, two: str) -> Ran:
    """Table 2 with the one of its two models that has weights."""
    return ran(Home(tmp_path_factory.mktemp("table2"), two), "--table", "2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, two: str) -> Ran:
    """The whole paper with the two models that have weights."""
    return ran(Home(tmp_path_factory.mktemp("whole"), two), "--all")


# plans


@pytest.mark.parametrize("section", ["table2", "table3", "table4", "figure1", "figure2", "figure6"])
def test_a_section_takes_its_models_at_its_eps(section: str) -> None:
    found, of = planned(section), needed(section)
    assert models(found.sound) == models(found.released) == set(of.models)
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
    gcnns = set(needed("table1").models) - {"baseline_cnn"}
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


def test_the_whole_paper_takes_every_model_under_every_script(two: str) -> None:
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
        ("folder:x", "cifar10-jpeg", (), ("cifar10", "copy")),
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


# runs


@pytest.mark.parametrize("of", ["table2", pytest.param("whole", marks=pytest.mark.slow)])
def test_numbers_are_those_of_the_leaderboard(of: str, request: pytest.FixtureRequest) -> None:
    found: Ran = request.getfixturevalue(of)
    rows = {
        (row["model"], row["protocol"], row["attack"], row["eps"], row["n"]): row["robust_acc"]
        for row in leaderboard.read(found.home.table)
        if row["dataset"] == "digits"
    }
    checked = 0
    for number in (each for each in found.numbers if each["section"] != "table1"):
        for side in filter(None, (number[column] for column in COLUMNS)):
            key = (number["name"], side["protocol"], number["attack"], number["eps"], side["n"])
            assert side["accuracy"] == rows[key]
            assert side["difference"] is None  # digits are other images
            checked += 1
    assert checked == 2 * (4 + 4) + (0 if of == "table2" else 2 * (15 + 4))


@pytest.mark.parametrize("of", ["table2", pytest.param("whole", marks=pytest.mark.slow)])
def test_again_it_measures_nothing_and_draws_the_same_page(
    of: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: Ran = request.getfixturevalue(of)
    home = found.home
    monkeypatch.delattr(Bench, "run")
    page, rows = home.page(), leaderboard.read(home.table)
    shown = json.loads(home.run(*found.words, "--dry-run", "--json")[1])
    assert (shown["to_run"], shown["seconds_at_most"]) == (0, 0)
    assert shown["stored"] == shown["cells"] > 0
    code, out, _ = home.run(*found.words, "--json")
    assert (code, json.loads(out)) == (0, [*found.numbers, *found.claims])
    assert leaderboard.read(home.table) == rows
    assert home.page() == page
    assert main(["report", *home.places[:2], "--reports", str(tmp_path), "--dataset", "digits"]) == 0
    assert (tmp_path / "paper-digits.html").read_text("utf-8") == page


def test_a_section_prints_its_numbers_side_by_side(table2: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Bench, "run")
    code, out, _ = table2.home.run("--table", "2")
    assert code == 0
    lines = [[cell.strip() for cell in line.split("│")] for line in out.splitlines()]
    numbers = [each for each in table2.numbers if each["section"] == "table2" and each["sound"]]
    assert len(numbers) == 8
    for number in numbers:
        (line,) = (line for line in lines if line[2:4] == [number["attack"], f"{number['eps']:g}"])
        values = (number["accuracy"], *(number[column]["accuracy"] for column in COLUMNS))
        assert [shown.split(" ")[0] for shown in line[4:7]] == [f"{100 * value:.1f}" for value in values]
    assert "deeper-by" in out
    assert "rs-best" not in out
    assert "This run was not asked for Figure 2" in table2.home.page()


def test_what_has_no_weights_is_named_with_the_command(table2: Ran) -> None:
    command = "bench train equivariant_gcnn --dataset digits --out two"
    assert f"equivariant_gcnn has no weights for these images and is left out; {command}" in table2.err
    assert command in table2.home.page()


@pytest.mark.slow
def test_the_whole_paper_has_a_place_for_every_number(whole: Ran) -> None:
    assert {(row["file"], row["line"]) for row in whole.numbers} == {(r.file, r.line) for r in numbers()}
    measured = {(row["section"], row["name"]) for row in whole.numbers if row["sound"] and row["released"]}
    assert measured == {
        ("table1", "baseline_cnn"), ("table2", "equivariant_gcnn_4"), ("figure2", "baseline_cnn"),
    }  # fmt: skip
    page = whole.home.page()
    for section in SECTIONS.values():
        assert f'<section id="{section.id}">' in page
    for row in whole.numbers:
        assert page.count(f'data-row="{row["file"]}:{row["line"]}"') == 1
    assert [claim["id"] for claim in whole.claims] == [claim.id for claim in CLAIMS]
    for claim in whole.claims:
        for column in COLUMNS:
            assert claim[column]["verdict"] == "cannot be told here"  # one model of each pair is missing
    assert "Table 3 is about CIFAR-100: not measured here; bench reproduce --table 3 --dataset" in whole.err


@pytest.mark.slow
def test_the_same_weights_stand_under_every_protocol(whole: Ran) -> None:
    store = whole.home.store
    of = collect_reproduction(store, reproductions(store)["digits"])
    across = across_protocols(of)
    assert (across.eps, across.n) == (SHARED, TINY.across)
    assert len(across.shares) == 2 * 2 * (len(RELEASED) + 1)
    assert of.mip is not None
    assert [model.info.name for model in of.mip.models] == ["baseline_cnn"]
    assert {each.results.setting.protocol for each in of.corrupted} == {"sound/1", "released:baseline_cnn/1"}


# kills, faults, refusals


def test_killed_after_a_part_it_leaves_a_page_and_goes_on(
    two: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, put, kinds = Home(tmp_path, two), DirectoryStore.put, []

    def mortal(store: DirectoryStore, stored: Stored) -> None:
        if stored.cell.kind == "released":
            raise KeyboardInterrupt
        put(store, stored)

    def counting(store: DirectoryStore, stored: Stored) -> None:
        kinds.append(stored.cell.kind)
        put(store, stored)

    monkeypatch.setattr(DirectoryStore, "put", mortal)
    with pytest.raises(KeyboardInterrupt):
        home.run("--table", "2")
    assert "equivariant_gcnn_4" in home.page()
    assert {row["protocol"] for row in leaderboard.read(home.table)} == {"sound/1"}
    monkeypatch.setattr(DirectoryStore, "put", counting)
    assert home.run("--table", "2")[0] == 0
    assert kinds == ["released"]
    protocols = {row["protocol"] for row in leaderboard.read(home.table)}
    assert protocols == {"sound/1", "released:equivariant_gcnn/1"}


def test_a_failed_cell_is_named_and_the_rest_is_shown(
    two: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise CellError("told to fail")

    monkeypatch.setattr("bench.executors.measure_released", failing)
    home = Home(tmp_path, two)
    code, out, err = home.run("--table", "2", "--json")
    assert code == 1
    assert "under released:equivariant_gcnn/1, images 0–2: told to fail" in err
    assert "told to fail" in home.page()
    rows = [row for row in json.loads(out) if row.get("name") == "equivariant_gcnn_4" and row["sound"]]
    assert {row["released"] for row in rows} == {None}


def test_on_a_copy_differences_are_said_and_other_data_are_not_measured(two: str, tmp_path: Path) -> None:
    home = Home(tmp_path, two)
    words = ("--dataset", "digits", "--name", "cifar10-digits")
    code, out, err = home.run("--table", "3", *words)
    assert (code, err.count("Table 3 is about CIFAR-100")) == (0, 1)
    assert not list((tmp_path / "store" / "cells").iterdir())
    assert home.page("cifar10-digits").count("Not measured here.") >= len(SECTIONS) - 2
    code, out, err = home.run("--table", "2", *words, "--json", "--budget", "full")
    assert "this will take at most about" in err
    assert "1 process)" in err
    (side,) = (
        row["sound"] for row in json.loads(out)
        if row["kind"] == "number" and row["section"] == "table2" and row["sound"]
        and (row["attack"], row["eps"]) == ("fgsm", 0.03)
    )  # fmt: skip
    assert side["difference"] == pytest.approx(side["accuracy"] - 0.5378, abs=1e-9)
    shown = "--dataset digits --name cifar10-digits --weights-from two"
    assert f"bench reproduce --table 2 {shown} --budget full" in home.page("cifar10-digits")


def test_table_1_on_the_files_of_cifar10c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # digests of the files are kept there
    place = tmp_path / "data" / "CIFAR-10-C"
    place.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (5 * 4, 32, 32, 3), np.uint8)
    np.save(place / "fog.npy", noise)
    np.save(place / "labels.npy", np.tile(np.arange(4), 5).astype(np.uint8))
    home = Home(tmp_path, weights(tmp_path / "weights", "baseline_cnn", of="cifar10-jpeg"))
    words = ("--dataset", "cifar10c:fog", "--data-root", str(tmp_path / "data"))
    found = ran(home, "--table", "1", *words)
    measured = [row for row in found.numbers if row["sound"]]
    assert {(row["section"], row["name"], row["corruption"]) for row in measured} == {
        ("table1", "baseline_cnn", "fog"), ("table1", "baseline_cnn", "mean_of_19"),
    }  # fmt: skip
    for row in measured:
        for column in COLUMNS:
            side = row[column]
            assert side["n"] == 1
            if row["corruption"] == "fog":
                assert side["difference"] == pytest.approx(side["accuracy"] - row["accuracy"])
            else:  # the mean over one corruption is not that over 19
                assert side["difference"] is None
    assert measured[0]["released"]["protocol"] == "released:baseline_cnn/1"
    commands = {claim["id"]: claim["sound"]["command"] for claim in found.claims}
    here = "--dataset cifar10c:fog --data-root $DATA --weights-from weights --budget full"
    assert commands["corrupted-best"] == f"bench reproduce --table 1 {here}"
    assert (
        commands["concatenation"] == "bench reproduce --figure 2 --dataset cifar10 --download --budget full"
    )
    assert commands["mip"] == "bench reproduce --figure 5 --dataset cifar10 --download --budget full"
    assert "bench train parallel_gcnn --dataset cifar10 --out weights" in found.err
    assert home.run("--table", "2", *words)[2].count("Table 2 is about CIFAR-10: not measured here") == 1


def test_without_any_weights_it_says_how_to_train_them(tmp_path: Path) -> None:
    with pytest.raises(registry.WeightsError, match="no weights of equivariant_gcnn_4 for cifar10-digits"):
        planned("table2", name="cifar10-digits")
    with pytest.raises(registry.WeightsError, match=r"holds no weights\.json"):
        planned("table2", weights_from=str(tmp_path / "none") + "/")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "one of the arguments --table --figure --all is required"),
        (("--table", "2", "--all"), "not allowed with"),
        (("--table", "5"), "invalid choice: 5"),
        (("--figure", "3"), "invalid choice: 3"),
        (("--all", "--budget", "huge"), "invalid choice: 'huge'"),
        (("--all", "--workers", "0"), "--workers is 0"),
        (("--all", "--dataset", "cifar11"), "unknown data set 'cifar11'"),
    ],
)
def test_refusals(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: Sequence[str], message: str
) -> None:
    try:
        code = main(["reproduce", *words, *Home(tmp_path, "").places])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_device_that_is_not_there_is_refused() -> None:
    ask = Ask(models=(), requests=(), data=DataSource(spec="digits"), device="tpu")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        plan(ask, ("table2",), budget="small", options=DIGITS, sizes=TINY)
