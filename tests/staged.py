"""A small training by stages with held-out images, and how it is stopped."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from zoo import data, train
from zoo.data import Dataset
from zoo.recipes import Recipe, Stage
from zoo.train import Trained


def part(split: str, count: int) -> Dataset:
    whole = data.load("digits", split)
    return dataclasses.replace(whole, pixels=whole.pixels[:count], labels=whole.labels[:count])


TRAIN, TEST = part("train", 200), part("test", 200)
STAGED = Recipe(
    name="mine",
    epochs=6,
    share=1.0,
    alpha=0.02,
    steps=2,
    random_start=True,
    stages=(
        Stage(until=1 / 3, rotation=30, eps=0.01),
        Stage(until=0.5, rotation=90, eps=0.02),
        Stage(until=1, rotation=180, eps=0.04),
    ),
    held_out=0.2,
)
ENDS = (2, 3, 6)  # the stages' last epochs


class Killed(Exception):
    pass


def run(out: Path, dataset: Dataset = TRAIN, **changes: Any) -> Trained:
    arguments: dict[str, Any] = {"test": TEST, "recipe": STAGED, "out": out, **changes}
    return train.train("baseline_cnn_4", dataset, **arguments)


def files(trained: Trained) -> list[bytes]:
    assert trained.best is not None
    return [trained.record.path.read_bytes(), trained.best.record.path.read_bytes()]
