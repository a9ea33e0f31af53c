"""Theory as numbers: closed forms, what is exact in float64, and the shipped weights."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.studies import theory
from bench.studies.theory.claim import below_verdict
from bench.studies.theory.claims import claims
from bench.studies.theory.intervals import median_interval
from bench.studies.theory.lead import lead_of
from bench.studies.theory.order import order_verdict
from bench.studies.theory.results import assemble
from bench.studies.theory.tangent import orthogonal
from tests.toys import linear_problem
from zoo.layers import P4M

N = 12


class TurnAveraged(nn.Module):
    """The mean of a model over the four turns of its input: invariant whatever the model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.model(torch.rot90(x, turn, (-2, -1))) for turn in range(4)]).mean(0)


def curved(seed: int = 0) -> nn.Module:
    """A smooth network without symmetry, (n, 1, 8, 8) → (n, 3)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3))
    return model.requires_grad_(False).eval()


def images(n: int = N, seed: int = 0) -> Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    data = zoo.data.load("digits", "test")
    return data.images(0, N), data.targets(0, N)


def measured(name: str, digits: tuple[Tensor, Tensor]) -> theory.ModelTheory:
    record = zoo.find(name, "digits")
    info = ModelInfo(
        name=name, weights=record.sha256, trained_on="digits", parameters=record.parameters, origin="zoo"
    )
    return theory.measure_model(info, zoo.load_record(record), *digits)


@pytest.fixture(scope="module")
def models(digits: tuple[Tensor, Tensor]) -> list[theory.ModelTheory]:
    names = ("baseline_cnn", "equivariant_gcnn", "parallel_gcnn_4", "cascaded_gcnn_4", "weighted_gcnn_rs_4")
    return [measured(name, digits) for name in names]


def layer(model: theory.ModelTheory, name: str) -> theory.LayerError:
    return next(each for each in model.layers if each.name == name)


# closed forms


def test_a_linear_model_has_one_gradient_everywhere():
    model, x, y, _ = linear_problem(N)
    orbit = theory.orbit_spread(model, x, y)
    gradient = model.weight.double().flatten()
    for name, p in (("l2", 2), ("l1", 1), ("linf", torch.inf)):
        np.testing.assert_allclose(orbit.norms[name], float(gradient.norm(p)), rtol=1e-12)
        assert orbit.spread(name).max() < 1e-14
    np.testing.assert_allclose(orbit.jacobian, float(gradient.norm()), rtol=1e-12)
    assert orbit.right.all()
    assert orbit.margin_spread.max() > 0.1  # its logits do change when an image is turned
    proxy = theory.tangent_ratio(model, x)
    assert not proxy.ratio.any()
    assert proxy.still == proxy.ratio.size


def test_margins_are_those_of_the_turned_images():
    model, x = curved(), images()
    orbit = theory.orbit_spread(model, x, torch.zeros(N, dtype=torch.int64))
    logits = model(x).double()
    c, j = logits.topk(2, dim=1).indices.T
    assert (orbit.right == (c == 0).numpy()).all()
    for turn in range(4):
        z = model(torch.rot90(x, turn, (-2, -1))).double()
        margin = z.gather(1, c[:, None]) - z.gather(1, j[:, None])
        np.testing.assert_allclose(orbit.margin[turn], margin.squeeze(1).numpy(), atol=1e-3)  # dither
    assert (orbit.kept == (orbit.margin > 0).all(axis=0)).mean() > 0.5


def test_a_model_averaged_over_turns_is_invariant_and_theorem_1_holds():
    x, y = images(), torch.zeros(N, dtype=torch.int64)
    plain, averaged = curved(), TurnAveraged(curved())
    assert theory.layer_errors(averaged, x)[-1].error < 1e-14
    assert theory.layer_errors(plain, x)[-1].error > 0.1
    for of in ("l2", "l1", "linf", "jacobian", "stored"):
        assert theory.orbit_spread(averaged, x, y).spread(of).max() < 1e-12
        assert theory.orbit_spread(plain, x, y).spread(of).max() > 0.01


def test_a_rotation_invariant_function_changes_least_along_rotations():
    class Radial(nn.Module):
        """Every class a nonlinear function of the mean pixel value: what a rotation hardly moves."""

        def forward(self, x: Tensor) -> Tensor:
            mean = x.mean((1, 2, 3))
            return torch.stack([torch.sin(40 * mean), torch.cos(40 * mean)], 1)

    blob = torch.exp(-((torch.linspace(-2, 2, 16)[:, None] - 0.4) ** 2) * 2 - torch.linspace(-2, 2, 16) ** 2)
    x = blob.expand(N, 1, 16, 16) * torch.linspace(0.3, 1, N)[:, None, None, None]
    ratio = theory.tangent_ratio(Radial(), x).ratio
    assert (ratio < 0.5).all()


# rotation and directions


def test_rotation_by_quarter_turns_is_rot90_and_stays_in_the_box():
    x = images()
    for turn in range(4):
        torch.testing.assert_close(
            theory.rotate(x, 90 * turn), torch.rot90(x, turn, (-2, -1)), atol=1e-5, rtol=0
        )
    sharp = (x > 0.5).float()
    turned = theory.rotate(sharp, 5)
    assert turned.min() >= 0
    assert turned.max() <= 1
    assert not torch.equal(turned, sharp)
    torch.testing.assert_close(theory.rotate(torch.full_like(x, 0.7), 17), torch.full_like(x, 0.7))


def test_directions_are_orthogonal_and_as_long():
    x = images().double()
    displacement = theory.rotate(x, 2) - x
    displacement[0] = 0
    found = orthogonal(displacement, 5, torch.Generator().manual_seed(0))
    assert found.shape == (5, *x.shape)
    lengths = displacement.flatten(1).norm(dim=1)
    torch.testing.assert_close(found.flatten(2).norm(dim=2), lengths.expand(5, -1), rtol=1e-12, atol=0)
    products = (found * displacement).flatten(2).sum(2)
    assert (products.abs() <= 1e-14 * lengths**2).all()
    between = (found[0] * found[1]).flatten(1).sum(1)[1:] / lengths[1:] ** 2
    assert between.abs().max() < 0.6  # and differ from each other


def test_the_same_seed_gives_the_same_bits_and_leaves_the_random_state(digits: tuple[Tensor, Tensor]):
    model = zoo.load("parallel_gcnn_4")
    state = torch.random.get_rng_state()
    before = copy.deepcopy(model.state_dict())
    first, again, other = (theory.tangent_ratio(model, digits[0], (2,), seed=seed) for seed in (1, 1, 2))
    assert (first.along == again.along).all()
    assert (first.across == again.across).all()
    assert (first.across != other.across).any()
    orbits = [theory.orbit_spread(model, *digits, seed=1) for _ in range(2)]
    assert (orbits[0].norms["l2"] == orbits[1].norms["l2"]).all()
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# the shipped weights


def test_equivariant_network_is_exact_in_float64_and_the_others_are_not(models: list[theory.ModelTheory]):
    baseline, equivariant, *others = models
    for norm in ("l2", "l1", "linf", "jacobian"):
        assert equivariant.orbit.spread(norm).max() <= 1e-9
        assert np.median(baseline.orbit.spread(norm)) > 1e-2
    assert equivariant.orbit.margin_spread.max() <= 1e-9
    assert equivariant.orbit.kept.all()
    assert equivariant.invariant
    assert all(each.error <= 1e-10 for each in equivariant.layers)
    for model in (baseline, *others):
        assert not model.invariant
        assert model.layers[-1].error > 1e-2


def test_ties_under_max_poolings_are_why_images_are_dithered(models: list[theory.ModelTheory]):
    orbit = models[1].orbit
    assert orbit.spread("stored").max() > 1e-4
    assert orbit.spread("l2").max() < 1e-12


def test_layers_over_the_group_are_exact_and_ordinary_ones_are_not(models: list[theory.ModelTheory]):
    convolutions = [each for model in models for each in model.layers if each.convolution]
    assert {each.action for each in convolutions} == {"p4", "plane"}
    for each in convolutions:
        assert each.alone <= 1e-10 if each.grouped else each.alone > 1e-2


def test_where_the_designs_lose_the_symmetry(models: list[theory.ModelTheory]):
    _, _, parallel, cascaded, weighted = models
    assert layer(parallel, "layer 1, rotation branch").error <= 1e-10
    assert layer(parallel, "layer 1, joined").action == "plane + p4"
    assert layer(parallel, "layer 1, joined").error > 1e-2
    assert layer(weighted, "layer 1, joined").action == "plane"
    rotation = layer(cascaded, "layer 1, part 2 (rotation)")
    assert rotation.alone <= 1e-10 < 1e-2 < rotation.error  # what it reads has lost it already
    assert [each.name for each in parallel.layers][-2:] == ["features", "logits"]


def test_joined_branches_turn_each_in_its_own_way():
    torch.manual_seed(0)
    model = zoo.build("parallel_gcnn_4", channels=1, size=16).eval()
    front = model.front
    standard, rotation = front.branches  # type: ignore[union-attr]
    weight = standard.conv.weight.data
    symmetric = torch.stack([torch.rot90(weight, turn, (-2, -1)) for turn in range(4)]).mean(0)
    weight.copy_(
        symmetric
    )  # a filter that looks alike from all sides: the ordinary branch is equivariant too
    assert rotation.conv.group.order == 4
    x = torch.rand(4, 1, 16, 16)
    joined = next(each for each in theory.layer_errors(model, x) if each.name == "layer 1, joined")
    assert joined.error <= 1e-6  # the average is of float32 filters


def test_mirror_images_are_moves_too():
    from zoo.models.equivariant_gcnn import equivariant_gcnn
    from zoo.models.layout import layout

    torch.manual_seed(0)
    sizes = layout(4, 1.0, channels=1, size=16, classes=10)
    x = torch.rand(4, 1, 16, 16)
    assert max(e.error for e in theory.layer_errors(equivariant_gcnn(sizes, P4M), x, P4M)) <= 1e-10
    assert max(e.error for e in theory.layer_errors(equivariant_gcnn(sizes, P4M), x)) <= 1e-10
    assert theory.layer_errors(equivariant_gcnn(sizes), x, P4M)[-1].error > 1e-3


# intervals, order, claims


def test_intervals_of_medians():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        found = theory.median_interval(rng.exponential(size=40), seed=trial)
        assert found.lo <= found.value <= found.hi
        covered += found.lo <= np.log(2) <= found.hi
    assert covered >= 51  # of 60 at 95 %
    assert theory.median_interval(np.full(5, 3.0)) == theory.Interval(3.0, 3.0, 3.0)
    a = rng.random(50)
    paired = theory.median_difference(a + 0.01, a, paired=True)
    assert paired.lo == pytest.approx(0.01)
    assert theory.median_difference(a + 0.01, a, paired=False).lo < 0
    with pytest.raises(ValueError, match="same images"):
        theory.median_difference(a, a[1:], paired=True)
    with pytest.raises(ValueError, match="NaN"):
        theory.median_interval(np.array([1.0, np.nan]))


def test_clever_medians_are_compared_with_the_baseline_of_the_same_training():
    rng = np.random.default_rng(0)
    base = rng.random(40)
    scores = {
        "baseline_cnn": base,
        "baseline_cnn_4.pgd_at": base,
        "parallel_gcnn": base + 1,
        "cascaded_gcnn": base - 1,
        "equivariant_gcnn": rng.permutation(base),
        "equivariant_gcnn.pgd_at": base,  # no baseline of its depth and recipe
        "a model of mine": base,
    }
    found = {each.model: each for each in theory.against_baselines(scores)}
    assert {name: each.verdict for name, each in found.items()} == {
        "parallel_gcnn": "holds",
        "cascaded_gcnn": "does not hold",
        "equivariant_gcnn": "undecided here",
    }
    assert {each.baseline for each in found.values()} == {"baseline_cnn"}
    assert found["parallel_gcnn"].difference.value == pytest.approx(1)
    every = tuple(found.values())
    assert order_verdict(every) == "does not hold"
    assert order_verdict(every[:1]) == "holds"
    assert order_verdict((every[0], every[2])) == order_verdict(()) == "undecided here"


def test_one_of_many_medians_above_a_bound_by_chance_decides_nothing() -> None:
    """The lower end of the first row's interval is above the bound at 95 %, but not at 1 - 0.05 / 30."""
    rows = list(np.random.default_rng(0).normal(size=(30, 60)))
    one, many = (median_interval(rows[0], level=1 - 0.05 / k).lo for k in (1, 30))
    assert many < one
    bound, low = (one + many) / 2, [row - 9 for row in rows[1:]]
    assert below_verdict(rows[:1], bound, 0) == "does not hold"
    assert below_verdict([rows[0], *low], bound, 0) == "undecided here"
    assert below_verdict([rows[0] + 9, *low], bound, 0) == "does not hold"
    assert below_verdict(low, bound, 0) == "holds"
    assert below_verdict([], bound, 0) == "undecided here"


def test_claims_follow_from_the_arrays(models: list[theory.ModelTheory]):
    found = {claim.id: claim for claim in claims(models)}
    assert {id: claim.verdict for id, claim in found.items()} == {
        "layers": "holds",
        "networks": "does not hold",
        "lemma-1": "holds",
        "lemma-2": "holds",
        "theorem-1": "holds",
        "theorem-2": "undecided here",
        "theorem-2-proxy": "does not hold",
        **dict.fromkeys(("lemma-3", "lemma-4", "lemma-5"), "undecided here"),  # not measured
        **dict.fromkeys(("scale-norms", "scale-average", "scale-branch"), "undecided here"),
        "clever": "undecided here",
    }
    assert "1 of 4 networks" in found["networks"].measured
    worst = max(models[1].orbit.spread(norm).max() for norm in ("l2", "l1", "linf"))
    assert f"spread over the turns {theory.number(worst)}." in found["theorem-1"].measured
    assert all(claim.verdict in theory.VERDICTS for claim in found.values())


def test_the_first_screen_counts_the_papers_claims_and_not_our_proxy(models: list[theory.ModelTheory]):
    results = assemble(models, dataset="toys", data="0", n=2, seed=0, versions={}, command="")
    assert [claim.id for claim in results.claims if claim.proxy] == ["theorem-2-proxy"]
    finding = lead_of(results).finding
    assert finding.startswith(
        f"Of {len(results.claims) - 1} claims of the paper's theory, 4 hold, 1 does not hold and"
    )
    assert "proxy" not in finding


def test_claims_about_what_is_not_there_cannot_be_told(models: list[theory.ModelTheory]):
    assert {c.verdict for c in claims(models[:1])} == {"undecided here"}
    assert {c.verdict for c in claims([])} == {"undecided here"}


def test_a_spread_in_an_invariant_network_refutes_theorem_1(models: list[theory.ModelTheory]):
    orbit = models[1].orbit
    uneven = orbit.norms["l1"] * np.array([1, 1, 1, 1.01])[:, None]
    broken = dataclasses.replace(orbit, norms={**orbit.norms, "l1": uneven})
    verdicts = {c.id: c.verdict for c in claims([dataclasses.replace(models[1], orbit=broken)])}
    assert verdicts["theorem-1"] == "does not hold"
    assert verdicts["lemma-1"] == "holds"


# what cannot be measured


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda x: x.flatten(1)[:, :1], "2 or more classes"),
        (lambda x: (x.flatten(1) > 0.5).float(), "gives no gradient"),
        (lambda x: x.flatten(1) / 0, "not finite"),
    ],
)
def test_models_without_a_margin_gradient_are_named(model, said: str):
    class Given(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return model(x)

    with pytest.raises(UsageError, match=said):
        theory.orbit_spread(Given(), images(), torch.zeros(N, dtype=torch.int64))
