"""The table of accuracy against passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.studies.robustness.passes import accuracy_by_passes

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.studies.robustness.ranking import Standing
    from bench.studies.robustness.results import Results

SHOWN = (1, 2, 4, 6, 8, 10, 12, 14, 16)  # sixteenths of the budget


@dataclass(frozen=True, slots=True)
class PassesRow:
    """One model under one attack: accuracies, one for each number of passes."""

    model: str
    attack: str
    accuracies: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PassesBlock:
    """All attacks with one budget at one ε."""

    eps: str
    passes: tuple[int, ...]
    rows: tuple[PassesRow, ...]


def passes_blocks(
    results: Results, lines: Sequence[Standing], names: Mapping[Request, str], eps: Sequence[str]
) -> list[PassesBlock]:
    """A block for each budget and ε; none where no attack had a budget."""
    return [
        PassesBlock(text, tuple(round(budget * k / max(SHOWN)) for k in SHOWN), rows)
        for budget in sorted({_budget(curve.request) for line in lines for curve in line.result.curves} - {0})
        for i, text in enumerate(eps)
        if (rows := tuple(_rows(results, lines, names, budget, i)))
    ]


def _budget(request: Request) -> int:
    return int(dict(request.params).get("budget") or 0)


def _rows(
    results: Results, lines: Sequence[Standing], names: Mapping[Request, str], budget: int, i: int
) -> list[PassesRow]:
    found = []
    for line in lines:
        for curve in line.result.curves:
            if curve.trace is not None and _budget(curve.request) == budget:
                shares = accuracy_by_passes(results.setting, line.result, curve, i)
                chosen = tuple(float(shares[k - 1]) for k in SHOWN)
                found.append(PassesRow(line.name, names[curve.request], chosen))
    return found
