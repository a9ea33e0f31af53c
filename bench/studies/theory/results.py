"""All measurements of the theory on one data set, the input of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bench.studies.theory.claims import TheoryClaim, claims
from bench.studies.theory.measured import ModelTheory
from bench.studies.theory.order import BaselineComparison, against_baselines


@dataclass(frozen=True, slots=True)
class TheoryImages:
    """Images and seed of results."""

    dataset: str
    data: str
    n: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TheoryResults:
    """The theory on one data set.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order were measured.
        seed: of dither, random directions and bootstrap.
        about: a sentence more about how it was measured, may be empty.
        models: in the order they were requested.
        comparisons: CLEVER medians against baselines; empty without CLEVER scores.
        scores: what the scores are, such as their norm and engine; empty without.
        claims: the paper's claims with their verdicts.
        versions: package name → version of what computed it.
        command: the command that made it.
        failed: names of models that could not be measured, with the reason.
    """

    dataset: str
    data: str
    n: int
    seed: int
    about: str
    models: tuple[ModelTheory, ...]
    comparisons: tuple[BaselineComparison, ...]
    scores: str
    claims: tuple[TheoryClaim, ...]
    versions: dict[str, str]
    command: str
    failed: tuple[str, ...] = ()

    @property
    def setting(self) -> TheoryImages:
        """The values that two results must share to be compared."""
        return TheoryImages(self.dataset, self.data, self.n, self.seed)


def assemble(
    models: Sequence[ModelTheory],
    *,
    dataset: str,
    data: str,
    n: int,
    seed: int = 0,
    about: str = "",
    clever: Mapping[str, Float[np.ndarray, " n"]] | None = None,
    paired: bool = True,
    scores: str = "",
    versions: Mapping[str, str],
    command: str,
    failed: Sequence[str] = (),
) -> TheoryResults:
    """Measured models, and per-image CLEVER scores if there are any, with the claims judged.

    ``paired`` says that entry i of all CLEVER scores is of the same image; the rest as in ``TheoryResults``.
    """
    comparisons = against_baselines(clever or {}, paired=paired, seed=seed)
    return TheoryResults(
        dataset=dataset,
        data=data,
        n=n,
        seed=seed,
        about=about,
        models=tuple(models),
        comparisons=comparisons,
        scores=scores,
        claims=claims(models, comparisons, seed=seed),
        versions=dict(versions),
        command=command,
        failed=tuple(failed),
    )
