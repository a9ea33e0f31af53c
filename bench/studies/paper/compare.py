"""Printed numbers beside ours, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.engine.protocols import SOUND
from bench.numbers.stats import Share, mean_score, wilson
from bench.studies.paper.evidence import borrowed_script, by_base
from bench.studies.paper.published import MEAN, Published
from bench.studies.paper.reproduction import COLUMNS, Corrupted, MeasuredModel, Reproduction
from bench.studies.paper.sections import AS_RELEASED, attack_of, numbers_of, remedy
from zoo.cifar10c import NAMES


@dataclass(frozen=True, slots=True)
class Side:
    """Our number in a row.

    Attributes:
        share: accuracy with its 95 % interval. On corrupted images the n is that of base images.
        difference: ours minus the printed one with the interval of ours, as fractions; ``None`` if the images differ,
            or ours is a mean over fewer corruptions.
        protocol: of the measurement.
        digest: sha256 over the results of its cells.
        dataset: name of the images in rows.
        borrowed: under released, the model whose script was used if none was published for this one; else empty.
    """

    share: Share
    difference: tuple[float, float, float] | None
    protocol: str
    digest: str
    dataset: str
    borrowed: str


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A printed number, ours by column (``None`` if it was not measured), and the command that measures it.

    ``name`` is the model of ours.
    """

    published: Published
    name: str
    sides: tuple[Side | None, ...]
    command: str


def rows(reproduction: Reproduction, section: str, dataset: str = "") -> tuple[PaperRow, ...]:
    """The rows of a section, of one of the paper's data sets or of all, in the order they are printed."""
    return _rows(reproduction, [(row, row.name) for row in numbers_of(section, dataset)])


def as_released(reproduction: Reproduction, section: str, dataset: str = "") -> tuple[PaperRow, ...]:
    """Printed numbers beside ours of the model trained as its released script trains it, where measured."""
    printed = numbers_of(section, dataset)
    found = _rows(reproduction, [(row, AS_RELEASED[row.name]) for row in printed if row.name in AS_RELEASED])
    return tuple(row for row in found if any(row.sides))


def _rows(reproduction: Reproduction, printed: Sequence[tuple[Published, str]]) -> tuple[PaperRow, ...]:
    columns = [reproduction.column(column) for column in COLUMNS]
    corrupted = [reproduction.corrupted_column(column) for column in COLUMNS]
    found = []
    for row, name in printed:
        if row.dataset == "cifar10c":
            sides = [_corrupted_side(row, models.get(name)) for models in corrupted]
        elif row.dataset == reproduction.beside:
            sides = [_side(row, models.get(name), reproduction.relation) for models in columns]
        else:
            sides = [None for _ in COLUMNS]
        found.append(PaperRow(row, name, tuple(sides), _command(row, reproduction)))
    return tuple(found)


def _command(row: Published, reproduction: Reproduction) -> str:
    here = row.dataset == reproduction.beside
    return remedy([row.section], row.dataset, reproduction.data_options if here else "")


def _side(row: Published, measured: MeasuredModel | None, relation: str) -> Side | None:
    standing = measured and measured.at(attack_of(row), row.eps)
    if measured is None or standing is None:
        return None
    share = wilson(int(standing.sum()), len(standing))
    return _with(row, measured, share, comparable=relation != "other")


def _corrupted_side(row: Published, found: tuple[Corrupted, MeasuredModel] | None) -> Side | None:
    if found is None or not found[0].bases or found[1].at("pgd", row.eps) is None:
        return None
    images, measured = found
    stands, versions = by_base(images, measured, [row.eps])
    if row.corruption == MEAN:
        chosen = stands.sum(0) / (versions * len(stands))
    elif row.corruption in images.groups.names:
        chosen = stands[images.groups.names.index(row.corruption)] / versions
    else:
        return None
    whole = row.corruption != MEAN or len(images.groups.names) == len(NAMES)
    return _with(row, measured, mean_score(chosen), comparable=images.official and whole)


def _with(row: Published, measured: MeasuredModel, share: Share, *, comparable: bool) -> Side:
    difference = (share.value - row.accuracy, share.lo - row.accuracy, share.hi - row.accuracy)
    sound = measured.setting.protocol == SOUND.label
    return Side(
        share,
        difference if comparable else None,
        measured.setting.protocol,
        measured.digest(attack_of(row), row.eps),
        measured.setting.dataset,
        "" if sound else borrowed_script(measured.result.info.name, row.dataset),
    )


def spread_over_corruptions(images: Corrupted, measured: MeasuredModel, eps: float) -> float:
    """Sample standard deviation (ddof 1) of the accuracy over the corruptions: what the row Std of Table 1 is."""
    stands, versions = by_base(images, measured, [eps])
    return float(np.std(stands.mean(1) / versions, ddof=1))
