"""The finding of one check, and the rules that turn a number into a status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from bench.numbers.paired import Difference, paired_difference
from bench.studies.audit.checks import CHECKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check.

    Attributes:
        id: of the check in ``CHECKS``.
        status: ``pass``; ``fail`` (a fatal check flagged), ``warn`` (any other flagged); ``skip`` (not checked).
        value: the number that was compared; ``None`` where the check has none.
        threshold: of the comparison.
        detail: one sentence with the numbers; for ``skip`` the reason.
        images: the images it is about, by their position in the given arrays.
        takes: number of images that the check needs, if it was skipped because there were fewer.
        made: ``False`` where a fatal check is flagged because it could not be made.
    """

    id: str
    status: str
    value: float | None
    threshold: float | None
    detail: str
    images: tuple[int, ...] = ()
    takes: int | None = None
    made: bool = True


def found(
    id: str,
    flagged: bool,
    detail: str,
    *,
    value: float | None = None,
    limit: float | None = None,
    images: Iterable[int] = (),
) -> Finding:
    """The finding of a check that was made: its status follows from its kind.

    ``limit`` is the threshold if it depends on the data and the table has none.
    """
    check = CHECKS[id]
    status = "pass" if not flagged else "fail" if check.kind == "fatal" else "warn"
    threshold = check.threshold if limit is None else limit
    return Finding(
        id=id, status=status, value=value, threshold=threshold, detail=detail, images=tuple(images)
    )


def skipped(id: str, reason: str, *, takes: int | None = None) -> Finding:
    """The finding of a check that was not made, with the reason; it needs ``takes`` images if there were too few."""
    threshold = CHECKS[id].threshold
    return Finding(id=id, status="skip", value=None, threshold=threshold, detail=reason, takes=takes)


def unmade(id: str, reason: str) -> Finding:
    """The finding of a fatal check that the model itself prevents; it is flagged."""
    return Finding(
        id=id, status="fail", value=None, threshold=CHECKS[id].threshold, detail=reason, made=False
    )


def limit_of(id: str) -> float:
    """The threshold of a check; 0 where any occurrence is flagged."""
    return CHECKS[id].threshold or 0.0


def where(images: Any) -> tuple[int, ...]:
    """Places of the images that are marked in (n,) bool."""
    return tuple(int(place) for place in np.flatnonzero(images))


def lower_bound(k: int, n: int, level: float = 0.95) -> float:
    """One-sided exact lower bound on a share observed as k of n (Clopper & Pearson 1934); 0 for k = 0."""
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"{k} of {n} is not a share")
    from scipy import stats

    return 0.0 if k == 0 else float(stats.beta.ppf(1 - level, k, n - k + 1))


def gain(weaker: Bool[np.ndarray, " n"], stronger: Bool[np.ndarray, " n"]) -> Difference:
    """The loss of accuracy under the second attack: paired, with its 95 % interval (Tango 1998)."""
    return paired_difference(weaker, stronger)


def by_gain(
    id: str, weaker: Bool[np.ndarray, " n"], stronger: Bool[np.ndarray, " n"], names: tuple[str, str]
) -> Finding:
    """Flagged where the second attack is significantly stronger: by more than the threshold at the lower bound.

    Args:
        id: a check whose threshold is a difference of accuracies.
        weaker, stronger: (n,) standing under the attack that should suffice, and under the other one.
        names: of the two, for the sentence.
    """
    difference = gain(weaker, stronger)
    flagged = difference.lo > limit_of(id)
    detail = (
        f"{names[0]} leaves {int(weaker.sum())} of {len(weaker)} images standing, {names[1]} "
        f"{int(stronger.sum())}: {100 * difference.value:+.1f} points, at least {100 * difference.lo:+.1f}."
    )
    return found(id, flagged, detail, value=difference.value, images=where(weaker & ~stronger))
