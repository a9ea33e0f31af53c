"""The default engine, the procedure of Weng et al. 2018 (Algorithm 1): fresh samples for every maximum.

As in ART, points are uniform in the ball; the authors' released code shrinks each by a further random factor.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from bench.studies.clever.fit import Fit, fit_best
from bench.studies.clever.gradients import chunk_of, gradient_norms
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
    """Lipschitz constants of the margins, from maxima over points drawn for each of them anew."""
    generator = np.random.default_rng(seed)
    together = max(1, chunk_of(image.shape) // options.samples)  # batches that fill a forward pass
    maxima = []
    for start in range(0, options.batches, together):
        batches = min(together, options.batches - start)
        points = around(image, generator, batches * options.samples, options.radius, options.norm)
        norms = gradient_norms(model, points, label, targets, options.norm)
        maxima.append(norms.reshape(batches, options.samples, -1).max(axis=1))
    return fit_best(np.concatenate(maxima))
