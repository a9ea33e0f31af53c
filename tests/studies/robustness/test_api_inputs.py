"""What ``bench.evaluate`` takes, what it refuses in one sentence, and what it leaves as it was."""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bench
from bench.inputs.array_data import array_data
from bench.inputs.own_models import state_digest
from bench.studies.robustness.results import Results
from tests import own_faulty
from tests.toys import Linear, linear_problem

MODEL, X, Y, RADIUS = linear_problem(24)
EPS = (0.002, 0.01)


def outcome(results: Results) -> list[tuple[str, ...]]:
    """Digests of all that was measured."""
    (model,) = results.models
    return [model.clean.digest, *(curve.digest for curve in model.curves)]


def measured(
    model: nn.Module = MODEL, x: Any = X, y: Any = Y, attacks: Any = "pgd", eps: Any = EPS, **options: Any
) -> list[tuple[str, ...]]:
    return outcome(bench.evaluate(model, x, y, attacks=attacks, eps=eps, **({"steps": 2} | options)))


REFERENCE = measured(attacks=["pgd"])
ALIKE: dict[str, dict[str, Any]] = {
    "labels in NumPy": {"y": Y.numpy()},
    "a list of labels": {"y": Y.tolist()},
    "labels in int32": {"y": Y.int()},
    "labels in uint8": {"y": Y.to(torch.uint8)},
    "labels in NumPy's int32": {"y": Y.numpy().astype(np.int32)},
    "labels in NumPy's uint8": {"y": Y.numpy().astype(np.uint8)},
    "images in NumPy": {"x": X.numpy()},
    "images in NumPy's float64": {"x": X.numpy().astype(np.float64)},
    "images in float64": {"x": X.double()},
    "images that are not contiguous": {"x": X.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)},
    "images read backwards": {"x": X.numpy()[::-1].copy()[::-1]},
    "images that want a gradient": {"x": X.clone().requires_grad_()},
    "one ε after another in a text": {"eps": "0.002, 0.01"},
    "ε in NumPy": {"eps": np.array(EPS)},
    "steps in NumPy": {"steps": np.int64(2)},
}


@pytest.mark.parametrize("case", ALIKE)
def test_arrays_and_texts_of_any_kind_give_the_same_numbers(case: str) -> None:
    assert measured(**ALIKE[case]) == REFERENCE


def test_a_text_names_attacks_as_on_the_command_line() -> None:
    assert measured(attacks="fgsm, pgd") == measured(attacks=("fgsm", "pgd"))


def test_images_that_cannot_be_written_to_are_read() -> None:
    images = X.numpy().copy()
    images.flags.writeable = False
    assert measured(x=images) == REFERENCE


def spoilt(image: int, value: float) -> Tensor:
    images = X.clone()
    images[image, 0, 1, 2] = value
    return images


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nan": (
        {"x": spoilt(3, torch.nan)},
        r"image 3 of x holds a pixel that is not finite \(nan\), as do 1 of 24",
    ),
    "inf": ({"x": spoilt(5, torch.inf)}, r"image 5 of x holds a pixel that is not finite \(inf\)"),
    "normalised": ({"x": X * 4 - 2}, r"x spans .* not \[0, 1\]; put the normalisation inside the model"),
    "range": ({"x": X.numpy() * 255}, r"x spans .* not \[0, 1\]; divide by 255$"),
    "integers": ({"x": (X * 255).byte().numpy()}, r"it must be float images \(n, c, h, w\); divide by 255$"),
    "colours last": (
        {"x": X.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)},
        r"looks like \(n, h, w, c\); use x\.permute\(0, 3, 1, 2\)",
    ),
    "grey last": ({"x": X.permute(0, 2, 3, 1)}, r"looks like \(n, h, w, c\)"),
    "an audit": ({"audit": "quick"}, r"makes no audit; .*: bench audit --model FILE\.py:FUNCTION"),
    "one image": ({"x": X[0].numpy()}, "it must be float images"),
    "label": ({"y": Y + 17}, "y holds the label 18, but model 'model' gives 2 logits, for the labels 0 to 1"),
    "negative": ({"y": Y - 2}, "y holds the label -2; y must hold class numbers from 0"),
    "floats": ({"y": Y.float()}, "y must hold class numbers from 0, as integers"),
    "floats in NumPy": ({"y": Y.numpy().astype(float)}, "y must hold class numbers from 0, as integers"),
    "too few": ({"y": [0, 1]}, r"labels of shape \(2,\); one whole number for each image is needed"),
    "texts": ({"y": np.array(["cat"] * 24)}, "y must hold class numbers from 0, as integers"),
    "attack": ({"attacks": "pdg"}, "unknown attack 'pdg'; nearest: pgd"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_measured_is_refused_in_one_sentence(case: str) -> None:
    options, message = REFUSED[case]
    with pytest.raises(bench.UsageError, match=message):
        measured(**options)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda x: x.flatten(1),
            "a function, not a torch.nn.Module; put it into the forward of one that holds its",
        ),
        (nn.Flatten, "the class Flatten, not a model; call it"),
        ("net", "a str, not a torch.nn.Module$"),
        ([MODEL], "a list, not a torch.nn.Module; call evaluate once for each"),
        ({"a": MODEL}, "a dict, not a torch.nn.Module; call evaluate once for each"),
        (MODEL.state_dict(), "a state_dict, not a torch.nn.Module; load it into the network first"),
    ],
)
def test_what_is_no_module_is_refused(model: Any, message: str) -> None:
    evaluate = inspect.unwrap(bench.evaluate)  # without the checks of types that tests run with
    with pytest.raises(bench.UsageError, match=f"^model is {message}"):
        evaluate(model, X, Y)


def test_labels_that_make_no_array_are_refused() -> None:
    with pytest.raises(bench.UsageError, match="y is a list that makes no array"):
        array_data("data", X, [[0], [0, 1]])


SIXTEEN = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "factory",
    ["detached", "rounds", "through_numpy", "one_hot", "no_grad", "inference", "refuses", "quantised"],
)
def test_models_without_gradients_are_named_before_anything_runs(factory: str) -> None:
    model: nn.Module = getattr(own_faulty, factory)()
    store = bench.MemoryStore()
    with pytest.raises(
        bench.UsageError, match=r"'model' gives no gradients .* so pgd cannot attack it; use square"
    ):
        bench.evaluate(model, SIXTEEN, [0] * 6, attacks="pgd", store=store)
    assert not list(store.runs())
    (found,) = bench.evaluate(model, SIXTEEN, [0] * 6, attacks="square", queries=3).models
    assert len(found.worst()) == 1


def test_a_zero_gradient_at_some_images_only_is_left_to_the_audit() -> None:
    class Partly(Linear):
        def forward(self, x: Tensor) -> Tensor:
            sure = torch.arange(len(x)) % 8 != 0  # one of the images looked at keeps its gradient
            return torch.where(sure[:, None], super().forward(x.detach()), super().forward(x))

    (found,) = bench.evaluate(Partly(MODEL.weight), X, Y, attacks="pgd", steps=2).models
    assert int((found.clean.grad_norm == 0).sum()) == 21


def test_images_are_copied_for_a_model_that_changes_them() -> None:
    class Changes(Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.sub_(0.1).add_(0.1 - 0.0))

    before = X.clone()
    results = bench.evaluate(Changes(MODEL.weight), X, Y, attacks=["fgsm", "foolbox:pgd"], eps=EPS, steps=2)
    assert torch.equal(X, before)
    assert torch.equal(
        torch.from_numpy(results.models[0].worst()), torch.stack([eps < RADIUS for eps in EPS])
    )


def test_inside_inference_mode_the_numbers_are_the_same() -> None:
    with torch.inference_mode():
        model, x, y, _ = linear_problem(24)
        assert x.is_inference()
        assert measured(model, x, y) == REFERENCE
        assert torch.is_inference_mode_enabled()
    with torch.no_grad():
        assert measured() == REFERENCE
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("attacks", ["fgsm", "pgd", "foolbox:pgd", "apgd_ce", "fmn", "square", "noise"])
def test_a_float64_model_gets_its_closed_form(attacks: str) -> None:
    double = Linear(MODEL.weight.double()).double()
    params = {"queries": 20} if attacks in ("square", "noise") else {} if attacks == "fgsm" else {"steps": 5}
    results = bench.evaluate(double, X, Y, attacks=attacks, eps=EPS, **params)
    worst = torch.from_numpy(results.models[0].worst())
    reached = torch.stack([eps < RADIUS for eps in EPS])
    assert bool((worst >= reached).all())  # no attack goes farther than ε
    if attacks in ("fgsm", "pgd", "foolbox:pgd"):
        assert torch.equal(worst, reached)
    assert all("precision=float64" in row["versions"] for row in bench.leaderboard_rows(results))


def test_half_precision_inside_the_forward_is_measured_and_outside_it_refused() -> None:
    class Casts(nn.Module):
        def __init__(self, cast: bool) -> None:
            super().__init__()
            self.layer, self.cast = nn.Linear(64, 2).bfloat16(), cast

        def forward(self, x: Tensor) -> Tensor:
            return self.layer((x.bfloat16() if self.cast else x).flatten(1))

    results = bench.evaluate(Casts(True), X, Y, attacks="fgsm")
    assert all("precision" not in row["versions"] for row in bench.leaderboard_rows(results))
    with pytest.raises(bench.UsageError, match=r"it computes in bfloat16, .* \(x\.to\(torch\.bfloat16\)\)"):
        bench.evaluate(Casts(False), X, Y, attacks="fgsm")


class Scaled(nn.Module):
    """A script whose answer depends on an attribute, a constant tensor and a parameter."""

    def __init__(self, scale: float = 1.0, weight: float = 1.0) -> None:
        super().__init__()
        self.scale, self.weight = scale, nn.Parameter(weight * MODEL.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        score = self.scale * ((x - 0.5).flatten(1) @ self.weight.flatten())
        return torch.stack([torch.zeros_like(score), score], dim=1)


class Negated(Scaled):
    def forward(self, x: Tensor) -> Tensor:
        score = -self.scale * ((x - 0.5).flatten(1) @ self.weight.flatten())
        return torch.stack([torch.zeros_like(score), score], dim=1)


def scripted(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(model)


def traced(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(model, X[:2])


def frozen(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.freeze(torch.jit.script(model.eval()))


WAYS: dict[str, Callable[[nn.Module], nn.Module]] = {"script": scripted, "trace": traced, "freeze": frozen}


@pytest.mark.parametrize("way", WAYS)
def test_torchscript_gets_its_closed_form_and_stays_as_it_is(way: str) -> None:
    model = WAYS[way](Scaled())
    wants = [parameter.requires_grad for parameter in model.parameters()]
    results = bench.evaluate(model, X, Y, attacks=["fgsm", "foolbox:pgd"], eps=EPS, steps=3)
    assert torch.equal(
        torch.from_numpy(results.models[0].worst()), torch.stack([eps < RADIUS for eps in EPS])
    )
    assert [parameter.requires_grad for parameter in model.parameters()] == wants


@pytest.mark.parametrize("way", WAYS)
def test_torchscript_is_told_apart_by_all_that_it_computes_with(way: str) -> None:
    make = WAYS[way]
    models = (Scaled(), Scaled(scale=2.0), Scaled(weight=2.0), Negated())
    digests = [state_digest(make(model)) for model in models]
    assert len(set(digests)) == 4
    # compiled once more, torch numbers the classes on
    assert [state_digest(make(model)) for model in models] == digests
    # inside another module too
    assert state_digest(nn.Sequential(make(models[0]))) != state_digest(nn.Sequential(make(models[3])))


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_torchscripts_layers_counts(way: str) -> None:
    def net(*strides: int) -> nn.Module:
        first, second = (nn.Conv2d(1, 1, 1, stride=stride) for stride in strides)
        for layer in (first, second):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return nn.Sequential(first, nn.ReLU(), second)

    one, other = WAYS[way](net(1, 2)), WAYS[way](net(2, 1))
    assert state_digest(one) == state_digest(WAYS[way](net(1, 2))) != state_digest(other)


def test_the_callers_random_states_images_and_model_stay_as_they_are() -> None:
    class Noisy(Linear):
        def forward(self, x: Tensor) -> Tensor:
            noise = torch.rand(1) + random.random() + np.random.random()
            return super().forward(x) + 0 * noise.item()

    model = Noisy(MODEL.weight.clone()).train()
    x, y = X.clone().requires_grad_(), Y.clone()
    x.grad, model.weight.grad = torch.ones_like(x), torch.ones_like(model.weight)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    bench.evaluate(model, x, y, attacks="pgd", steps=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[arg-type]
    assert model.training
    assert model.weight.requires_grad
    assert torch.equal(model.weight.grad, torch.ones_like(model.weight))  # type: ignore[arg-type]
    assert torch.equal(x.grad, torch.ones_like(x))
    assert torch.equal(x, X)
    assert torch.equal(y, Y)


class Shared(nn.Module):
    """One layer used twice, with a hook, on images that are not square."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(54, 54)
        self.second = self.first
        self.last = nn.Linear(54, 3)
        self.calls = 0
        self.first.register_forward_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.calls += 1

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x.flatten(1)).relu()).relu())


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("deterministic", [False, True])
def test_hooks_shared_layers_one_image_and_deterministic_algorithms(n: int, deterministic: bool) -> None:
    torch.manual_seed(0)
    model = Shared().requires_grad_(False)
    x = torch.rand(n, 1, 6, 9)
    y = model(x).argmax(1)
    calls = model.calls
    torch.use_deterministic_algorithms(deterministic)
    try:
        results = bench.evaluate(model, x, y, attacks=["pgd", "fgsm"], eps=[0.01, 0.5], steps=2)
        assert torch.are_deterministic_algorithms_enabled() == deterministic
    finally:
        torch.use_deterministic_algorithms(False)
    assert results.models[0].clean.correct.all()
    assert model.calls == calls
