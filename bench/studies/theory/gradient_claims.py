"""The paper's claims about the gradient as a vector, about its averages, and about scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.theory.claim import (
    MUCH,
    TheoryClaim,
    below_verdict,
    exact_verdict,
    interval_text,
    number,
    span,
)
from bench.studies.theory.intervals import Interval, median_interval
from bench.studies.theory.measured import EXACT, GradientTheory, ModelTheory
from bench.studies.theory.order import BASELINE, BaselineComparison, against_baselines, order_verdict

Measured = Sequence[tuple[ModelTheory, GradientTheory]]
_NOTHING = "No such network was measured."


def gradient_claims(models: Sequence[ModelTheory], *, seed: int = 0) -> tuple[TheoryClaim, ...]:
    """All these claims about the models whose gradients were measured; ``seed`` is that of the bootstrap."""
    found = [(model, model.gradients) for model in models if model.gradients is not None]
    return (
        _turned(
            found,
            "lemma-3",
            "Sec. 4.3, Lemma 3",
            "Where turns leave the logits as they are, the gradient of a margin at the turned image is the turned"
            " gradient, pixel by pixel.",
            "margin",
        ),
        _turned(
            found,
            "lemma-4",
            "Sec. 4.4, Lemma 4",
            "Under the same hypothesis so are the gradients of all logits.",
            "jacobian",
        ),
        _lemma_5(found, seed),
        _scale_norms(found, seed),
        _scale_average(found, seed),
        _scale_branch(found, seed),
    )


def smoothness(models: Sequence[ModelTheory], seed: int) -> tuple[BaselineComparison, ...]:
    """Networks with a scale branch against their baselines: the part of the gradient's mean square that is steady."""
    steady = {
        model.info.name: 1 - model.gradients.scales.varying
        for model in models
        if model.gradients is not None and (model.scaled or model.info.name.startswith(BASELINE))
    }
    return against_baselines(steady, seed=seed)


def _turned(found: Measured, id: str, where: str, statement: str, of: str) -> TheoryClaim:
    worst = [float(g.turned.worst(of).max()) for m, g in found if m.invariant]
    medians = [float(np.median(g.turned.worst(of))) for m, g in found if not m.invariant]
    text = f"Invariant networks ({len(worst)}): largest relative error {number(max(worst))}." if worst else ""
    if medians:
        text += f" The other {len(medians)}, of which it says nothing: median error {span(medians)}."
    return TheoryClaim(
        id,
        where,
        statement,
        text.strip() or _NOTHING,
        exact_verdict(worst),
        "The error is ‖∇(g·x) − g·∇(x)‖ / ‖∇(x)‖, the largest of the three turns. Two gradients of one length that have"
        " nothing to do with each other are √2 apart. The lemma says where a gradient points, not how long it is.",
    )


def _lemma_5(found: Measured, seed: int) -> TheoryClaim:
    mine = [g.average for m, g in found if m.invariant]
    rows = [row for each in mine for row in each.ratio()]
    text = _NOTHING
    if mine:
        relative = [float(np.median(each.relative)) for each in mine]
        ratios = [float(np.median(row)) for row in rows]
        back = max(float(each.ratio("turned_back").max()) for each in mine)
        steps = ", ".join(f"{255 * step:.3g}/255" for step in mine[0].steps)
        text = (
            f"Invariant networks ({len(mine)}), steps of {steps} a pixel: median of gap over change"
            f" {span(ratios)}; the gap is {span(relative)} of the gradient's own length."
            f" With each gradient turned back before the average: at most {number(back)}."
        )
    return TheoryClaim(
        "lemma-5",
        "Sec. 4.4, Definition 13 and Lemma 5",
        f"The gradient averaged over an orbit differs from the gradient at least {MUCH} times less than a small step"
        " changes the gradient.",
        text,
        below_verdict(rows, 1 / MUCH, seed),
        "By Lemma 4 the average of Definition 13 is that of four turned copies of one gradient: its part that looks"
        " alike from all four sides. It stays as far from the gradient as the rest is long, while the change goes to 0"
        " with the step. Turned back first, the four copies are one, the gap is rounding, and nothing is smoothed."
        f" {MUCH} times is how we read “≪”; the step is the worst of random signs and the gradient's own.",
    )


def _scale_norms(found: Measured, seed: int) -> TheoryClaim:
    spread = _medians(found, lambda g: g.scales.spread, seed)
    apart = spread[True] and all(each.lo > EXACT for each in spread[True])
    alike = any(each.hi <= EXACT for each in spread[True])
    return TheoryClaim(
        "scale-norms",
        "Sec. 4.5, norms",
        "The gradient's norm is not the same along the orbit of an image under scalings.",
        _with_and_without("Median of (max − min) / mean over the scales", spread),
        FAILS if alike else HOLDS if apart else UNTOLD,
        "Scalings are no orthogonal maps, so no theorem here speaks of them. The content is made 0.5 to 2 times as"
        " large about the centre, at one image size.",
    )


def _scale_average(found: Measured, seed: int) -> TheoryClaim:
    damping = _medians(found, lambda g: g.scales.damping, seed)
    relative = _medians(found, lambda g: g.scales.mean_varying, seed)
    plain = _medians(found, lambda g: g.scales.varying, seed)
    text = _with_and_without("Variance of the averaged gradient over that of the gradient, medians", damping)
    if found:
        text += (
            " As a part of its own mean square the averaged gradient varies by"
            f" {_span_of(relative)}, the gradient by {_span_of(plain)}."
        )
    return TheoryClaim(
        "scale-average",
        "Sec. 4.5, average",
        "Averaging a gradient over the scales reduces its variance near an image.",
        text,
        below_verdict([g.scales.damping for m, g in found if m.scaled], 1.0, seed),
        "Near: in the L∞ ball of radius 8/255. A mean of five unlike vectors is shorter and varies less whatever the"
        " network, so the networks without a scale branch are given too. No network computes this average.",
    )


def _scale_branch(found: Measured, seed: int) -> TheoryClaim:
    comparisons = smoothness([model for model, _ in found], seed)
    text = "No network with a scale branch was measured together with its baseline."
    if comparisons:
        parts = [f"{each.model} {interval_text(each.difference)}" for each in comparisons]
        text = f"Median steady part less that of the baseline, to be above 0: {'; '.join(parts)}."
    return TheoryClaim(
        "scale-branch",
        "Sec. 4.5, scale branch",
        "A network with a scale branch has a smoother gradient, read here as: a larger part of the gradient's mean"
        " square near an image is steady than in the baseline of the same depth and training.",
        text,
        order_verdict(comparisons),
        "The steady part is 1 − variance / mean square, in the L∞ ball of radius 8/255. All intervals together have"
        " 95 % coverage over the images; each model is one training run.",
    )


def _medians(
    found: Measured, value: Callable[[GradientTheory], Float64[np.ndarray, " n"]], seed: int
) -> dict[bool, list[Interval]]:
    """The medians of the models with a scale branch (``True``) and of the others."""
    return {
        scaled: [median_interval(value(g), seed=seed) for m, g in found if m.scaled == scaled]
        for scaled in (True, False)
    }


def _with_and_without(what: str, medians: dict[bool, list[Interval]]) -> str:
    parts = [
        f"networks {word} a scale branch ({len(medians[scaled])}) {span([each.value for each in medians[scaled]])}"
        for scaled, word in ((True, "with"), (False, "without"))
        if medians[scaled]
    ]
    return f"{what}: {'; '.join(parts)}." if parts else _NOTHING


def _span_of(medians: dict[bool, list[Interval]]) -> str:
    return span([each.value for group in medians.values() for each in group])
