"""Judges the claims on the measurements, for each architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.numbers.wording import FAILS, HOLDS, UNTOLD, difference_text, p_text
from bench.studies.tradeoff.claim import CLAIMS, CORNERS, CURRICULUM, TradeoffClaim
from bench.studies.tradeoff.front import on_front
from bench.studies.tradeoff.results import CLEAN, FRONT, SPATIAL, Axis, ModelGroup, Replica, Tradeoff
from bench.studies.tradeoff.tested import (
    AGAINST,
    AS_CLAIMED,
    NEITHER,
    NO_SEED,
    TestedPair,
    adjusted,
    compare,
    steps,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureOutcome:
    """A claim for one architecture.

    Attributes:
        architecture: which.
        verdict: *holds*, *does not hold* or *undecided here*.
        tested: all tests, those that are no part of the verdict last.
        sentence: the measurements, with numbers.
        why: the basis of the verdict, or what is missing.
        commands: those that would train the missing models.
    """

    architecture: str
    verdict: str
    tested: tuple[TestedPair, ...]
    sentence: str
    why: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTradeoff:
    """A claim with its outcomes by architecture.

    Attributes:
        claim: the claim.
        verdict: it holds if it does for every architecture, and does not if it does not for one.
        outcomes: an outcome an architecture.
    """

    claim: TradeoffClaim
    verdict: str
    outcomes: tuple[ArchitectureOutcome, ...]


def judge(tradeoff: Tradeoff) -> tuple[JudgedTradeoff, ...]:
    """All claims; p-values are adjusted by Holm over the tests of a claim, all architectures together."""
    return tuple(_judged(tradeoff, claim) for claim in CLAIMS)


def informative(tradeoff: Tradeoff, standard: ModelGroup | None) -> Axis:
    """PGD at the ε of the grid at which a model is nearest to half of its clean accuracy.

    Of two that are equally near the smaller; the largest ε where there is no such model.
    """
    if standard is None:
        return tradeoff.largest
    half = tradeoff.value(standard, CLEAN) / 2
    axes = [Axis("pgd", eps) for eps in tradeoff.setting.eps]
    return min(axes, key=lambda axis: abs(tradeoff.value(standard, axis) - half))


@dataclass(frozen=True, slots=True)
class _Case:
    """A claim about one architecture, over the training seeds that all its measured recipes have."""

    tradeoff: Tradeoff
    claim: TradeoffClaim
    architecture: str

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those in common."""
        found = [set(group.seeds) for group in self._groups(None).values()]
        return tuple(sorted(set.intersection(*found))) if found else ()

    @property
    def dropped(self) -> bool:
        """Whether a recipe has other seeds besides."""
        return any(group.seeds != self.seeds for group in self._groups(None).values())

    @property
    def groups(self) -> dict[str, ModelGroup]:
        """The measured recipes with these seeds alone, by name."""
        return self._groups(self.seeds)

    def _groups(self, seeds: tuple[int, ...] | None) -> dict[str, ModelGroup]:
        found = {name: self.tradeoff.group(self.architecture, name, seeds) for name in self.claim.recipes}
        return {name: group for name, group in found.items() if group is not None}


def _judged(tradeoff: Tradeoff, claim: TradeoffClaim) -> JudgedTradeoff:
    cases = [_Case(tradeoff, claim, name) for name in tradeoff.architectures]
    rows = [_tests(case) for case in cases]
    flat = iter(adjusted(test for row in rows for test in row))
    tested = [tuple(next(flat) for _ in row) for row in rows]
    outcomes = tuple(_outcome(case, row) for case, row in zip(cases, tested, strict=True))
    return JudgedTradeoff(
        claim=claim, verdict=_joined([each.verdict for each in outcomes]), outcomes=outcomes
    )


def _joined(verdicts: Sequence[str]) -> str:
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNTOLD


def _tests(case: _Case) -> list[TestedPair]:
    def test(a: str, b: str, axis: Axis, *, given_clean: bool = False) -> TestedPair:
        return compare(case.tradeoff, case.architecture, a, b, axis, case.seeds, given_clean=given_clean)

    if case.claim.id == "curriculum":
        return [test(CURRICULUM, corner, axis) for corner in CORNERS for axis in (SPATIAL, FRONT)]
    axis = SPATIAL
    if case.claim.id == "rotations":
        axis = informative(case.tradeoff, case.tradeoff.group(case.architecture, "standard"))
    return [
        test(a, b, axis, given_clean=given) for given in (False, True) for a, b in steps(case.claim.recipes)
    ]


def _outcome(case: _Case, tested: tuple[TestedPair, ...]) -> ArchitectureOutcome:
    counted = [test for test in tested if not test.given_clean]
    verdict, reasons = _dominance(case, counted) if case.claim.id == "curriculum" else _fall(counted)
    missing = tuple(dict.fromkeys(name for test in counted for name in test.missing))
    if missing and verdict != FAILS:
        reasons.append(f"Not measured: {', '.join(missing)}.")
    return ArchitectureOutcome(
        architecture=case.architecture,
        verdict=verdict,
        tested=tested,
        sentence=_sentence(case, tested),
        why=" ".join([*reasons, *_caveats(case)]),
        commands=tuple(case.tradeoff.missing[name] for name in missing if name in case.tradeoff.missing),
    )


def _caveats(case: _Case) -> list[str]:
    """Sentences about omitted seeds, and about differences in training besides the recipe."""
    said = []
    if case.dropped and not case.seeds:
        said.append(f"{_capital(NO_SEED)}.")
    elif case.dropped:
        seeds = f"seed{'s' if len(case.seeds) > 1 else ''} {', '.join(map(str, case.seeds))}"
        said.append(f"Over training {seeds} alone, which all measured recipes have.")
    return [
        *said,
        *_unlike(case.groups, lambda each: each.images, "from", "images"),
        *_unlike(case.groups, lambda each: each.epochs, "for", "epochs"),
    ]


def _unlike(
    groups: Mapping[str, ModelGroup], of: Callable[[Replica], int | None], word: str, unit: str
) -> list[str]:
    """As in ``pgd_at learned from 1,437 images, cusp from 1,293.``; empty where no two known values differ."""
    by_values: dict[tuple[int, ...], list[str]] = {}
    for recipe, group in groups.items():
        known = {value for each in group.replicas if (value := of(each)) is not None}
        if known:
            by_values.setdefault(tuple(sorted(known)), []).append(recipe)
    if len({value for values in by_values for value in values}) < 2:
        return []
    (values, recipes), *others = by_values.items()
    said = [f"{_and(recipes)} learned {word} {_and(f'{value:,}' for value in values)} {unit}"]
    said += [f"{_and(names)} {word} {_and(f'{value:,}' for value in each)}" for each, names in others]
    return [", ".join(said) + "."]


def _fall(tested: Sequence[TestedPair]) -> tuple[str, list[str]]:
    """Verdict and reasons for a chain of models, whose first test is of its ends."""
    rises = [_label(test) for test in tested if test.verdict == AGAINST]
    if rises:
        return FAILS, [f"A significant rise: {'; '.join(rises)}."]
    if _measured(tested) and tested[0].verdict == AS_CLAIMED:
        falls = sum(test.verdict == AS_CLAIMED for test in tested[1:])
        return HOLDS, [
            f"{falls} of {len(tested) - 1} steps are significant falls by themselves, and none is a significant rise."
        ]
    reasons = []
    if tested[0].part is not None and tested[0].verdict == NEITHER:
        reasons.append(
            "Training seeds disagree on the first model and the last."
            if tested[0].seeds_disagree
            else "The first model and the last do not differ significantly on these images."
        )
    return UNTOLD, reasons


def _dominance(case: _Case, tested: Sequence[TestedPair]) -> tuple[str, list[str]]:
    """Verdict and reasons for the curriculum; each corner's tests stand side by side, one an axis."""
    pairs = {first.b: (first, second) for first, second in zip(tested[::2], tested[1::2], strict=True)}
    pairs = {corner: pair for corner, pair in pairs.items() if _measured(pair)}
    beaten = [
        corner
        for corner, pair in pairs.items()
        for one, other in (pair, pair[::-1])
        if one.verdict == AGAINST and other.lead <= 0
    ]
    if beaten:
        return FAILS, [f"Dominated by {_and(dict.fromkeys(beaten))}."]
    front = _corners_on_front(case, list(pairs))
    trades, unclear, behind = [], [], []
    for corner, pair in pairs.items():
        verdicts = {test.verdict for test in pair}
        if {AS_CLAIMED, AGAINST} <= verdicts:
            trades.append(corner)
        elif AGAINST in verdicts or (corner in front and AS_CLAIMED not in verdicts):
            unclear.append(corner)
        elif corner in front:
            behind += [f"{corner} {_under(case, test.axis)}" for test in pair if test.lead < 0]
    if _measured(tested) and not (trades or unclear or behind):
        return HOLDS, [f"Ahead of {', '.join(front)}, the corners on their front."]
    reasons = []
    if trades:
        reasons.append(f"Better on one axis and worse on the other than {', '.join(trades)}.")
    if unclear:
        reasons.append(f"Not significantly better on either axis than {', '.join(unclear)}.")
    if behind:
        reasons.append(f"Below {' and '.join(behind)}, though not significantly.")
    return UNTOLD, reasons


def _corners_on_front(case: _Case, corners: Sequence[str]) -> list[str]:
    """Those of the fixed corners that no other one dominates."""
    plane = case.tradeoff.plane([case.groups[corner] for corner in corners], SPATIAL, FRONT)
    return [corner for corner, on in zip(corners, on_front(plane), strict=True) if on]


def _under(case: _Case, axis: Axis) -> str:
    """An axis as in ``under random rotation ±180°``."""
    return case.tradeoff.words(axis).removeprefix("accuracy ")


def _measured(tests: Sequence[TestedPair]) -> bool:
    return all(test.part is not None for test in tests)


def _label(test: TestedPair) -> str:
    return f"{test.a} to {test.b}"


def _sentence(case: _Case, tested: Sequence[TestedPair]) -> str:
    """The accuracies compared, and for a chain of models the difference of its ends."""
    axes = dict.fromkeys(test.axis for test in tested)
    listed = [f"{_capital(case.tradeoff.words(axis))}: {_values(case, axis)}." for axis in axes]
    if case.claim.id != "curriculum" and (part := tested[0].part) is not None:
        listed.append(f"{part.label}: {difference_text(part)}, {p_text(tested[0].p)}.")
    return " ".join(listed)


def _values(case: _Case, axis: Axis) -> str:
    values = []
    for recipe in case.claim.recipes:
        group = case.groups.get(recipe)
        share = case.tradeoff.share(group, axis) if group else None
        values.append(f"{recipe} {100 * share.value:.1f} %" if share else f"{recipe} –")
    return ", ".join(values)


def _and(names: Iterable[str]) -> str:
    """As in ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
