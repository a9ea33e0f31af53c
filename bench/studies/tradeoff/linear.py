"""The trade-off in closed form: linear classifiers between one strong feature and the mean of many weak ones.

The setting is this project's own and taken from no paper. A label y is −1 or 1 with equal chance. Of d ≥ 2
coordinates, x_0 is y with probability p and −y otherwise, and the n = d − 1 others are independent N(η·y, 1). The
classifiers are f_w(x) = sign(x_0 + w·mean(x)), w ≥ 0: w = 0 is sign(x_0), w = ∞ is sign(mean(x)), and the larger w, the
less a cyclic shift of the coordinates changes. Three accuracies are defined:

- clean: f_w(x) = y;
- spatial: the same after a cyclic shift of the coordinates by r, uniform in {0, …, d − 1};
- adversarial: the same under the worst L∞ perturbation of at most ε, without a box.

f_w is odd, so y = 1 may be taken; divided by 1 + w its weights are

    a = 1/(1 + w) + e  on the first coordinate,   e = w/(d·(1 + w))  on each other;   a + n·e = 1.

Given b = y·x_0, which is 1 with probability p and −1 with q = 1 − p, every margin is Gaussian, and

- clean, with the strong coordinate first:          C   = Σ_b P(b)·Φ((a·b + n·e·η) / (e·√n));
- shifted by r ≠ 0, one of the weak ones is first:  R   = Σ_b P(b)·Φ((a·η + e·(b + (n − 1)·η)) / √(a² + (n − 1)·e²));
- spatial, since r = 0 has the chance 1/d:          S   = C/d + (1 − 1/d)·R;
- adversarial: a perturbation lowers the margin by at most ε times the L1 norm of the weights, which is 1, and
  −ε·y on every coordinate does:                    A   = Σ_b P(b)·Φ((a·b + n·e·η − ε) / (e·√n)).

Where a standard deviation is 0, as at w = 0, Φ stands for whether the mean is above 0. So sign(x_0) has p,
p/d + (1 − 1/d)·Φ(η), and p if ε < 1, else 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.special import logit, ndtr

_CHUNK = 2000  # examples simulated at once: 6 MB a copy at d = 400


class Accuracies(NamedTuple):
    """The three accuracies of one classifier, each in [0, 1] up to rounding."""

    clean: float
    spatial: float
    adversarial: float


def strengths(d: int) -> tuple[float, float]:
    """η = 3/√d and ε = 2·η: the mean of all coordinates is then a strong feature, at three standard deviations, and a
    perturbation of ε moves it to the other side."""
    eta = 3 / math.sqrt(d)
    return eta, 2 * eta


def exact(p: float, d: int, eta: float, eps: float, w: float) -> Accuracies:
    """The three accuracies of f_w, by the formulas of this module.

    Args:
        p: the chance that x_0 is y, in [0, 1].
        d: coordinates, at least 2.
        eta: η, the mean of a weak coordinate times y, at least 0; its standard deviation is 1.
        eps: ε, the radius in L∞ in units of x, at least 0.
        w: the weight of the mean, at least 0; ``math.inf`` for sign(mean(x)).

    Raises:
        ValueError: a number outside its range.
    """
    _check(p, d, eta, eps)
    own, even = _weights(d, w)
    n = d - 1
    clean = spatial = adversarial = 0.0
    for b, chance in ((1, p), (-1, 1 - p)):
        mean, sd = own * b + n * even * eta, even * math.sqrt(n)
        moved = _positive(own * eta + even * (b + (n - 1) * eta), math.sqrt(own**2 + (n - 1) * even**2))
        clean += chance * _positive(mean, sd)
        spatial += chance * (_positive(mean, sd) / d + moved * n / d)
        adversarial += chance * _positive(mean - eps, sd)
    return Accuracies(clean, spatial, adversarial)


def simulate(
    p: float, d: int, eta: float, eps: float, ws: Sequence[float], *, n: int, seed: int
) -> tuple[Accuracies, ...]:
    """The three accuracies of several classifiers on the same n drawn examples.

    Examples are really shifted, and really moved by −ε·y·sign(weight) on every coordinate, which is the worst that an
    L∞ perturbation can do to a linear classifier. Nothing of the closed form is used.

    Args:
        p, d, eta, eps: as for :func:`exact`.
        ws: weights of the mean, each as for :func:`exact`.
        n: examples, at least 1.
        seed: of all draws; the same seed gives the same result.

    Returns:
        The shares of the n examples that are right, for each of ``ws``.

    Raises:
        ValueError: a number outside its range.
    """
    _check(p, d, eta, eps)
    if n < 1:
        raise ValueError(f"{n} examples; at least 1 is needed")
    weights = np.stack([_vector(d, w) for w in ws], axis=1)
    generator = np.random.default_rng(seed)
    right = np.zeros((3, len(ws)))
    for start in range(0, n, _CHUNK):
        count = min(_CHUNK, n - start)
        y = generator.choice((-1.0, 1.0), (count, 1))
        x = eta * y + generator.standard_normal((count, d))
        x[:, :1] = np.where(generator.random((count, 1)) < p, y, -y)
        shift = generator.integers(d, size=(count, 1))
        moved = np.take_along_axis(x, (np.arange(d) - shift) % d, axis=1)
        right[0] += (y * (x @ weights) > 0).sum(axis=0)
        right[1] += (y * (moved @ weights) > 0).sum(axis=0)
        for i, column in enumerate(weights.T):
            attacked = x - eps * y * np.sign(column)
            right[2, i] += (y[:, 0] * (attacked @ column) > 0).sum()
    return tuple(Accuracies(*map(float, column / n)) for column in right.T)


def best_clean_weight(p: float, d: int, eta: float) -> float:
    """The w at which clean accuracy is highest: it rises up to there and falls beyond.

    There f_w is the Bayes rule, which weighs x_0 by logit(p) and every other coordinate by 2η: 1 + d/w =
    logit(p)/(2η). It is ∞ where logit(p) ≤ 2η.

    Raises:
        ValueError: a number outside its range.
    """
    _check(p, d, eta, 0.0)
    excess = float(logit(p)) - 2 * eta
    return 2 * eta * d / excess if excess > 0 else math.inf


def spatial_rises(p: float, d: int, eta: float) -> bool:
    """Whether logit(p) ≥ 2η: then spatial accuracy is non-decreasing in w over all of [0, ∞].

    The condition says that x_0 tells at least as much of y as another coordinate does. It is sufficient; without it,
    spatial accuracy does fall somewhere for d = 2, p = 0.55, η = 1.

    Raises:
        ValueError: a number outside its range.
    """
    _check(p, d, eta, 0.0)
    return bool(logit(p) >= 2 * eta)


def adversarial_falls(p: float, d: int, eta: float, eps: float) -> bool:
    """Whether adversarial accuracy is non-increasing in w over all of [0, ∞], for 0 < p < 1 and 0 < ε < 1.

    With n = d − 1 it is so if and only if

        logit(p) − 2·artanh(ε) ≥ 2η − 2·d·ε/n          where ε ≥ n·η/(d + 1),
        logit(p) − 2·artanh(ε) ≥ n·(η − ε)²/(2ε)       where ε is smaller.

    An ε so small that the mean withstands it fails the second: there more weight on the mean helps.

    Raises:
        ValueError: a number outside its range.
    """
    _check(p, d, eta, eps)
    if not (0 < p < 1 and 0 < eps < 1):
        raise ValueError(f"p = {p} and eps = {eps} must lie between 0 and 1")
    n = d - 1
    large = eps >= n * eta / (d + 1)
    bound = 2 * eta - 2 * d * eps / n if large else n * (eta - eps) ** 2 / (2 * eps)
    return bool(logit(p) - 2 * math.atanh(eps) >= bound)


def _check(p: float, d: int, eta: float, eps: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; it must lie in [0, 1]")
    if d < 2:
        raise ValueError(f"d is {d}; at least 2 coordinates are needed")
    for name, value in (("eta", eta), ("eps", eps)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value}; it must be finite and at least 0")


def _weights(d: int, w: float) -> tuple[float, float]:
    """The weights of the first and of each other coordinate, scaled to an L1 norm of 1."""
    if not w >= 0:
        raise ValueError(f"w is {w}; it must be at least 0")
    mean = 1.0 if math.isinf(w) else w / (1 + w)
    return 1 / (1 + w) + mean / d, mean / d


def _vector(d: int, w: float) -> Float64[np.ndarray, " d"]:
    own, even = _weights(d, w)
    return np.array([own] + [even] * (d - 1))


def _positive(mean: float, sd: float) -> float:
    """The chance that a Gaussian is above 0; with no spread, whether its mean is."""
    # Python's floats, unlike numpy's, divide by a tiny spread without a warning
    return float(ndtr(float(mean) / float(sd))) if sd else float(mean > 0)
