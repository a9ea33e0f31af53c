"""Findings from the probe: one small function a check, on the arrays ``bench.studies.audit.probe`` returns.

Images are those of the full tests, the first 32 or 64, or the first few of them, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from bench.studies.audit.checks import CHECKS
from bench.studies.audit.findings import Finding, found, limit_of, skipped, where

LAST_STEPS = 10
FEW_CLASSES = ((3, "no DLR loss"), (4, "no targeted DLR loss"), (10, "fewer than 9 targets"))
DEPLOYED = 1e-3  # a deployed copy may differ from another by rounding
ENOUGH = 100  # images, to compare clean accuracies
KEPT_PROMISE = (1 / 3, 3.0)

Sizes = Float[np.ndarray, " n"]


def c1(correct: Int[np.ndarray, " r"], difference: Sizes, gradient: Sizes, draws_random: bool) -> Finding:
    """Whether repeated calls agree.

    Args:
        correct: right answers in each call.
        difference: largest distance between two answers of length 1, by image.
        gradient: the same of gradients; NaN where there are none.
        draws_random: whether a pass draws random numbers.
    """
    varies = np.maximum(difference, np.nan_to_num(gradient, nan=0.0, posinf=np.inf))
    worst, limit = float(varies.max()), limit_of("C1")
    detail = (
        f"Over {len(correct)} calls {correct.min()} to {correct.max()} answers were right; logits moved by up "
        f"to {difference.max():.2g} of their length, gradients by up to {_largest(gradient):.2g}"
    )
    detail += "; a pass draws random numbers." if draws_random else "."
    flagged = worst > limit or bool(np.ptp(correct)) or draws_random
    return found("C1", flagged, detail, value=worst, images=where(varies > limit))


def c2(logits: Float[np.ndarray, "n k"]) -> Finding:
    """Whether the output is a probability, or a multiple of one.

    ``value`` is how far the rows are from it: the largest deviation from [0, 1] and from a sum of 1.
    """
    sums = logits.sum(axis=1)
    mean = sums.mean()
    if not mean > 0:
        return found("C2", False, f"Rows sum to {mean:.3g} on average: no probabilities.")
    rows = logits / mean
    apart = float(max(-rows.min(), rows.max() - 1, np.abs(rows.sum(axis=1) - 1).max()))
    detail = f"Divided by the mean row sum {mean:.3g}, rows are within {max(apart, 0):.2g} of probabilities."
    return found("C2", apart < limit_of("C2"), detail, value=max(apart, 0.0))


def c3(ce: Float[np.ndarray, "p n"], margin: Float[np.ndarray, "p n"]) -> Finding:
    """Whether gradients vanish.

    Args:
        ce, margin: L1 norm of the gradient of the cross-entropy and of the margin at p points of each image.
    """
    vanished = (ce == 0) | (margin == 0)
    shares = vanished.mean(axis=1)
    share, images = float(shares.max()), vanished.any(axis=0)
    detail = (
        f"The gradient is exactly 0 on {100 * shares[0]:.0f} % of images and at a random point near "
        f"{100 * shares[-1]:.0f} %; the cross-entropy's on {100 * (ce == 0).any(axis=0).mean():.0f} %, the "
        f"margin's on {100 * (margin == 0).any(axis=0).mean():.0f} %."
    )
    return found("C3", share > limit_of("C3"), detail, value=share, images=where(images))


def c4(fault: str) -> Finding:
    """Whether there is a gradient at all; ``fault`` is the exception of computing it, empty if none."""
    detail = (
        f"The gradient cannot be taken: {fault}."
        if fault
        else "The gradient with respect to the image exists."
    )
    return found("C4", bool(fault), detail)


def c5(calls: Int[np.ndarray, " modes"]) -> Finding:
    """Whether a forward pass calls autograd: counts with gradients on, and off."""
    most = int(calls.max())
    detail = f"A forward pass calls autograd {most} times." if most else "A forward pass calls no autograd."
    return found("C5", most > 0, detail, value=float(most))


def c6(classes: int) -> Finding:
    """Which checks this number of classes makes impossible."""
    missing = [what for least, what in FEW_CLASSES if classes < least]
    detail = f"There are {classes} classes: {', '.join(missing) or 'enough for every loss'}."
    return found("C6", bool(missing), detail, value=float(classes))


def c15(loss: Float[np.ndarray, "steps n"], standing: Bool[np.ndarray, "steps n"]) -> Finding:
    """Whether PGD was still gaining; only images that stand throughout matter.

    Args:
        loss: the value that PGD increases, at each iterate, the clean image first.
        standing: classified rightly at each iterate.
    """
    failed = standing.all(axis=0) & np.isfinite(loss).all(axis=0)
    best = np.maximum.accumulate(loss, axis=0)
    span = np.ptp(best, axis=0)
    rise = best[-1] - best[-1 - min(LAST_STEPS, len(loss) - 1)]
    late = np.divide(rise, span, out=np.zeros_like(rise), where=span > 0)[failed]
    if not len(late):
        return found(
            "C15", False, "PGD broke every image, so the loss did not need to rise further.", value=0.0
        )
    mean = float(late.mean())
    error = float(late.std(ddof=1) / np.sqrt(len(late))) if len(late) > 1 else np.inf
    detail = (
        f"On {len(late)} standing images the last {LAST_STEPS} steps bring {100 * mean:.1f} % of the rise in "
        f"loss, with a standard error of {100 * error:.1f} points."
    )
    return found("C15", mean - 1.96 * error > limit_of("C15"), detail, value=mean)


def c17(landscape: Sizes) -> Finding:
    """Whether the margin is rough; mean relative change at random points, by image."""
    mean = float(landscape.mean())
    detail = f"At random points within ±4/255 the margin changes by {100 * mean:.1f} % on average."
    return found("C17", mean > limit_of("C17"), detail, value=mean)


def c21(difference: Float[np.ndarray, "ways n"], mismatch: Bool[np.ndarray, "ways n"]) -> Finding:
    """Whether answers depend on batch, order or gradient mode.

    Args:
        difference: largest change of a logit, as a share of the largest logit, for each way of calling the model.
        mismatch: whether another class is predicted. Where the change is below the threshold that is rounding: two
            logits were as good as equal.
    """
    worst, moved = float(difference.max()), (difference > limit_of("C21")).any(axis=0)
    other = (mismatch & (difference > limit_of("C21"))).any(axis=0)
    detail = (
        f"Called in another way, the model gives logits that differ by up to {worst:.2g} of the largest, "
        f"and {int(other.sum())} of "
        f"{difference.shape[1]} images get another class."
    )
    return found("C21", bool(moved.any()), detail, value=worst, images=where(moved))


def c22(difference: Float[np.ndarray, " few"], gradient: Sizes) -> Finding:
    """Whether two libraries give the same images.

    Args:
        difference: largest difference of a pixel, on the first images.
        gradient: largest entry of the cross-entropy's gradient; images below 1e-30 underflow and do not count.
    """
    counted = gradient[: len(difference)] > 1e-30
    apart = counted & (difference > limit_of("C22"))
    worst = float(difference[counted].max()) if counted.any() else 0.0
    detail = f"On {int(counted.sum())} images with a gradient, pixels of the libraries differ by up to {worst:.2g}."
    return found("C22", bool(apart.any()), detail, value=worst, images=where(apart))


def c24(changed: Sequence[str]) -> Finding:
    """Whether a pass changes the model's state; ``changed`` has the names of the changes."""
    named = ", ".join(list(changed)[:3]) + (" and more" if len(changed) > 3 else "")
    detail = f"Passes changed {len(changed)} things: {named}." if len(changed) else "Passes changed nothing."
    return found("C24", len(changed) > 0, detail, value=float(len(changed)))


def c25(
    logits: Bool[np.ndarray, "p n"],
    gradients: Bool[np.ndarray, "p n"],
    judged: Bool[np.ndarray, " m"] | None = None,
) -> Finding:
    """Whether logits or gradients are not finite.

    Args:
        logits, gradients: whether they are not, at p points of each image.
        judged: of the evaluation's images, whether the judge met logits that are not finite under any attack.
    """
    broken = (logits | gradients).any(axis=0)
    met = np.zeros(0, dtype=bool) if judged is None else judged
    detail = (
        f"Logits are not finite at points of {int(logits.any(axis=0).sum())} of {broken.size} images, gradients "
        f"of {int(gradients.any(axis=0).sum())}; the judge met such logits on {int(met.sum())} images."
    )
    images = sorted({*where(broken), *where(met)})
    return found("C25", bool(images), detail, value=float(len(images)), images=images)


def c29(difference: Float[np.ndarray, "elements n"]) -> Finding:
    """Whether the declared symmetry holds; change of logits as a share of the largest, by element and image."""
    worst = float(difference.max())
    detail = f"Moved by {len(difference)} elements of the group, logits change by up to {worst:.2g} of the largest."
    return found(
        "C29",
        worst > limit_of("C29"),
        detail,
        value=worst,
        images=where((difference > limit_of("C29")).any(axis=0)),
    )


def c30(difference: Float[np.ndarray, "3 n"], fault: str) -> Finding:
    """Whether loading changes the answers.

    Args:
        difference: change of logits as a share of the largest: after toggling modes, when deployed, and from the
            deployed model to a fresh one.
        fault: what a second backward pass raises, empty if nothing.
    """
    toggled, deployed, fresh = (float(row.max()) for row in difference)
    copied = max(deployed, fresh)
    detail = (
        f"Logits change by {toggled:.2g} of the largest after train() and eval(), by {deployed:.2g} when deployed "
        f"and by {fresh:.2g} in a fresh copy"
    )
    detail += f"; a second backward pass raises: {fault}." if fault else "."
    flagged = toggled > limit_of("C30") or copied > DEPLOYED or bool(fault)
    return found("C30", flagged, detail, value=max(toggled, copied if copied > DEPLOYED else 0.0))


def c31(correct: Bool[np.ndarray, "ways m"]) -> Finding:
    """Whether normalised images are classified better; the first row is of the images as they are."""
    if correct.shape[1] < ENOUGH:
        reason = f"{correct.shape[1]} images are too few to compare clean accuracies; {ENOUGH} are enough."
        return skipped("C31", reason, takes=ENOUGH)
    shares = correct.mean(axis=1)
    rise = float(shares[1:].max() - shares[0])
    detail = (
        f"Clean accuracy is {100 * shares[0]:.1f} %, and {100 * shares[1:].max():.1f} % at best on images "
        "normalised in a common way."
    )
    return found("C31", rise > limit_of("C31"), detail, value=rise)


def c32(promise: Float[np.ndarray, "sizes n"]) -> Finding:
    """Whether steps bring the predicted change; change over predicted change by step size, NaN without gradient."""
    low, high = KEPT_PROMISE
    known = np.isfinite(promise).any(axis=0)
    kept = ((promise >= low) & (promise <= high)).any(axis=0)
    if not known.any():
        return skipped("C32", "No image has a nonzero gradient; see C3.")
    share = float((known & ~kept).sum() / known.sum())
    detail = (
        f"A step along the gradient does not have the predicted effect on {100 * share:.0f} % of "
        f"{int(known.sum())} images."
    )
    return found("C32", share > limit_of("C32"), detail, value=share, images=where(known & ~kept))


Arrays = Mapping[str, np.ndarray]

# Each check with the part of the probe it reads, and how.
_READ: dict[str, tuple[str, Callable[[Arrays], Finding]]] = {
    "C1": ("repeats", lambda a: c1(
        a["repeat_correct"], a["repeat_difference"], a["repeat_gradient"], bool(a["draws_random"][0]))),
    "C2": ("logits", lambda a: c2(a["logits"])),
    "C3": ("gradients", lambda a: c3(a["gradient_ce"], a["gradient_margin"])),
    "C4": ("gradients", lambda a: c4(str(a["gradient_fault"]))),
    "C5": ("calls", lambda a: c5(a["autograd_calls"])),
    "C6": ("logits", lambda a: c6(a["logits"].shape[1])),
    "C15": ("trace", lambda a: c15(a["trace_loss"], a["trace_standing"])),
    "C17": ("landscape", lambda a: c17(a["landscape"])),
    "C21": ("batches", lambda a: c21(a["batch_difference"], a["batch_mismatch"])),
    "C22": ("libraries", lambda a: c22(a["library_difference"], a["gradient_max"])),
    "C24": ("purity", lambda a: c24([str(name) for name in a["changed"]])),
    "C25": ("finite", lambda a: c25(a["nonfinite"], a["nonfinite_gradient"], a.get("judged_nonfinite"))),
    "C29": ("turned", lambda a: c29(a["turned_difference"])),
    "C30": ("reload", lambda a: c30(a["reload_difference"], str(a["reload_fault"]))),
    "C31": ("normalised", lambda a: c31(a["normalised_correct"])),
    "C32": ("promise", lambda a: c32(a["promise"])),
}  # fmt: skip
_NEEDS_GRADIENT = ("C3", "C15", "C22", "C32")


def probe_findings(arrays: Arrays, *, nonfinite: Bool[np.ndarray, " m"] | None = None) -> tuple[Finding, ...]:
    """A finding for every check that the probe serves, in the order of their numbers.

    Args:
        arrays: what ``probe`` returned.
        nonfinite: of the evaluation's images, whether the judge met logits that are not finite; for C25.
    """
    if nonfinite is not None:
        arrays = {**arrays, "judged_nonfinite": nonfinite}
    return tuple(_finding(id, part, read, arrays) for id, (part, read) in _READ.items())


def _finding(id: str, part: str, read: Callable[[Arrays], Finding], arrays: Arrays) -> Finding:
    if id in _NEEDS_GRADIENT and str(arrays.get("gradient_fault", "")):
        return skipped(id, "The model has no gradient; see C4.")
    fault = arrays.get(f"fault_{part}")
    if fault is None and id == "C29" and "turned_difference" not in arrays:
        return skipped(id, "The model declares no symmetry.")
    if fault is None:
        return read(arrays)
    # A fatal check that the model itself prevents does not count as passed.
    if CHECKS[id].kind == "fatal":
        return found(id, True, f"The check failed to run: {fault}.")
    return skipped(id, f"The check failed to run: {fault}.")


def _largest(values: Sizes) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else 0.0
