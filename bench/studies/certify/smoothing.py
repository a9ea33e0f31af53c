"""Randomized smoothing (Cohen, Rosenfeld and Kolter, ICML 2019): a network that votes under Gaussian noise.

The smoothed network g gives the class that the network f gives most often for x + N(0, σ²). Within
R = σ·Φ⁻¹(p) of x, p being a lower bound of that class's share, g gives no other class (their Theorem 1, with the
bound 1 − p for the runner-up). The certificate is of g, not of f, and fails with probability α at most.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from bench.engine.seeding import seed_of

CHUNK = 500  # noisy images in a pass; it changes the samples, since each chunk is one draw
_INWARD = 1 - 1e-12  # largest rounding error of the quantile and the product


def noise(
    seed: int, image: int, use: str, count: int, shape: tuple[int, ...]
) -> Iterator[Float[Tensor, "k c h w"]]:
    """Standard normal samples (count, *shape) in chunks, on the CPU: of seed, image and use alone.

    Fewer samples are the first of more, and all models and all σ meet the same.
    """
    generator = torch.Generator().manual_seed(seed_of("smoothing", seed, image, use))
    for first in range(0, count, CHUNK):
        yield torch.randn(CHUNK, *shape, generator=generator)[: count - first]


@torch.no_grad()
def votes(
    model: nn.Module, x: Float[Tensor, "c h w"], sigma: float, samples: Iterator[Float[Tensor, "k c h w"]]
) -> Int64[np.ndarray, " classes"]:
    """How often each class is given under noise; logits that are not finite vote for none."""
    total: Tensor | None = None
    for unit in samples:
        logits = model(x + sigma * unit.to(x.device))
        finite = torch.isfinite(logits).all(dim=1)
        counts = torch.bincount(logits.argmax(dim=1)[finite], minlength=logits.shape[1])
        total = counts if total is None else total + counts
    assert total is not None
    return total.cpu().numpy()


def smoothed(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    *,
    first: int,
    sigma: float,
    selection: int,
    samples: int,
    seed: int,
    turn: int = 0,
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, "n classes"]]:
    """The class that the selection samples choose for each image, and the votes of the further samples.

    Args:
        model: deployed model on the device of ``x``.
        x: images (n, c, h, w) in [0, 1]; noisy ones may leave it.
        first: index of the first image in its data set.
        sigma: standard deviation of the noise in pixel units.
        selection, samples: numbers of noisy images that choose the class, and that vote then.
        seed: of the noise.
        turn: quarter turns that were made of the images; each number of turns has noise of its own.
    """
    chosen, counts, of = [], [], f" turn {turn}" if turn else ""
    for i, image in enumerate(x):
        shape = tuple(image.shape)
        selecting = noise(seed, first + i, f"selection{of}", selection, shape)
        voting = noise(seed, first + i, f"votes{of}", samples, shape)
        chosen.append(votes(model, image, sigma, selecting).argmax())
        counts.append(votes(model, image, sigma, voting))
    return np.array(chosen, dtype=np.int64), np.stack(counts).astype(np.int64)


def share_at_least(k: Int64[np.ndarray, "*n"], n: int, alpha: float) -> Float64[np.ndarray, "*n"]:
    """The lower Clopper-Pearson bound of a share observed k times in n, with confidence 1 − α; 0 for k = 0."""
    from scipy import stats

    k = np.asarray(k)
    return np.where(k == 0, 0.0, stats.beta.ppf(alpha, np.maximum(k, 1), n - k + 1))


def radii(k: Int64[np.ndarray, "*n"], n: int, *, sigma: float, alpha: float) -> Float64[np.ndarray, "*n"]:
    """The certified L2 radii for a class with k of n votes; NaN where it abstains (p <= 1/2)."""
    from scipy import stats

    p = share_at_least(k, n, alpha)
    return np.where(p > 0.5, sigma * stats.norm.ppf(np.maximum(p, 0.5)) * _INWARD, np.nan)
