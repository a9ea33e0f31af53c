"""Whether the paper's own numbers agree with its claims, point by point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

from bench.studies.paper.claim import PaperClaim, Test
from bench.studies.paper.published import MEAN, Published, numbers, statements
from bench.studies.paper.sections import DATASETS, attack_of

_NEAR = 1e-9  # printed numbers that are equal give differences that are nearly 0


@cache
def agreement(claim: PaperClaim) -> str:
    """As in ``CIFAR-10: 30 of 30 points as claimed; CIFAR-100: 28 of 30 points as claimed (2 equal)``.

    A point is one pair of printed accuracies at one ε (and corruption), or one accuracy compared with a bound; if
    it is compared with several, it is as claimed where all comparisons are.
    """
    sides: dict[tuple[object, ...], set[str]] = {}
    for test in claim.tests:
        for dataset, at, side in _points(claim, test):
            sides.setdefault((dataset, test.a, test.b, test.of, *at), set()).add(side)
    counts: dict[str, Counter[str]] = {}
    for (dataset, *_), found in sides.items():
        worst = next(side for side in ("against", "equal", "as claimed") if side in found)
        counts.setdefault(str(dataset), Counter())[worst] += 1
    texts = []
    for dataset, count in counts.items():
        equal = f" ({count['equal']} equal)" if count["equal"] else ""
        texts.append(
            f"{DATASETS[dataset]}: {count['as claimed']} of {count.total()} points as claimed{equal}"
        )
    return "; ".join(texts) or "no numbers printed"


def _points(claim: PaperClaim, test: Test) -> Iterator[tuple[str, tuple[object, ...], str]]:
    """The data set of each point, which one of it it is, and the side it is on."""
    if test.of == "mip":
        values = {(s.model, s.setting): float(s.value) for s in statements() if s.section == "figure5"}
        for (model, setting), value in values.items():
            if model == test.a:
                yield "cifar10", (setting,), _side(value - values[test.b, setting], test)
        return
    printed = {_key(row): row.accuracy for row in numbers() if _rests_on(claim, test, row)}
    for (dataset, name, corruption, eps), value in printed.items():
        other = (dataset, test.b, corruption, eps)
        if name == test.a and not test.b:
            yield dataset, (corruption, eps), _side(value, test)
        elif name == test.a and other in printed:
            yield dataset, (corruption, eps), _side(value - printed[other], test)


def _key(row: Published) -> tuple[str, str, str, float]:
    return row.dataset, row.name, row.corruption, row.eps


def _rests_on(claim: PaperClaim, test: Test, row: Published) -> bool:
    corrupted = row.dataset == "cifar10c"
    return (
        row.table in claim.tables
        and row.corruption != MEAN
        and row.dataset in (claim.data or (row.dataset,))
        and any(abs(row.eps - eps) < _NEAR for eps in test.eps)
        and (test.of == "corrupted" if corrupted else test.of == attack_of(row))
    )


def _side(value: float, test: Test) -> str:
    gap = test.sign * (value - test.bound)
    return "equal" if abs(gap) < _NEAR else "as claimed" if gap > 0 else "against"
