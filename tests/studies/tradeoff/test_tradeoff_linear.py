"""The trade-off in closed form against explicit weights, integrals, corners of the ball and simulation."""

from __future__ import annotations

import io
import itertools
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import integrate
from scipy.special import logit
from scipy.stats import norm

from bench.pages.frame import environment
from bench.studies.tradeoff.linear import (
    Accuracies,
    adversarial_falls,
    best_clean_weight,
    exact,
    simulate,
    spatial_rises,
    strengths,
)
from bench.studies.tradeoff.linear_figures import DIMENSIONS, WEIGHTS, P, closed_form

GRID = (0.0, *np.logspace(-4, 7, 1200), math.inf)
probabilities = st.floats(0, 1)
dimensions = st.integers(2, 60)
means = st.floats(0, 3)
radii = st.floats(0, 2)
weights = st.one_of(st.floats(0, 1e4), st.just(math.inf))


def vector(d: int, w: float) -> np.ndarray:
    """x_0 + w·mean(x) as a weight vector, not scaled."""
    if math.isinf(w):
        return np.full(d, 1 / d)
    return np.eye(d)[0] + w / d


def by_explicit_weights(p: float, d: int, eta: float, eps: float, w: float) -> Accuracies:
    """Every shift one by one: the margin's mean and variance from the weight vector, the L1 norm from its entries."""
    a = vector(d, w)

    def accuracy(first: float, others: np.ndarray, drop: float) -> float:
        sd = np.sqrt(np.sum(others**2))
        means = [b * first + eta * others.sum() - drop for b in (1, -1)]
        right = [norm.cdf(mean / sd) if sd > 0 else float(mean > 0) for mean in means]
        return float(p * right[0] + (1 - p) * right[1])

    # after a shift the strong coordinate meets another entry of the weights
    shifted = [accuracy(a[r], np.delete(a, r), 0.0) for r in range(d)]
    return Accuracies(shifted[0], float(np.mean(shifted)), accuracy(a[0], a[1:], eps * np.abs(a).sum()))


@given(probabilities, dimensions, means, radii, weights)
def test_exact_equals_the_average_over_explicit_shifts(
    p: float, d: int, eta: float, eps: float, w: float
) -> None:
    # where a margin without spread is 0 to within rounding, its sign is one of rounding
    if w < 1e-6 and abs(eps - 1) < 1e-6:
        eps += 0.01
    found = exact(p, d, eta, eps, w)
    assert tuple(found) == pytest.approx(tuple(by_explicit_weights(p, d, eta, eps, w)), abs=1e-9)
    assert all(0 <= value <= 1 + 1e-15 for value in found)
    assert found.adversarial <= found.clean


@pytest.mark.parametrize(("d", "w"), [(3, 0.5), (3, 7.0), (10, 4.0), (50, 16.0)])
def test_shifted_accuracy_equals_an_integral(d: int, w: float) -> None:
    """∫ over the coordinate that came first, of the chance that the rest makes up for it."""
    p, eta = 0.8, 0.4
    even = w / d
    spread = even * math.sqrt(d - 2)

    def density(x: float, b: int) -> float:
        rest = (1 + even) * x + even * b + even * (d - 2) * eta
        return float(norm.pdf(x - eta) * norm.cdf(rest / spread))

    shifted = p * integrate.quad(density, -12, 12, args=(1,))[0]
    shifted += (1 - p) * integrate.quad(density, -12, 12, args=(-1,))[0]
    found = exact(p, d, eta, 0.0, w)
    assert found.spatial == pytest.approx(found.clean / d + (1 - 1 / d) * shifted, abs=1e-7)


@pytest.mark.parametrize("w", [0.0, 0.7, 30.0, math.inf])
def test_no_corner_of_the_ball_is_worse_than_the_sign_of_the_weights(w: float) -> None:
    """The margin is linear, so its minimum over the ball lies in a corner: all 2⁶ are tried."""
    d, eps = 6, 0.3
    a = vector(d, w)
    drops = [eps * (a @ np.array(corner)) for corner in itertools.product((-1, 1), repeat=d)]
    norm_one = 1.0 if math.isinf(w) else 1 + w
    assert min(drops) == pytest.approx(-eps * norm_one, rel=1e-12)


@pytest.mark.parametrize("d", [50, 400])
@pytest.mark.parametrize(
    ("p", "of_eta", "of_eps"), [(0.9, 3.0, 2.0), (0.7, 1.0, 0.5), (0.97, 2.0, 1.0)], ids=str
)
def test_simulation_lies_within_three_standard_errors(d: int, p: float, of_eta: float, of_eps: float) -> None:
    n, ws = 10_000, (0.0, 0.5, 4.0, 16.0, 40.0, math.inf)
    eta = of_eta / math.sqrt(d)
    eps = of_eps * eta
    for w, found in zip(ws, simulate(p, d, eta, eps, ws, n=n, seed=1), strict=True):
        for share, truth in zip(found, exact(p, d, eta, eps, w), strict=True):
            assert abs(share - truth) <= 3 * math.sqrt(truth * (1 - truth) / n), (w, found)


def test_simulation_is_repeated_by_its_seed_alone_and_over_chunks() -> None:
    eta, eps = strengths(50)
    once = simulate(0.9, 50, eta, eps, (0.0, 8.0), n=4500, seed=3)
    assert once == simulate(0.9, 50, eta, eps, (0.0, 8.0), n=4500, seed=3)
    assert once[1:] == simulate(0.9, 50, eta, eps, (8.0,), n=4500, seed=3)  # the same examples for every w
    assert once != simulate(0.9, 50, eta, eps, (0.0, 8.0), n=4500, seed=4)
    assert all((4500 * share).is_integer() for share in itertools.chain(*once))


@pytest.mark.parametrize("d", [2, 50, 400])
def test_the_two_ends(d: int) -> None:
    p, eta, eps = 0.9, 0.2, 0.4
    first, mean = exact(p, d, eta, eps, 0.0), exact(p, d, eta, eps, math.inf)
    assert first == pytest.approx((p, p / d + (1 - 1 / d) * norm.cdf(eta), p), abs=1e-15)
    assert exact(p, d, eta, 1.0, 0.0).adversarial == 0  # a margin of 0 is not right
    assert mean.spatial == pytest.approx(mean.clean, abs=1e-15)  # the mean is the same after every shift
    assert exact(p, d, eta, eps, 1e-9) == pytest.approx(tuple(first), abs=1e-7)
    assert exact(p, d, eta, eps, 1e12) == pytest.approx(tuple(mean), abs=1e-7)


def test_in_many_dimensions_the_mean_is_as_if_all_coordinates_were_weak() -> None:
    """Φ(η√d), and Φ(−η√d) under ε = 2η: the approximation in which the one strong coordinate is left out."""
    eta, eps = strengths(1_000_000)
    found = exact(0.9, 1_000_000, eta, eps, math.inf)
    assert found == pytest.approx((norm.cdf(3), norm.cdf(3), norm.cdf(-3)), abs=1e-4)


@given(probabilities, dimensions, means, weights)
def test_no_radius_is_no_attack_and_a_larger_one_never_helps(p: float, d: int, eta: float, w: float) -> None:
    assert exact(p, d, eta, 0.0, w).adversarial == exact(p, d, eta, 0.0, w).clean
    accuracies = [exact(p, d, eta, eps, w).adversarial for eps in np.linspace(0, 2, 21)]
    assert all(larger <= smaller for smaller, larger in itertools.pairwise(accuracies))


@pytest.mark.parametrize("d", DIMENSIONS)
def test_what_the_page_shows_is_monotone(d: int) -> None:
    """Spatial accuracy rises and adversarial accuracy falls with w, on 1,200 values and at both ends."""
    eta, eps = strengths(d)
    assert spatial_rises(P, d, eta)
    assert adversarial_falls(P, d, eta, eps)
    _, spatial, adversarial = np.array([exact(P, d, eta, eps, w) for w in GRID]).T
    assert np.all(np.diff(spatial) >= -1e-15)
    assert np.all(np.diff(adversarial) <= 1e-15)
    assert spatial[-1] - spatial[0] > 0.3
    assert adversarial[0] - adversarial[-1] > 0.8


@given(st.floats(0.5, 0.999), dimensions, st.floats(0, 1))
def test_spatial_accuracy_rises_where_the_first_coordinate_tells_more(p: float, d: int, share: float) -> None:
    eta = share * float(logit(p)) / 2
    if not spatial_rises(p, d, eta):  # rounding at share = 1
        eta *= 1 - 1e-12
    spatial = np.array([exact(p, d, eta, 0.0, w).spatial for w in GRID[::8]])
    assert spatial_rises(p, d, eta)
    assert np.all(np.diff(spatial) >= -1e-14)


def test_spatial_accuracy_can_fall_where_the_first_coordinate_tells_less() -> None:
    assert not spatial_rises(0.55, 2, 1.0)
    spatial = [exact(0.55, 2, 1.0, 0.0, w).spatial for w in GRID]
    assert np.diff(spatial).min() < -1e-5


@given(st.floats(0.5, 0.99), st.integers(2, 400), st.floats(0.01, 1), st.floats(0.01, 0.99))
def test_adversarial_accuracy_falls_exactly_where_it_is_said_to(
    p: float, d: int, eta: float, eps: float
) -> None:
    """The slope's sign over a fine grid of u = d/(w·√n), from the density of either Gaussian."""
    n = d - 1
    u = np.concatenate([[0.0], np.logspace(-5, 4, 4000)])
    ahead = (1 + n * eta - d * eps) / math.sqrt(n) + (1 - eps) * u
    behind = (-1 + n * eta - d * eps) / math.sqrt(n) - (1 + eps) * u
    logs = norm.logpdf(ahead) - norm.logpdf(behind) + logit(p) + math.log((1 - eps) / (1 + eps))
    if abs(logs.min()) > 1e-3:  # the grid decides nothing nearer to the border than its own step
        assert adversarial_falls(p, d, eta, eps) == (logs.min() > 0)


@given(st.floats(0.5, 0.99), st.integers(2, 400), st.floats(0.05, 1), st.floats(0.05, 0.95))
def test_adversarial_accuracy_itself_never_rises_there(p: float, d: int, eta: float, eps: float) -> None:
    if adversarial_falls(p, d, eta, eps):
        adversarial = np.array([exact(p, d, eta, eps, w).adversarial for w in GRID[::8]])
        assert np.all(np.diff(adversarial) <= 1e-14)


def test_adversarial_accuracy_rises_first_where_the_mean_withstands_epsilon() -> None:
    eta, _ = strengths(400)
    assert not adversarial_falls(0.9, 400, eta, eta / 4)
    adversarial = [exact(0.9, 400, eta, eta / 4, w).adversarial for w in GRID]
    assert max(adversarial) > adversarial[0] + 0.05


@given(st.floats(0.5, 0.999), dimensions, st.floats(0.01, 2))
def test_clean_accuracy_is_best_at_the_bayes_rule(p: float, d: int, eta: float) -> None:
    best = best_clean_weight(p, d, eta)
    clean = [exact(p, d, eta, 0.0, w).clean for w in GRID[::8]]
    assert exact(p, d, eta, 0.0, best).clean >= max(clean) - 1e-14
    if math.isfinite(best):
        assert 1 + d / best == pytest.approx(float(logit(p)) / (2 * eta), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact(1.1, 50, 0.1, 0.2, 1.0), "p is 1.1"),
        (lambda: exact(0.9, 1, 0.1, 0.2, 1.0), "d is 1"),
        (lambda: exact(0.9, 50, -0.1, 0.2, 1.0), "eta is -0.1"),
        (lambda: exact(0.9, 50, 0.1, math.inf, 1.0), "eps is inf"),
        (lambda: exact(0.9, 50, 0.1, 0.2, -1.0), "w is -1.0"),
        (lambda: exact(0.9, 50, 0.1, 0.2, math.nan), "w is nan"),
        (lambda: exact(math.nan, 50, 0.1, 0.2, 1.0), "p is nan"),
        (lambda: simulate(0.9, 50, 0.1, 0.2, (1.0,), n=0, seed=0), "0 examples"),
        (lambda: adversarial_falls(1.0, 50, 0.1, 0.2), "between 0 and 1"),
        (lambda: adversarial_falls(0.9, 50, 0.1, 1.0), "between 0 and 1"),
    ],
)
def test_numbers_out_of_range_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_page_shows_exact_and_simulated_values() -> None:
    linear = closed_form("d")
    assert linear.farthest <= 3
    html = environment().get_template("tradeoff_linear.html.j2").render(linear=linear)
    cells = re.findall(r"<td>([\d.]+)<small>([\d.]+)</small></td>", html)
    assert len(cells) == 3 * len(WEIGHTS) * len(DIMENSIONS)
    rows = iter(cells)
    for w in WEIGHTS:
        for d in DIMENSIONS:
            eta, eps = strengths(d)
            found = simulate(P, d, eta, eps, (w,), n=linear.examples, seed=0)[0]
            for truth, share in zip(exact(P, d, eta, eps, w), found, strict=True):
                assert next(rows) == (f"{100 * truth:.1f}", f"{100 * share:.1f}")
    assert "Our own setting" in html
    assert html.count("<svg") == len(DIMENSIONS) + 1


def test_the_figure_is_the_same_each_time_and_valid() -> None:
    linear = closed_form("d")
    assert linear == closed_form("d")
    assert sorted(linear.files) == ["d-closed-form.png", "d-closed-form.svg"]
    assert ET.fromstring(linear.files["d-closed-form.svg"]).tag.endswith("svg")
    assert Image.open(io.BytesIO(linear.files["d-closed-form.png"])).size[0] > 1000
    for _, svg in linear.parts:
        assert ET.fromstring(svg).tag == "svg"


def test_the_example_of_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[3] / "docs" / "tradeoff_closed_form.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(code, {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == repr(exact(0.9, 400, 0.15, 0.3, 8.0))
    assert lines[2] == "True True"
