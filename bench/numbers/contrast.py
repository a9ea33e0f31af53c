"""One tested comparison: the distance of a measured difference from a bound, and a p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from bench.numbers.stats import holm, paired_sign_flip, wilson

_Z = 1.9599639845400545  # scipy gives it for 2.5 % above


@dataclass(frozen=True, slots=True)
class ContrastDifference:
    """An estimate with its 95 % interval, as a fraction: a difference of accuracies, or an accuracy."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One test of a claim.

    Attributes:
        label: what was compared, as in ``parallel_gcnn − cascaded_gcnn, PGD``.
        n: images.
        conditions: ε, or corruptions, the difference is a mean over.
        difference: as measured.
        bound, sign: the claim is that sign·(difference − bound) > 0.
        p: two-sided; the null hypothesis is that the difference equals the bound. With ``majority`` it is that at most
            half of the conditions have it on the claimed side.
        reversal: p, adjusted by Holm over the conditions, of the one where the difference is most significantly on the
            other side; 1 where there is none. With ``majority`` the null hypothesis is that at most half of them have
            it there.
        every: the claim is about every condition, so that one reversal contradicts it.
        single: an accuracy of one model, not a difference of two.
        majority: the claim is about most conditions.
        ahead: conditions in which the estimate lies on the claimed side; 0 for a single accuracy.
        eps: the measured ε of the test; empty if it has none.
    """

    label: str
    n: int
    conditions: int
    difference: ContrastDifference
    bound: float
    sign: int
    p: float
    reversal: float
    every: bool
    single: bool = False
    majority: bool = False
    ahead: int = 0
    eps: tuple[float, ...] = ()

    @property
    def toward(self) -> bool:
        """Whether the estimate lies on the claimed side, so that a small ``p`` supports the claim."""
        return self.majority or self.sign * (self.difference.value - self.bound) > 0


def paired(
    label: str,
    a: Int64[np.ndarray, "c n"],
    b: Int64[np.ndarray, "c n"],
    *,
    most: int = 1,
    bound: float = 0.0,
    sign: int = 1,
    every: bool = False,
    majority: bool = False,
) -> Part:
    """Two models on the same n images under c conditions.

    Against bound 0 the test is the exact paired sign flip on each image's sum over the conditions, and
    McNemar's, or its sign flip, for each condition. Against another bound it is the normal one that belongs
    to the interval. Whether a majority of conditions lies on a side is a partial conjunction (Benjamini and
    Heller 2008): with u the least majority of c, (c − u + 1) times the u-th smallest of their p on that side.

    Args:
        label: for ``Part``.
        a, b: whole scores from 0 to ``most``: 1 where an image is right under attack, or counts.
        most: the largest score possible.
        bound, sign, every, majority: as in ``Part``; a majority is judged against bound 0.
    """
    d = a - b
    scores = d.sum(0) / (most * len(d))
    if bound == 0:
        p = paired_sign_flip(a.sum(0), b.sum(0))
        alone = [paired_sign_flip(x, y) for x, y in zip(a, b, strict=True)]
        sides = sign * np.sign(d.sum(1))
        against = np.where(sides < 0, alone, 1.0)
        reversal = float(holm(against).min())
        if majority:
            p, reversal = _in_most(np.where(sides > 0, alone, 1.0)), _in_most(against)
    else:
        centre, error = _adjusted(scores)
        from scipy import stats

        p = float(2 * stats.norm.sf(abs(centre - bound) / error))
        reversal = 1.0
    return Part(
        label=label,
        n=d.shape[1],
        conditions=len(d),
        difference=mean_difference(scores),
        bound=bound,
        sign=sign,
        p=p,
        reversal=reversal,
        every=every,
        majority=majority,
        ahead=int((sign * (d.mean(1) / most - bound) > 0).sum()),
    )


def _in_most(p: Float[np.ndarray, " c"]) -> float:
    """The p of a partial conjunction: that more than half of the conditions with these p are so."""
    most = len(p) // 2 + 1
    return min(1.0, (len(p) - most + 1) * float(np.sort(p)[most - 1]))


def level(label: str, standing: Int64[np.ndarray, "c n"], *, bound: float) -> Part:
    """Whether an accuracy lies below a bound under every condition: the exact binomial test where it is largest.

    Below the bound there, it is below it everywhere.
    """
    from scipy import stats

    n = standing.shape[1]
    k = int(standing.sum(1).max())
    share = wilson(k, n)
    return Part(
        label=label,
        n=n,
        conditions=len(standing),
        difference=ContrastDifference(share.value, share.lo, share.hi),
        bound=bound,
        sign=-1,
        p=float(stats.binomtest(k, n, bound).pvalue),
        reversal=1.0,
        every=False,
        single=True,
    )


def mean_difference(scores: Float[np.ndarray, " n"]) -> ContrastDifference:
    """The mean of (n,) paired differences in [−1, 1] with a 95 % interval.

    It is Wald's interval after half an image was added to each of the four cells of a pair of outcomes (Agresti and Min
    2005), used here for scores between −1 and 1 too. Without that the width is 0 where no image differs.
    """
    value = float(scores.mean())
    centre, error = _adjusted(scores)
    return ContrastDifference(value, min(value, centre - _Z * error), max(value, centre + _Z * error))


def _adjusted(scores: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Mean and standard error with two images added: half of +1, half of −1 and one of 0."""
    n = len(scores) + 2
    mean = math.fsum(scores) / n
    square = (math.fsum(scores**2) + 1) / n
    return mean, math.sqrt((square - mean**2) / n)
