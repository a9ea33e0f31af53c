"""Models compared pair by pair on the same images, from stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from bench.attacks import Request
from bench.engine.store import Store
from bench.errors import UsageError
from bench.numbers.contrast import ContrastDifference, mean_difference
from bench.numbers.paired import Difference, paired_difference
from bench.numbers.stats import Share, holm, mcnemar, wilson
from bench.studies.robustness.collect import collect
from bench.studies.robustness.history import Recorded, chapters
from bench.studies.robustness.names import attack_names, spatial_names
from bench.studies.robustness.ranking import LEVEL, display_names, every_two
from bench.studies.robustness.results import Curve, ModelResult, Results, Setting

WORST = "worst"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedResults:
    """Models with comparable measurements.

    Attributes:
        setting: what they share.
        names: as tables call them, in the order of the request.
        attacks: the attack compared under, or those whose worst case it is, as tables call them.
        eps: the ε compared at; ``None`` for an attack that has no ball.
        clean: (n,) bool each, right without attack.
        standing: (number of ε, n) bool each.
    """

    setting: Setting
    names: tuple[str, ...]
    attacks: tuple[str, ...]
    eps: tuple[float | None, ...]
    clean: tuple[Bool[np.ndarray, " n"], ...]
    standing: tuple[Bool[np.ndarray, "e n"], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPair:
    """Two models on the same images, clean or at one ε.

    Attributes:
        a, b: their names.
        attacks: as in ``ComparedResults``; empty for clean images.
        eps: ``None`` for clean images, and for an attack that has no ball.
        of_a, of_b: accuracy of each over all images.
        difference: a − b with its 95 % interval.
        p: exact McNemar test.
        p_holm: the same, adjusted for all tests made together.
    """

    a: str
    b: str
    attacks: tuple[str, ...]
    eps: float | None
    of_a: Share
    of_b: Share
    difference: Difference
    p: float
    p_holm: float

    @property
    def verdict(self) -> str:
        """Which of the two is better at the 5 % level of all tests together, in words."""
        what = "robust" if self.attacks else "accurate"
        return _verdict(self.a, self.b, self.difference.value, self.p_holm, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMeans:
    """Two models in the mean over the grid of ε, by the test of the ranks.

    Attributes:
        a, b: their names.
        difference: mean accuracy of a less that of b.
        p: exact paired sign-flip test on the number of ε that each image survives.
        p_holm: the same, adjusted for all pairs.
    """

    a: str
    b: str
    difference: ContrastDifference
    p: float
    p_holm: float

    @property
    def verdict(self) -> str:
        """As ``ComparedPair.verdict``."""
        return _verdict(self.a, self.b, self.difference.value, self.p_holm)


def means(measured: ComparedResults) -> tuple[ComparedMeans, ...]:
    """Every two of the models in the mean over ε, with Holm's correction over the pairs; empty for fewer than two ε."""
    if len(measured.eps) < 2:
        return ()
    counts = [each.sum(0, dtype=np.int64) for each in measured.standing]
    return tuple(
        ComparedMeans(
            a=measured.names[i],
            b=measured.names[j],
            difference=mean_difference((counts[i] - counts[j]) / len(measured.eps)),
            p=p,
            p_holm=adjusted,
        )
        for i, j, p, adjusted in every_two(counts)
    )


def _verdict(a: str, b: str, difference: float, p: float, what: str = "robust") -> str:
    """Which of two models is better at the 5 % level of all tests together, in words."""
    return "undecided" if p >= LEVEL else f"{a if difference > 0 else b} more {what}"


def pairs(measured: ComparedResults) -> tuple[ComparedPair, ...]:
    """Every two of the models, first clean and then at each ε, with Holm's correction over all of it."""
    tests = []
    for i, j in combinations(range(len(measured.names)), 2):
        tests.append((i, j, (), None, measured.clean[i], measured.clean[j]))
        for at, eps in enumerate(measured.eps):
            tests.append((i, j, measured.attacks, eps, measured.standing[i][at], measured.standing[j][at]))
    p = [mcnemar(a, b) for *_, a, b in tests]
    return tuple(
        ComparedPair(
            a=measured.names[i],
            b=measured.names[j],
            attacks=attacks,
            eps=eps,
            of_a=wilson(int(a.sum()), len(a)),
            of_b=wilson(int(b.sum()), len(b)),
            difference=paired_difference(a, b),
            p=each,
            p_holm=float(adjusted),
        )
        for (i, j, attacks, eps, a, b), each, adjusted in zip(tests, p, holm(p), strict=True)
    )


def find_measured(
    store: Store,
    models: Sequence[str],
    *,
    dataset: str | None = None,
    attack: str = WORST,
    eps: Sequence[float] | None = None,
) -> ComparedResults | None:
    """The results of all these models under one attack in the newest sound setting that has them, or ``None``.

    Args:
        store: where to look.
        models: two names or more, as tables show them, or ``path/to/file.py:factory``.
        dataset: only settings on this data set.
        attack: an attack as tables call it, or ``worst``: an image stands if it does against every attack
            over the grid that all the models were measured under.
        eps: only these ε; all of the grid if ``None``.

    Raises:
        UsageError: a name that stands for several weights in that setting, or an attack's that stands for
            several sets of parameters.
    """
    wanted = [shown_name(name) for name in models]
    for chapter in chapters(store, dataset):
        if chapter.released:
            continue
        results = _whole(store, chapter)
        chosen = _chosen(results, wanted)
        found = _measured(results, wanted, chosen, attack) if chosen else None
        if found and (eps is None or set(eps) <= set(found.eps)):
            return found if eps is None else _at(found, eps)
    return None


def shown_name(name: str) -> str:
    """A model's name as tables show it: of ``path/to/file.py:factory`` the path and ending go."""
    path, colon, factory = name.rpartition(":")
    return f"{Path(path).stem}:{factory}" if colon and path.endswith(".py") else name


def _whole(store: Store, chapter: Recorded) -> Results:
    asked = [(info, tuple(requests)) for info, requests in chapter.asked.items()]
    return collect(store, chapter.setting, asked, classes=chapter.classes, versions={}, command="")[0]


def _chosen(results: Results, wanted: Sequence[str]) -> tuple[ModelResult, ...]:
    """The models of these names; none at all if one is missing."""
    shown = display_names(results)
    found = []
    for name in wanted:
        known = [(s, m) for s, m in zip(shown, results.models, strict=True) if name in (s, m.info.name)]
        if len(known) > 1:
            raise UsageError(
                f"{name!r} stands for several weights on {results.setting.dataset}; name one of them: "
                + ", ".join(f"'{s}'" for s, _ in known)
            )
        if not known:
            return ()
        found.append(known[0][1])
    return tuple(found)


def _measured(
    results: Results, names: Sequence[str], models: Sequence[ModelResult], attack: str
) -> ComparedResults | None:
    shown = replace(results, models=tuple(models))
    looks: list[tuple[tuple[float | None, ...], dict[Request, str], list[tuple[Curve, ...]]]]
    looks = [(results.setting.eps, attack_names(shown), [model.curves for model in models])]
    if attack != WORST:  # a spatial attack is never part of a worst case over the grid
        looks.append(((None,), spatial_names(shown), [model.spatial for model in models]))
    for eps, labels, curves in looks:
        grids = [{curve.request: curve for curve in each} for each in curves]
        common = [request for request in labels if all(request in grid for grid in grids)]
        requests = common if attack == WORST else _named(attack, common, labels)
        if requests:
            return ComparedResults(
                setting=results.setting,
                names=tuple(names),
                attacks=tuple(labels[request] for request in requests),
                eps=eps,
                clean=tuple(model.clean.correct for model in models),
                standing=tuple(
                    np.logical_and.reduce([grid[request].standing for request in requests]) for grid in grids
                ),
            )
    return None


def _named(attack: str, requests: Sequence[Request], labels: Mapping[Request, str]) -> list[Request]:
    """The one attack of that name, or none."""
    found = [request for request in requests if attack in (labels[request], request.label)]
    if len(found) > 1:
        raise UsageError(
            f"{attack!r} was run with several parameters; name one of them: "
            + ", ".join(f"'{labels[request]}'" for request in found)
        )
    return found


def _at(measured: ComparedResults, eps: Sequence[float]) -> ComparedResults:
    rows = [measured.eps.index(each) for each in eps]
    return replace(measured, eps=tuple(eps), standing=tuple(standing[rows] for standing in measured.standing))
