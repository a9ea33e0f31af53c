"""Randomized smoothing: votes, radii, their closed form on a linear model, their coverage, and the attack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from bench.studies.certify import smoothed_attack, smoothing
from bench.studies.certify.collect import homogeneity
from bench.studies.certify.smoothed_attack import LEVEL, attack_smoothed, is_other
from bench.studies.certify.smoothing import noise, radii, share_at_least, smoothed, votes

SHAPE = (1, 4, 4)


class HalfSpace(nn.Module):
    """Class 1 where w·x > b; the smoothed network's share and its radius are known."""

    def __init__(self, b: float = 0.0) -> None:
        super().__init__()
        w = torch.linspace(-1, 1, 16)
        self.w, self.b = w / w.norm(), b

    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(1) @ self.w - self.b
        return torch.stack([-z, z], dim=1)

    def distance(self, x: Tensor) -> float:
        return float(x.flatten() @ self.w) - self.b


def image(seed: int) -> Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_noise_is_of_seed_image_and_use_alone_and_fewer_are_the_first_of_more() -> None:
    few = torch.cat(list(noise(0, 3, "votes", 700, SHAPE)))
    many = torch.cat(list(noise(0, 3, "votes", 1600, SHAPE)))
    assert few.shape == (700, *SHAPE)
    assert torch.equal(few, many[:700])
    for other in ((1, 3, "votes"), (0, 4, "votes"), (0, 3, "selection")):
        assert not torch.equal(few, torch.cat(list(noise(*other, 700, SHAPE))))
    assert stats.kstest(many.numpy().ravel(), "norm").pvalue > 0.001


def test_clopper_pearson_is_scipys_and_its_ends_are_known() -> None:
    for k, n in ((0, 50), (1, 50), (37, 50), (50, 50)):
        want = stats.binomtest(k, n, alternative="greater").proportion_ci(0.999, method="exact").low
        assert float(share_at_least(np.array(k), n, 0.001)) == pytest.approx(want, abs=1e-12)
    assert float(share_at_least(np.array(50), 50, 0.001)) == pytest.approx(0.001 ** (1 / 50))
    assert np.isnan(radii(np.array([500]), 1000, sigma=1.0, alpha=0.001)).all()


@pytest.mark.parametrize("sigma", [0.1, 0.25, 1.0])
def test_a_linear_model_has_its_closed_form(sigma: float) -> None:
    """The share of the class is Φ(d/σ), d the distance to the boundary, which is also the true radius."""
    model, x = HalfSpace(0.1), torch.stack([image(i) for i in range(8)])
    n = 2000
    chosen, counts = smoothed(model, x, first=0, sigma=sigma, selection=100, samples=n, seed=0)
    for i in range(8):
        distance = model.distance(x[i])
        label = int(distance > 0)
        share = stats.norm.cdf(abs(distance) / sigma)
        assert counts[i].sum() == n
        assert stats.binomtest(int(counts[i, label]), n, share).pvalue > 1e-4
        if abs(distance) > sigma / 2:
            assert chosen[i] == label
        low, high = (stats.binom.ppf(q, n, share) for q in (1e-4, 1 - 1e-4))
        k = np.array([low, counts[i, label], high], dtype=int)
        least, found, most = np.nan_to_num(radii(k, n, sigma=sigma, alpha=0.001), nan=0.0)
        assert least <= found <= most
        assert found <= abs(distance)


def test_certificates_are_wrong_no_more_often_than_they_may_be() -> None:
    """The radius is above the true one, |d|, in a share α of all runs at most."""
    rng = np.random.default_rng(0)
    runs, n, alpha = 20_000, 500, 0.05
    for ratio in (0.0, 0.05, 0.3, 1.0, 2.5):
        k = rng.binomial(n, stats.norm.cdf(ratio), runs)
        found = np.nan_to_num(radii(k, n, sigma=1.0, alpha=alpha), nan=0.0)
        wrong = int((found > ratio).sum())
        assert wrong <= stats.binom.ppf(0.9999, runs, alpha)


def test_votes_that_are_not_finite_count_for_none() -> None:
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            z = x.flatten(1).sum(1)
            return torch.stack([z, torch.where(z > 0, torch.nan, -z)], dim=1)

    counts = votes(Breaks(), torch.zeros(SHAPE), 1.0, noise(0, 0, "votes", 1000, SHAPE))
    assert counts[0] == 0
    assert 400 < counts[1] < 600


def test_the_attack_reaches_the_boundary_of_a_linear_model_and_not_less() -> None:
    model = HalfSpace(0.0)
    x = torch.full((1, *SHAPE), 0.5) + 0.2 * model.w.view(1, *SHAPE)
    y = model(x).argmax(1)
    distance = abs(model.distance(x[0]))
    found = attack_smoothed(model, x, y, first=0, sigma=0.1, seed=0)
    assert distance < found["l2"][0] < distance + 0.1
    assert found["linf"][0] <= found["l2"][0]
    far = attack_smoothed(HalfSpace(-9.0), x, torch.tensor([1]), first=0, sigma=0.1, seed=0)
    assert np.isnan(far["l2"]).all()


def test_an_image_of_another_class_needs_no_change_and_one_in_doubt_stands_until_it_is_broken() -> None:
    model, x = HalfSpace(0.0), torch.full((1, *SHAPE), 0.5)
    wrong = x - 0.3 * model.w.view(1, *SHAPE)
    assert attack_smoothed(model, wrong, torch.tensor([1]), first=0, sigma=0.1, seed=0)["l2"] == 0
    doubtful = x - 0.002 * model.w.view(1, *SHAPE)  # a share of Φ(-0.02): no election shows that it is wrong
    found = attack_smoothed(model, doubtful, torch.tensor([1]), first=0, sigma=0.1, seed=0)["l2"]
    assert 0 < found < 0.1


def test_elections_among_many_tied_classes_keep_their_level() -> None:
    """The label ties with all others: an election for the best of them is wrong no more often than it may be."""
    rng, runs = np.random.default_rng(0), 40_000
    for classes in (2, 10, 100):
        counts = rng.multinomial(1000, np.full(classes, 1 / classes), runs)
        wrong = sum(is_other(each, 0) for each in counts[counts.max(1) > counts[:, 0] + 20])
        assert wrong <= stats.binom.ppf(0.999, runs, LEVEL)


def test_every_election_and_every_turn_has_noise_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = []

    def noted(seed: int, image: int, use: str, *rest: Any) -> Any:
        uses.append(use)
        return noise(seed, image, use, *rest)

    for module in (smoothing, smoothed_attack):
        monkeypatch.setattr(module, "noise", noted)
    x = torch.full((1, *SHAPE), 0.5) + 0.2 * HalfSpace().w.view(1, *SHAPE)
    attack_smoothed(HalfSpace(), x, torch.tensor([1]), first=0, sigma=0.1, seed=0)
    assert uses == ["verification 0", "attack", *(f"verification {k}" for k in range(1, 10))]
    uses.clear()
    for turn in range(2):
        smoothed(HalfSpace(), x, first=0, sigma=0.1, selection=10, samples=20, seed=0, turn=turn)
    assert uses == ["selection", "votes", "selection turn 1", "votes turn 1"]


def test_rows_of_one_distribution_are_told_apart_as_often_as_they_may_be() -> None:
    """Rare classes are pooled, with which χ² keeps its level; without them it is scipy's."""
    rng = np.random.default_rng(0)
    shares = np.array([0.7, 0.297, 0.0015, 0.0005, 0.0005, 0.0005])
    p = np.array([homogeneity(rng.multinomial(1000, shares, 4)) for _ in range(4000)])
    for level in (0.01, 0.1):
        assert stats.binomtest(int((p < level).sum()), len(p), level).pvalue > 1e-3
    table = np.array([[700, 300], [650, 350]])
    assert homogeneity(table) == pytest.approx(float(stats.chi2_contingency(table)[1]))
    assert homogeneity(np.array([[1000, 0, 0], [999, 1, 0]])) == 1.0
    assert homogeneity(np.array([[500, 500], [900, 100]])) < 1e-9


def test_an_election_needs_significance() -> None:
    assert not is_other(np.array([480, 520, 0]), 0)
    assert is_other(np.array([400, 600, 0]), 0)
    assert not is_other(np.array([0, 0, 0]), 0)
    assert not is_other(np.array([600, 400, 0]), 0)
