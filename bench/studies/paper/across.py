"""The same weights on the same images under every protocol: the effect of the protocol alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bench.numbers.stats import Share, mean_score
from bench.studies.paper.reproduction import MeasuredModel, Reproduction
from zoo.entries import ENTRIES

_ATTACKS = ("fgsm", "pgd")


@dataclass(frozen=True, slots=True)
class Across:
    """Accuracies by model, protocol and attack, in the mean over the ε that all of them share.

    Attributes:
        protocols: their labels, released ones first.
        models: those measured under two protocols or more, in the zoo's order.
        eps: the shared ε, nominal; their size in pixels is the protocol's.
        n: images, the first of the fixed order that all of them have.
        shares: (model, protocol, attack) → accuracy; a combination that was not measured is absent.
    """

    protocols: tuple[str, ...]
    models: tuple[str, ...]
    eps: tuple[float, ...]
    n: int
    shares: dict[tuple[str, str, str], Share]


def across_protocols(reproduction: Reproduction) -> Across:
    """Every model that was measured under two protocols or more; empty where there is none."""
    by_protocol = {label: reproduction.column(label) for label in reproduction.protocols}
    known = Counter(name for column in by_protocol.values() for name in column)
    models = [name for name in ENTRIES if known[name] > 1]
    cells = {
        (name, label): column[name]
        for label, column in by_protocol.items()
        for name in models
        if name in column and column[name].result.curves
    }
    eps = _shared([cell.setting.eps for cell in cells.values()])
    n = min((cell.setting.n for cell in cells.values()), default=0)
    shares = {
        (name, label, attack): _mean(cell, attack, eps, n)
        for (name, label), cell in cells.items()
        for attack in _ATTACKS
        if eps and cell.curve(attack) is not None
    }
    protocols = tuple(label for label in by_protocol if any(label == key[1] for key in shares))
    return Across(
        protocols, tuple(name for name in models if any(name == key[0] for key in shares)), eps, n, shares
    )


def _shared(grids: list[tuple[float, ...]]) -> tuple[float, ...]:
    if not grids:
        return ()
    rounded = [{round(eps, 9) for eps in grid} for grid in grids]
    return tuple(sorted(set.intersection(*rounded)))


def _mean(cell: MeasuredModel, attack: str, eps: tuple[float, ...], n: int) -> Share:
    rows = [cell.at(attack, each) for each in eps]
    return mean_score(np.mean([row[:n] for row in rows if row is not None], axis=0))
