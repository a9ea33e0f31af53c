"""No attack of the table changes the model, the images or random states."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.attacks import ATTACKS, library_version
from bench.attacks.measure import measure
from bench.engine.cell import Cell, sorted_params
from tests.toys import attack_cell, marks_of
from zoo import data

N = 3
SHORT = {
    "steps": 3, "alpha": 0.1, "eot": 2, "restarts": 2, "targets": 2, "queries": 5,
    "rotations": 3, "translations": 3, "draws": 3,
}  # fmt: skip
ROWS = [
    pytest.param(name, library, norm, marks=marks_of(spec))
    for (name, library), spec in ATTACKS.items()
    for norm in (spec.norms or (None,))
]


@functools.cache
def deployed(name: str, dataset: str = "digits") -> nn.Module:
    return zoo.deploy(zoo.load(name, dataset))


def asked(model_name: str, attack: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A model with images: digits, or coloured noise for the attack that takes three channels only."""
    if attack == "ti_fgsm":
        x = torch.rand(N, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        model = deployed(model_name, "cifar10")
        return model, x, model(x).argmax(1)
    digits = data.load("digits", "test")
    return deployed(model_name), digits.images(0, N), digits.targets(0, N)


def short_cell(name: str, library: str, norm: str | None) -> Cell:
    """A cell of few steps, at an ε that leaves AutoAttack's 5,000 squares nothing to do."""
    spec = ATTACKS[name, library]
    params = {key: SHORT.get(key, value) for key, value in spec.params.items()}
    eps = {"linf": 0.5, "l2": 5.0, "l1": 100.0, "l0": 64.0}.get(str(norm)) if spec.threat == "ball" else None
    cell = attack_cell(attack=name, library=library_version(library, name), norm=norm, eps=eps, count=N)
    return cell.derive(params=sorted_params(params))


def attributes(model: nn.Module) -> dict[tuple[str, ...], Any]:
    """Everything that hangs on each module (parameters, buffers, hooks, mode, plain attributes), by its name."""
    found: dict[tuple[str, ...], Any] = {}
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            found[name, attribute] = value
            if isinstance(value, dict):
                found |= {(name, attribute, str(key)): item for key, item in value.items()}
    return found


def random_states() -> tuple[bytes, bytes, int]:
    """Of torch and numpy. Python's own is moved by the type checks that run in tests."""
    _, keys, position, *_ = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), np.asarray(keys).tobytes(), int(position)


@pytest.mark.parametrize("model_name", ["baseline_cnn_4", "equivariant_gcnn_4"])
@pytest.mark.parametrize(("name", "library", "norm"), ROWS)
def test_an_attack_leaves_no_trace(name: str, library: str, norm: str | None, model_name: str) -> None:
    model, x, y = asked(model_name, name)
    images, labels, values = x.clone(), y.clone(), copy.deepcopy(model.state_dict())
    hanging, states = attributes(model), random_states()

    result = measure(short_cell(name, library, norm), model, x, y, np.ones(N, dtype=bool))

    assert result.arrays["attacked"].all()
    assert random_states() == states
    assert torch.equal(x, images)
    assert torch.equal(y, labels)
    after = attributes(model)
    assert after.keys() == hanging.keys()
    assert [key for key, value in after.items() if value is not hanging[key]] == []
    assert all(torch.equal(value, values[key]) for key, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
