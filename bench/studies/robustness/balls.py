"""All measurements in one ball: attacks of other runs count for the worst case too.

A perturbation that the judge verified within ε breaks the image, whichever run found it. So the worst case of a model
includes the attacks of all runs with the same weights, images, norm, protocol, kernels and batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from bench.engine.protocols import released_rules
from bench.numbers.stats import LEVEL, Share, mcnemar_lower, wilson
from bench.studies.robustness.names import request_name
from bench.studies.robustness.results import Curve, Elsewhere, ModelResult, Results, Setting


@dataclass(frozen=True, slots=True)
class BallPart:
    """One attack at one ε in a worst case: row ``at`` of a curve in its own setting."""

    setting: Setting
    curve: Curve
    at: int

    @property
    def standing(self) -> Bool[np.ndarray, " n"]:
        """(n,) bool: images that it did not break."""
        return self.curve.standing[self.at]


@dataclass(frozen=True, slots=True)
class Beaten:
    """An ε at which the attacks of another run break significantly more than a model's own.

    Attributes:
        at: index of the ε with the largest difference.
        own, lowest: accuracy there under the model's own attacks, and under all.
        attack: the attack elsewhere that left the fewest images.
    """

    at: int
    own: Share
    lowest: Share
    attack: str


def joined(results: Results, pool: Iterable[Results]) -> Results:
    """The same results, each model with the curves that other runs measured in its balls.

    Args:
        results: what was measured; of a released protocol they come back as they are.
        pool: results of any runs. A run counts if it shares data, n, norm, protocol, backend and batch; an
            independent curve takes independent runs only, since it does not count smaller ε.
    """
    if released_rules(results.setting.protocol) is not None:
        return results
    pool = [other for other in pool if _shares_balls(results.setting, other.setting)]
    return replace(
        results,
        models=tuple(replace(model, elsewhere=_elsewhere(results, model, pool)) for model in results.models),
    )


def parts(setting: Setting, model: ModelResult, i: int) -> list[BallPart]:
    """The attacks of a model's worst case at the i-th ε: its own, then those of other runs.

    On a cumulative curve another run counts at every ε of this grid up to the i-th that it was measured at;
    on an independent one at the i-th alone.
    """
    found = [BallPart(setting, curve, i) for curve in model.curves]
    reached = setting.eps[: i + 1] if setting.curve == "cumulative" else setting.eps[i : i + 1]
    for other in model.elsewhere:
        at = [j for j, eps in enumerate(other.setting.eps) if eps in reached]
        # the last row of a cumulative or minimum-norm curve has what it broke at smaller ε too
        anew = other.setting.curve == "independent" and other.curve.request.spec.threat == "ball"
        found += [BallPart(other.setting, other.curve, j) for j in (at if anew else at[-1:])]
    return found


def lowest(setting: Setting, model: ModelResult) -> Bool[np.ndarray, "e n"]:
    """(number of ε, n) bool: images right under every attack of the ball; without attacks the right images."""
    if not model.curves:
        return np.tile(model.clean.correct, (len(setting.eps), 1))
    return np.stack(
        [
            np.logical_and.reduce([part.standing for part in parts(setting, model, i)])
            for i in range(len(setting.eps))
        ]
    )


def beaten(setting: Setting, model: ModelResult) -> Beaten | None:
    """Where other runs break significantly more than the model's own attacks; ``None`` where they do not.

    The test is McNemar's, exact and one-sided, as for rows of the leaderboard.
    """
    if not model.curves or not model.elsewhere:
        return None
    own, low = model.worst(), lowest(setting, model)
    at = int((own & ~low).sum(axis=1).argmax())
    if mcnemar_lower(int((own[at] & ~low[at]).sum()), 0) >= LEVEL:
        return None
    others = parts(setting, model, at)[len(model.curves) :]
    strongest = min(others, key=lambda part: int(part.standing.sum()))
    n = setting.n
    return Beaten(
        at,
        wilson(int(own[at].sum()), n),
        wilson(int(low[at].sum()), n),
        request_name(strongest.curve.request),
    )


def _shares_balls(own: Setting, other: Setting) -> bool:
    alike = all(
        getattr(own, name) == getattr(other, name) for name in ("data", "n", "norm", "backend", "batch")
    )
    return alike and own.protocol == other.protocol and own.curve in ("cumulative", other.curve)


def _elsewhere(results: Results, model: ModelResult, pool: Iterable[Results]) -> tuple[Elsewhere, ...]:
    own = {(results.setting, curve.request) for curve in model.curves}
    found = {
        (other.setting, curve.request): Elsewhere(setting=other.setting, curve=curve)
        for other in pool
        for same in other.models
        if same.info.weights == model.info.weights
        for curve in same.curves
        if any(eps in results.setting.eps for eps in other.setting.eps)
    }
    return tuple(each for key, each in found.items() if key not in own)
