"""``bench check``: one's own model against the rows of its leaderboard, unchanged, worse, and broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import zoo
from bench.attacks import ATTACKS, parse_requests
from bench.commands.cli import main
from bench.errors import UsageError
from bench.leaderboard import file as leaderboard
from bench.leaderboard.members import is_worst
from bench.numbers.paired import independent_difference
from bench.studies.robustness.regression import grouped, request_of
from bench.studies.robustness.rows import rows
from tests.factory import make_results, write_wide
from tests.own import call, write_images, write_models
from tests.toys import marks_of

Capture = pytest.CaptureFixture[str]
DIGITS = zoo.data.load("digits", "test")
EPS = (0.02, 0.05)


def fitted() -> dict[str, torch.Tensor]:
    """Weights of tests/own.py's one layer by ridge regression on the training digits."""
    train = zoo.data.load("digits", "train")
    x = (train.images().flatten(1).double() - 0.5) / 0.5
    x = torch.cat([x, torch.ones(len(x), 1)], 1)
    y = torch.nn.functional.one_hot(train.targets(), 10).double()
    solved = torch.linalg.solve(x.T @ x + 100 * torch.eye(257), x.T @ y).float()
    return {"layer.weight": solved[:256].T.contiguous(), "layer.bias": solved[256].contiguous()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a model, good and bad weights, and the leaderboard and store of the good ones."""
    folder = tmp_path_factory.mktemp("reference")
    write_models(folder)
    good = fitted()
    save_file(good, folder / "good.safetensors")
    noise = torch.randn(10, 256, generator=torch.Generator().manual_seed(0))
    save_file({**good, "layer.weight": good["layer.weight"] + 0.05 * noise}, folder / "worse.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
        run = ("run", "--workers", 1, "--n", 60, "--model", "own.py:net", "--weights", "good.safetensors")
        for words in (
            ("--eps", "0.02,0.05", "--steps", 3, "--attacks", "fgsm,pgd"),
            ("--eps", "0.05", "--steps", 3, "--alpha", 0.01, "--attacks", "foolbox:pgd", "--independent", "--seed", 3),
            ("--eps", "0.5", "--steps", 5, "--attacks", "ddn", "--norm", "l2"),
            ("--attacks", "spatial_random"),
        ):  # fmt: skip
            assert main([str(word) for word in (*run, *words)]) == 0
        yield folder


@pytest.fixture(autouse=True)
def _there(reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reference)


def command(weights: str, *words: Any) -> tuple[Any, ...]:
    """A check of the model with these weights."""
    model = ("--model", "own.py:net", "--weights", weights)
    return ("check", *model, "--against", "leaderboard.csv", "--workers", 1, *words)


def check(capsys: Capture, weights: str, *words: Any) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, JSON rows and stderr of such a check."""
    answer = call(capsys, *command(weights, "--json", *words))
    return answer.code, json.loads(answer.out), answer.err


CHECKED = [
    ("none", None),
    *(("fgsm", eps) for eps in EPS),
    *(("pgd", eps) for eps in EPS),
    ("foolbox:pgd", 0.05),
    ("ddn", 0.5),
]


def test_an_unchanged_model_passes_and_is_not_measured_again(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.attacks.measure.measure", None)
    code, rows, said = check(capsys, "good.safetensors")
    assert code == 0
    assert (rows[0]["attack"], rows[0]["eps"]) == CHECKED[0]
    assert sorted((row["attack"], row["eps"]) for row in rows[1:]) == sorted(CHECKED[1:])
    assert {(row["status"], row["difference"], row["interval"]) for row in rows} == {("kept", 0, "paired")}
    assert "7 accuracies checked against leaderboard.csv: 7 kept" in said
    answer = call(capsys, *command("good.safetensors"))
    assert (answer.code, answer.out) == (0, "")


def test_an_unchanged_model_gives_the_same_rows_in_an_empty_store(capsys: Capture, tmp_path: Path) -> None:
    code, rows, _ = check(capsys, "good.safetensors", "--store", tmp_path)
    assert code == 0
    # Paired: what was just measured has the digests of the reference, so the old images are known.
    assert {(row["status"], row["difference"], row["interval"]) for row in rows} == {("kept", 0, "paired")}


def test_worse_weights_fail_and_the_rows_are_named(capsys: Capture) -> None:
    code, rows, said = check(capsys, "worse.safetensors")
    assert code == 1
    fell = {(row["attack"], row["eps"]) for row in rows if row["status"] == "fell"}
    assert fell >= {("pgd", 0.02), ("pgd", 0.05), ("fgsm", 0.02)}
    for row in rows:
        assert row["interval"] == "paired"
        assert row["status"] == ("fell" if row["difference_hi"] < 0 else "kept")
        assert row["difference"] == pytest.approx(row["now"] - row["then"])
    assert f"{len(fell)} fell" in said
    answer = call(capsys, *command("worse.safetensors"))
    assert answer.code == 1
    text = " ".join(answer.out.split())
    for words in ("own:net", "fgsm", "pgd", "0.02", "paired", "leaderboard.csv, tolerance 0 points"):
        assert words in text
    assert answer.out.count("paired │") == len(fell)


def test_without_the_old_images_the_interval_is_of_independent_samples(
    capsys: Capture, tmp_path: Path
) -> None:
    code, rows, _ = check(capsys, "worse.safetensors", "--store", tmp_path)
    paired = check(capsys, "worse.safetensors")[1]
    assert code == 1
    for row, other in zip(rows, paired, strict=True):
        assert row["interval"] == "independent"
        assert (row["now"], row["then"]) == (other["now"], other["then"])
        found = independent_difference(round(60 * row["now"]), 60, round(60 * row["then"]), 60)
        assert (row["difference_lo"], row["difference_hi"]) == (found.lo, found.hi)


def test_tolerance_is_how_much_may_be_lost(capsys: Capture) -> None:
    code, rows, _ = check(capsys, "worse.safetensors")
    bounds = [row["difference_hi"] for row in rows if row["status"] == "fell"]
    assert code == 1
    assert check(capsys, "worse.safetensors", "--tolerance", -min(bounds) + 1e-9)[0] == 0
    code, rows, _ = check(capsys, "worse.safetensors", "--tolerance", -min(bounds) - 1e-9)
    assert code == 1
    assert {row["difference_hi"] for row in rows if row["status"] == "fell"} == {min(bounds)}


def test_better_weights_rise(capsys: Capture, tmp_path: Path) -> None:
    words = ("run", "--workers", 1, "--n", 60, "--eps", "0.02", "--attacks", "fgsm", "--model", "own.py:net")
    places = ("--leaderboard", tmp_path / "weak.csv", "--reports", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
        assert call(capsys, *words, "--weights", "worse.safetensors", *places).code == 0
    code, rows, said = check(capsys, "good.safetensors", "--against", tmp_path / "weak.csv")
    assert (code, [row["status"] for row in rows][-1]) == (0, "rose")
    assert "rose" in said


def test_a_model_that_cannot_be_attacked_fails(capsys: Capture, tmp_path: Path) -> None:
    text = Path("own.py").read_text().replace("def net(): return Net()", "def net(): return NoGradients()")
    (tmp_path / "own.py").write_text(text)
    answer = call(
        capsys,
        *("check", "--model", tmp_path / "own.py:net", "--weights", "good.safetensors"),
        *("--against", "leaderboard.csv", "--workers", 1, "--store", tmp_path / "store", "--json"),
    )
    assert answer.code == 1
    found = json.loads(answer.out)
    assert {(row["status"], row["now"], row["difference"]) for row in found} == {("failed", None, None)}
    assert "this model has no gradients" in answer.err


def test_other_versions_are_said(capsys: Capture, tmp_path: Path) -> None:
    now = version("foolbox")
    older = tmp_path / "older.csv"
    changed = [
        {
            **row,
            **{
                name: row[name].replace(now, "0.1")
                for name in ("versions", "library")
                if "foolbox" in row[name]
            },
        }
        for row in leaderboard.read(Path("leaderboard.csv"))
    ]
    write_wide(older, changed)
    code, _, said = check(capsys, "good.safetensors", "--against", older)
    assert code == 0
    assert said.count(f"note: foolbox 0.1 then, {now} now") == 1
    assert "note: " not in check(capsys, "good.safetensors")[2]


REFUSED = {
    "no such rows": (("--model", "own.py:doubled"), ("own:doubled", "rows on them of own:net")),
    "no tolerance": (("--model", "own.py:net", "--tolerance", "1"), ("--tolerance is 1",)),
    "negative tolerance": (("--model", "own.py:net", "--tolerance=-0.1"), ("--tolerance is -0.1",)),
    "tolerance nan": (("--model", "own.py:net", "--tolerance", "nan"), ("--tolerance is nan",)),
    "no file": (("--model", "own.py:net", "--against", "nowhere.csv"), ("nowhere.csv",)),
    "no model": ((), ("--model",)),
    "no workers": (("--model", "own.py:net", "--workers", 0), ("--workers", "'0' is not a whole number of 1 or more")),
    "other images": (
        ("--model", "own.py:two_classes", "--dataset", "folder:images"),
        ("no row of leaderboard.csv is of images; it has rows of digits: add --dataset digits",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_checked_is_refused(
    case: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, fragments = REFUSED[case]
    monkeypatch.setattr("bench.attacks.measure.measure", None)
    if case == "other images":
        write_images(Path("images"), n=10)
    answer = call(capsys, "check", "--against", "leaderboard.csv", *words)
    assert (answer.code, answer.out) == (2, "")
    assert not [fragment for fragment in fragments if fragment not in answer.err], answer.err


def test_the_default_data_set_is_named_before_a_model_of_other_images_is_run(
    capsys: Capture, tmp_path: Path
) -> None:
    other = tmp_path / "cifar10.csv"
    found = leaderboard.read(Path("leaderboard.csv"))
    write_wide(other, [{**row, "dataset": "cifar10", "data": "0" * 64} for row in found])
    Path("wide.py").write_text("def net():\n    raise RuntimeError('the model was built')\n")
    answer = call(capsys, "check", "--model", "wide.py:net", "--against", other)
    assert answer.code == 2
    said = "no row of cifar10.csv is of digits (the default data set); it has rows of cifar10: add --dataset cifar10"
    assert said in answer.err
    assert "was built" not in answer.err
    moved = tmp_path / "moved.csv"
    write_wide(moved, [{**row, "data": "0" * 64} for row in found])
    answer = call(capsys, "check", "--model", "wide.py:net", "--against", moved)
    assert "its rows of digits are of other images: give the data options of their run" in answer.err


def pgd_row(**changes: Any) -> dict[str, Any]:
    found = leaderboard.read(Path("leaderboard.csv"))
    return {**next(row for row in found if row["attack"] == "pgd"), **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"attack": "pdg"},
        {"library": "foolbx==1"},
        {"params": "momentum=0.9"},
        {"params": "momentum"},
        {"attack": "square", "params": "queries=many"},
        {"steps": None},
    ],
)
def test_rows_of_attacks_that_are_not_known_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="take the row out of the file"):
        request_of(pgd_row(**changes))
    with pytest.raises(UsageError, match="only rows of one seed"):
        grouped([pgd_row(seeds="0;1")], DIGITS, "cpu")


@pytest.mark.parametrize(
    ("attack", "library"),
    [pytest.param(*k, marks=marks_of(s)) for k, s in ATTACKS.items() if s.threat != "spatial"],
)
def test_every_attack_is_read_back_from_its_rows(attack: str, library: str) -> None:
    spec = ATTACKS[attack, library]
    other = {
        "steps": 7,
        "alpha": 0.01,
        "random_start": False,
        "restarts": 2,
        "best_iterate": True,
        "queries": 11,
    }
    for params in ({}, {name: value for name, value in other.items() if name in spec.params}):
        (request,) = parse_requests([f"{library}:{attack}"], norm=spec.norms[0], params=params)
        first = "fmn" if spec.norms[0] == "l0" else "pgd"  # whatever has the norm
        results = make_results(models=("net",), n=20, samples=0, attacks=(first,), norm=spec.norms[0])
        model = results.models[0]
        curve = replace(model.curves[0], request=request, library=f"{library}==1.0")
        found = rows(replace(results, models=(replace(model, curves=(curve,)),)))
        assert {request_of(row) for row in found} == {request}


def test_cumulative_rows_go_back_to_whole_curves() -> None:
    def shared(*grids: tuple[float, ...], **options: Any) -> list[dict[str, Any]]:
        return [
            row
            for grid in grids
            for row in rows(make_results(models=("net",), n=20, samples=0, eps=grid, **options))
            if not is_worst(row["attack"])
        ]

    def plan(found: list[dict[str, Any]]) -> list[tuple]:
        return [(g.setting.eps, g.setting.curve, [r.label for r in g.requests], len(g.rows)) for g in
                grouped(found, DIGITS, "cpu")]  # fmt: skip

    curve = (0.02, 0.05, 0.1)
    assert plan(shared(curve)) == [(curve, "cumulative", ["fgsm", "pgd"], 6)]
    assert plan(shared(curve)[2:3]) == [(curve, "cumulative", ["fgsm"], 1)]  # the ε before it are run through
    assert plan(shared(curve, curve[:2], (0.05,))) == [
        (curve, "cumulative", ["fgsm", "pgd"], 10),
        ((0.05,), "cumulative", ["fgsm", "pgd"], 2),
    ]
    assert plan(shared((0.1,), (0.05,), curve="independent")) == [
        ((0.05, 0.1), "independent", ["fgsm", "pgd"], 4)
    ]
