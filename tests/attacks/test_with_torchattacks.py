"""torchattacks through its adapters: closed forms, and the library's own calls bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchattacks
from torch import Tensor, nn

from bench.attacks import with_torchattacks as adapters
from bench.errors import CellError
from tests.torchattacks_calls import (
    ALL,
    BALLS,
    CALLS,
    QUERIES,
    SEED,
    SEEDED,
    SLOW,
    STEPS,
    blocks_problem,
    broken,
    call,
    check_in_ball,
    own_images,
    small_net,
)
from tests.toys import linear_problem


def two_classes(n: int) -> tuple[nn.Module, Tensor, Tensor, dict[str, Tensor]]:
    model, x, y, radius = linear_problem(n)
    return model, x, y, {"linf": radius, "l2": model(x)[:, 1].abs() / model.weight.norm()}


# share of ε below which every image must fall; random search gets only so far
LINEAR = [
    ("pgd_t", 2, BALLS, 0.99),
    ("eot_pgd", 2, ("linf",), 0.99),
    ("apgd_ce", 2, BALLS, 0.99),
    ("fab_t", 2, BALLS, 0.99),
    ("square", 2, BALLS, 0.3),
    ("apgd_dlr", 3, BALLS, 0.99),
    ("apgd_t", 4, BALLS, 0.99),
    ("fab_t", 4, BALLS, 0.99),
    ("square", 4, BALLS, 0.3),
]


def check_linear(problem: Any, name: str, norm: str, share: float, clearly: float) -> None:
    model, x, y, radii = problem
    radius = radii[norm]
    eps = share * float(radius.median())
    attacked = call(name, model, x, y, norm, eps)
    fell = broken(model, attacked, y)
    assert bool((radius < clearly * eps).any())
    assert bool(fell[radius < clearly * eps].all())
    assert not bool(fell[radius > eps].any())
    check_in_ball(x, attacked, norm, eps)


@pytest.mark.parametrize("share", [0.7, 1.5])
@pytest.mark.parametrize(
    ("name", "classes", "norm", "clearly"),
    [(name, classes, norm, clearly) for name, classes, norms, clearly in LINEAR for norm in norms],
)
def test_linear_models_fall_where_the_closed_form_says(
    name: str, classes: int, norm: str, clearly: float, share: float
) -> None:
    problem = two_classes(64) if classes == 2 else blocks_problem(classes, 64)
    check_linear(problem, name, norm, share, clearly)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.7, 1.5])
@pytest.mark.parametrize("norm", BALLS)
def test_autoattack_finds_a_linear_models_exact_radius(norm: str, share: float) -> None:
    check_linear(blocks_problem(4, 64), "autoattack", norm, share, 0.99)


def direct(
    name: str, model: nn.Module, norm: str, eps: float, y: Tensor, target: Tensor
) -> tuple[Any, Tensor]:
    """What a user of torchattacks would write, and the labels to call it with."""
    ball = {"norm": {"linf": "Linf", "l2": "L2"}[norm], "eps": eps, "seed": SEED}
    pgd = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
    if name == "pgd_t":
        attack = pgd(model, eps=eps, alpha=eps / 4, steps=STEPS)
        attack.set_mode_targeted_by_label(quiet=True)
        return attack, target
    made: dict[str, Callable[[], Any]] = {
        "fgsm": lambda: torchattacks.FGSM(model, eps=eps),
        "pgd": lambda: pgd(model, eps=eps, alpha=eps / 4, steps=STEPS),
        "eot_pgd": lambda: torchattacks.EOTPGD(model, eps=eps, alpha=eps / 4, steps=STEPS, eot_iter=3),
        "apgd_ce": lambda: torchattacks.APGD(model, steps=STEPS, **ball),
        "apgd_dlr": lambda: torchattacks.APGD(model, steps=STEPS, loss="dlr", **ball),
        "apgd_t": lambda: torchattacks.APGDT(model, steps=STEPS, **ball),
        "fab_t": lambda: torchattacks.FAB(model, steps=STEPS, multi_targeted=True, **ball),
        "square": lambda: torchattacks.Square(model, n_queries=QUERIES, **ball),
    }
    return made[name](), y


@pytest.mark.parametrize(("name", "norm"), [("fgsm", "linf"), *CALLS])
def test_bit_equal_to_the_librarys_own_call(name: str, norm: str) -> None:
    model = small_net()
    x, y = own_images(model)
    target = model(x).scatter(1, y[:, None], -torch.inf).argmax(1)
    eps = 0.01 if norm == "linf" else 0.08
    attack, labels = direct(name, model, norm, eps, y, target)
    torch.manual_seed(SEED)
    expected = attack(x, labels)
    torch.manual_seed(SEED)
    found = call(name, model, x, y, norm, eps)
    assert torch.equal(found, expected)
    assert not found.requires_grad
    check_in_ball(x, found, norm, eps)
    fell = broken(model, found, y)
    assert 0 < int(fell.sum()) < len(x)
    if name in (*SEEDED, "fab_t"):
        assert torch.equal(found[~fell], x[~fell])  # where they fail they give the clean image back


@pytest.mark.parametrize("name", [name for name in ALL if name not in SLOW])
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    model = small_net()
    x, y = own_images(model)
    results = []
    for before in (1, 2):
        torch.manual_seed(before if name in SEEDED else SEED)
        results.append(call(name, model, x, y, "linf", 0.02))
    assert torch.equal(*results)


@pytest.mark.parametrize("name", ["apgd_ce", "apgd_dlr", "apgd_t", "square"])
def test_another_seed_gives_another_search(name: str) -> None:
    model = small_net()
    x, y = own_images(model)
    one, other = (call(name, model, x, y, "linf", 0.02, seed=seed) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_eot_pgd_of_a_model_without_chance_is_pgd() -> None:
    model = small_net()
    x, y = own_images(model)
    results = []
    for name in ("pgd", "eot_pgd"):
        torch.manual_seed(SEED)
        results.append(call(name, model, x, y, "linf", 0.02))
    assert torch.equal(*results)


def test_eot_pgd_averages_over_a_models_chance() -> None:
    class Noisy(nn.Module):
        """The gradient of a pass is a fixed direction, drowned in noise of ten times its size."""

        def forward(self, x: Tensor) -> Tensor:
            noise = 10 * torch.randn(x.shape[1:])
            score = ((1 + noise) * (x - 0.5)).flatten(1).mean(1)
            return torch.stack([torch.zeros_like(score), score], dim=1)

    x = torch.full((8, 1, 8, 8), 0.5)
    y = torch.ones(8, dtype=torch.int64)
    share = {}
    for eot in (1, 400):
        torch.manual_seed(SEED)
        params = {"alpha": 0.1, "steps": 1, "random_start": False, "eot": eot}
        attacked = adapters.eot_pgd(Noisy(), x, y, norm="linf", eps=0.1, **params)
        share[eot] = float((attacked < x).float().mean())
    assert share[1] < 0.75
    assert share[400] > 0.9


@pytest.mark.parametrize("norm", BALLS)
def test_pgd_t_ends_in_its_target(norm: str) -> None:
    model, x, y, _ = blocks_problem(4, 16)
    for step in (1, 2, 3):
        target = (y + step) % 4
        attacked = call("pgd_t", model, x, y, norm, 0.4 if norm == "linf" else 2.0, target=target)
        assert torch.equal(model(attacked).argmax(1), target)


@pytest.mark.parametrize(("name", "norm"), [*CALLS, ("autoattack", "linf"), ("autoattack", "l2")])
def test_ends_of_the_box_huge_radii_and_batches_of_one(name: str, norm: str) -> None:
    model = small_net()
    x, y = own_images(model)
    eps = 1.0 if norm == "linf" else 3.0
    for at in (slice(0, 12), slice(0, 1)):
        given = x[at].clone()
        attacked = call(name, model, given, y[at], norm, eps)
        assert torch.equal(given, x[at])
        check_in_ball(given, attacked, norm, eps)
        assert bool(broken(model, attacked, y[at]).all())


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 12])
def test_few_classes_are_refused_or_attacked(classes: int) -> None:
    model = small_net(classes)
    x, y = own_images(model)
    needed = {"apgd_dlr": 3, "apgd_t": 4, "autoattack": 4}
    for name in (*SEEDED, "fab_t"):
        if classes < needed.get(name, 2):
            with pytest.raises(
                CellError,
                match=f"^{name} needs at least .* classes and the model has {classes}; use .*apgd_ce",
            ):
                call(name, model, x, y, "linf", 0.5)
        else:
            assert bool(broken(model, call(name, model, x, y, "linf", 0.5), y).all())


@pytest.mark.parametrize(
    ("name", "attack"), [("apgd_t", "APGDT"), ("fab_t", "FAB"), ("autoattack", "AutoAttack")]
)
def test_the_width_of_the_logits_sets_the_targets(
    name: str, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    made = getattr(torchattacks, attack)

    def watched(*args: Any, n_classes: int, **params: Any) -> Any:
        told.append(n_classes)
        return made(*args, n_classes=n_classes, **params)

    monkeypatch.setattr(torchattacks, attack, watched)
    for classes in (4, 10, 12):
        model = small_net(classes)
        x, y = own_images(model, 2)
        call(name, model, x, y, "linf", 0.5)
    assert told == [4, 10, 10]
