"""The ball's samples: uniform, as ART's, inside the box."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import beta, ks_2samp, kstest

from bench.attacks.art_home import load_art
from bench.studies.clever.art_engine import ORDERS
from bench.studies.clever.options import NORMS
from bench.studies.clever.sampling import around, ball

DIM = 12


@pytest.mark.parametrize("norm", NORMS)
def test_radii_are_those_of_the_uniform_ball(norm: str) -> None:
    """In a ball of dimension d, (‖x‖/R)^d is uniform."""
    points = ball(np.random.default_rng(0), 4000, DIM, 1.5, norm)
    lengths = np.linalg.norm(points, ord=ORDERS[norm], axis=1) / 1.5
    assert lengths.max() <= 1 + 1e-12
    assert kstest(lengths, beta(DIM, 1).cdf).pvalue > 0.001
    assert np.abs(points.mean(axis=0)).max() < 0.1


@pytest.mark.parametrize("norm", NORMS)
def test_coordinates_are_distributed_as_arts(norm: str) -> None:
    state = np.random.get_state()
    np.random.seed(1)
    theirs = load_art("art.metrics.metrics").random_sphere(4000, DIM, 1.5, ORDERS[norm])
    np.random.set_state(state)
    ours = ball(np.random.default_rng(0), 4000, DIM, 1.5, norm)
    for j in (0, DIM - 1):
        assert ks_2samp(ours[:, j], theirs[:, j]).pvalue > 0.001
    assert ks_2samp(np.abs(ours).max(axis=1), np.abs(theirs).max(axis=1)).pvalue > 0.001


@pytest.mark.parametrize("norm", NORMS)
def test_points_lie_in_the_box_and_around_the_image(norm: str) -> None:
    image = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    points = around(image, np.random.default_rng(0), 50, 0.7, norm)
    assert points.shape == (50, 3, 4, 4)
    assert points.dtype == torch.float32
    assert points.min() >= 0
    assert points.max() <= 1
    sizes = torch.linalg.vector_norm((points - image).flatten(1), ord=ORDERS[norm], dim=1)
    assert sizes.max() <= 0.7 + 1e-5
