"""Reverse Weibull fits to maxima of gradient norms: an estimate of the largest gradient norm of all.

Maxima of many bounded samples tend to a reverse Weibull distribution, whose upper end point is the bound
(Fisher–Tippett–Gnedenko; Weng et al. 2018, section 3.2). With x = −maximum,
P(x ≤ t) = 1 − exp(−((t − loc)/scale)^shape) for t ≥ loc, so the end point is −loc.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from bench.studies.clever.nelder_mead import minimise

STARTS = (0.1, 1.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # initial shapes of the released code
REGULARISATION = 0.01
SMALLEST_P = 0.001
LARGEST_RATIO = 2.0
SHORT = 1e-6  # relative; an end point this far below a sample is no end point
SPREAD = 1e-6  # relative; below it, maxima differ by the rounding of float32 alone
PENALTY = 100 * float(np.log(np.finfo(np.float64).max))  # SciPy's for a sample outside the support

Parameters = Float64[np.ndarray, "p 3"]  # shape, loc, scale of each problem


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Fit:
    """Estimates for T targets; every array is (T,).

    Attributes:
        lipschitz: the estimated largest gradient norm.
        largest_sample: the largest of the maxima.
        shape, loc, scale: of the distribution of −maxima; NaN where nothing was fitted.
        ks_p: p-value of a Kolmogorov–Smirnov test of the fit; NaN where nothing was fitted.
        fallback: ``lipschitz`` is the largest sample, since there was no fit or no good one.
    """

    lipschitz: Float64[np.ndarray, " targets"]
    largest_sample: Float64[np.ndarray, " targets"]
    shape: Float64[np.ndarray, " targets"]
    loc: Float64[np.ndarray, " targets"]
    scale: Float64[np.ndarray, " targets"]
    ks_p: Float64[np.ndarray, " targets"]
    fallback: Bool[np.ndarray, " targets"]


def fit_once(maxima: Float64[np.ndarray, "batches targets"]) -> Fit:
    """ART's fit: maximum likelihood from shape 1.

    Falls back where p < 0.001, or where the end point is beyond 2·max or short of a sample.

    Maxima resampled from one pool have ties, and from shape 1 the likelihood grows without bound as the end point
    approaches the largest sample: the fit then equals the fallback. Unlike ART's, it is made in units of the largest
    sample, so that scaling the gradients scales the estimate.
    """

    def fit(samples: Float64[np.ndarray, "p batches"]) -> tuple[Parameters, Float64[np.ndarray, " p"]]:
        unit = -samples.min(axis=1)
        found = minimise(
            _likelihood(samples / unit[:, None], 0.0), _from_moments(samples / unit[:, None], 1.0)
        )
        found[:, 1:] *= unit[:, None]
        runaway = -found[:, 1] > LARGEST_RATIO * unit
        return found, np.where(runaway | _short(samples, found), 0.0, ks_p(samples, found))

    return _fitted(maxima, fit)


def fit_best(maxima: Float64[np.ndarray, "batches targets"]) -> Fit:
    """The released code's fit: the best by p-value from seven starts. Falls back where p < 0.001.

    Maxima are shifted and scaled to [−1, 0]; 0.01 times the squared third parameter is added to the
    negative log-likelihood. The released code means that to be the shape, but SciPy's third is the scale;
    since both grow together as a fit runs away, it keeps fits bounded all the same, and is kept as it is.
    Unlike there, a start that ends with samples beyond the end point it found does not count.
    """

    def fit(samples: Float64[np.ndarray, "p batches"]) -> tuple[Parameters, Float64[np.ndarray, " p"]]:
        shift, unit = samples.min(axis=1), np.ptp(samples, axis=1)
        rescaled = np.tile((samples - shift[:, None]) / unit[:, None], (len(STARTS), 1))
        starts = np.repeat(STARTS, len(samples))
        found = minimise(_likelihood(rescaled, REGULARISATION), _from_moments(rescaled, starts))
        p = np.where(_short(rescaled, found), 0.0, ks_p(rescaled, found)).reshape(len(STARTS), -1)
        best, column = p.argmax(axis=0), np.arange(len(samples))
        chosen = found.reshape(len(STARTS), -1, 3)[best, column]
        chosen[:, 1] = chosen[:, 1] * unit + shift
        chosen[:, 2] *= unit
        return chosen, p[best, column]

    return _fitted(maxima, fit)


def _fitted(
    maxima: Float64[np.ndarray, "batches targets"],
    fit: Callable[[np.ndarray], tuple[Parameters, np.ndarray]],
) -> Fit:
    """Fits the targets whose maxima differ at all, and decides which fits are believed."""
    largest = maxima.max(axis=0)
    varied = np.ptp(maxima, axis=0) > SPREAD * largest
    parameters, p = np.full((len(largest), 3), np.nan), np.full(len(largest), np.nan)
    if varied.any():
        parameters[varied], p[varied] = fit(-maxima.T[varied])
    believed = p >= SMALLEST_P  # False where p is NaN
    shape, loc, scale = parameters.T
    return Fit(
        lipschitz=np.where(believed, np.fmax(-loc, largest), largest),
        largest_sample=largest,
        shape=shape,
        loc=loc,
        scale=scale,
        ks_p=p,
        fallback=~believed,
    )


def _short(samples: Float64[np.ndarray, "p batches"], found: Parameters) -> Bool[np.ndarray, " p"]:
    """Whether a sample lies beyond the end point: the optimiser stopped where the model excludes the data."""
    smallest = samples.min(axis=1)
    return found[:, 1] - smallest > SHORT * np.maximum(np.abs(smallest), np.ptp(samples, axis=1))


def _likelihood(
    samples: Float64[np.ndarray, "p batches"], regularisation: float
) -> Callable[..., np.ndarray]:
    """The negative log-likelihood, penalised as SciPy does where samples lie outside the support."""

    def objective(points: np.ndarray, which: np.ndarray) -> np.ndarray:
        shape, loc, scale = points.T[:, :, None]
        allowed = (shape > 0) & (scale > 0)
        shape, scale = np.where(allowed, shape, 1.0), np.where(allowed, scale, 1.0)
        z = (samples[which] - loc) / scale
        inside = z > 0
        log_z = np.log(np.where(inside, z, 1.0))
        power = np.exp(np.minimum(shape * log_z, 700.0))
        terms = np.log(scale) - np.log(shape) - (shape - 1) * log_z + power
        total = np.where(inside, terms, PENALTY).sum(axis=1) + regularisation * points[:, 2] ** 2
        return np.where(allowed[:, 0], total, np.inf)

    return objective


def _from_moments(samples: Float64[np.ndarray, "p batches"], shape: float | np.ndarray) -> Parameters:
    """SciPy's initial values: location and scale that give the samples' mean and variance at this shape."""
    from scipy.special import gamma

    shape = np.broadcast_to(np.asarray(shape, dtype=np.float64), len(samples))
    mean = gamma(1 + 1 / shape)
    scale = np.sqrt(samples.var(axis=1) / (gamma(1 + 2 / shape) - mean**2))
    return np.stack([shape, samples.mean(axis=1) - scale * mean, scale], axis=1)


def ks_p(samples: Float64[np.ndarray, "p batches"], parameters: Parameters) -> Float64[np.ndarray, " p"]:
    """Two-sided Kolmogorov–Smirnov p-values of samples against their fits, as ``scipy.stats.kstest``."""
    from scipy.stats import kstwo

    shape, loc, scale = parameters.T[:, :, None]
    n = samples.shape[1]
    z = np.maximum((np.sort(samples, axis=1) - loc) / scale, 0.0)
    log_z = np.log(np.where(z > 0, z, 1.0))
    cdf = np.where(z > 0, -np.expm1(-np.exp(np.minimum(shape * log_z, 700.0))), 0.0)
    steps = np.arange(n + 1) / n
    statistic = np.maximum((steps[1:] - cdf).max(axis=1), (cdf - steps[:-1]).max(axis=1))
    return np.clip(kstwo.sf(statistic, n), 0.0, 1.0)
