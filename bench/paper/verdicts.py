"""The claims judged on what was measured under each protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.paper.agreement import agreement
from bench.paper.claim import Claim, Test
from bench.paper.claims import CLAIMS
from bench.paper.contrast import Part
from bench.paper.evidence import Evidence
from bench.paper.reproduction import COLUMNS, Reproduction
from bench.paper.sections import DATASETS, needed, remedy
from bench.protocols import own_script
from bench.stats import holm

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told here"
VERDICTS = (HOLDS, FAILS, UNTOLD)
LEVEL = 0.05
_MOST_LABELS = 3  # the page lists all tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One test of a claim as it came out.

    Attributes:
        test: what was asked.
        part: what was found; ``None`` where something it needs was not measured.
        missing: what was not; empty otherwise.
        about: whether the images are those the claim is about.
        p, reversal: as in ``part``, adjusted by Holm over all tests of the protocol; 1 where there is none.
        verdict: of this test alone.
    """

    test: Test
    part: Part | None
    missing: str
    about: bool
    p: float = 1.0
    reversal: float = 1.0
    verdict: str = UNTOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOutcome:
    """A claim under one protocol.

    Attributes:
        verdict: one of ``VERDICTS``.
        tested: its tests in the order of the claim.
        sentence: what was measured, with numbers.
        why: what the verdict rests on, or what it would take.
        command: the command that would tell; empty where it is told, or no command can.
    """

    verdict: str
    tested: tuple[Tested, ...]
    sentence: str
    why: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A claim with its outcome by column.

    Attributes:
        claim: the claim.
        published: at how many points the paper's own numbers agree with it.
        outcomes: by column, ``released`` and ``sound``.
    """

    claim: Claim
    published: str
    outcomes: Mapping[str, ClaimOutcome]


def judge(reproduction: Reproduction) -> tuple[Judged, ...]:
    """All claims.

    A test comes out as claimed if its p, adjusted by Holm over all tests of all claims under the protocol, is
    below 5 %, the difference lies on the claimed side, and no single condition is significantly on the other
    side (Holm over the conditions). It contradicts the claim if its adjusted p is below 5 % and the
    difference lies on the other side or, where the claim is about every condition, if one condition is
    significantly so when adjusted over all tests too. A claim holds if all its tests come out as claimed, and
    does not hold if one contradicts it; otherwise, and where the images are not those it is about, it cannot
    be told.
    """
    outcomes = {column: _outcomes(reproduction, column) for column in COLUMNS}
    return tuple(
        Judged(
            claim=claim,
            published=agreement(claim),
            outcomes={column: outcomes[column][i] for column in COLUMNS},
        )
        for i, claim in enumerate(CLAIMS)
    )


def _command(claim: Claim, reproduction: Reproduction, column: str) -> str:
    """The command that measures what a claim needs: on this data if it is about it, else on data it is about.

    More than one, with semicolons between, where it is about several together.
    """
    if column == "released" and all(test.of == "mip" for test in claim.tests):
        return ""
    here = "" if reproduction.relation == "other" else reproduction.beside
    if claim.everywhere:
        return "; ".join(_command_on(claim, each) for each in claim.data if each != here)
    known = claim.data or needed(claim.sections[0]).datasets
    if (here if claim.data else reproduction.beside) in known:
        return _command_on(claim, reproduction.beside, reproduction.data_options)
    return _command_on(claim, known[0])


def _command_on(claim: Claim, dataset: str, options: str = "") -> str:
    sections = [each for each in claim.sections if dataset in needed(each).datasets]
    return remedy(sections or claim.sections, dataset, options)


def _outcomes(reproduction: Reproduction, column: str) -> list[ClaimOutcome]:
    evidence = Evidence(reproduction, column)
    rows = [[_tested(evidence, test, claim) for test in claim.tests] for claim in CLAIMS]
    adjusted = _adjusted([each for row in rows for each in row])
    return [
        _outcome(claim, tuple(next(adjusted) for _ in row), reproduction, column)
        for claim, row in zip(CLAIMS, rows, strict=True)
    ]


def _tested(evidence: Evidence, test: Test, claim: Claim) -> Tested:
    found = evidence.part(test)
    about = evidence.about(test, claim)
    if isinstance(found, str):
        return Tested(test=test, part=None, missing=found, about=about)
    return Tested(test=test, part=found, missing="", about=about)


def _adjusted(tested: Sequence[Tested]) -> Iterator[Tested]:
    """The tests in order, with p adjusted over all of them, and verdicts."""
    parts = [each.part for each in tested if each.part is not None]
    family = iter(
        holm([*(part.p for part in parts), *(part.reversal for part in parts if part.every)]).tolist()
    )
    ps = [next(family) for _ in parts]
    reversals = [next(family) if part.every else 1.0 for part in parts]
    found = zip(parts, ps, reversals, strict=True)
    for each in tested:
        if each.part is None:
            yield each
        else:
            part, p, reversal = next(found)
            yield replace(each, p=p, reversal=reversal, verdict=_verdict(part, p, reversal))


def _verdict(part: Part, p: float, reversal: float) -> str:
    if reversal < LEVEL or (p < LEVEL and not part.toward):
        return FAILS
    return HOLDS if p < LEVEL and part.reversal >= LEVEL else UNTOLD


def _outcome(
    claim: Claim, tested: tuple[Tested, ...], reproduction: Reproduction, column: str
) -> ClaimOutcome:
    about = [each for each in tested if each.about]
    verdict = _joined(about)
    if claim.everywhere and verdict == HOLDS:
        verdict = UNTOLD
    return ClaimOutcome(
        verdict=verdict,
        tested=tested,
        sentence=_sentence([each for each in tested if each.part]),
        why=" ".join((*_why(claim, verdict, tested, reproduction), *_mixed(tested, column))),
        command=_command(claim, reproduction, column) if verdict == UNTOLD else "",
    )


def _joined(tested: Sequence[Tested]) -> str:
    verdicts = {each.verdict for each in tested}
    if FAILS in verdicts:
        return FAILS
    return HOLDS if verdicts == {HOLDS} else UNTOLD


def _sentence(found: Sequence[Tested]) -> str:
    """The test in full if there is one, else how they came out and between what."""
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
    return (
        f"Of {len(parts)} tests {by[0]} come out as claimed, {by[1]} contradict it and {by[2]} cannot tell;"
        f" {span}."
    )


def _why(claim: Claim, verdict: str, tested: Sequence[Tested], reproduction: Reproduction) -> Iterator[str]:
    elsewhere = [each for each in tested if not each.about]
    missing = list(dict.fromkeys(each.missing for each in tested if each.missing))
    against = [each.part.label for each in tested if each.about and each.part and each.verdict == FAILS]
    close = [each.part.label for each in tested if each.about and each.part and each.verdict == UNTOLD]
    if against:
        yield f"Against it: {_listed(against)}."
    if any(each.part for each in elsewhere):
        images = reproduction.dataset if elsewhere[0].test.of != "corrupted" else "corruptions made here"
        yield f"The claim is about {_data(claim)}; on {images} its tests alone would say: {_joined(elsewhere)}."
    elif claim.everywhere and verdict != FAILS:
        yield f"It is about {_data(claim)} together."
    if missing and verdict != FAILS:
        yield f"Not measured: {_listed(missing)}."
    if close and verdict == UNTOLD:
        yield f"These images cannot tell: {_listed(close)}."
    if verdict == HOLDS:
        yield f"Every test, on {min(each.part.n for each in tested if each.part)} images, comes out as claimed."


def _data(claim: Claim) -> str:
    *others, last = (DATASETS[each] for each in claim.data)
    return f"{', '.join(others)} and {last}" if others else last


def _mixed(tested: Sequence[Tested], column: str) -> Iterator[str]:
    """Whether the two models of a test are under different scripts."""
    pairs = [each.test for each in tested if each.part and each.test.b]
    if column == "released" and any(_script(test.a, test) != _script(test.b, test) for test in pairs):
        yield "Not all models here are under one script: design and evaluation differ together."


def _script(name: str, test: Test) -> str:
    return own_script(name, corrupted=test.of == "corrupted").label


def _listed(labels: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(labels) - _MOST_LABELS
    return "; ".join(labels[:_MOST_LABELS]) + (f"; and {more} more" if more > 0 else "")


def difference_text(part: Part) -> str:
    """``+3.2 points (+1.0 to +5.4)``, or an accuracy where there is only one model; with the bound if not 0."""
    of = part.difference
    if part.single:
        text = f"{100 * of.value:.1f} % ({100 * of.lo:.1f} to {100 * of.hi:.1f})"
    else:
        text = f"{points_text(of.value)} points ({points_text(of.lo)} to {points_text(of.hi)})"
    if part.bound:
        text += f", to be {'above' if part.sign > 0 else 'below'} {100 * part.bound:g}".replace("-", "−")
    return text


def points_text(value: float) -> str:
    """A difference of fractions in points: ``+3.2`` or ``−0.4``."""
    return f"{100 * value:+.1f}".replace("-", "−")


def p_text(p: float) -> str:
    """``p = 0.012`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"
