"""The spread of our numbers over training seeds, for models that were trained with more than one."""

from __future__ import annotations

from dataclasses import dataclass

from bench.numbers.stats import over_seeds
from bench.studies.paper.reproduction import COLUMNS, MeasuredModel, Reproduction

_ATTACKS = ("fgsm", "pgd")


@dataclass(frozen=True, slots=True)
class Trainings:
    """One model's accuracies over its training runs.

    Attributes:
        name, column: the model, and how it was evaluated.
        n: training runs.
        largest, mean: sample standard deviation (ddof 1) of the accuracy over the runs, as fractions: the
            largest over attacks and ε, and the mean over them.
        at: attack and ε of the largest.
    """

    name: str
    column: str
    n: int
    largest: float
    mean: float
    at: tuple[str, float]


def over_trainings(reproduction: Reproduction) -> tuple[Trainings, ...]:
    """Every model with two trainings or more, by column."""
    return tuple(
        _spread(name, column, runs)
        for column in COLUMNS
        for name, runs in reproduction.trainings(column).items()
        if runs[0].result.curves
    )


def _spread(name: str, column: str, runs: list[MeasuredModel]) -> Trainings:
    found: dict[tuple[str, float], float] = {}
    for attack in _ATTACKS:
        for eps in (each for each in runs[0].setting.eps if each > 0):
            standing = [run.at(attack, eps) for run in runs]
            values = [float(each.mean()) for each in standing if each is not None]
            if values and (sd := over_seeds(values).sd) is not None:
                found[attack, eps] = sd
    at = max(found, key=lambda key: found[key])
    return Trainings(name, column, len(runs), found[at], sum(found.values()) / len(found), at)
