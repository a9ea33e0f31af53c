"""Ranks of models: ranges, where a paired test on these images finds no difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Int64

from bench.numbers.stats import LEVEL, Share, holm, mean_score, paired_sign_flip, wilson
from bench.studies.robustness.balls import Beaten, beaten, lowest
from bench.studies.robustness.results import ModelResult, Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One line of the ranked table.

    Attributes:
        rank: 1 + the number of models significantly better; ``None`` outside the ranked group.
        last: the worst rank that the tests allow, the number of models less those significantly worse; ``None``
            outside the ranked group. Two models that are not significantly different share a rank of theirs.
        name: how tables call the model (see ``display_names``).
        result: the model's measurements.
        clean: accuracy without attack.
        mean_worst: mean over the ε grid of the worst-case robust accuracy.
        worst: robust accuracy against all attacks together, by ε: those of other runs too, where they are at
            hand (``bench.studies.robustness.balls.joined``).
        own: the same against the model's own attacks alone.
        better: display names of the models significantly better, best first.
        beaten: where other runs break significantly more than the model's own attacks.
    """

    rank: int | None
    last: int | None
    name: str
    result: ModelResult
    clean: Share
    mean_worst: Share
    worst: tuple[Share, ...]
    own: tuple[Share, ...]
    better: tuple[str, ...]
    beaten: Beaten | None

    @property
    def ranks(self) -> str:
        """The ranks that the tests allow, as ``3–7`` or ``3``; ``–`` outside the ranked group."""
        if self.rank is None:
            return "–"
        return str(self.rank) if self.last == self.rank else f"{self.rank}–{self.last}"


def standings(results: Results) -> tuple[Standing, ...]:
    """The models by rank, then mean worst-case robust accuracy, then name; unranked ones last.

    Only the models that share the most common attack set are ranked (ties: the larger set, then the one met
    first). A model is significantly better than another if its mean worst-case accuracy over the ε grid is
    higher and the exact paired sign-flip test on the per-image number of ε survived, adjusted by Holm over
    all pairs of the group, gives p < 0.05. ε = 0 in the grid counts like any other ε.
    """
    names = display_names(results)
    group = _group(results)
    counts = {i: survived(results, results.models[i]) for i in group}
    better = _significantly_better(list(counts.values()))
    beaten_by = {i: [group[j] for j in row] for i, row in zip(group, better, strict=True)}
    last = dict(zip(group, last_ranks(better), strict=True))
    lines = []
    for i, model in enumerate(results.models):
        worst, own = (lowest(results.setting, each) for each in (model, replace(model, elsewhere=())))
        above = sorted(beaten_by.get(i, ()), key=lambda j: (-counts[j].sum(), names[j]))
        lines.append(
            Standing(
                rank=1 + len(above) if i in beaten_by else None,
                last=last.get(i),
                name=names[i],
                result=model,
                clean=wilson(int(model.clean.correct.sum()), results.setting.n),
                mean_worst=mean_score(worst.mean(0)),
                worst=tuple(wilson(int(row.sum()), results.setting.n) for row in worst),
                own=tuple(wilson(int(row.sum()), results.setting.n) for row in own),
                better=tuple(names[j] for j in above),
                beaten=beaten(results.setting, model),
            )
        )
    return tuple(sorted(lines, key=lambda s: (s.rank is None, s.rank or 0, -s.mean_worst.value, s.name)))


def survived(results: Results, model: ModelResult) -> Int64[np.ndarray, " n"]:
    """(n,) int64: the number of ε at which each image stands against every attack; attacks >= 1."""
    return lowest(results.setting, model).sum(0, dtype=np.int64)


def last_ranks(better: list[list[int]]) -> list[int]:
    """The worst rank of each model that tests allow: the number of models less those significantly worse.

    Tests need not agree with each other: A may not be significantly different from B though two models lie
    significantly between them. Then A's last rank is B's first one, so that the ranges of two models that are
    not significantly different always meet.

    Args:
        better: for each model, the positions of the significantly better ones.
    """
    n = len(better)
    first = [1 + len(above) for above in better]
    last = [n - sum(i in above for above in better) for i in range(n)]
    for i, j in combinations(range(n), 2):
        if i not in better[j] and j not in better[i]:
            upper, lower = (i, j) if first[i] <= first[j] else (j, i)
            last[upper] = max(last[upper], first[lower])
    return last


def attack_label(results: Results) -> str:
    """The attacks of the ranked group, as in ``fgsm, pgd``; empty where no model was attacked."""
    group = _group(results)
    return ", ".join(curve.request.label for curve in results.models[group[0]].curves) if group else ""


def display_names(results: Results) -> tuple[str, ...]:
    """A name for each model, in order: with the first digits of its weights where models share a name."""
    infos = [model.info for model in results.models]
    shared = Counter(info.name for info in infos)
    length = 8
    while True:
        names = tuple(
            info.name if shared[info.name] == 1 else f"{info.name} ({info.weights[:length]})"
            for info in infos
        )
        distinct = len({(info.name, info.weights) for info in infos})
        if len(set(names)) >= distinct or length >= 64:
            return names
        length += 8


def _group(results: Results) -> list[int]:
    """Indices of the models that are ranked: those of the most common non-empty attack set."""
    sets = [model.attack_set for model in results.models]
    count = Counter(s for s in sets if s)
    if not count:
        return []
    chosen = max(count, key=lambda s: (count[s], len(s)))  # max and Counter keep the first of equals
    return [i for i, s in enumerate(sets) if s == chosen]


def every_two(counts: Sequence[Int64[np.ndarray, " n"]]) -> list[tuple[int, int, float, float]]:
    """The places of every two of some (n,) counts, p of the exact paired sign-flip test, and p adjusted by Holm."""
    pairs = list(combinations(range(len(counts)), 2))
    p = [paired_sign_flip(counts[i], counts[j]) for i, j in pairs]
    return [(i, j, each, float(adjusted)) for (i, j), each, adjusted in zip(pairs, p, holm(p), strict=True)]


def _significantly_better(counts: list[Int64[np.ndarray, " n"]]) -> list[list[int]]:
    """For each model, the positions of the significantly better ones; counts are (n,) survived ε."""
    better: list[list[int]] = [[] for _ in counts]
    for i, j, _, p in every_two(counts):
        if p < LEVEL:  # the sums differ, or p would be 1
            winner, loser = (i, j) if counts[i].sum() > counts[j].sum() else (j, i)
            better[loser].append(winner)
    return better
