"""bench reproduce: what each section takes, that nothing is measured twice, and what is said of the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.commands.cli import main
from bench.engine.loaded import Loaded
from bench.engine.protocols import RELEASED
from bench.engine.store import DirectoryStore, Stored
from bench.errors import CellError
from bench.leaderboard import file as leaderboard
from bench.studies.paper import COLUMNS, SECTIONS, numbers
from bench.studies.paper.across import across_protocols
from bench.studies.paper.claims import CLAIMS
from bench.studies.paper.collect import collect_reproduction, reproductions
from bench.studies.paper.plan import SHARED
from tests.reproduction_home import TINY, Home, Ran, called, ran, weights
from tests.stores import cell_ids


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
    monkeypatch.delattr(Loaded, "run")
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
    monkeypatch.delattr(Loaded, "run")
    code, out, _ = table2.home.run("--table", "2")
    assert code == 0
    lines = [[cell.strip() for cell in line.split("│")] for line in out.splitlines()]
    numbers = [each for each in table2.numbers if each["section"] == "table2" and each["sound"]]
    assert len(numbers) == 8
    for number in numbers:
        (line,) = (line for line in lines if line[2:4] == [number["attack"], f"{number['eps']:g}"])
        values = (number["accuracy"], *(number[column]["accuracy"] for column in COLUMNS))
        assert [shown.split("±")[0] for shown in line[4:7]] == [f"{100 * value:.1f}" for value in values]
    assert "deeper-by" in out
    assert "rs-best" not in out
    assert "This run did not request Figure 2" in table2.home.page()


def test_what_has_no_weights_is_named_with_the_command(table2: Ran) -> None:
    command = "bench train equivariant_gcnn --dataset digits --out "
    place = table2.home.weights
    assert f"equivariant_gcnn has no weights for these images and is left out; {command}{place}" in table2.err
    assert f"{command}two" in table2.home.page()


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
            assert claim[column]["verdict"] == "undecided here"  # one model of each pair is missing
    assert (
        "Table 3 is about CIFAR-100: not measured here; for m in equivariant_gcnn_4 equivariant_gcnn;"
        in whole.err
    )


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

    monkeypatch.setattr("bench.studies.released.cells.measure_released", failing)
    home = Home(tmp_path, two)
    code, out, err = home.run("--table", "2", "--json")
    assert code == 1
    assert "under released:equivariant_gcnn/1, images 0–2: told to fail" in err
    assert "told to fail" in home.page()
    rows = [row for row in json.loads(out) if row.get("name") == "equivariant_gcnn_4" and row["sound"]]
    assert {row["released"] for row in rows} == {None}


def test_on_a_copy_differences_are_said_and_other_data_are_not_measured(
    two: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called("cifar10-digits", monkeypatch)
    home = Home(tmp_path, two)
    words = ("--dataset", "digits", "--name", "cifar10-digits")
    code, out, err = home.run("--table", "3", *words)
    assert (code, err.count("Table 3 is about CIFAR-100")) == (0, 1)
    assert not cell_ids(tmp_path / "store")
    assert home.page("cifar10-digits").count("Not measured here.") >= len(SECTIONS) - 2
    monkeypatch.setattr("bench.commands.measure.LONG", 0)
    code, out, err = home.run("--table", "2", *words, "--json", "--budget", "full")
    assert (
        "this will take at most about 0 minutes; it can be stopped at any time, and the same command continues"
        in err
    )
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
    home = Home(tmp_path, weights(tmp_path / "weights", "baseline_cnn", of="cifar10"))
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
    shipped = "--dataset cifar10 --download --budget full"
    assert commands["concatenation"].startswith(f"bench reproduce --figure 2 {shipped}; for m in ")
    assert commands["mip"] == f"bench reproduce --figure 5 {shipped}"
    assert f"bench train parallel_gcnn --dataset cifar10 --out {tmp_path / 'weights'}" in found.err
    assert home.run("--table", "2", *words)[2].count("Table 2 is about CIFAR-10: not measured here") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "one of the arguments --table --figure --all is required"),
        (("--table", "2", "--all"), "not allowed with"),
        (("--table", "5"), "invalid choice: 5"),
        (("--figure", "3"), "invalid choice: 3"),
        (("--all", "--budget", "huge"), "invalid choice: 'huge'"),
        (("--all", "--workers", "0"), "'0' is not a whole number of 1 or more"),
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
