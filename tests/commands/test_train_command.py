"""``bench train`` with several models: each once, finished ones skipped, one that fails beside the others."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.commands import training_lines, trainings
from bench.commands.cli import parser
from bench.commands.training_lines import Lines
from tests.own import call
from tests.staged import TEST, TRAIN
from zoo import data, entries, registry, train
from zoo.progress import Progress, Sums
from zoo.recipes import recipe

SMALL = ("--epochs", 1, "--threads", 1, "--width", 0.25)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """200 images of each split; the splits that were loaded."""
    loaded: list[str] = []

    def load(spec: str, split: str, **options: Any) -> data.Dataset:
        loaded.append(split)
        return {"train": TRAIN, "test": TEST}[split]

    monkeypatch.setattr(data, "load", load)
    return loaded


def wanted(*words: str) -> list[str]:
    options = parser().parse_args(["train", *words])
    return [each.names[0] for each in trainings.asked(trainings.replicas(options), options, 16)]


def test_which_models_are_asked_for() -> None:
    assert wanted("all") == list(entries.ENTRIES)
    assert wanted("baseline_cnn, equivariant_gcnn", "--seeds", "0..1") == [
        "baseline_cnn", "baseline_cnn@1", "equivariant_gcnn", "equivariant_gcnn@1",
    ]  # fmt: skip
    assert wanted("baseline_cnn.pgd_at@1,baseline_cnn_4.cusp-best,baseline_cnn.pgd_at@1") == [
        "baseline_cnn.pgd_at@1", "baseline_cnn_4.cusp",
    ]  # fmt: skip
    assert len(wanted("all", "--seeds", "0..4")) == 5 * len(entries.ENTRIES)
    # by one recipe some entries are the same model
    builds = {(each.architecture, each.depth) for each in entries.ENTRIES.values()}
    assert len(wanted("all", "--recipe", "trades", "--seed", "2")) == len(builds)


def test_several_models_share_a_process_and_finished_ones_are_skipped(
    few: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [
        call(capsys, "train", name, *SMALL, "--out", tmp_path / "alone")
        for name in ("baseline_cnn_4", "baseline_cnn_4.pgd_at@1")
    ]
    assert "of 1" not in alone[0].err
    few.clear()
    words = ("train", "baseline_cnn_4,baseline_cnn_4.pgd_at@1", *SMALL, "--out", tmp_path / "both")
    answer = call(capsys, *words)
    assert (answer.code, few) == (0, ["train", "test"])
    lines = answer.err.splitlines()
    assert [line for line in lines if "training" in line] == [
        "1 of 2: training baseline_cnn_4 on digits: 200 images, recipe standard, seed 0",
        "2 of 2: training baseline_cnn_4.pgd_at@1 on digits: 200 images, recipe pgd_at, seed 1",
    ]
    (hint,) = (line for line in lines if line.startswith("measure"))
    asked = "bench run --model baseline_cnn_4,baseline_cnn_4.pgd_at@1 --dataset digits"
    assert hint == f"measure them: {asked} --weights-from {tmp_path / 'both'}"
    both, one = (registry.records(tmp_path / place) for place in ("both", "alone"))
    assert {key: record.sha256 for key, record in both.items()} == {
        key: record.sha256 for key, record in one.items()
    }
    times = {key: record.path.stat().st_mtime_ns for key, record in both.items()}
    again = call(capsys, *words)
    assert again.code == 0
    assert again.err.count("already trained by this recipe; remove it to train again") == 2
    assert times == {key: record.path.stat().st_mtime_ns for key, record in both.items()}
    first = both["digits/baseline_cnn_4"]
    first.path.unlink()  # the remedy
    assert call(capsys, *words).err.count("already trained") == 1
    assert registry.records(tmp_path / "both")[first.key].sha256 == first.sha256


def test_one_model_too_is_skipped_when_it_is_trained(
    few: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("train", "baseline_cnn_4", *SMALL, "--out", tmp_path)
    assert "already trained" not in call(capsys, *words).err
    again = call(capsys, *words)
    path = tmp_path / "digits" / "baseline_cnn_4.safetensors"
    assert again.err.splitlines()[0] == f"{path}: already trained by this recipe; remove it to train again"
    assert "already trained" not in call(capsys, *words, "--epochs", 2).err


@pytest.mark.parametrize(
    "fault",
    [
        train.TrainError("the loss is nan"),
        OSError(28, "No space left on device"),
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_one_that_fails_is_named_and_the_others_are_trained(
    few: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    real = train.train

    def failing(name: str, *given: Any, **options: Any) -> train.Trained:
        if name == "cascaded_gcnn_4":
            raise fault
        return real(name, *given, **options)

    monkeypatch.setattr(train, "train", failing)
    answer = call(capsys, "train", "cascaded_gcnn_4,baseline_cnn_4", *SMALL, "--out", tmp_path)
    assert answer.code == 1
    assert answer.err.splitlines()[0] == f"1 of 2: cascaded_gcnn_4 failed: {fault}"
    assert "measure it: bench run --model baseline_cnn_4 " in answer.err
    assert set(registry.records(tmp_path)) == {"digits/baseline_cnn_4"}


def test_a_loss_that_is_not_finite_fails_its_model_alone(
    few: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wild(options: Any, entry: entries.Entry, levels: int) -> Any:
        if entry.depth == 10:
            return replace(recipe("standard", 16, epochs=2), peak_lr=1e30)
        return recipe("standard", 16, epochs=1)

    monkeypatch.setattr(trainings, "_recipe", wild)
    answer = call(capsys, "train", "baseline_cnn,baseline_cnn_4", *SMALL, "--out", tmp_path)
    assert answer.code == 1
    assert "1 of 2: baseline_cnn failed: the loss is nan in epoch" in answer.err
    assert "lower the recipe's peak_lr" in answer.err
    assert set(registry.records(tmp_path)) == {"digits/baseline_cnn_4"}


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ((",",), "no model in ','; give names with commas between, or all"),
        (("baseline_cnn_4,baseline",), "unknown model 'baseline'"),
        (("baseline_cnn_4@1,equivariant_gcnn", "--seed", "2"), "'baseline_cnn_4@1' says seed 1, --seed 2"),
        (("all,baseline_cnn_4@1", "--seeds", "0"), "'baseline_cnn_4@1' names its own seed"),
        (("baseline_cnn_4", "--out", "file/weights"), "cannot write to file/weights"),
    ],
)
def test_what_is_refused_before_anything_is_loaded(
    few: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    fragment: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    answer = call(capsys, "train", *words)
    assert (answer.code, answer.err.count("\n"), few) == (2, 1, [])
    assert fragment in answer.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_shown_the_running_epoch_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, seconds = [], iter([10.0, 10.4, 11.0, 11.9, 12.0])

    class Counted(Progress):
        @property
        def loss(self) -> float:
            reads.append(self.batch)
            return 1.0

    monkeypatch.setattr(training_lines.sys, "stderr", screen := Terminal())
    lines = Lines("headline", recipe("standard", 16))
    sums = Sums.none("cpu").plus(torch.tensor(1.0), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    for batch, second in enumerate(seconds, 1):
        monkeypatch.setattr(training_lines, "_now", lambda second=second: second)
        lines(Counted(1, 2, batch, 6, sums, None, 0.0, 1, 0.0, 0.0))
    assert reads == [1, 3, 5]
    lines(Counted(1, 2, 6, 6, sums, 0.5, 0.0, 1, 0.0, 0.0))
    assert reads == [1, 3, 5, 6]
    assert screen.getvalue().startswith("headline\n\repoch 1/2  loss 1.0000  accuracy 100.0 %")
