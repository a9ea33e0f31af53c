"""Every printed number of "Bridging Symmetry and Robustness" (arXiv 2510.16171v3), typed and with its place.

The files are in ``published/``; the head of each says which table or figure it is and how it was read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from zoo.entries import PAPER_NAMES

NUMBERS = (
    *("table1", "table1_mean", "table2", "table3", "table4"),
    *("figure1", "figure2", "figure6", "text_numbers"),
)
STATEMENTS = ("figure5", "text_statements")
_NEAR = 0.01 + 1e-9
MEAN = "mean_of_19"  # the corruption of Table 1's rows Mean and Std


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One printed accuracy.

    Attributes:
        file, line: its place in the data files, the line counted from 1.
        table: where the paper prints it: ``table1`` … ``figure6``, ``text_sec_6.2``, ``text_app_F2``.
        dataset: ``cifar10``, ``cifar100`` or ``cifar10c``.
        model, layers: as the paper calls it; ``layers`` is ``None`` where the paper does not say.
        corruption: of CIFAR-10-C, ``mean_of_19`` for the mean over all; empty elsewhere.
        attack: ``fgsm``, ``pgd``, or ``unstated`` in Table 1.
        eps: nominal, in the units of the released scripts, which differ between models.
        accuracy: fraction of images.
        std: what the paper prints as standard deviation, as a fraction; ``None`` where it prints none.
    """

    file: str
    line: int
    table: str
    dataset: str
    model: str
    layers: int | None
    corruption: str
    attack: str
    eps: float
    accuracy: float
    std: float | None

    @property
    def name(self) -> str:
        """The model of the zoo it is compared with."""
        return PAPER_NAMES[self.model, self.layers]

    @property
    def section(self) -> str:
        """The one section of a page it is shown in."""
        return "text" if self.table.startswith("text") else self.table.removesuffix("_mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something printed that is no accuracy of one model: a bound, a range, a share of removed pixels.

    ``file`` and ``line`` as in ``Published``; the rest are the paper's terms.
    """

    file: str
    line: int
    where: str
    dataset: str
    model: str
    metric: str
    setting: str
    value: str

    @property
    def section(self) -> str:
        """The one section of a page it is shown in."""
        return "text" if self.where.startswith(("text", "checklist")) else self.where


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedMean:
    """A column of Table 1, its printed Mean and Std beside those recomputed from its 19 rows.

    Attributes:
        model, eps: the column.
        mean, std: as printed, fractions.
        recomputed, spread: mean and sample standard deviation (ddof 1) over the 19 corruptions.
        mean_matches, std_matches: equal at the two decimals of a percentage that are printed.
        mean_near, std_near: no more than 0.01 apart, in percent, as rounding may leave them.
    """

    model: str
    eps: float
    mean: float
    std: float
    recomputed: float
    spread: float
    mean_matches: bool
    std_matches: bool
    mean_near: bool
    std_near: bool


@cache
def numbers() -> tuple[Published, ...]:
    """All printed accuracies, in the order of the files."""
    return tuple(_number(file, line, row) for file in NUMBERS for line, row in _rows(file))


@cache
def statements() -> tuple[Statement, ...]:
    """All printed statements, in the order of the files."""
    return tuple(
        Statement(
            file=file,
            line=line,
            where=row["where"],
            dataset=row["dataset"],
            model=row["model"],
            metric=row["metric"],
            setting=row["setting"],
            value=row["value"],
        )
        for file in STATEMENTS
        for line, row in _rows(file)
    )


def source(file: str) -> str:
    """The head of a data file: table or figure, and how the numbers were read."""
    lines = _text(file).splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def printed_means() -> tuple[PrintedMean, ...]:
    """Table 1's Mean and Std rows checked against its own 19 rows, model by model and ε by ε."""
    found = []
    for mean in (row for row in numbers() if row.corruption == MEAN):
        column = [
            100 * row.accuracy
            for row in numbers()
            if (row.table, row.model, row.eps) == ("table1", mean.model, mean.eps)
        ]
        recomputed, spread = float(np.mean(column)), float(np.std(column, ddof=1))
        std = mean.std or 0.0
        found.append(
            PrintedMean(
                model=mean.model,
                eps=mean.eps,
                mean=mean.accuracy,
                std=std,
                recomputed=recomputed / 100,
                spread=spread / 100,
                mean_matches=round(recomputed, 2) == round(100 * mean.accuracy, 2),
                std_matches=round(spread, 2) == round(100 * std, 2),
                mean_near=abs(recomputed - 100 * mean.accuracy) < _NEAR,
                std_near=abs(spread - 100 * std) < _NEAR,
            )
        )
    return tuple(found)


def _number(file: str, line: int, row: dict[str, str]) -> Published:
    return Published(
        file=file,
        line=line,
        table=row["table"],
        dataset=row["dataset"],
        model=row["model"],
        layers=int(row["layers"]) if row["layers"] else None,
        corruption=row["corruption"],
        attack=row["attack"],
        eps=float(row["epsilon"]),
        accuracy=float(row["accuracy_percent"]) / 100,
        std=float(row["std"]) / 100 if row["std"] else None,
    )


def _text(file: str) -> str:
    return (resources.files("bench.studies.paper") / "published" / f"{file}.csv").read_text("utf-8")


def _rows(file: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a data file with their line numbers; lines that begin with # are its head."""
    lines = _text(file).splitlines()
    head = sum(line.startswith("#") for line in lines)
    for i, row in enumerate(csv.DictReader(lines[head:])):
        yield head + 2 + i, row
