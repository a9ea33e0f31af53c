"""Outcomes of claims in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bench.engine.protocols import own_script
from bench.numbers.wording import FAILS, HOLDS, UNTOLD, VERDICTS, difference_text, p_text, points_text
from bench.studies.paper.claim import PaperClaim, Test
from bench.studies.paper.outcome import TestOutcome, joined
from bench.studies.paper.reproduction import Reproduction
from bench.studies.paper.sections import DATASETS

_MOST_LABELS = 3  # the page lists all tests
_STEP = 0.01  # of the paper's ε


def sentence(tested: Sequence[TestOutcome]) -> str:
    """The test in full if there is one, else the outcomes of all with their range."""
    found = [each for each in tested if each.part]
    parts = [each.part for each in found if each.part]
    if not parts:
        return "Nothing was measured."
    if len(parts) == 1:
        return f"{parts[0].label}: {difference_text(parts[0])}, {p_text(found[0].p)}."
    by = [sum(each.verdict == verdict for each in found) for verdict in VERDICTS]
    values = [part.difference.value for part in parts]
    span = f"accuracies {100 * min(values):.1f} to {100 * max(values):.1f} %"
    if not parts[0].single:
        span = f"differences {points_text(min(values))} to {points_text(max(values))} points"
    if parts[0].majority:
        ahead = sorted(part.ahead for part in parts)
        span += f"; ahead under {ahead[0]} to {ahead[-1]} of {parts[0].conditions} corruptions"
    return (
        f"Of {len(parts)} tests {by[0]} come out as claimed, {by[1]} contradict it and {by[2]} are undecided; "
        f"{span}."
    )


def why(
    claim: PaperClaim, verdict: str, tested: Sequence[TestOutcome], reproduction: Reproduction, column: str
) -> Iterator[str]:
    """The basis of a verdict, or what it would need, in sentences."""
    told = [each for each in tested if each.about and each.part]
    against = [each.part.label for each in told if each.part and each.verdict == FAILS]
    close = [
        each.part.label
        for each in told
        if each.part and each.verdict == UNTOLD and not each.unscripted and not each.partial
    ]
    missing = list(dict.fromkeys(each.missing for each in tested if each.missing))
    if against:
        yield f"Against it: {_listed(against)}."
    if claim.often and verdict == UNTOLD and against:
        yield f"The claim says “often”, so {len(against)} of {len(told)} tests alone do not refute it."
    if verdict != FAILS:
        yield from _elsewhere(claim, tested, reproduction)
        yield from _unscripted(tested)
        if missing:
            yield f"Not measured: {_listed(missing)}."
    yield from _partial(tested)
    if close and verdict == UNTOLD:
        yield f"Undecided on these images: {_listed(close)}."
    if verdict == HOLDS:
        yield f"Every test, on {min(each.part.n for each in told if each.part)} images, comes out as claimed."
    yield from _mixed(tested, column)


def _elsewhere(claim: PaperClaim, tested: Sequence[TestOutcome], reproduction: Reproduction) -> Iterator[str]:
    """The verdict of the measured images alone on a claim that is about others."""
    said = []
    for corrupted in (False, True):
        of = [each for each in tested if (each.test.of == "corrupted") == corrupted]
        if any(each.part and not each.about for each in of):
            images = reproduction.corrupted_called if corrupted else reproduction.dataset
            said.append(f"on {images}, its tests would give: {joined(of, often=claim.often)}")
    if said:
        yield f"The claim is {about_text(claim)}; {'; '.join(said)}."
    elif claim.everywhere:
        yield f"It is {about_text(claim)}."


def about_text(claim: PaperClaim) -> str:
    """As in ``about CIFAR-10 and CIFAR-100 together``."""
    if not claim.data:
        return "about no particular data set: any images may decide it"
    *others, last = (DATASETS[each] for each in claim.data)
    names = f"{', '.join(others)} and {last}" if others else last
    return f"about {names}{' together' if claim.everywhere else ''}"


def _unscripted(tested: Sequence[TestOutcome]) -> Iterator[str]:
    scripts = {name: script for each in tested if each.part for name, script in each.unscripted.items()}
    if scripts:
        names = [f"{name}, measured under that of {script}" for name, script in scripts.items()]
        them = "them" if len(names) > 1 else "it"
        yield f"No script was published for {_listed(names)}: no test with {them} can be decided."


def _partial(tested: Sequence[TestOutcome]) -> Iterator[str]:
    """Over which ε tests are, where not all that they are about were measured."""
    grids: dict[str, list[TestOutcome]] = {}
    for each in tested:
        if each.part and each.partial:
            text = f"At ε {eps_text(each.part.eps)} of {eps_text(each.test.eps)}"
            grids.setdefault(text, []).append(each)
    for text, of in grids.items():
        if any(each.test.at_each for each in of):
            there = sum(each.there for each in of)
            text += (
                f", where {there} of {len(of)} {'test comes' if there == 1 else 'tests come'} out as claimed;"
                " a claim about every ε cannot be confirmed at some of them"
            )
        yield f"{text}."


def _mixed(tested: Sequence[TestOutcome], column: str) -> Iterator[str]:
    """Whether the two models of a test are under different scripts."""
    pairs = [each.test for each in tested if each.part and each.test.b]
    if column == "released" and any(_script(test.a, test) != _script(test.b, test) for test in pairs):
        yield (
            "Not all models here are evaluated by one script, so differences may come from the design or "
            "from the evaluation."
        )


def _script(name: str, test: Test) -> str:
    return own_script(name, corrupted=test.of == "corrupted").label


def _listed(labels: Sequence[str]) -> str:
    """The first few, and the number of the others."""
    more = len(labels) - _MOST_LABELS
    return "; ".join(labels[:_MOST_LABELS]) + (f"; and {more} more" if more > 0 else "")


def eps_text(eps: Sequence[float]) -> str:
    """``0.01 … 0.05`` where nothing is left out between, else ``0.01, 0.03, 0.1``."""
    steps = [round((b - a) / _STEP, 6) for a, b in pairwise(eps)]
    if len(eps) > 2 and set(steps) == {1.0}:
        return f"{eps[0]:g} … {eps[-1]:g}"
    return ", ".join(f"{each:g}" for each in eps)
