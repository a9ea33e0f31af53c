"""ART's sampler and fit, with one pool for all targets and one forward pass a point."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from bench.studies.clever.fit import Fit, fit_once
from bench.studies.clever.gradients import gradient_norms
from bench.studies.clever.options import CleverOptions
from bench.studies.clever.sampling import around


def estimate(
    model: nn.Module,
    image: Float[Tensor, "c h w"],
    label: int,
    targets: list[int],
    options: CleverOptions,
    seed: int,
) -> Fit:
    """Lipschitz constants of the margins, from maxima over resampled parts of one pool of points."""
    generator = np.random.default_rng(seed)
    pool = options.pool_factor * options.samples
    points = around(image, generator, pool, options.radius, options.norm)
    norms = gradient_norms(model, points, label, targets, options.norm)
    draws = (generator.integers(pool, size=options.samples) for _ in range(options.batches))
    return fit_once(np.stack([norms[draw].max(axis=0) for draw in draws]))
