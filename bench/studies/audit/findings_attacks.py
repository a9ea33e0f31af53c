"""Findings from attacks: one small function a check.

Every (n,) bool array is *standing*: classified rightly when clean and not broken by the attack in its name, over all n
images. All arrays of one call are of the same images in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int64

from bench.studies.audit.findings import Finding, by_gain, found, gain, limit_of, lower_bound, where
from bench.studies.clever import THRESHOLDS, flags

Standing = Bool[np.ndarray, " n"]


def c7(white: Standing, black: Standing) -> Finding:
    """Whether a black box breaks what no white box does.

    Args:
        white: standing under all white-box attacks together.
        black: standing under all black-box attacks together.
    """
    only = white & ~black
    k, n = int(only.sum()), len(only)
    least = lower_bound(k, n)
    detail = (
        f"{k} of {n} images are broken by a black-box attack alone ({100 * k / n:.1f} %, at least "
        f"{100 * least:.2f} %)."
    )
    return found("C7", least > limit_of("C7"), detail, value=k / n, images=where(only))


def c8(fgsm: Standing, pgd: Standing) -> Finding:
    """Whether one step beats many at the same ε; the images that FGSM alone breaks are listed."""
    difference = gain(pgd, fgsm)
    only = pgd & ~fgsm
    detail = (
        f"PGD leaves {int(pgd.sum())} of {len(pgd)} images standing, FGSM {int(fgsm.sum())}; "
        f"{int(only.sum())} are broken by FGSM alone."
    )
    return found("C8", difference.lo > limit_of("C8"), detail, value=difference.value, images=where(only))


def c9(standing: Bool[np.ndarray, "e n"], eps: Sequence[float]) -> Finding:
    """Whether accuracy rises with ε.

    Args:
        standing: of one attack run anew at each ε.
        eps: the grid, ascending.
    """
    pairs = [gain(large, small) for small, large in pairwise(standing)]
    if not pairs:
        return found("C9", False, "There is only one ε, so there is no larger ball to compare.", value=0.0)
    worst = max(range(len(pairs)), key=lambda place: pairs[place].value)
    only = standing[worst + 1] & ~standing[worst]
    detail = (
        f"From ε = {eps[worst]:.4g} to {eps[worst + 1]:.4g} accuracy changes by {100 * pairs[worst].value:+.1f} "
        f"points; {int(only.sum())} of {standing.shape[1]} images are broken at the smaller ε alone."
    )
    flagged = any(pair.lo > limit_of("C9") for pair in pairs)
    return found("C9", flagged, detail, value=max(0.0, pairs[worst].value), images=where(only))


def c10(standing: Standing, label: Int64[np.ndarray, " n"]) -> Finding:
    """Whether PGD at ε = 0.5 reaches chance: the accuracy if all images are made equal and plain grey."""
    n = len(standing)
    chance = float(np.bincount(label).max() / n)
    limit = chance + 2 * math.sqrt(chance * (1 - chance) / n)
    accuracy = float(standing.mean())
    detail = (
        f"At ε = 0.5 {int(standing.sum())} of {n} images stand ({100 * accuracy:.1f} %); chance is "
        f"{100 * chance:.1f} %, with two standard errors {100 * limit:.1f} %."
    )
    flagged = accuracy > limit
    return found(
        "C10", flagged, detail, value=accuracy, limit=limit, images=where(standing) if flagged else ()
    )


def c11(standing: Standing) -> Finding:
    """Whether anything survives PGD at ε = 1."""
    k, n = int(standing.sum()), len(standing)
    detail = f"At ε = 1 {k} of {n} images stand."
    return found("C11", k > 0, detail, value=k / n, images=where(standing))


def c12(fewer: Standing, more: Standing) -> Finding:
    """Whether more steps break more."""
    return by_gain("C12", fewer, more, ("PGD", "PGD with more steps"))


def c13(fewer: Standing, more: Standing) -> Finding:
    """Whether more restarts break more."""
    return by_gain("C13", fewer, more, ("PGD", "PGD with 20 restarts"))


def c14(standing: Standing, others: Mapping[str, Standing]) -> Finding:
    """Whether another step size breaks more.

    Args:
        standing: under PGD with the evaluation's step size.
        others: under PGD with another one, by what it is called; at least one.
    """
    best = min(others, key=lambda name: int(others[name].sum()))
    return by_gain("C14", standing, others[best], ("PGD", f"PGD with step size {best}"))


def c16(last: Standing, best: Standing) -> Finding:
    """Whether judging all iterates breaks more than judging the last."""
    return by_gain("C16", last, best, ("judging the last iterate", "judging every iterate"))


def c18(transfer: Standing, white: Standing) -> Finding:
    """Whether images attacked on another model break more than the white-box attacks on this one."""
    return by_gain("C18", white, transfer, ("the white-box attack", "transfer from another model"))


def c19(noise: Standing, white: Standing) -> Finding:
    """Whether noise breaks what the white-box attacks leave."""
    return by_gain("C19", white, white & noise, ("the white-box attack", "with noise besides, it"))


def c20(projected: Bool[np.ndarray, " n"], failed: Sequence[str]) -> Finding:
    """The corrections of the judge.

    Args:
        projected: images that some attack had moved out of the ball or the box, by more than rounding.
        failed: names of cells that failed.
    """
    k = int(projected.sum())
    detail = f"{k} of {len(projected)} images were projected and judged again; {len(failed)} cells failed"
    detail += f", first {failed[0]}." if failed else "."
    return found("C20", k > 0 or bool(failed), detail, value=float(k + len(failed)), images=where(projected))


def c23(zero: Standing, clean: Standing) -> Finding:
    """Whether an attack at ε = 0 leaves exactly what was right when clean."""
    differ = zero != clean
    detail = f"At ε = 0 {int(differ.sum())} of {len(differ)} images are judged otherwise than when clean."
    return found("C23", bool(differ.any()), detail, value=float(differ.mean()), images=where(differ))


def c26(pgd: Standing, aimed: Standing) -> Finding:
    """Whether targeted PGD and PGD on the margin together break more than PGD on the cross-entropy."""
    return by_gain("C26", pgd, aimed, ("PGD", "targeted PGD and PGD on the margin"))


def c27(arrays: Mapping[str, np.ndarray]) -> Finding:
    """Whether CLEVER's fits can be believed; arrays as ``CleverResult`` has them."""
    shares = flags(arrays)
    raised = [name for name in ("fallback", "censored", "zero_gradient") if shares[name] > THRESHOLDS[name]]
    detail = (
        f"{100 * shares['fallback']:.1f} % of fits fell back, {100 * shares['censored']:.1f} % of scores are "
        f"censored, {100 * shares['zero_gradient']:.1f} % have no gradient{_rank_correlation(arrays)}."
    )
    worst = max(shares[name] for name in ("fallback", "censored", "zero_gradient"))
    return found("C27", bool(raised), detail, value=worst)


def c28(arrays: Mapping[str, np.ndarray]) -> Finding:
    """Whether a CLEVER score exceeds a verified perturbation; arrays as ``CleverResult`` has them."""
    right = arrays["standing"]
    above = right & (arrays["score"] > arrays["distance"])  # NaN, where no attack succeeded, is not above
    share = float(above[right].mean()) if right.any() else 0.0
    detail = f"{int(above.sum())} of {int(right.sum())} scores exceed a verified perturbation."
    return found("C28", share > limit_of("C28"), detail, value=share, images=where(above))


def c33(pgd: Standing, white: Standing) -> Finding:
    """Whether all white-box attacks together break more than PGD as the evaluation runs it."""
    return by_gain("C33", pgd, white, ("PGD", "all white-box attacks together"))


def _rank_correlation(arrays: Mapping[str, np.ndarray]) -> str:
    """Spearman's correlation of the scores with the smallest perturbations found, where it is defined."""
    if "distance" not in arrays:
        return ""
    known = arrays["standing"] & np.isfinite(arrays["distance"])
    score, distance = arrays["score"][known], arrays["distance"][known]
    if len(score) < 3 or np.ptp(score) == 0 or np.ptp(distance) == 0:
        return ""
    from scipy import stats

    return f"; rank correlation with what attacks found {stats.spearmanr(score, distance)[0]:.2f}"
