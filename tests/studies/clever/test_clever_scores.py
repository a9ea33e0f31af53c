"""CLEVER scores: closed forms first, then what must not change them, then errors."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.errors import CellError, UsageError
from bench.studies.clever import ENGINES, NORMS, CleverOptions, clever, flags, raised
from bench.studies.clever.gradients import DUALS

SHAPE = (3, 8, 8)


def asked(**changes: Any) -> CleverOptions:
    fields: dict[str, Any] = {
        "engine": "batched",
        "norm": "l2",
        "radius": 5.0,
        "batches": 10,
        "samples": 20,
        "pool_factor": 5,
        "targets": None,
        "seed": 0,
    }
    return CleverOptions(**{**fields, **changes})


def linear(classes: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPE), classes)).requires_grad_(False).eval()


def curved(scale: float = 1.0) -> nn.Module:
    """A small smooth network; ``scale`` multiplies its input after the images are centred."""

    class Curved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(216, 16), nn.Tanh(), nn.Linear(16, 5)
            )

        def forward(self, x: Tensor) -> Tensor:
            return scale * self.layers(x - 0.5)

    return Curved().requires_grad_(False).eval()


def problem(model: nn.Module, n: int = 4) -> tuple[Tensor, Tensor]:
    """Images, and the labels the model gives them."""
    x = 0.2 + 0.6 * torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1))
    return x, model(x).argmax(dim=1)


@pytest.fixture
def _arts_warnings() -> Any:
    """SciPy and numpy warn in ART's fit of equal maxima, which is degenerate; ART is run as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.usefixtures("_arts_warnings")
@pytest.mark.parametrize("norm", NORMS)
def test_arts_engine_is_exact_on_linear_models(norm: str) -> None:
    check_closed_form("art", norm)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("engine", ["batched", "evt"])
def test_linear_models_in_closed_form_without_a_warning(engine: str, norm: str) -> None:
    check_closed_form(engine, norm)


def check_closed_form(engine: str, norm: str) -> None:
    """The distance to class j is margin / ‖w_c − w_j‖ in the dual norm."""
    model = linear()
    x, y = problem(model)
    found = clever(model, x, y, asked(engine=engine, norm=norm, radius=20.0), first=0)
    weight, logits = model[1].weight.double(), model(x).double()  # type: ignore[index]
    for i in range(len(x)):
        for slot, j in enumerate(found["target"][i]):
            lipschitz = torch.linalg.vector_norm(weight[y[i]] - weight[j], ord=DUALS[norm])
            expected = float((logits[i, y[i]] - logits[i, j]) / lipschitz)
            assert found["lipschitz"][i, slot] == pytest.approx(float(lipschitz), rel=1e-5)
            assert found["target_score"][i, slot] == pytest.approx(expected, rel=1e-4)
    np.testing.assert_array_equal(found["score"], found["target_score"].min(axis=1))
    assert not found["censored"].any()


@pytest.mark.parametrize("engine", ["batched", "evt"])
def test_a_score_beyond_the_radius_is_the_radius(engine: str) -> None:
    model = linear()
    x, y = problem(model)
    free = clever(model, x, y, asked(engine=engine), first=0)
    radius = float(np.sort(free["score"])[1:3].mean())
    found = clever(model, x, y, asked(engine=engine, radius=radius), first=0)
    np.testing.assert_array_equal(found["censored"], free["score"] > radius)
    np.testing.assert_allclose(found["score"], np.minimum(free["score"], radius), rtol=1e-5)


def test_wrong_images_score_nothing_and_cost_nothing() -> None:
    model = linear()
    x, y = problem(model)
    wrong = y.clone()
    wrong[1] = (y[1] + 1) % 5
    found = clever(model, x, wrong, asked(), first=0)
    assert found["standing"].tolist() == [True, False, True, True]
    assert found["score"][1] == 0
    assert (found["target"][1] == -1).all()
    assert np.isnan(found["lipschitz"][1]).all()
    assert (found["score"][[0, 2, 3]] > 0).all()
    seen: list[int] = []
    model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    clever(model, x[1:2], wrong[1:2], asked(), first=1)
    assert seen == [1]


def test_targets_are_the_runner_up_classes() -> None:
    model = linear()
    x, y = problem(model)
    found = clever(model, x, y, asked(targets=2), first=0)
    for row, logits, label in zip(found["target"], model(x), y, strict=True):
        others = [int(j) for j in logits.argsort(descending=True) if j != label][:2]
        assert row.tolist() == sorted(others)
    whole = clever(model, x, y, asked(), first=0)
    for i in range(len(x)):
        kept = np.isin(whole["target"][i], found["target"][i])
        np.testing.assert_allclose(found["lipschitz"][i], whole["lipschitz"][i, kept], rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_score_depends_on_its_image_alone(engine: str) -> None:
    """Alone, in a batch, or in another order: the same bits; and the caller's random states are as before."""
    model = curved()
    x, y = problem(model)
    options = asked(engine=engine)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    whole = clever(model, x, y, options, first=7)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # type: ignore[index]
    for i in reversed(range(len(x))):
        alone = clever(model, x[i : i + 1], y[i : i + 1], options, first=7 + i)
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], whole[name][i], err_msg=name)
    other = clever(model, x, y, dataclasses.replace(options, seed=1), first=7)
    assert (other["largest_sample"] != whole["largest_sample"]).any()


@pytest.mark.parametrize("engine", ["batched", "evt"])
@pytest.mark.parametrize("norm", NORMS)
def test_scaling_the_logits_changes_no_score(engine: str, norm: str) -> None:
    """Margins and gradients scale alike, exactly so by a power of two."""
    x, y = problem(curved())
    options = asked(engine=engine, norm=norm)
    plain, scaled = (clever(curved(scale), x, y, options, first=0) for scale in (1.0, 64.0))
    np.testing.assert_allclose(scaled["score"], plain["score"], rtol=1e-6)
    np.testing.assert_allclose(scaled["lipschitz"], 64 * plain["lipschitz"], rtol=1e-6)


@pytest.mark.parametrize("engine", ["batched", "evt"])
def test_a_steeper_linear_model_scores_inversely(engine: str) -> None:
    """f(s·(x − ½) + b) reaches its boundary s times as near where b stays the same margin."""
    model, x = linear(), torch.full((1, *SHAPE), 0.5)
    y = model(x - 0.5).argmax(dim=1)

    class Steep(nn.Module):
        def __init__(self, slope: float) -> None:
            super().__init__()
            self.slope, self.body = slope, model

        def forward(self, x: Tensor) -> Tensor:
            return self.body(self.slope * (x - 0.5))

    scores = [clever(Steep(slope), x, y, asked(engine=engine), first=0)["score"][0] for slope in (1.0, 4.0)]
    assert scores[0] == pytest.approx(4 * scores[1], rel=1e-4)


class Constant(nn.Module):
    """Logits that do not depend on the image, yet have a gradient: zero."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([0.0, 1.0, 0.5]) + 0 * x.flatten(1).sum(dim=1, keepdim=True)


@pytest.mark.parametrize("engine", ["batched", "evt"])
def test_zero_gradients_are_flagged(engine: str) -> None:
    x = torch.rand(3, *SHAPE)
    found = clever(Constant(), x, torch.tensor([1, 1, 0]), asked(engine=engine), first=0)
    assert found["zero_gradient"].tolist() == [True, True, False]
    assert found["score"].tolist() == [5.0, 5.0, 0.0]
    shares = flags({**found, "distance": np.array([np.nan, 4.0, 0.0])})
    assert shares == {"zero_gradient": 1.0, "censored": 1.0, "fallback": 1.0, "above_attack": 0.5}
    assert raised(shares) == ("zero_gradient", "censored", "fallback", "above_attack")


def test_nothing_right_raises_no_flag() -> None:
    model = linear()
    x, y = problem(model)
    shares = flags(clever(model, x, (y + 1) % 5, asked(), first=0))
    assert shares == {"zero_gradient": 0.0, "censored": 0.0, "fallback": 0.0}
    assert raised(shares) == ()


class Broken(nn.Module):
    """A linear model spoiled by a function of its logits and images."""

    def __init__(self, spoil: Any, classes: int = 5) -> None:
        super().__init__()
        self.body, self.spoil = linear(classes), spoil

    def forward(self, x: Tensor) -> Tensor:
        return self.spoil(self.body(x), x)


def root(logits: Tensor, x: Tensor) -> Tensor:
    """Finite values with infinite gradients: √|x| at pixels clipped to 0."""
    return logits + x.abs().sqrt().flatten(1).sum(dim=1, keepdim=True) * torch.arange(logits.shape[1])


FAULTS = [
    (lambda z, x: z * torch.nan, CellError, "not finite on a clean image"),
    (
        lambda z, x: torch.where((x.flatten(1).amax(1) > 0.99)[:, None], torch.inf, z),
        CellError,
        "not finite near",
    ),
    (root, CellError, "gradients are not finite"),
    (lambda z, x: z.detach(), CellError, "no gradient"),
    (lambda z, x: z.softmax(dim=1), UsageError, "needs logits"),
    (lambda z, x: z[:, :1], UsageError, "at least 2 classes"),
    (lambda z, x: z[:, 0], UsageError, "instead of"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("spoil", "kind", "words"), FAULTS, ids=[words for _, _, words in FAULTS])
def test_errors_say_what_is_wrong(engine: str, spoil: Any, kind: type[Exception], words: str) -> None:
    model = Broken(spoil)
    x = 0.2 + 0.6 * torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    logits = model(x)
    y = logits.argmax(dim=1) if logits.ndim == 2 else torch.zeros(2, dtype=torch.int64)
    with pytest.raises(kind, match=words) as error:
        clever(model, x, y, asked(engine=engine, radius=20.0), first=0)
    assert "\n" not in str(error.value)


def test_more_targets_than_classes() -> None:
    model = linear()
    x, y = problem(model)
    with pytest.raises(UsageError, match="4 others"):
        clever(model, x, y, asked(targets=5), first=0)
    with pytest.raises(UsageError, match="no images"):
        clever(model, x[:0], y[:0], asked(), first=0)
