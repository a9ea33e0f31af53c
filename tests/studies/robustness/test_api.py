"""One's own model from Python, measured as the command line measures it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import bench
import zoo
from bench.inputs.sources import DataSource
from bench.studies.robustness.evaluation import make_setting
from bench.studies.shared.ask import Ask
from tests.toys import linear_problem
from zoo import data


def test_a_linear_model_gets_its_closed_form() -> None:
    model, x, y, radius = linear_problem(120)
    results = bench.evaluate(model, x, y, attacks=["fgsm", "foolbox:pgd"], eps=[0.002, 0.01], steps=5)
    worst = results.models[0].worst()
    for row, eps in zip(worst, (0.002, 0.01), strict=True):
        assert torch.equal(torch.from_numpy(row), radius > eps)
    rows = bench.leaderboard_rows(results)
    assert [(row["attack"], row["eps"]) for row in rows] == [
        ("fgsm", 0.002),
        ("fgsm", 0.01),
        ("pgd", 0.002),
        ("pgd", 0.01),
        ("worst(fgsm,foolbox:pgd)", 0.002),
        ("worst(fgsm,foolbox:pgd)", 0.01),
    ]
    assert rows[0]["robust_acc"] == int((radius > 0.002).sum()) / 120


def test_the_zoo_from_python_gives_the_numbers_of_the_store() -> None:
    digits = data.load("digits", "test")
    model = zoo.load("baseline_cnn_4")
    one = bench.evaluate(model, digits.images(0, 50), digits.targets(0, 50), eps=0.1, steps=3)
    other = bench.evaluate(zoo.deploy(model), digits.images(0, 50), digits.targets(0, 50), eps=0.1, steps=3)
    assert [c.digest for c in one.models[0].curves] == [c.digest for c in other.models[0].curves]


def test_the_model_and_the_callers_threads_stay_as_they_are() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2)).train()
    state, threads = copy.deepcopy(net.state_dict()), torch.get_num_threads()
    _, x, y, _ = linear_problem()
    bench.evaluate(net, x, y, eps=0.01, steps=2)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in state.items())
    assert torch.get_num_threads() == threads


def test_a_kept_store_saves_the_second_measurement() -> None:
    class Counted(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            Counted.calls += 1
            return model(x)

    model, x, y, _ = linear_problem()
    store = bench.MemoryStore()
    first = bench.evaluate(Counted(), x, y, eps=0.01, store=store)
    calls, Counted.calls = Counted.calls, 0
    again = bench.evaluate(Counted(), x, y, eps=0.01, store=store)
    assert calls > Counted.calls == 3  # the first look, its gradient, and the memory of a step
    assert [c.digest for c in again.models[0].curves] == [c.digest for c in first.models[0].curves]


MODEL, X, Y, _ = linear_problem(8)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X * 255, Y, {}, r"x spans .* not \[0, 1\]"),
        (X - 1, Y, {}, r"x spans .* not \[0, 1\]"),
        (X[0], Y, {}, "must be float images"),
        ((X * 255).to(torch.uint8), Y, {}, "must be float images"),
        (X, Y[:3], {}, "8 images were given with labels of shape"),
        (X, Y.float(), {}, "class numbers"),
        (X, Y + 5, {}, "y holds the label 6, but model 'model' gives 2 logits, for the labels 0 to 1"),
        (X, Y, {"attacks": ["pdg"]}, "unknown attack 'pdg'"),
        (X, Y, {"eps": -1}, "--eps has -1"),
        (X, Y, {"eps": 8}, r"--eps has 8, .* did you mean 8/255\?"),
        (X, Y, {"attacks": ["fgsm"], "steps": 3}, "--steps was given"),
        (X, Y, {"step": 3}, "unknown attack parameter 'step'"),
    ],
)
def test_bad_arguments(x: Tensor, y: Tensor, options: dict, message: str) -> None:
    with pytest.raises(bench.UsageError, match=message):
        bench.evaluate(MODEL, x, y, **options)


def test_an_attack_that_fails_is_an_error_with_its_name() -> None:
    class Faulty(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.max() > 0.8:
                raise RuntimeError("too bright")
            return MODEL(x)

    with pytest.raises(bench.CellError, match=r"pgd .*raised RuntimeError"):
        bench.evaluate(Faulty(), X, Y, attacks="pgd", eps=0.4)


def test_weights_of_other_images_under_the_same_name_are_shown() -> None:
    from bench.inputs.sources import find_model

    digits = data.load("digits", "test").sha256
    shown = {
        given: find_model("baseline_cnn", dataset="digits", weights=None, weights_from=None, data=given)[
            1
        ].trained_on
        for given in (None, digits, "0" * 64)
    }
    assert shown == {None: "digits", digits: "digits", "0" * 64: "digits (other images)"}
    other = find_model("baseline_cnn", dataset="mnist", weights=None, weights_from="digits", data="0" * 64)
    assert other[1].trained_on == "digits"


def test_only_the_sound_ball_of_pixels_has_a_largest_radius() -> None:
    digits = data.load("digits", "test")

    def grid(eps: float, norm: str = "linf", protocol: str = "sound") -> tuple[float, ...]:
        source = DataSource(spec="digits")
        ask = Ask(models=(), requests=(), data=source, eps=(eps,), norm=norm, protocol=protocol)
        return make_setting(ask, digits).eps

    assert grid(1) == (1,)
    assert grid(8, norm="l2") == (8,)
    assert grid(8, protocol="released:baseline_cnn") == (0, 8)
    with pytest.raises(
        bench.UsageError, match=r"--eps has 1.5, .* range of a pixel, 1; did you mean 1.5/255\?"
    ):
        grid(1.5)
    with pytest.raises(bench.UsageError, match=r"range of a pixel, 1$"):
        grid(1000)  # of 255 neither
