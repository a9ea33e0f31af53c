"""Outcomes of tests and claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.numbers.contrast import Part
from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.paper.claim import PaperClaim, Test


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """The outcome of one test of a claim.

    Attributes:
        test: the test.
        part: its result; ``None`` if something it needs was not measured.
        missing: name of that; empty otherwise.
        about: whether the images are those the claim is about.
        unscripted: models no script was published for, under released, with the script they were measured
            under: then the test cannot be told.
        told: whether the test can be decided on these images at all, if it is measured.
        p, reversal: as in ``part``, adjusted by Holm over the comparisons of the evaluation that can be told;
            1 where there is none.
        verdict: of this test alone, whatever the images are.
        there: whether it comes out as claimed at the ε measured, of those it is about each of.
    """

    test: Test
    part: Part | None
    missing: str
    about: bool
    unscripted: Mapping[str, str] = field(default_factory=dict)
    told: bool = True
    p: float = 1.0
    reversal: float = 1.0
    verdict: str = UNTOLD
    there: bool = False

    @property
    def partial(self) -> bool:
        """Whether some of the ε it is about were measured and others were not."""
        return self.part is not None and 0 < len(self.part.eps) < len(self.test.eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A claim on one of the paper's data sets.

    Attributes:
        dataset: name of the paper's data set; with the name of ours if that is a copy of it.
        verdict: as of a claim, of the tests on this data set only.
        why: if it is undecided, what would decide it: images, models, ε, or training seeds.
        missing: other subjects of the whole claim that were not measured; empty if none.
    """

    dataset: str
    verdict: str
    why: str
    missing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOutcome:
    """A claim under one protocol.

    Attributes:
        verdict: one of ``VERDICTS``.
        tested: its tests in the order of the claim.
        sentence: the measurements, with numbers.
        why: the basis of the verdict, or what it would need.
        command: the command that would decide it; empty if it is decided, or no command can.
        alone: the verdict of the measured data set by itself; ``None`` if the claim is not about it.
    """

    verdict: str
    tested: tuple[TestOutcome, ...]
    sentence: str
    why: str
    command: str
    alone: Alone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """A claim with its outcome by column.

    Attributes:
        claim: the claim.
        published: at how many points the paper's own numbers agree with it.
        outcomes: by column, ``released`` and ``sound``.
    """

    claim: PaperClaim
    published: str
    outcomes: Mapping[str, ClaimOutcome]


def joined(tested: Sequence[TestOutcome], *, often: bool = False) -> str:
    """The joint verdict of tests.

    All must come out as claimed, and one refutes; with ``often`` more than half decide.
    """
    verdicts = [each.verdict for each in tested]
    if often:
        return next((each for each in (HOLDS, FAILS) if 2 * verdicts.count(each) > len(verdicts)), UNTOLD)
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNTOLD
