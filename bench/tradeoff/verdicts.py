"""The claims judged on what was measured, for each architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.paper.verdicts import FAILS, HOLDS, UNTOLD, difference_text, p_text
from bench.tradeoff.claim import CLAIMS, CORNERS, CURRICULUM, PERTURBATIONS, ROTATIONS, Claim
from bench.tradeoff.front import on_front
from bench.tradeoff.results import CLEAN, FRONT, SPATIAL, Axis, Group, Tradeoff
from bench.tradeoff.tested import AGAINST, AS_CLAIMED, NEITHER, Tested, adjusted, compare, steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A claim for one architecture.

    Attributes:
        architecture: which.
        verdict: *holds*, *does not hold* or *cannot be told here*.
        tested: all tests, those that are no part of the verdict last.
        sentence: what was measured, with numbers.
        why: what the verdict rests on, or what is missing.
        commands: those that would train what is missing.
    """

    architecture: str
    verdict: str
    tested: tuple[Tested, ...]
    sentence: str
    why: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A claim with its outcomes by architecture.

    Attributes:
        claim: the claim.
        verdict: it holds if it does for every architecture, and does not if it does not for one.
        outcomes: an outcome an architecture.
    """

    claim: Claim
    verdict: str
    outcomes: tuple[Outcome, ...]


def judge(tradeoff: Tradeoff) -> tuple[Judged, ...]:
    """All claims; p-values are adjusted by Holm over the tests of a claim, all architectures together."""
    return tuple(_judged(tradeoff, claim) for claim in CLAIMS)


def informative(tradeoff: Tradeoff, standard: Group | None) -> Axis:
    """PGD at the ε of the grid at which a model is nearest to half of its clean accuracy.

    Of two that are equally near the smaller; the largest ε where there is no such model.
    """
    if standard is None:
        return tradeoff.largest
    half = tradeoff.value(standard, CLEAN) / 2
    axes = [Axis("pgd", eps) for eps in tradeoff.setting.eps]
    return min(axes, key=lambda axis: abs(tradeoff.value(standard, axis) - half))


def corners_on_front(tradeoff: Tradeoff, architecture: str) -> tuple[str, ...]:
    """The fixed corners that no other one dominates, of those measured on both axes."""
    found = {recipe: tradeoff.group(architecture, recipe) for recipe in CORNERS}
    groups = {
        recipe: group
        for recipe, group in found.items()
        if group and tradeoff.share(group, SPATIAL) and tradeoff.share(group, FRONT)
    }
    chosen = on_front(tradeoff.plane(list(groups.values()), SPATIAL, FRONT))
    return tuple(recipe for recipe, on in zip(groups, chosen, strict=True) if on)


def _judged(tradeoff: Tradeoff, claim: Claim) -> Judged:
    names = tradeoff.architectures
    rows = [_tests(tradeoff, claim, name) for name in names]
    flat = iter(adjusted(test for row in rows for test in row))
    tested = [tuple(next(flat) for _ in row) for row in rows]
    outcomes = tuple(_outcome(tradeoff, claim, name, row) for name, row in zip(names, tested, strict=True))
    return Judged(claim=claim, verdict=_joined([each.verdict for each in outcomes]), outcomes=outcomes)


def _joined(verdicts: Sequence[str]) -> str:
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNTOLD


def _tests(tradeoff: Tradeoff, claim: Claim, architecture: str) -> list[Tested]:
    if claim.id == "curriculum":
        return [
            compare(tradeoff, architecture, CURRICULUM, corner, axis)
            for corner in CORNERS
            for axis in (SPATIAL, FRONT)
        ]
    if claim.id == "rotations":
        axis = informative(tradeoff, tradeoff.group(architecture, "standard"))
        return [compare(tradeoff, architecture, a, b, axis) for a, b in steps(ROTATIONS)]
    return [
        compare(tradeoff, architecture, a, b, SPATIAL, given_clean=given)
        for given in (False, True)
        for a, b in steps(PERTURBATIONS)
    ]


def _outcome(tradeoff: Tradeoff, claim: Claim, architecture: str, tested: tuple[Tested, ...]) -> Outcome:
    counted = [test for test in tested if not test.given_clean]
    if claim.id == "curriculum":
        verdict, reasons = _dominance(counted, corners_on_front(tradeoff, architecture))
    else:
        verdict, reasons = _fall(counted)
    missing = tuple(dict.fromkeys(name for test in counted for name in test.missing))
    if missing and verdict != FAILS:
        reasons.append(f"Not measured: {', '.join(missing)}.")
    return Outcome(
        architecture=architecture,
        verdict=verdict,
        tested=tested,
        sentence=_sentence(tradeoff, claim, architecture, tested),
        why=" ".join(reasons),
        commands=tuple(tradeoff.missing[name] for name in missing if name in tradeoff.missing),
    )


def _fall(tested: Sequence[Tested]) -> tuple[str, list[str]]:
    """Verdict and reasons for a chain of models, whose first test is of its ends."""
    rises = [_label(test) for test in tested if test.verdict == AGAINST]
    if rises:
        return FAILS, [f"A significant rise: {'; '.join(rises)}."]
    if _measured(tested) and tested[0].verdict == AS_CLAIMED:
        falls = sum(test.verdict == AS_CLAIMED for test in tested[1:])
        return HOLDS, [
            f"{falls} of {len(tested) - 1} steps are significant falls by themselves, none is a significant rise."
        ]
    reasons = []
    if tested[0].part is not None and tested[0].verdict == NEITHER:
        reasons.append("These images cannot tell the first model from the last.")
    return UNTOLD, reasons


def _dominance(tested: Sequence[Tested], front: Sequence[str]) -> tuple[str, list[str]]:
    """Verdict and reasons for the curriculum; each corner's tests stand side by side, one an axis."""
    pairs = {first.b: (first, second) for first, second in zip(tested[::2], tested[1::2], strict=True)}
    beaten = [
        corner
        for corner, pair in pairs.items()
        for one, other in (pair, pair[::-1])
        if one.verdict == AGAINST and other.part is not None and other.value <= 0
    ]
    if beaten:
        return FAILS, [f"Dominated by {' and '.join(dict.fromkeys(beaten))}."]
    whole = {corner: [test.verdict for test in pairs[corner]] for corner in front}
    trades = [c for c, found in whole.items() if AS_CLAIMED in found and AGAINST in found]
    unclear = [c for c, found in whole.items() if AS_CLAIMED not in found and _measured(pairs[c])]
    if front and not trades and not unclear and _measured(tested):
        return HOLDS, [f"Ahead of {', '.join(front)}, the corners on their front."]
    reasons = []
    if trades:
        reasons.append(f"A trade, better on one axis and worse on the other, against {', '.join(trades)}.")
    if unclear:
        reasons.append(f"On neither axis clearly better than {', '.join(unclear)}.")
    return UNTOLD, reasons


def _measured(tests: Sequence[Tested]) -> bool:
    return all(test.part is not None for test in tests)


def _label(test: Tested) -> str:
    return f"{test.a} to {test.b}"


def _sentence(tradeoff: Tradeoff, claim: Claim, architecture: str, tested: Sequence[Tested]) -> str:
    """The accuracies compared, and for a chain of models the difference of its ends."""
    axes = list(dict.fromkeys(test.axis for test in tested))
    listed = [
        f"{_capital(tradeoff.words(axis))}: {_values(tradeoff, claim, architecture, axis)}." for axis in axes
    ]
    if claim.id != "curriculum" and (part := tested[0].part) is not None:
        listed.append(f"{part.label}: {difference_text(part)}, {p_text(tested[0].p)}.")
    return " ".join(listed)


def _values(tradeoff: Tradeoff, claim: Claim, architecture: str, axis: Axis) -> str:
    values = []
    for recipe in claim.recipes:
        group = tradeoff.group(architecture, recipe)
        share = tradeoff.share(group, axis) if group else None
        values.append(f"{recipe} {100 * share.value:.1f} %" if share else f"{recipe} –")
    return ", ".join(values)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
