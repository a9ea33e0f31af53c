"""The command line on real models and images: what it writes, shows and refuses to repeat."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import zoo
from bench.commands.cli import main
from bench.leaderboard import columns
from bench.leaderboard import file as leaderboard
from bench.leaderboard.members import is_worst
from tests.own import call, write_images, write_models
from tests.stores import cell_ids

RUN = ("run", "--n", 40, "--model", "baseline_cnn_4", "--attacks", "fgsm,pgd", "--workers", 1)
ONE_EPS = ("run", "--workers", 1, "--eps", 0.1, "--model", "baseline_cnn_4")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and cache for every test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds and has its own tests."""
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the run command has been given once, pages and all."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("done")
    os.chdir(folder)
    try:
        assert main([str(word) for word in RUN]) == 0
    finally:
        os.chdir(before)
    return folder


def rows_of(path: Path) -> list[dict[str, Any]]:
    return leaderboard.read(path)


def untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in columns.TIMING} for row in rows]


def cells(folder: Path) -> set[str]:
    return set(cell_ids(folder / ".symbench"))


def test_a_run_leaves_a_leaderboard_a_page_and_figures(done: Path) -> None:
    rows = rows_of(done / "leaderboard.csv")
    assert [(row["attack"], row["eps"]) for row in rows] == [
        (attack, eps) for attack in ("fgsm", "pgd", "worst(fgsm,pgd)") for eps in (0.02, 0.05, 0.1, 0.15)
    ]
    assert {row["n"] for row in rows} == {40}
    assert (done / "reports" / "digits.html").read_text().lower().startswith("<!doctype html>")
    names = {path.name for path in (done / "reports" / "figures").iterdir()}
    assert {"digits-curves-pgd.svg", "digits-curves-pgd.png", "digits-scatter.svg"} <= names
    everything = {path.name for path in done.iterdir()}
    assert everything == {"leaderboard.csv", ".leaderboard.csv.lock", "reports", ".symbench"}


def test_json_rows_are_the_leaderboards_and_alone_on_stdout(
    done: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, no_page: None
) -> None:
    monkeypatch.chdir(done)
    before = cells(done)
    answer = call(capsys, *RUN, "--json")
    assert answer.code == 0
    assert json.loads(answer.out) == rows_of(done / "leaderboard.csv")
    assert "leaderboard.csv (12 rows)" in answer.err
    assert cells(done) == before


def test_a_dry_run_writes_nothing(capsys: Capture, tmp_path: Path) -> None:
    answer = call(capsys, *RUN, "--dry-run")
    assert answer.code == 0
    assert answer.out.startswith("9 cells, 0 stored, 9 to run, at most about ")
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_counts_what_is_stored(done: Path, capsys: Capture) -> None:
    answer = call(
        capsys, *RUN, "--eps", "0.02,0.05,0.1,0.15,0.2", "--store", done / ".symbench", "--dry-run", "--json"
    )
    plan = json.loads(answer.out)
    assert (plan["cells"], plan["stored"], plan["to_run"]) == (11, 9, 2)
    assert 0 < plan["seconds_at_most"] < 60


def test_report_draws_the_same_page_from_the_store(
    done: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        "bench.studies.attacked.write",
        lambda main, others, where, **_: drawn.append(main) or where / "digits.html",
    )
    answer = call(capsys, "report", "--store", done / ".symbench", "--reports", tmp_path / "pages")
    assert answer.code == 0
    assert "digits.html" in answer.err
    accuracies = [share.mean() for share in drawn[0].models[0].curves[1].standing]
    assert accuracies == [
        row["robust_acc"] for row in rows_of(done / "leaderboard.csv") if row["attack"] == "pgd"
    ]


def _attacks(row: dict[str, Any]) -> tuple[str, ...]:
    return ("fgsm", "pgd") if is_worst(row["attack"]) else (row["attack"],)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_exported_images_add_up_to_the_leaderboard(
    done: Path, capsys: Capture, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"images{ending}"
    assert call(capsys, "export", out, "--store", done / ".symbench").code == 0
    frame = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
    assert len(frame) == 8 * 40
    for row in rows_of(done / "leaderboard.csv"):
        # a cumulative curve counts an image that broke at any ε up to this one
        cell = frame[frame.attack.isin(_attacks(row)) & (frame.eps <= row["eps"])]
        assert cell.groupby("index").standing.all().mean() == pytest.approx(row["robust_acc"])
        assert cell.groupby("index").clean_standing.all().mean() == pytest.approx(row["clean_acc"])


def test_exported_pictures_fool_the_model_as_stated(done: Path, capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "images.npz"
    assert call(capsys, "export", out, "--store", done / ".symbench", "--attack", "pgd").code == 0
    kept = np.load(out, allow_pickle=False)
    assert len(kept["index"]) > 16
    data = zoo.data.load("digits", "test")
    assert np.array_equal(kept["clean"], data.images().numpy()[kept["index"]])
    change = np.abs(kept["attacked"] - kept["clean"]).max(axis=(1, 2, 3))
    assert (change <= kept["eps"] + 1e-6).all()
    model = zoo.deploy(zoo.load("baseline_cnn_4"))
    predicted = model(torch.from_numpy(kept["attacked"])).argmax(dim=1).numpy()
    assert np.array_equal(predicted, kept["predicted"])
    assert np.array_equal(predicted == kept["label"], kept["standing"])


@pytest.mark.parametrize(
    "words", [("out.txt",), ("out.csv", "--model", "nobody"), ("out.csv", "--store", "nowhere")]
)
def test_export_refuses_what_it_cannot_do(
    done: Path, capsys: Capture, words: tuple[str, ...], tmp_path: Path
) -> None:
    answer = call(capsys, "export", *words[:1], "--store", done / ".symbench", *words[1:])
    assert answer.code == 2
    assert answer.err.startswith("bench: error: ")
    assert answer.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_list_names_models_attacks_and_data_sets(capsys: Capture) -> None:
    found = json.loads(call(capsys, "list", "--json").out)
    assert {"equivariant_gcnn.pgd_at", "baseline_cnn"} <= {row["model"] for row in found["models"]}
    assert {(row["attack"], row["library"]) for row in found["attacks"]} >= {
        ("pgd", "foolbox"),
        ("fgsm", "torchattacks"),
    }
    assert {row["dataset"] for row in found["datasets"]} >= {"digits", "cifar10", "folder:PATH"}
    assert {row["command"] for row in found["commands"]} >= {"bench run", "bench certify", "bench clever"}
    shown = call(capsys, "list", "models")
    assert "baseline_cnn_4.pgd_at" in shown.out
    assert "folder:PATH" not in shown.out


def test_doctor_gives_findings_as_json(capsys: Capture) -> None:
    answer = call(capsys, "doctor", "--json")
    findings = json.loads(answer.out)
    assert {"what", "status", "detail"} <= set(findings[0])
    assert answer.code == int(any(finding["status"] == "fail" for finding in findings))


def test_a_model_trained_on_own_images_is_measured_on_them(
    capsys: Capture, tmp_path: Path, no_page: None
) -> None:
    images = f"folder:{write_images(tmp_path / 'private place')}"
    data = ("--dataset", images, "--name", "shades")
    trained = call(
        capsys,
        "train",
        "baseline_cnn_4",
        *data,
        "--epochs",
        1,
        "--width",
        0.5,
        "--threads",
        1,
        "--out",
        "own-weights",
    )
    assert trained.code == 0, trained.err
    assert "epoch 1/1" in trained.err
    said = trained.err.splitlines()[-1].removeprefix("measure it: ")
    assert shlex.split(said) == [
        "bench", "run", "--model", "baseline_cnn_4", *data, "--weights-from", "own-weights",
    ]  # fmt: skip
    answer = call(
        capsys, *ONE_EPS, *data, "--weights-from", "own-weights/", "--n", 8, "--attacks", "pgd", "--json"
    )
    assert answer.code == 0, answer.err
    (row,) = json.loads(answer.out)
    assert (row["dataset"], row["trained_on"], row["n"]) == ("shades", "shades", 8)
    assert "private place" not in answer.out + "".join(table.read_text() for table in Path().rglob("*.csv"))


def test_workers_change_no_number(done: Path, capsys: Capture, no_page: None) -> None:
    answer = call(capsys, *RUN[:-1], 2, "--json")
    assert answer.code == 0, answer.err
    assert untimed(json.loads(answer.out)) == untimed(rows_of(done / "leaderboard.csv"))


def test_libraries_run_side_by_side(capsys: Capture, no_page: None) -> None:
    answer = call(
        capsys,
        *ONE_EPS,
        "--n",
        64,
        "--steps",
        5,
        "--no-random-start",
        "--attacks",
        "pgd,foolbox:pgd",
        "--json",
    )
    ours, theirs, worst = json.loads(answer.out)
    assert (ours["library"].partition("==")[0], theirs["library"].partition("==")[0]) == (
        "torchattacks",
        "foolbox",
    )
    assert ours["robust"] == theirs["robust"]
    assert (worst["attack"], worst["library"]) == (
        "worst(foolbox:pgd,pgd)",
        f"{theirs['library']};{ours['library']}",
    )
    answer = call(capsys, *ONE_EPS, "--n", 64, "--attacks", "fgsm", "--library", "foolbox", "--json")
    assert json.loads(answer.out)[0]["library"].startswith("foolbox==")


def test_the_l2_ball(capsys: Capture, no_page: None) -> None:
    answer = call(
        capsys,
        *ONE_EPS,
        "--norm",
        "l2",
        "--eps",
        "0,0.5",
        "--n",
        40,
        "--attacks",
        "pgd,foolbox:fgsm",
        "--json",
    )
    rows = json.loads(answer.out)
    assert {row["norm"] for row in rows} == {"l2"}
    assert all(row["robust_acc"] == row["clean_acc"] for row in rows if row["eps"] == 0)
    assert all(row["robust_acc"] < row["clean_acc"] for row in rows if row["eps"] > 0)


def test_independent_curves_attack_everyone_and_stand_apart(
    done: Path, capsys: Capture, no_page: None
) -> None:
    answer = call(capsys, *RUN, "--independent", "--json")
    independent, cumulative = json.loads(answer.out), rows_of(done / "leaderboard.csv")
    assert {row["curve"] for row in independent} == {"independent"}
    for apart, chained in zip(independent, cumulative, strict=True):
        assert apart["robust"] >= chained["robust"] - 1  # a random start may be luckier once
        assert columns.identity(apart) != leaderboard.identity(chained)
    assert sum(row["gradients"] for row in independent) > sum(row["gradients"] for row in cumulative)


def test_growing_n_measures_only_the_new_shards(capsys: Capture, tmp_path: Path, no_page: None) -> None:
    grow = (*ONE_EPS, "--attacks", "pgd", "--steps", 2, "--json")
    call(capsys, *grow, "--n", 100)
    first = cells(tmp_path)
    grown = json.loads(call(capsys, *grow, "--n", 200).out)
    assert first < cells(tmp_path)
    assert len(cells(tmp_path)) == 2 * len(first)
    fresh = json.loads(call(capsys, *grow, "--n", 200, "--store", "other", "--leaderboard", "other.csv").out)
    assert untimed(grown) == untimed(fresh)
    assert {row["n"] for row in rows_of(Path("leaderboard.csv"))} == {100, 200}


def test_own_models_run_beside_the_zoo(capsys: Capture, tmp_path: Path, no_page: None) -> None:
    file = write_models(tmp_path)
    both = f"{file}:net,{file}:doubled"
    answer = call(capsys, *ONE_EPS, "--model", both, "--n", 100, "--attacks", "fgsm", "--json")
    assert answer.code == 0, answer.err
    zoo_row, net, doubled = json.loads(answer.out)
    assert [row["model"] for row in (zoo_row, net, doubled)] == ["baseline_cnn_4", "own:net", "own:doubled"]
    assert net["clean_acc"] != doubled["clean_acc"]
    assert str(tmp_path) not in answer.out
    assert "a model file may print" in answer.err


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "foolbox:pgd"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_logits_that_turn_nan_under_attack_count_as_broken(
    capsys: Capture, tmp_path: Path, no_page: None, attack: str, norm: str
) -> None:
    if (attack, norm) == ("fgsm", "l2"):
        attack = "foolbox:fgsm"
    model = f"{write_models(tmp_path)}:nan_under_attack"
    steps = () if attack.endswith("fgsm") else ("--steps", 3)
    answer = call(
        capsys, "run", "--workers", 1, "--model", model, "--attacks", attack, "--norm", norm,
        "--eps", 0.3, "--n", 100, *steps, "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    (row,) = json.loads(answer.out)
    assert row["clean_right"] > 0
    assert row["nonfinite"] == row["clean_right"]
    assert row["robust"] == 0


def test_a_fault_under_attack_fails_its_cells_and_keeps_the_rest(
    capsys: Capture, tmp_path: Path, no_page: None
) -> None:
    model = f"{write_models(tmp_path)}:raises_near"
    answer = call(capsys, *ONE_EPS, "--model", model, "--n", 40, "--attacks", "fgsm,pgd", "--json")
    assert answer.code == 1
    assert {row["model"] for row in json.loads(answer.out)} == {"baseline_cnn_4"}
    assert {row["model"] for row in rows_of(Path("leaderboard.csv"))} == {"baseline_cnn_4"}
    failed = [line for line in answer.err.splitlines() if line.startswith("bench: failed: ")]
    assert failed
    assert all("own:raises_near" in line and "this is no digit" in line for line in failed)
    assert "Traceback" not in answer.err


def test_help_and_version_load_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'rich', 'torchattacks', 'foolbox'}"
    for words in (["--help"], ["run", "--help"], ["--version"]):
        code = (
            "import sys; from bench.commands.cli import main\n"
            f"try: main({words})\nexcept SystemExit: pass\n"
            f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_no_command_shows_the_help(capsys: Capture) -> None:
    answer = call(capsys)
    assert answer.code == 0
    assert "doctor" in answer.out


@pytest.mark.parametrize(
    ("command", "module", "said"),
    [
        ("run", "measure", "bench: interrupted; what was measured is kept, and the same command continues\n"),
        ("list", "list", "bench: interrupted\n"),
    ],
)
def test_only_what_measures_speaks_of_what_is_kept(
    command: str, module: str, said: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"bench.commands.{module}.execute", stopped)
    assert main([command]) == 130
    assert capsys.readouterr().err == said
