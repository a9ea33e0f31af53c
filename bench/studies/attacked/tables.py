"""The tables of a page, computed from per-image arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int64

from bench.numbers.eps import eps_text
from bench.numbers.stats import Share, wilson
from bench.pages.format import params_text
from bench.pages.images import amplification, data_uri, perturbation
from bench.studies.robustness.balls import lowest
from bench.studies.robustness.optimality import Optimality, optimality

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.studies.robustness.ranking import Standing
    from bench.studies.robustness.results import ModelResult, Results, Sample


@dataclass(frozen=True, slots=True)
class AttackCell:
    """One model under one attack at one ε; ``strongest`` if it leaves the fewest images of the row, and others more."""

    of_all: Share
    of_right: Share | None
    strongest: bool


@dataclass(frozen=True, slots=True)
class AttackRow:
    """One model at one ε; ``cells`` has ``None`` for an attack this model was not measured under."""

    eps: str
    worst: Share
    cells: tuple[AttackCell | None, ...]


@dataclass(frozen=True, slots=True)
class AttackBlock:
    """One model in the table of attack against attack."""

    name: str
    vanished: int
    nonfinite: int
    rows: tuple[AttackRow, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """The judge's notes on one model under one attack at one ε: numbers of images, of ``n``."""

    name: str
    attack: str
    eps: str
    silent: int
    counted: bool
    nonfinite: int
    projected: int
    n: int


@dataclass(frozen=True, slots=True)
class Cost:
    """One attack with all its parameters, and its cost over all models and ε."""

    attack: str
    library: str
    params: str
    minimum_norm: bool
    gradients: int
    seconds: float
    optimality: Optimality


MOST_CLASSES = 100  # in the table by class


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A model's accuracy by class; NaN for a class without images."""

    name: str
    clean: tuple[float, ...]
    worst: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A gallery sample for the page; the images are data URIs."""

    sample: Sample
    eps: str
    label: str
    clean_predicted: str
    predicted: str
    factor: int
    clean: str
    difference: str
    attacked: str


def attack_blocks(
    lines: Sequence[Standing], requests: Sequence[Request], eps: Sequence[str]
) -> list[AttackBlock]:
    """Attack against attack: every attacked model at every ε."""
    return [
        AttackBlock(
            line.name,
            int((line.result.clean.grad_norm == 0).sum()),
            int(line.result.clean.nonfinite.sum()),
            tuple(_attack_row(line, requests, i, text) for i, text in enumerate(eps)),
        )
        for line in lines
        if line.result.curves
    ]


def _attack_row(line: Standing, requests: Sequence[Request], i: int, eps: str) -> AttackRow:
    standing = {curve.request: curve.standing[i] for curve in line.result.curves}
    right = line.result.clean.correct
    left = {int(each.sum()) for each in standing.values()}

    def cell(request: Request) -> AttackCell | None:
        if request not in standing:
            return None
        k, both, n = int(standing[request].sum()), int((standing[request] & right).sum()), len(right)
        of_right = wilson(both, int(right.sum())) if right.any() else None
        return AttackCell(wilson(k, n), of_right, k == min(left) < max(left))

    return AttackRow(eps, line.worst[i], tuple(cell(request) for request in requests))


def noted(lines: Sequence[Standing], names: Mapping[Request, str], eps: Sequence[str]) -> list[Noted]:
    """The models, attacks and ε with notes of the judge."""
    found = []
    for line in lines:
        for curve in line.result.curves:
            # the last row of a minimum-norm attack has all images of its one run
            once = curve.request.spec.threat == "minimum_norm"
            rows = range(len(eps) - 1 if once else 0, len(eps))
            counts = [
                [int(a[i].sum()) for a in (curve.silent, curve.nonfinite, curve.projected)] for i in rows
            ]
            counted = bool(dict(curve.request.params).get("best_iterate"))
            found += [
                Noted(
                    name=line.name,
                    attack=names[curve.request],
                    eps=eps[i],
                    silent=silent,
                    counted=counted,
                    nonfinite=nonfinite,
                    projected=projected,
                    n=curve.standing.shape[1],
                )
                for i, (silent, nonfinite, projected) in enumerate(counts)
                if silent or nonfinite or projected
            ]
    return found


def costs(results: Results, names: Mapping[Request, str]) -> list[Cost]:
    """The cost of each attack; the one run of a minimum-norm attack counts once for its whole curve."""
    found = []
    for request, name in names.items():
        curves = [c for model in results.models for c in model.curves if c.request == request]
        once = request.spec.threat == "minimum_norm"
        found.append(
            Cost(
                attack=name,
                library=", ".join(sorted({curve.library for curve in curves})),
                params=params_text(request),
                minimum_norm=once,
                gradients=sum(c.gradients[0] if once else sum(c.gradients) for c in curves),
                seconds=sum(c.seconds[0] if once else sum(c.seconds) for c in curves),
                optimality=optimality(results.models, request),
            )
        )
    return found


def moved(results: Results) -> list[tuple[float, float]]:
    """By ε, over all models, attacks and images: median and largest distance that a pixel was moved."""
    found = []
    for i in range(len(results.setting.eps)):
        distances = [curve.distance[i] for model in results.models for curve in model.curves]
        known = [each[np.isfinite(each)] for each in distances]
        joined = np.concatenate(known) if known else np.zeros(0)
        found.append((float(np.median(joined)), float(joined.max())) if joined.size else (np.nan, np.nan))
    return found


def class_counts(results: Results) -> tuple[int, ...]:
    """The number of measured images of each class; empty for more classes than a table can show."""
    if len(results.classes) > MOST_CLASSES:
        return ()
    label = results.models[0].clean.label
    return tuple(int(c) for c in np.bincount(label, minlength=len(results.classes)))


def class_rows(results: Results, lines: Sequence[Standing], at: int) -> list[ClassRow]:
    """Accuracy by class, clean and worst-case at one ε of the grid."""
    classes = len(results.classes)
    return [
        ClassRow(
            line.name,
            _by_class(line.result.clean.label, line.result.clean.correct, classes),
            _by_class(line.result.clean.label, lowest(results.setting, line.result)[at], classes),
        )
        for line in lines
    ]


def _by_class(label: Int64[np.ndarray, " n"], hit: Bool[np.ndarray, " n"], classes: int) -> tuple[float, ...]:
    total = np.bincount(label, minlength=classes)
    hits = np.bincount(label, weights=hit, minlength=classes)
    share = np.full(len(total), np.nan)
    np.divide(hits, total, out=share, where=total > 0)
    return tuple(share.tolist())


def pictures(model: ModelResult, classes: Sequence[str], eps: dict[float, str]) -> list[Picture]:
    """The gallery of one model."""
    return [_picture(sample, classes, eps) for sample in model.samples]


def _picture(sample: Sample, classes: Sequence[str], eps: dict[float, str]) -> Picture:
    factor = amplification(sample.clean, sample.attacked)
    return Picture(
        sample,
        eps.get(sample.eps, eps_text(sample.eps)),
        _class_name(sample.label, classes),
        _class_name(sample.clean_predicted, classes),
        _class_name(sample.predicted, classes),
        factor,
        data_uri(sample.clean),
        data_uri(perturbation(sample.clean, sample.attacked, factor)),
        data_uri(sample.attacked),
    )


def _class_name(index: int, classes: Sequence[str]) -> str:
    """The class of a prediction; a number if a model has more outputs than the data set has classes."""
    return classes[index] if 0 <= index < len(classes) else str(index)
