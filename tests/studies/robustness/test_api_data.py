"""``bench.evaluate`` on data sets and loaders, in several processes, in batches, on a device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import bench
from bench.inputs.array_data import array_data
from bench.inputs.item_data import item_data
from bench.studies.robustness.results import Results
from tests.toys import linear_problem
from zoo import data

MODEL, X, Y, RADIUS = linear_problem(24)


class Pictures(Dataset[Any]):
    """The toy images one by one; counts how often each is read, and may change what it gives."""

    def __init__(self, noise: float = 0.0) -> None:
        self.read: list[int] = []
        self.noise = noise

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        self.read.append(place)
        return (X[place] + self.noise * torch.rand(X[place].shape)).clamp(0, 1), int(Y[place])


class Once(IterableDataset[Any]):
    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return iter(zip(X, Y.tolist(), strict=True))


class Odd(Dataset[Any]):
    """Data sets that cannot be measured, by what is odd about them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 0 if self.kind == "empty" else 2

    def __getitem__(self, place: int) -> Any:
        if self.kind == "raises":
            raise OSError("disk on fire")
        image = (X[place] * 255).byte() if self.kind == "bytes" else X[place]
        image = image[:, : 8 - place] if self.kind == "shapes" else image
        image = image * 3 if self.kind == "range" else image
        return image if self.kind == "alone" else (image, -1 if self.kind == "label" else 1)


def outcome(results: Results) -> list[Any]:
    (model,) = results.models
    return [results.setting.data, model.clean.digest, *(curve.digest for curve in model.curves)]


def measured(x: Any, y: Any = None, **options: Any) -> list[Any]:
    return outcome(
        bench.evaluate(MODEL, x, y, **({"attacks": "fgsm,pgd", "eps": "0.002,0.01", "steps": 2} | options))
    )


REFERENCE = measured(X, Y)


def test_a_data_set_gives_the_numbers_of_its_tensors() -> None:
    pictures = Pictures()
    assert measured(pictures) == REFERENCE
    assert sorted(set(pictures.read)) == list(range(24))
    assert measured(TensorDataset(X, Y)) == REFERENCE
    assert measured(Subset(Pictures(), range(12))) == measured(X[:12], Y[:12])


@pytest.mark.parametrize("size", [1, 7, 24, None])
def test_a_loader_gives_the_numbers_of_its_tensors(size: int | None) -> None:
    assert measured(DataLoader(TensorDataset(X, Y), batch_size=size)) == REFERENCE


def test_a_loader_gives_what_it_would_give() -> None:
    order = list(range(23, -1, -1))
    assert measured(DataLoader(Pictures(), batch_size=5, sampler=order)) == measured(X[order], Y[order])
    assert measured(DataLoader(Pictures(), batch_size=5, drop_last=True)) == measured(X[:20], Y[:20])

    def darker(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
        return torch.stack([x for x, _ in items]) / 2, torch.tensor([y for _, y in items])

    assert measured(DataLoader(Pictures(), batch_size=5, collate_fn=darker)) == measured(X / 2, Y)


def test_a_data_set_of_the_zoo_is_taken_as_it_is() -> None:
    digits = data.load("digits", "test")
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    results = bench.evaluate(model, digits, attacks="fgsm", eps=0.02)
    assert (results.setting.dataset, results.setting.data) == ("digits", digits.sha256)
    assert results.setting.n == len(digits) == len(results.models[0].clean.label)


def test_only_the_images_of_a_shard_are_read_for_it() -> None:
    pictures = Pictures()
    found = item_data("data", pictures)
    pictures.read.clear()
    assert torch.equal(found.images(5, 3), X[5:8])
    assert pictures.read == [5, 6, 7]


def test_images_in_memory_are_not_copied_as_a_whole() -> None:
    x = X.double().numpy()
    found = array_data("data", x, Y)
    assert np.shares_memory(found.pixels, x)
    found.images(0, 2).zero_()
    assert torch.equal(found.images(0, 2), X[:2])


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (Pictures(noise=0.1), "differs each time it is read"),
        (Once(), "Once gives its images in one pass only"),
        (DataLoader(Once()), "Once gives its images in one pass only"),
        (Odd("raises"), r"item 0 of the data set cannot be read \(OSError: disk on fire\)"),
        (Odd("bytes"), "item 0 of data is uint8 of shape"),
        (Odd("range"), r"item 0 of data spans .* not \[0, 1\]"),
        (Odd("shapes"), r"image 1 of data has the shape \(1, 7, 8\)"),
        (Odd("alone"), "item 0 of the data set is a Tensor; it must be a pair"),
        (Odd("label"), "y holds the label -1"),
        (Odd("empty"), "data holds no images"),
    ],
)
def test_data_sets_that_cannot_be_measured_are_refused_in_a_sentence(x: Any, said: str) -> None:
    with pytest.raises(bench.UsageError, match=said) as raised:
        measured(x)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"x": Pictures(), "y": Y}, "y is a Tensor, but Pictures has labels of its own"),
        ({"x": X}, "x came without labels"),
        ({"x": X, "y": Y, "workers": 0}, "workers is 0"),
        ({"x": X, "y": Y, "batch": -1}, "batch is -1"),
        ({"x": X, "y": Y, "device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(bench.UsageError, match=said):
        measured(**words)


def test_a_model_on_a_device_without_numbers_is_refused() -> None:
    with pytest.raises(bench.UsageError, match="unknown device 'meta'"):
        bench.evaluate(nn.Linear(2, 2, device="meta"), X, Y)
    split = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2, device="meta")])
    with pytest.raises(bench.UsageError, match="the model lies on cpu and meta"):
        bench.evaluate(split, X, Y)


def test_the_batch_is_the_one_that_is_given() -> None:
    results = bench.evaluate(MODEL, X, Y, attacks="fgsm", eps="0.002,0.01", batch=7)
    assert results.setting.batch == 7
    assert {row["batch"] for row in bench.leaderboard_rows(results)} == {7}
    for row, eps in zip(results.models[0].worst(), (0.002, 0.01), strict=True):
        assert torch.equal(torch.from_numpy(row), eps < RADIUS)


def test_workers_change_no_number() -> None:
    assert measured(X, Y, workers=2, batch=12) == measured(X, Y, batch=12)


def test_a_model_that_cannot_be_sent_is_refused() -> None:
    class Local(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input.flatten(1))

    with pytest.raises(bench.UsageError, match="workers is 2, but the model or the images cannot be sent"):
        bench.evaluate(Local(64, 2), X, Y, attacks="fgsm", workers=2)
