"""Judges the claims on the results of each protocol."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from bench.numbers.contrast import Part
from bench.numbers.stats import holm
from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.paper.agreement import agreement
from bench.studies.paper.alone import alone
from bench.studies.paper.claim import PaperClaim, Test
from bench.studies.paper.claims import CLAIMS
from bench.studies.paper.evidence import Evidence, borrowed_script
from bench.studies.paper.outcome import ClaimOutcome, JudgedClaim, TestOutcome, joined
from bench.studies.paper.reproduction import COLUMNS, Reproduction
from bench.studies.paper.sections import needed, remedy
from bench.studies.paper.wording import sentence, why

LEVEL = 0.05


def judge(reproduction: Reproduction) -> tuple[JudgedClaim, ...]:
    """All claims.

    A test comes out as claimed if its p, adjusted by Holm over the comparisons under the protocol that can be
    told on these images, is below 5 %, the difference lies on the claimed side, no single condition is
    significantly on the other side (Holm over the conditions), and every ε was measured where it is about
    each. It contradicts the claim if its adjusted p is below 5 % and the difference lies on the other side or,
    where the claim is about every condition, if one condition is significantly so when adjusted too. A claim
    holds if all its tests come out as claimed, and does not hold if one contradicts it; of what is often so,
    more than half of the tests decide. Otherwise, and where the images are not those it is about, it cannot be
    told; nor under ``released`` by a model that no script was published for.
    """
    outcomes = {column: _outcomes(reproduction, column) for column in COLUMNS}
    return tuple(
        JudgedClaim(
            claim=claim,
            published=agreement(claim),
            outcomes={column: outcomes[column][i] for column in COLUMNS},
        )
        for i, claim in enumerate(CLAIMS)
    )


def _outcomes(reproduction: Reproduction, column: str) -> list[ClaimOutcome]:
    evidence = Evidence(reproduction, column)
    rows = [[_tested(evidence, test, claim) for test in claim.tests] for claim in CLAIMS]
    tested = [each for row in rows for each in row]
    adjusted, comparisons = (
        iter(_adjusted(tested)),
        len({key for each in tested if each.told for key, _ in _tails(each)}),
    )
    return [
        _outcome(claim, tuple(next(adjusted) for _ in row), reproduction, column, comparisons)
        for claim, row in zip(CLAIMS, rows, strict=True)
    ]


def _tested(evidence: Evidence, test: Test, claim: PaperClaim) -> TestOutcome:
    found = evidence.part(test)
    return TestOutcome(
        test=test,
        part=None if isinstance(found, str) else found,
        missing=found if isinstance(found, str) else "",
        about=evidence.about(test, claim),
        unscripted=evidence.unscripted(test),
        told=evidence.told(test, claim),
    )


def _adjusted(tested: Sequence[TestOutcome]) -> list[TestOutcome]:
    """The tests in order, with adjusted p and verdicts.

    One family are the comparisons that can be told on these images, each once, measured or not: so a part of
    the paper measured alone never has a smaller p than with the rest. The others, which confirm and refute
    nothing, are a family of their own.
    """
    told = _family(each for each in tested if each.told)
    ps = told | _family((each for each in tested if not each.told), besides=told)
    found = []
    for each in tested:
        if each.part is not None:
            values = [ps[key] for key, _ in _tails(each)]
            p, reversal = values if len(values) > 1 else (values[0], 1.0)
            verdict = UNTOLD if each.unscripted else _verdict(each.part, p, reversal)
            there = verdict == HOLDS
            if there and each.partial and each.test.at_each:
                verdict = UNTOLD
            each = replace(each, p=p, reversal=reversal, verdict=verdict, there=there)
        found.append(each)
    return found


def _family(tested: Iterable[TestOutcome], besides: Collection[Hashable] = ()) -> dict[Hashable, float]:
    """The p of each comparison, and of its reversal where that counts, adjusted by Holm over all."""
    tails = {key: p for each in tested for key, p in _tails(each) if key not in besides}
    return dict(zip(tails, holm(list(tails.values())).tolist(), strict=True))


def _tails(each: TestOutcome) -> Iterator[tuple[Hashable, float]]:
    """A test's entries in a family: p by comparison; 1 if it was not measured."""
    test, part = each.test, each.part
    yield test.comparison, part.p if part else 1.0
    if test.every or test.most:
        yield (test.a, test.sign, test.comparison), part.reversal if part else 1.0


def _verdict(part: Part, p: float, reversal: float) -> str:
    """The verdict at the measured ε."""
    if reversal < LEVEL or (p < LEVEL and not part.toward):
        return FAILS
    return HOLDS if p < LEVEL and part.reversal >= LEVEL else UNTOLD


def _outcome(
    claim: PaperClaim,
    tested: tuple[TestOutcome, ...],
    reproduction: Reproduction,
    column: str,
    comparisons: int,
) -> ClaimOutcome:
    verdict = joined([each for each in tested if each.about], often=claim.often)
    if claim.everywhere and verdict == HOLDS:
        verdict = UNTOLD
    return ClaimOutcome(
        verdict=verdict,
        tested=tested,
        sentence=sentence(tested),
        why=" ".join(why(claim, verdict, tested, reproduction, column)),
        command=_command(claim, tested, reproduction, column) if verdict == UNTOLD else "",
        alone=alone(claim, tested, reproduction, comparisons),
    )


def _command(
    claim: PaperClaim, tested: Sequence[TestOutcome], reproduction: Reproduction, column: str
) -> str:
    """The command that measures what a claim needs: on this data if it is about it, else on data it is about.

    One for each data set, with semicolons between, if it is about several together; none if no command can decide it.
    """
    if column == "released" and all(test.of == "mip" for test in claim.tests):
        return ""
    known = claim.data or needed(claim.sections[0]).datasets
    here = reproduction.beside if reproduction.relation != "other" or not claim.data else ""
    wanted = known if claim.everywhere else (here if here in known else known[0],)
    settled = {each for each in known if _settled(each, claim, tested, here)}
    return "; ".join(
        _command_on(claim, each, reproduction.data_options if each == here else "")
        for each in wanted
        if each not in settled and not (column == "released" and _all_borrowed(claim, each))
    )


def _settled(dataset: str, claim: PaperClaim, tested: Sequence[TestOutcome], here: str) -> bool:
    """Whether all that a claim says of a data set is confirmed already."""
    of = [each for each in tested if each.about and each.test in _on(claim, dataset)]
    return bool(of) and (dataset == here or dataset == "cifar10c") and joined(of) == HOLDS


def _all_borrowed(claim: PaperClaim, dataset: str) -> bool:
    return all(any(borrowed_script(name, dataset) for name in test.models) for test in _on(claim, dataset))


def _on(claim: PaperClaim, dataset: str) -> list[Test]:
    """The tests of a claim that are carried out on one of the paper's data sets."""
    return [test for test in claim.tests if (test.of == "corrupted") == (dataset == "cifar10c")]


def _command_on(claim: PaperClaim, dataset: str, options: str) -> str:
    sections = [each for each in claim.sections if dataset in needed(each).datasets]
    return remedy(sections or claim.sections, dataset, options)
