"""Attacks in L1 and L0 on a linear model whose boundary is some pixels away, so that the box matters."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import bench
from bench.attacks import adapter
from bench.attacks.measure import measure
from bench.engine.balls import distance
from bench.errors import CellError, UsageError
from tests.attacks.test_measure import cell_for
from tests.sparse_problem import far_problem
from tests.toys import Linear

CHANNELS = pytest.mark.parametrize("channels", [1, 3])
# attack, norm and how many times the exact distance it may find
NEAREST = [("fmn", "l1", 1.002), ("fmn", "l0", 1.7), ("ead", "l1", 1.12)]
# attack, its library and the share of ε by which it may miss the boundary
IN_BALLS = [("apgd_ce", "symbench", 0.002), ("slide", "foolbox", 0.05)]


@CHANNELS
@pytest.mark.parametrize(("attack", "norm", "within"), NEAREST)
def test_the_nearest_images_come_near_the_exact_distance(
    attack: str, norm: str, within: float, channels: int
) -> None:
    model, x, y, exact = far_problem(channels=channels)
    torch.manual_seed(0)
    images = adapter(attack, "foolbox")(model, x, y, norm=norm, steps=500)
    assert (model(images).argmax(1) != y).all()
    ratio = distance(x, images, norm) / exact[norm]
    assert float(ratio.min()) >= 1 - 1e-6
    assert float(ratio.max()) <= within
    if norm == "l0":
        assert float(ratio.median()) == 1


@CHANNELS
@pytest.mark.parametrize(("attack", "library", "slack"), IN_BALLS)
@pytest.mark.parametrize("share", [0.8, 0.95, 1.0, 1.05, 1.3])
def test_what_lies_within_the_l1_radius_breaks(
    attack: str, library: str, slack: float, channels: int, share: float
) -> None:
    """Judged: nothing nearer than the closed form, and all that is farther by more than the attack's own slack."""
    model, x, y, exact = far_problem(channels=channels)
    eps = share * float(exact["l1"].median())
    cell = cell_for(attack, library, "l1", eps, steps=100, alpha=2.5 * eps / 100).derive(count=len(x))
    arrays = measure(cell, model, x, y, np.ones(len(x), dtype=bool)).arrays
    radius = exact["l1"].numpy()
    assert arrays["standing"][radius > eps].all()
    assert not arrays["standing"][radius < (1 - slack) * eps].any()
    assert np.nanmax(arrays["distance"]) <= eps * (1 + 1e-5)


def test_apgd_searches_bigger_balls_first_and_ends_in_its_own() -> None:
    model, x, y, exact = far_problem()
    eps = 0.5 * float(exact["l1"].min())
    seen: list[float] = []
    model.register_forward_hook(
        lambda _, given, out: seen.append(float(distance(x, given[0].detach(), "l1").max()))
    )
    adapter("apgd_ce", "symbench")(model, x, y, norm="l1", eps=eps, steps=10)
    assert len(seen) == 13  # ten steps, and a first look in each of the three balls
    for looks, radius in ((seen[:4], 3), (seen[4:8], 2), (seen[8:], 1)):
        assert max(looks) == pytest.approx(radius * eps, rel=1e-5)


def test_apgd_on_the_dlr_loss_needs_three_classes_and_finds_what_the_cross_entropy_hides() -> None:
    linear, x, y, exact = far_problem()
    sure = Linear(1e3 * linear.weight.detach(), 1e3 * float(linear.bias)).requires_grad_(False).eval()
    eps, call = 1.1 * float(exact["l1"].max()), adapter("apgd_dlr", "symbench")
    with pytest.raises(CellError, match="at least 3 classes"):
        call(sure, x, y, norm="l1", eps=eps, steps=5)

    class Three(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.pad(sure(x), (0, 1), value=-1e6)

    model = Three().eval()
    images = call(model, x, y, norm="l1", eps=eps, steps=50)
    assert (model(images).argmax(1) != y).all()
    hidden = adapter("apgd_ce", "symbench")(model, x, y, norm="l1", eps=eps, steps=50)
    assert (model(hidden).argmax(1) == y).any()


def test_pixle_changes_as_few_pixels_as_black_and_white_ones_allow() -> None:
    """In black and white copying a pixel is all that a pixel can do; Pixle never writes the last row and column."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.zeros(1, 5, 5)
    weight[:, :4, :4] = torch.randn(4, 4, generator=generator)
    x = torch.randint(0, 2, (6, 1, 5, 5), generator=generator).float()
    bias = 1.5 - float(((x - 0.5).flatten(1) @ weight.flatten()).min())
    model = Linear(weight, bias).requires_grad_(False).eval()
    y, score = torch.ones(6, dtype=torch.int64), model(x)[:, 1]
    gain = (weight * (2 * x - 1)).clamp_min(0).flatten(1).sort(1, descending=True).values.cumsum(1)
    fewest = (gain < score[:, None]).sum(1) + 1
    assert len(fewest.unique()) > 1
    for eps in (1.0, 2.0, 3.0):
        cell = cell_for("pixle", "torchattacks", "l0", eps, queries=400 * int(eps)).derive(count=6)
        arrays = measure(cell, model, x, y, np.ones(6, dtype=bool)).arrays
        assert np.array_equal(arrays["standing"], (fewest > eps).numpy())
        assert np.nanmax(arrays["distance"]) <= eps


def test_a_whole_run_in_l0_and_l1_has_rows_in_their_norms() -> None:
    model, x, y, exact = far_problem()
    for norm, attacks, grid in (("l1", ["slide", "fmn"], (2.0, 3.0, 4.0)), ("l0", ["fmn"], (5, 7, 9))):
        results = bench.evaluate(model, x, y, attacks=attacks, norm=norm, eps=grid, store=None)
        rows = bench.leaderboard_rows(results)
        assert {row["norm"] for row in rows} == {norm}
        standing = results.models[0].worst()
        for eps, stands in zip(grid, standing, strict=True):
            assert stands[(exact[norm] > eps).numpy()].all()
        assert not standing[-1].any()


def test_half_a_pixel_is_refused() -> None:
    model, x, y, _ = far_problem()
    with pytest.raises(
        UsageError, match=r"^--eps has 1\.5, but in norm l0 ε counts pixels; give a whole number$"
    ):
        bench.evaluate(model, x, y, attacks=["fmn"], norm="l0", eps=[1, 1.5])
    with pytest.raises(CellError, match="takes square images, and these are 4×6; resize them"):
        adapter("pixle", "torchattacks")(model, torch.rand(1, 1, 4, 6), y[:1], norm="l0", eps=1, queries=2)
