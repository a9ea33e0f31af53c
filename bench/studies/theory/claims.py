"""The paper's theoretical claims, in our words, each with its measurement and whether it holds here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.theory.claim import (
    MUCH,
    VERDICTS,
    TheoryClaim,
    below_verdict,
    exact_verdict,
    interval_text,
    number,
    span,
)
from bench.studies.theory.gradient_claims import gradient_claims
from bench.studies.theory.intervals import median_interval
from bench.studies.theory.measured import ModelTheory
from bench.studies.theory.order import BaselineComparison, order_verdict

Models = Sequence[ModelTheory]


def claims(
    models: Models, comparisons: tuple[BaselineComparison, ...] = (), *, seed: int = 0
) -> tuple[TheoryClaim, ...]:
    """All claims about these models; ``seed`` is that of the bootstrap."""
    lemma_3, lemma_4, lemma_5, *scales = gradient_claims(models, seed=seed)
    return (
        _layers(models),
        _networks(models),
        _on_orbits(
            models,
            "lemma-1",
            "Sec. 4.2, Lemma 1",
            "If orthogonal transformations of the image do not change the logits, they do not change the "
            "spectral norm of the Jacobian either.",
            lambda model: model.orbit.spread("jacobian"),
        ),
        _on_orbits(
            models,
            "lemma-2",
            "Sec. 4.3, Lemma 2",
            "Under the same hypothesis the margin between two classes is the same on the whole orbit.",
            lambda model: model.orbit.margin_spread,
        ),
        lemma_3,
        _on_orbits(
            models,
            "theorem-1",
            "Sec. 4.3, Theorem 1",
            "Under the same hypothesis the norm of the margin's gradient is the same on the whole orbit.",
            lambda model: np.max([model.orbit.spread(norm) for norm in model.orbit.norms], axis=0),
        ),
        lemma_4,
        lemma_5,
        _theorem_2(models),
        _proxy(models, seed),
        *scales,
        _clever(comparisons),
    )


def _layers(models: Models) -> TheoryClaim:
    layers = [each for model in models for each in model.layers if each.convolution]
    grouped = [each.alone for each in layers if each.grouped]
    plain = [each.alone for each in layers if not each.grouped]
    text = (
        f"Largest error of {len(grouped)} layers over the group: {number(max(grouped))}." if grouped else ""
    )
    text += f" Errors of {len(plain)} ordinary layers: {span(plain)}." if plain else ""
    return TheoryClaim(
        "layers",
        "Sec. 5 and App. C.1.1",
        "A rotation layer turns its output as its input is turned.",
        text.strip() or "No layers were examined.",
        exact_verdict(grouped),
        "Each layer by itself, in float64, under the three quarter turns; other angles are not in the group.",
    )


def _networks(models: Models) -> TheoryClaim:
    symmetric = [m for m in models if m.symmetric]
    exact = [m.info.name for m in symmetric if m.invariant]
    others = [m for m in symmetric if not m.invariant]
    text = f"{len(exact)} of {len(symmetric)} networks with a rotation layer have the same logits under quarter turns"
    text += f" ({', '.join(exact)})." if exact else "."
    if others:
        text += f" Relative change of the logits of the others: {span([m.layers[-1].error for m in others])}."
    return TheoryClaim(
        "networks",
        "Sec. 4 and 5",
        "The symmetric designs are equivariant networks, as the lemmas and theorems assume. Class logits have"
        " no axis to turn, so for a classifier this means that the logits do not change.",
        text,
        UNTOLD if not symmetric else FAILS if others else HOLDS,
        "Ordinary convolutions after a rotation layer, or beside it, break the symmetry; group convolutions"
        " throughout, with a maximum over the group before the last layer, keep it.",
    )


def _on_orbits(
    models: Models,
    id: str,
    where: str,
    statement: str,
    spread: Callable[[ModelTheory], Float64[np.ndarray, " n"]],
) -> TheoryClaim:
    """Conclusions of the form "this is constant on an orbit", which presume invariant logits."""
    worst = [float(spread(m).max()) for m in models if m.invariant]
    medians = [float(np.median(spread(m))) for m in models if not m.invariant]
    text = ""
    if worst:
        text = (
            f"Invariant networks ({len(worst)}): largest relative spread over the turns {number(max(worst))}."
        )
    if medians:
        text += f" The other {len(medians)}, to which it does not apply: median spread {span(medians)}."
    stored = [float(m.orbit.spread("stored").max()) for m in models if m.invariant]
    why = "It applies only to networks with invariant logits, at points where they have a gradient."
    if id == "theorem-1" and stored:
        why += (
            f" At the images as stored, autograd's norm varies by up to {number(max(stored))}: on a flat"
            " background, values under a max pooling are tied, so there is no gradient; noise of 1e-4"
            " breaks the ties. A norm that is the same on an orbit need not be small."
        )
    measured = text.strip() or "No models were measured."
    return TheoryClaim(id, where, statement, measured, exact_verdict(worst), why)


def _theorem_2(models: Models) -> TheoryClaim:
    return TheoryClaim(
        "theorem-2",
        "Sec. 4.4, Theorem 2",
        "An equivariant network's gradient changes far less along the tangent space of an orbit than across it.",
        "Not measurable: there is no tangent space. The next line shows a proxy.",
        UNTOLD,
        "The groups of the networks are finite. An orbit under quarter turns is four separate points, so the"
        " theorem's hypothesis is empty: the only perturbation along it is 0. Its proof also assumes that the"
        " gradient stays the same along the orbit, but it is turned.",
    )


def _proxy(models: Models, seed: int) -> TheoryClaim:
    """Per model and angle: the interval of the median ratio."""
    chosen = [m for m in models if m.invariant]
    found = {m.info.name: [median_interval(row, seed=seed) for row in m.tangent.ratio] for m in models}
    mine = [row for m in chosen for row in m.tangent.ratio]
    plain = [each.value for m in models if not m.symmetric for each in found[m.info.name]]
    angles = ", ".join(f"{angle:g}°" for angle in models[0].tangent.angles) if models else ""
    text = f"Median ratio at {angles}: "
    text += "; ".join(
        f"{m.info.name} {', '.join(interval_text(each) for each in found[m.info.name])}" for m in chosen
    )
    text += f". Networks without a rotation layer: {span(plain)}." if plain else "."
    return TheoryClaim(
        "theorem-2-proxy",
        "Sec. 4.4, Theorem 2 (proxy, ours)",
        f"The gradient of an invariant network changes at least {MUCH} times less along a small rotation than"
        " along random directions that are orthogonal to it and of the same length.",
        text if mine else "No invariant network was measured.",
        below_verdict(mine, 1 / MUCH, seed),
        f"A proxy: small rotations are not in the group, and {MUCH} times is how we read “≫”. A rotation moves"
        " edges and a random direction is noise, so a ratio below 1 need not come from symmetry: compare it with"
        " the networks without a rotation layer.",
        proxy=True,
    )


def _clever(comparisons: tuple[BaselineComparison, ...]) -> TheoryClaim:
    by = {v: [c.model for c in comparisons if c.verdict == v] for v in VERDICTS}
    text = "No CLEVER scores of a model and its baseline: `bench clever` makes them."
    if comparisons:
        text = f"Of {len(comparisons)} symmetric models the median score is above the baseline's for {len(by[HOLDS])}"
        text += f", below for {len(by[FAILS])} and undecided for {len(by[UNTOLD])}."
        text += (
            " Differences: "
            + "; ".join(f"{c.model} {interval_text(c.difference)}" for c in comparisons)
            + "."
        )
    return TheoryClaim(
        "clever",
        "Abstract, secs. 1 and 4.3",
        "Equivariant networks have “tighter” bounds under CLEVER, read here as larger scores than the baseline of"
        " the same depth and training.",
        text,
        order_verdict(comparisons),
        "The intervals are over images; each model is one training run. CLEVER estimates a bound and certifies"
        " nothing. By Theorem 1 the estimate is the same on an orbit, but not larger.",
    )
