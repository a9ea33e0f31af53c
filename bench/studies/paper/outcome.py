"""How tests and claims come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.numbers.contrast import Part
from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.paper.claim import PaperClaim, Test


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """One test of a claim as it came out.

    Attributes:
        test: what was asked.
        part: what was found; ``None`` where something it needs was not measured.
        missing: what was not; empty otherwise.
        about: whether the images are those the claim is about.
        unscripted: models no script was published for, under released, with the script they were measured
            under: then the test cannot be told.
        told: whether the test can be told on these images at all, if it is measured.
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
        dataset: the paper's, as it is called; with the name of ours where that is a copy of it.
        verdict: as of a claim, of the tests on this data set only.
        why: where it cannot be told, what would tell: images, models, ε, or training seeds.
        missing: what the whole claim is about besides, and was not measured; empty if nothing.
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
        sentence: what was measured, with numbers.
        why: what the verdict rests on, or what it would take.
        command: the command that would tell; empty where it is told, or no command can.
        alone: what the data set at hand says by itself; ``None`` where the claim is not about it.
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
    """What tests say together.

    All must come out as claimed, and one refutes; of what is ``often`` so, more than half decide.
    """
    verdicts = [each.verdict for each in tested]
    if often:
        return next((each for each in (HOLDS, FAILS) if 2 * verdicts.count(each) > len(verdicts)), UNTOLD)
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNTOLD
