"""The verdict of the measured images on a claim that is about their data set and may be about others too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench.numbers.contrast import Part
from bench.numbers.wording import UNTOLD
from bench.studies.paper.claim import PaperClaim
from bench.studies.paper.outcome import Alone, TestOutcome, joined
from bench.studies.paper.reproduction import Reproduction
from bench.studies.paper.sections import DATASETS

LEVEL, POWER = 0.05, 0.8
TEST_IMAGES = 10_000  # of CIFAR-10, and of CIFAR-100


def alone(
    claim: PaperClaim, tested: Sequence[TestOutcome], reproduction: Reproduction, comparisons: int
) -> Alone | None:
    """A claim on the measured data set only; ``None`` if it is not about that data set.

    Corrupted images are a data set of their own: their tests are not among these. `comparisons` is the number
    over which p is adjusted.
    """
    here = reproduction.beside
    if reproduction.relation == "other" or (claim.data and here not in claim.data):
        return None
    of = [each for each in tested if each.test.of != "corrupted"]
    if not of:
        return None
    verdict = joined(of, often=claim.often)
    called = DATASETS[here]
    return Alone(
        dataset=called if reproduction.relation == "same" else f"{reproduction.dataset}, a copy of {called}",
        verdict=verdict,
        why=" ".join(_what_would_tell(of, reproduction, comparisons)) if verdict == UNTOLD else "",
        missing=_missing(claim, tested, reproduction),
    )


def images_to_tell(part: Part, comparisons: int) -> float:
    """The number of images that a two-sided test needs so that the measured difference is significant.

    With probability 80 %, at 5 % after Bonferroni over so many comparisons, which is Holm's first step, by
    the normal approximation: n·((z_{1−α/2} + z_{0.8})·SE / |difference − bound|)². SE is that of the interval
    on the n images measured. Infinite where the difference is the bound.
    """
    from scipy import stats

    z = float(stats.norm.isf(LEVEL / comparisons / 2) + stats.norm.ppf(POWER))
    error = (part.difference.hi - part.difference.lo) / (2 * float(stats.norm.isf(0.025)))
    away = abs(part.difference.value - part.bound)
    return math.inf if away == 0 else part.n * (z * error / away) ** 2


def _what_would_tell(
    of: Sequence[TestOutcome], reproduction: Reproduction, comparisons: int
) -> Iterator[str]:
    if any(not each.part for each in of):
        yield "Some tests were not measured."
    if any(each.unscripted for each in of if each.part):
        yield "For some models no script was published: no number of images would decide it."
    if any(each.partial and each.there for each in of):
        yield "All ε must be measured, with --budget full."
    close = [each for each in of if each.part and each.verdict == UNTOLD and not each.unscripted]
    close = [each for each in close if not (each.partial and each.there)]
    if close:
        wanted = [(images_to_tell(each.part, comparisons), each.part) for each in close if each.part]
        images, part = max(wanted, key=lambda pair: pair[0])
        if images <= TEST_IMAGES:
            yield f"About {_rounded(images)} images would decide it ({part.n} were measured)."
        else:
            count = f"about {_rounded(images)} images" if images < 1e6 else "more than a million images"
            yield (
                f"The whole test set of {TEST_IMAGES:,} images would probably not decide it: the closest test, "
                f"{part.label}, needs {count}."
            )
            yield f"More training seeds would show whether there is a difference{_seeds(reproduction)}."


def _seeds(reproduction: Reproduction) -> str:
    trained = {name: len(runs) for name, runs in reproduction.trainings("sound").items()}
    return f" ({min(trained.values())} were trained of {len(trained)} models)" if trained else ""


def _missing(claim: PaperClaim, tested: Sequence[TestOutcome], reproduction: Reproduction) -> str:
    """The data sets of a claim about several that were not measured."""
    lacking = [
        DATASETS[each]
        for each in claim.data
        if each != reproduction.beside
        and not (each == "cifar10c" and any(t.part and t.about for t in tested if t.test.of == "corrupted"))
    ]
    return " and ".join(lacking) if claim.everywhere else ""


def _rounded(images: float) -> str:
    """Two significant digits, upwards."""
    step = 10 ** max(0, math.floor(math.log10(max(images, 1))) - 1)
    return f"{math.ceil(images / step) * step:,}"
