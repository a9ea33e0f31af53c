"""``--target``: an attack is aimed at a class, and an image is broken when it is taken for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

import bench
from bench.attacks import ATTACKS, adapter, parse_requests
from bench.attacks.request import aimed
from bench.errors import UsageError
from bench.leaderboard.members import request_of
from bench.studies.robustness.names import attack_names
from tests.torchattacks_calls import Blocks, blocks_problem, own_images, small_net
from tests.toys import marks_of

AIMED = ["fgsm", "foolbox:fgsm", "pgd", "foolbox:pgd"]
EPS = (0.005, 0.01, 0.02)


def radius(model: Blocks, x: Tensor, target: Tensor) -> Tensor:
    """What each image withstands in L∞ until it is taken for its target, 0 where it is.

    The best step raises the pixels of the target's block and lowers all others, so it is the greatest
    (z_k − z_t)/(‖w_k‖₁ + ‖w_t‖₁) over the other classes k.
    """
    logits, length = model(x), model.weight.norm(p=1, dim=1)
    gap = logits - logits.gather(1, target[:, None])
    return (gap / (length[None] + length[target][:, None])).scatter(1, target[:, None], 0.0).amax(1)


@pytest.mark.parametrize("target", ["2", "least-likely"])
@pytest.mark.parametrize("name", AIMED)
def test_an_image_is_broken_when_it_is_taken_for_the_target(name: str, target: str) -> None:
    model, x, y, _ = blocks_problem(4, 64)
    goal = torch.full_like(y, 2) if target == "2" else model(x).argmin(1)
    at = radius(model, x, goal)
    assert 0 < int((at > EPS[1]).sum()) < 64
    results = bench.evaluate(model, x, y, attacks=[name], eps=EPS, target=target)
    (curve,) = results.models[0].curves
    for standing, eps in zip(curve.standing, EPS, strict=True):
        expected = (y == goal) | (at > eps)
        sure = (y == goal) | ((at - eps).abs() > 1e-4)
        assert np.array_equal(standing[sure.numpy()], expected[sure].numpy())
    rows = [row for row in bench.leaderboard_rows(results) if row["attack"] == name.rpartition(":")[2]]
    assert {f"target={target}" in row["params"].split(";") for row in rows} == {True}
    assert {request_of(row) for row in rows} == {curve.request}
    assert f"target {target}" in attack_names(results)[curve.request]


@pytest.mark.parametrize("name", AIMED)
def test_random_targets_are_wrong_classes_and_the_same_at_every_radius(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x, y, _ = blocks_problem(4, 64)
    seen: list[Tensor] = []
    call = adapter(*reversed((["torchattacks", *name.split(":")])[-2:]))

    def watched(*args: Tensor, target: Tensor, **params: object) -> Tensor:
        seen.append(target)
        assert not bool((target == args[2]).any())
        return call(*args, target=target, **params)

    monkeypatch.setattr("bench.attacks.measure.adapter", lambda *_: watched)
    found = bench.evaluate(model, x, y, attacks=[name], eps=EPS[:2], target="random", independent=True)
    assert len(seen) == 2
    assert torch.equal(*seen)
    assert set(seen[0].tolist()) == {0, 1, 2, 3}
    at = radius(model, x, seen[0])
    assert np.array_equal(found.models[0].curves[0].standing[1], (at > EPS[1]).numpy())
    seen.clear()
    bench.evaluate(model, x, y, attacks=[name], eps=EPS[:1], target="random", seed=1)
    assert not torch.equal(seen[0], (y + 1) % 4)


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_the_libraries_agree_bit_for_bit(attack: str) -> None:
    model = small_net()
    x, y = own_images(model)
    target = (y + 3) % 10
    own = {"alpha": 0.01, "steps": 5, "random_start": False} if attack == "pgd" else {}
    images = [
        adapter(attack, of)(model, x, y, norm="linf", eps=0.03, target=target, **own)
        for of in ("torchattacks", "foolbox")
    ]
    assert torch.equal(*images)
    raised = torch.nn.functional.cross_entropy
    assert float(raised(model(images[0]), target)) < float(raised(model(x), target))


def test_iterates_that_reached_the_target_count_if_asked() -> None:
    """Whatever the last iterate reaches, some iterate reaches; an image of the class itself is not attacked."""
    model, x, y, _ = blocks_problem(4, 32)
    standing = [
        bench.evaluate(
            model, x, y, attacks=["pgd"], eps=0.01, target=1, steps=3, random_start=False, best_iterate=best
        ).models[0].curves[0].standing[0]
        for best in (False, True)
    ]  # fmt: skip
    assert bool((standing[1] <= standing[0]).all())
    assert 0 < int(standing[1].sum()) < 32
    assert bool(standing[1][(y == 1).numpy()].all())


@pytest.mark.parametrize(("names", "attack"), [(["apgd_t"], "apgd_t"), (["pgd", "deepfool"], "deepfool")])
def test_attacks_that_cannot_be_aimed_refuse(names: list[str], attack: str) -> None:
    said = rf"^--target is 3, but \w+'s {attack} cannot be aimed at a class; these can: fgsm, pgd, .*\bfmn\b"
    with pytest.raises(UsageError, match=said):
        parse_requests(names, params={"target": "3"})


# the share of ε by which an attack may miss the boundary of a linear model in L∞, if it is more than a hundredth;
# None where it may miss anything
MISSES = {"pgd_margin": 0.15, "spsa": 0.4, "square": None, "di_fgsm": None, "noise": None}
REACHING = {
    spec.name
    for spec in ATTACKS.values()
    if spec.aimed and spec.threat == "ball" and "linf" in spec.norms
    and spec.name not in ("transfer", "ti_fgsm")  # another model's gradients, and three channels
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(REACHING))
def test_attacks_of_balls_reach_targets_within_the_closed_form(name: str) -> None:
    model, x, y, _ = blocks_problem(4, 32)
    goal, eps, slack = torch.full_like(y, 2), 0.02, MISSES.get(name, 0.01)
    at = radius(model, x, goal)
    own = {"queries": 1000} if name in ("square", "spsa", "noise") else {}
    results = bench.evaluate(model, x, y, attacks=[name], eps=eps, target="2", **own)
    standing = torch.from_numpy(results.models[0].curves[0].standing[0])
    assert standing[(at > eps + 1e-6) | (y == goal)].all()
    if slack is not None:
        assert not standing[(at < (1 - slack) * eps) & (y != goal)].any()


def nearest(model: Blocks, x: Tensor, target: Tensor, norm: str) -> Tensor:
    """The least change in L2 or L1 that makes a linear model of blocks say the target.

    The target's logit rises to a level L and all larger ones fall to it. Raising a block's logit by r costs r/‖w‖ (the
    dual norm) in that block, and blocks add up in L1, their squares in L2. What is left is a search for the best L.
    """
    order = {"l2": 2, "l1": torch.inf}[norm]
    logits, size = model(x).double(), model.weight.norm(p=order, dim=1).double()
    found = []
    for row, t in zip(logits, target.tolist(), strict=True):
        others = torch.arange(len(row)) != t

        def cost(level: float, row: Tensor = row, t: int = t, others: Tensor = others) -> float:
            up = max(level - float(row[t]), 0.0) / float(size[t])
            down = ((row - level).clamp_min(0) / size)[others]
            total = up**2 + float(down.square().sum()) if norm == "l2" else up + float(down.sum())
            return total**0.5 if norm == "l2" else total

        low, high = float(row[t]), float(row.max())
        if low == high:
            found.append(0.0)
            continue
        found.append(minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-9}).fun)
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "norm", "within", "own"),
    [
        ("ddn", "l2", 1.35, {"steps": 200}),
        ("fmn", "l2", 1.2, {"steps": 200}),
        ("fmn", "l1", 1.05, {"steps": 500}),
        ("cw", "l2", 1.25, {"steps": 500}),
        ("ead", "l1", 1.6, {"steps": 500}),
        pytest.param(
            "brendel_bethge", "l2", 1.3, {"steps": 500}, marks=marks_of(ATTACKS["brendel_bethge", "foolbox"])
        ),
        ("boundary", "l2", 1.3, {"queries": 4000}),
        ("hopskipjump", "l2", 1.4, {"queries": 8000}),
    ],
)
def test_nearest_images_of_the_target_are_as_near_as_they_can_be(
    name: str, norm: str, within: float, own: dict[str, int]
) -> None:
    model, x, y, _ = blocks_problem(4, 16)
    goal = torch.full_like(y, 2)
    results = bench.evaluate(model, x, y, attacks=[name], norm=norm, eps=[0.1, 100.0], target="2", **own)
    curve = results.models[0].curves[0]
    aim = y != goal
    distance = torch.from_numpy(curve.distance[-1])
    assert torch.isnan(distance[~aim]).all()
    ratio = distance[aim] / nearest(model, x, goal, norm)[aim]
    assert float(ratio.min()) >= 1 - 1e-5
    assert float(ratio.max()) <= within
    assert float(ratio.median()) <= 1 + (within - 1) / 2
    assert set(curve.predicted[-1][aim.numpy()].tolist()) == {2}


@pytest.mark.parametrize("name", ["apgd_ce", "slide"])
def test_attacks_in_l1_reach_targets(name: str) -> None:
    model, x, y, _ = blocks_problem(4, 16)
    goal = torch.full_like(y, 2)
    at = nearest(model, x, goal, "l1")
    eps = float(at[y != goal].median())
    results = bench.evaluate(model, x, y, attacks=[name], norm="l1", eps=eps, target="2", steps=100)
    standing = torch.from_numpy(results.models[0].curves[0].standing[0])
    assert standing[(at > eps) | (y == goal)].all()
    assert not standing[(at < 0.5 * eps) & (y != goal)].any()


def test_a_class_is_named_by_its_name_or_number() -> None:
    def of(target: str) -> object:
        return dict(aimed(parse_requests(["pgd"], params={"target": target}), ("cat", "7", "dog"))[0].params)[
            "target"
        ]

    assert [of("dog"), of("2"), of("7"), of("0"), of("random")] == [2, 2, 1, 0, "random"]
    with pytest.raises(UsageError, match=r"^--target is dogs, no class of the data; nearest: dog$"):
        of("dogs")
    with pytest.raises(UsageError, match=r"^--target is 3, no class of the data; known: cat, 7, dog, random"):
        of("3")


def test_cells_without_a_target_say_nothing_of_it() -> None:
    (request,) = parse_requests(["pgd"], params={})
    assert "target" not in dict(request.params)
