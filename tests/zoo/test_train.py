"""zoo.train: the same call gives the same bits, stopped or not, and what is written is what was trained."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import checkpoints, data, registry
from zoo.data import Dataset
from zoo.recipes import recipe
from zoo.train import Progress, Trained, TrainError, train

ADVERSARIAL = dataclasses.replace(recipe("pgd_at", 16, epochs=3), steps=2)


def part(split: str, count: int) -> Dataset:
    whole = data.load("digits", split)
    return dataclasses.replace(whole, pixels=whole.pixels[:count], labels=whole.labels[:count])


TRAIN, TEST = part("train", 200), part("test", 60)


class Killed(Exception):
    pass


def run(out: Path, **changes) -> Trained:
    arguments = {"test": TEST, "recipe": ADVERSARIAL, "out": out, **changes}
    return train("baseline_cnn_4", TRAIN, **arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An uninterrupted run of three epochs."""
    return run(tmp_path_factory.mktemp("whole"))


def test_same_call_same_bits(whole: Trained, tmp_path: Path) -> None:
    torch.rand(7)
    again = run(tmp_path)
    assert again.record.path.read_bytes() == whole.record.path.read_bytes()
    assert dataclasses.replace(again.record, seconds=0) == dataclasses.replace(whole.record, seconds=0)


def test_another_seed_gives_other_weights_under_another_name(whole: Trained, tmp_path: Path) -> None:
    other = run(tmp_path, seed=1, epochs=1)
    assert other.record.sha256 != whole.record.sha256
    assert other.record.file == "digits/baseline_cnn_4.pgd_at@1.safetensors"
    assert other.record.key == "digits/baseline_cnn_4.pgd_at@1"
    named = train("baseline_cnn_4@1", TRAIN, test=None, recipe=ADVERSARIAL, epochs=1, out=tmp_path / "named")
    assert named.record.sha256 == other.record.sha256


@pytest.mark.parametrize(("epoch", "batch"), [(1, 2), (2, 1), (3, 2)])
def test_stopped_run_continues_to_the_same_bits(
    whole: Trained, tmp_path: Path, epoch: int, batch: int
) -> None:
    def kill(now: Progress) -> None:
        if (now.epoch, now.batch) == (epoch, batch):
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, progress=kill)
    seen: list[Progress] = []
    assert run(tmp_path, progress=seen.append).record.sha256 == whole.record.sha256
    done = epoch if batch == 2 else epoch - 1
    assert len(seen) == 2 * (3 - done)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    def kill(now: Progress) -> None:
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path, epochs=1, progress=lambda now: kill(now) if now.batch == 2 else None)
    with pytest.raises(TrainError, match=r"baseline_cnn_4.pgd_at.ckpt is of a run with another recipe"):
        run(tmp_path, epochs=2)
    (tmp_path / "digits" / "baseline_cnn_4.pgd_at.ckpt").write_bytes(b"half a file")
    with pytest.raises(TrainError, match=r"baseline_cnn_4.pgd_at.ckpt is damaged: remove it"):
        run(tmp_path, epochs=1)


def test_checkpoint_runs_no_code(tmp_path: Path) -> None:
    torch.save({"fingerprint": "f", "code": Path}, tmp_path / "x.ckpt")
    with pytest.raises(TrainError, match="damaged"):
        checkpoints.read(tmp_path / "x.ckpt", "f", "cpu")


def test_caller_keeps_random_state_and_threads(tmp_path: Path) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    run(tmp_path, epochs=1, threads=threads + 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[Progress] = []
    done = run(tmp_path, progress=seen.append)
    assert [(each.epoch, each.batch) for each in seen] == [(e, b) for e in (1, 2, 3) for b in (1, 2)]
    assert all((each.epochs, each.batches) == (3, 2) for each in seen)
    assert [each.test_accuracy is None for each in seen] == [True, False] * 3
    assert all(0 <= each.accuracy <= 1 and each.loss > 0 for each in seen)
    assert seen[-1].seconds_left == 0
    assert seen[0].seconds_left > 0
    assert abs(seen[-1].test_accuracy - done.record.clean_acc) <= done.changed / 60 + 1e-12


def test_record_says_what_was_trained(whole: Trained) -> None:
    record = whole.record
    (row,) = json.loads((record.path.parents[1] / "weights.json").read_text()).values()
    assert row["recipe"] == ADVERSARIAL.row
    assert not {"epoch", "held_out_acc"} & set(row)
    assert (row["name"], row["architecture"], row["dataset"]) == (
        "baseline_cnn_4.pgd_at",
        "baseline_cnn",
        "digits",
    )
    assert (row["seed"], row["epochs"], row["clean_n"]) == (0, 3, 60)
    assert row["data_sha256"] == TRAIN.sha256
    assert (row["classes"], row["channels"], row["size"], row["width"]) == (10, 1, 16, 1.0)
    assert whole.compared == 60
    assert whole.changed == 0


def test_clean_accuracy_is_that_of_the_written_weights(whole: Trained) -> None:
    model = registry.load_record(whole.record)
    right = (model(TEST.images()).argmax(1) == TEST.targets()).double().mean().item()
    assert whole.record.clean_acc == right
    assert whole.record.parameters == sum(value.numel() for value in model.parameters())


def test_learns_digits(tmp_path: Path) -> None:
    digits, test = data.load("digits", "train"), data.load("digits", "test")
    done = train("baseline_cnn_4", digits, test=test, recipe=recipe("standard", 16, epochs=5), out=tmp_path)
    assert done.record.clean_acc is not None
    assert done.record.clean_acc > 0.95


def test_without_a_test_set(tmp_path: Path) -> None:
    done = run(tmp_path, test=None, epochs=1)
    assert done.record.clean_acc is None
    assert (done.record.clean_n, done.compared) == (0, 200)


def test_unfit_arguments(tmp_path: Path) -> None:
    wide = dataclasses.replace(TEST, pixels=np.zeros((60, 1, 24, 24), np.uint8))
    with pytest.raises(TrainError, match="train and test images of digits differ in shape"):
        run(tmp_path, test=wide)
    with pytest.raises(TrainError, match="0 epochs"):
        run(tmp_path, epochs=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainError, match="file/digits cannot be written"):
        run(tmp_path / "file")


def test_diverging_loss_is_an_error(tmp_path: Path) -> None:
    wild = dataclasses.replace(ADVERSARIAL, peak_lr=1e30)
    with pytest.raises(TrainError, match="the loss is"):
        run(tmp_path, recipe=wild)
